//! dnsmasq as a process of the host: its files, its start, its end.
//!
//! It puts itself into the background and writes its number down, as libvirt has it do, so it outlives the daemon; it is found
//! again by its configuration file, which is its first argument.

use super::process::{Process, end_now, has_argument, with_argument};
use super::tool;
use crate::dnsmasq::{self, Files, Places};
use crate::failure::{refused, system};
use crate::leases;
use crate::leases::helper::BRIDGE;
use crate::store::Store;
use daemon::{Layout, durable};
use error::{Code, Result};
use model::network::Network as Document;
use rustix::process::Signal;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// The program.
const PROGRAM: &str = "dnsmasq";

/// What it runs for each lease.
const HELPER: &str = "libvirt_leaseshelper";

/// Where the helper lies beside a daemon: in the folder of a build, or of an installation.
const BESIDE: [&str; 3] = [".", "../lib/libvirt", "../libexec"];

/// What all servers of an instance have in common.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    /// The program that is run for each lease.
    helper: PathBuf,
    /// As whom it works, if not as it chooses by itself.
    user: Option<&'static str>,
}

impl Place {
    /// That of an instance.
    pub(crate) fn of(layout: &Layout) -> Self {
        let own = std::env::current_exe().ok();
        let folder = own.as_deref().and_then(Path::parent);
        let beside = folder.into_iter().flat_map(|folder| {
            BESIDE
                .iter()
                .map(|way| folder.join(way).join(HELPER))
                .filter(|path| path.is_file())
        });
        let helper = beside
            .map(|path| path.canonicalize().unwrap_or(path))
            .next()
            .unwrap_or_else(|| Path::new("/usr/lib/libvirt").join(HELPER));
        Self {
            helper,
            // A private instance's folders are closed to others.
            user: layout.private_root().map(|_| "root"),
        }
    }
}

/// The files of one server.
#[derive(Debug, Clone)]
pub(crate) struct Ground {
    places: Places,
    pid: PathBuf,
    leased: PathBuf,
}

impl Ground {
    /// Those of a network.
    pub(crate) fn of(store: &Store, network: &str, bridge: &str) -> Self {
        let pid = store.run().join(format!("{network}.pid"));
        Self {
            places: Places::new(store.dnsmasq(), network).with_pid_file(&pid),
            leased: leases::file(store.dnsmasq(), bridge),
            pid,
        }
    }

    fn argument(&self) -> String {
        format!("--conf-file={}", self.places.configuration().display())
    }

    /// The processes that serve by these files, whoever started them. Blocks.
    pub(crate) fn servers(&self) -> Vec<u32> {
        with_argument(PROGRAM, &self.argument())
    }

    /// The server that has written its number down, where it still runs.
    fn server(&self) -> Option<u32> {
        let text = fs::read_to_string(&self.pid).ok()?;
        let pid = text.trim().parse().ok()?;
        has_argument(pid, PROGRAM, &self.argument()).then_some(pid)
    }

    /// Removes them, but for what was leased, which outlives the server. Blocks.
    ///
    /// # Errors
    /// The disk refuses.
    pub(crate) fn remove(&self) -> Result<()> {
        let places = &self.places;
        for path in [
            &places.configuration(),
            &places.leases(),
            &places.names(),
            &self.pid,
        ] {
            match fs::remove_file(path) {
                Err(err) if err.kind() != ErrorKind::NotFound => {
                    return Err(system(format!("cannot remove '{}'", path.display()), err));
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// A server that there is to be.
#[derive(Debug)]
pub(crate) struct Plan {
    ground: Ground,
    files: Files,
    bridge: String,
    place: Place,
}

/// Whether a file has that text already.
fn has(path: &Path, text: &str) -> bool {
    fs::read_to_string(path).is_ok_and(|there| there == text)
}

fn put(path: &Path, text: &str) -> Result<()> {
    if has(path, text) {
        return Ok(());
    }
    durable::replace_with_mode(path, text.as_bytes(), 0o644)
        .map_err(|err| refused(Code::OperationFailed, err.to_string()).caused_by(err))
}

impl Plan {
    /// What a network needs, if anything.
    ///
    /// # Errors
    /// What no server can be told.
    pub(crate) fn of(store: &Store, place: &Place, document: &Document) -> Result<Option<Self>> {
        let Some(bridge) = document.bridge_name() else {
            return Ok(None);
        };
        let ground = Ground::of(store, &document.name, bridge);
        let files = dnsmasq::files(document, &ground.places)?;
        Ok(files.map(|files| Self {
            bridge: bridge.to_owned(),
            place: place.clone(),
            ground,
            files,
        }))
    }

    /// Writes what a server that runs reads when it is told to, and tells whether that is all that has changed. Blocks.
    ///
    /// # Errors
    /// The disk refuses.
    pub(crate) fn write_changed(&self) -> Result<bool> {
        let places = &self.ground.places;
        put(&places.leases(), &self.files.leases)?;
        put(&places.names(), &self.files.names)?;
        Ok(has(&places.configuration(), &self.files.configuration))
    }

    /// Starts the server, or finds that it runs, and gives its number. Blocks.
    ///
    /// # Errors
    /// What dnsmasq says, or the disk.
    pub(crate) fn start(&self) -> Result<u32> {
        let ground = &self.ground;
        let same = self.write_changed()?;
        match ground.server() {
            Some(pid) if same => return Ok(pid),
            // They have the addresses that the next one wants.
            _ => ground.servers().into_iter().for_each(end_now),
        }
        put(&ground.places.configuration(), &self.files.configuration)?;
        if !ground.leased.exists() {
            put(&ground.leased, "")?;
        }
        // A number of an earlier one would be taken for its own.
        let _ = fs::remove_file(&ground.pid);
        let program = tool(PROGRAM)
            .leaving_a_server()
            .with([ground.argument(), "--leasefile-ro".to_owned()])
            .with([format!("--dhcp-script={}", self.place.helper.display())])
            .with(self.place.user.map(|user| format!("--user={user}")))
            .with_variable(BRIDGE, &self.bridge);
        program.run_to_end()?;
        ground.server().ok_or_else(|| {
            let text = format!(
                "dnsmasq of bridge '{}' ended as soon as it was started",
                self.bridge
            );
            refused(Code::InternalError, text)
        })
    }
}

/// A server that runs.
#[derive(Debug)]
pub(crate) struct Server(Process);

impl Server {
    /// Takes hold of the server of that number.
    ///
    /// # Errors
    /// [`Code::SystemError`]: it has ended.
    pub(crate) fn hold(pid: u32) -> Result<Self> {
        let process = Process::hold(pid).map_err(|err| system(format!("dnsmasq (process {pid})"), err))?;
        Ok(Self(process))
    }

    /// Waits until it has ended.
    pub(crate) async fn ended(&self) {
        self.0.ended().await;
    }

    /// Ends it.
    ///
    /// # Errors
    /// [`Code::SystemError`].
    pub(crate) async fn end(&self) -> Result<()> {
        let ended = self.0.end().await;
        ended.map_err(|err| system(format!("cannot end dnsmasq (process {})", self.0.pid()), err))
    }

    /// Has it read hosts and names anew.
    ///
    /// # Errors
    /// [`Code::SystemError`].
    pub(crate) fn read_anew(&self) -> Result<()> {
        let told = self.0.signal(Signal::HUP);
        told.map_err(|err| system(format!("cannot signal dnsmasq (process {})", self.0.pid()), err))
    }
}
