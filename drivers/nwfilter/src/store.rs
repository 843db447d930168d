//! Filters and bindings on disk, where libvirt keeps them: `NAME.xml` below its configuration, `PORT.xml` below `/run`; and learned addresses
//! of guests below `/run`, in a file for each card, named by its guest's UUID and its address.
//!
//! Everything here blocks on the disk; callers run it where that harms nobody.

use crate::failure::refused;
use crate::learning::Leases;
use daemon::documents::{About, Banner, Documents};
use daemon::{Layout, durable};
use error::{Code, Domain, Error, Result};
use model::nwfilter::{Binding, Filter};
use std::fs;
use std::io;
use std::path::PathBuf;
use std::time::SystemTime;

/// The permission bits of folders that nobody but the daemon looks into.
const MODE: u32 = 0o700;

/// The folders of a driver.
#[derive(Debug)]
pub(crate) struct Store {
    filters: Documents,
    bindings: Documents,
    leases: PathBuf,
}

fn failed(err: io::Error) -> Error {
    refused(Code::OperationFailed, err.to_string()).caused_by(err)
}

impl Store {
    /// The store of an instance; its folders are made where they are missing.
    ///
    /// # Errors
    /// They cannot be made.
    pub(crate) fn open(layout: &Layout, driver: &str) -> Result<Self> {
        let leases = layout.driver_run_dir("nwfilter-leases");
        durable::create_folder(&leases, MODE).map_err(failed)?;
        let about = |what, banner| About {
            what,
            domain: Domain::Nwfilter,
            banner,
        };
        let banner = Banner {
            daemon: "network filter",
            editor: "nwfilter-edit",
        };
        let (filters, bindings) = (
            layout.driver_config_dir(driver),
            layout.driver_run_dir("nwfilter-binding"),
        );
        Ok(Self {
            filters: Documents::open(filters, MODE, about("network filter", Some(banner)))?,
            bindings: Documents::open(bindings, MODE, about("filter binding", None))?,
            leases,
        })
    }

    /// Puts a filter on disk for good.
    ///
    /// # Errors
    /// The disk refuses; the former one is then still whole.
    pub(crate) fn save_filter(&self, filter: &Filter) -> Result<()> {
        self.filters.save(&filter.name, &filter.to_xml())
    }

    /// Removes a filter for good.
    ///
    /// # Errors
    /// The disk refuses.
    pub(crate) fn remove_filter(&self, name: &str) -> Result<()> {
        self.filters.remove(name)
    }

    /// Puts a binding on disk.
    ///
    /// # Errors
    /// The disk refuses.
    pub(crate) fn save_binding(&self, binding: &Binding) -> Result<()> {
        self.bindings.save(&binding.port_device, &binding.to_xml())
    }

    /// Removes a binding.
    ///
    /// # Errors
    /// The disk refuses.
    pub(crate) fn remove_binding(&self, port: &str) -> Result<()> {
        self.bindings.remove(port)
    }

    fn lease_file(&self, binding: &Binding) -> PathBuf {
        let mac = binding.mac.to_string().replace(':', "-");
        self.leases.join(format!("{}-{mac}", binding.owner_uuid))
    }

    /// Puts the learned addresses of a binding's guest on disk.
    ///
    /// # Errors
    /// The disk refuses.
    pub(crate) fn save_leases(&self, binding: &Binding, leases: &Leases) -> Result<()> {
        let file = self.lease_file(binding);
        if leases.is_empty() {
            return durable::remove(&file).map_err(failed);
        }
        durable::replace(&file, leases.to_text().as_bytes()).map_err(failed)
    }

    /// The learned addresses of a binding's guest that hold still.
    ///
    /// # Errors
    /// The disk refuses.
    pub(crate) fn load_leases(&self, binding: &Binding) -> Result<Leases> {
        let text = match fs::read_to_string(self.lease_file(binding)) {
            Ok(text) => text,
            Err(err) if err.kind() == io::ErrorKind::NotFound => return Ok(Leases::default()),
            Err(err) => return Err(failed(err)),
        };
        let mut leases = Leases::from_text(&text);
        leases.expire(SystemTime::now());
        Ok(leases)
    }

    /// Removes files of leases that are all over.
    ///
    /// # Errors
    /// The disk refuses.
    pub(crate) fn sweep_leases(&self) -> Result<()> {
        for entry in fs::read_dir(&self.leases).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            let mut leases = Leases::from_text(&fs::read_to_string(&path).unwrap_or_default());
            leases.expire(SystemTime::now());
            if leases.is_empty() {
                durable::remove(&path).map_err(failed)?;
            }
        }
        Ok(())
    }

    /// Every filter on disk that can be read.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub(crate) fn load_filters(&self) -> Result<Vec<Filter>> {
        self.filters.load(|name, text| {
            let filter = Filter::from_xml(text)?;
            self.filters.check_name(name, &filter.name)?;
            Ok(filter)
        })
    }

    /// Every binding on disk that can be read.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub(crate) fn load_bindings(&self) -> Result<Vec<Binding>> {
        self.bindings.load(|name, text| {
            let binding = Binding::from_xml(text)?;
            self.bindings.check_name(name, &binding.port_device)?;
            Ok(binding)
        })
    }
}
