//! Networks on disk, where libvirt keeps them: definitions and autostart links below its configuration, what is active and its
//! ports below `/run`, what dnsmasq reads below `/var/lib`.
//!
//! ```text
//!  /etc/libvirt/qemu/networks/NAME.xml, autostart/NAME.xml
//!  /run/libvirt/network/NAME.xml, NAME.ports/UUID.xml, NAME.pid
//!  /var/lib/libvirt/dnsmasq/NAME.conf, NAME.hostsfile, NAME.addnhosts, BRIDGE.status, BRIDGE.macs
//! ```
//! Everything here blocks on the disk; callers run it where that harms nobody.

use crate::failure::refused;
use crate::former::FormerRules;
use crate::leases;
use crate::network::Port;
use daemon::documents::{self, About, Banner, Documents, Links, indented};
use daemon::{Layout, durable};
use error::{Code, Domain, Error, Result};
use model::network::{Network as Document, NetworkPort as PortDocument};
use serde::Serialize;
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use traffic::Floor;
use uuid::Uuid;
use xml::{Element, RawElement, YesNo};

/// The folders of a driver.
#[derive(Debug)]
pub(crate) struct Store {
    definitions: Documents,
    autostart: Links,
    active: Documents,
    dnsmasq: PathBuf,
}

/// What the driver's documents are about.
fn about(what: &'static str) -> About {
    About {
        what,
        domain: Domain::Network,
        banner: Some(Banner {
            daemon: "network",
            editor: "net-edit",
        }),
    }
}

/// A definition as found on disk.
#[derive(Debug)]
pub(crate) struct Stored {
    pub document: Document,
    pub autostart: bool,
}

/// What is active, as libvirt writes it.
#[derive(Debug, Element)]
#[xml(element = "networkstatus")]
struct Status {
    /// Whether it is only half there: being started, or being stopped.
    #[xml(attr)]
    unfinished: Option<YesNo>,
    #[xml(raw = "network")]
    network: Option<RawElement>,
    #[xml(child)]
    firewall: Option<FormerRules>,
}

/// A guest with its addresses.
#[derive(Debug, Serialize)]
struct Guest<'a> {
    domain: &'a str,
    macs: Vec<String>,
}

/// A network that the last daemon left.
#[derive(Debug)]
pub(crate) struct Left {
    pub document: Document,
    /// Whether what there is of it has to go.
    pub unfinished: bool,
    pub ports: Vec<PortDocument>,
    /// Rules of libvirt's own daemon, where that was the last one.
    pub former: Option<FormerRules>,
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
        let mode = layout.folder_mode();
        let config = layout.config_dir().join("qemu/networks");
        let (autostart, dnsmasq) = (config.join("autostart"), layout.driver_lib_dir("dnsmasq"));
        durable::create_folder(&dnsmasq, mode).map_err(failed)?;
        Ok(Self {
            definitions: Documents::open(config, mode, about("network"))?,
            autostart: Links::open(autostart, mode, Domain::Network)?,
            active: Documents::open(layout.driver_run_dir(driver), mode, about("state of a network"))?,
            dnsmasq,
        })
    }

    /// The ports of a network, whose folder may be missing.
    fn ports(&self, name: &str) -> Documents {
        let about = About {
            what: "port",
            domain: Domain::Network,
            banner: None,
        };
        Documents::within(self.run().join(format!("{name}.ports")), about)
    }

    /// What runs.
    pub(crate) fn run(&self) -> &Path {
        self.active.folder()
    }

    /// What dnsmasq reads and what it gave out.
    pub(crate) fn dnsmasq(&self) -> &Path {
        &self.dnsmasq
    }

    /// Puts a definition on disk for good.
    ///
    /// # Errors
    /// The disk refuses; the former one is then still whole.
    pub(crate) fn save(&self, document: &Document) -> Result<()> {
        self.definitions.save(&document.name, &document.to_xml())
    }

    /// Removes a definition and its autostart link.
    ///
    /// # Errors
    /// The disk refuses.
    pub(crate) fn remove(&self, name: &str) -> Result<()> {
        self.set_autostart(name, false)?;
        self.definitions.remove(name)
    }

    /// Makes or removes an autostart link.
    ///
    /// # Errors
    /// The disk refuses.
    pub(crate) fn set_autostart(&self, name: &str, wanted: bool) -> Result<()> {
        self.autostart.set(&self.definitions, name, wanted)
    }

    /// Notes that a network is active, or `unfinished`, for the next daemon, and what is kept for which guests.
    ///
    /// # Errors
    /// The disk refuses.
    pub(crate) fn set_active(&self, document: &Document, unfinished: bool, floors: &[Floor]) -> Result<()> {
        let word = if unfinished { " unfinished='yes'" } else { "" };
        let inner = indented(&document.to_xml());
        let sum = floors
            .iter()
            .fold(0_u64, |sum, floor| sum.saturating_add(floor.rate));
        let classes = classes_in_use(floors);
        let text = format!(
            "<networkstatus{word}>\n  <class_id bitmap='{classes}'/>\n  <floor sum='{sum}'/>\n{inner}</networkstatus>\n"
        );
        self.active.save(&document.name, &text)
    }

    /// Notes that a network is not active, and has no ports.
    ///
    /// # Errors
    /// The disk refuses.
    pub(crate) fn set_inactive(&self, name: &str) -> Result<()> {
        match fs::remove_dir_all(self.ports(name).folder()) {
            Err(err) if err.kind() != io::ErrorKind::NotFound => return Err(failed(err)),
            _ => {}
        }
        self.active.remove(name)
    }

    /// Forgets what a network that is gone has leased, and to which guests.
    ///
    /// # Errors
    /// The disk refuses.
    pub(crate) fn forget_leases(&self, bridge: Option<&str>) -> Result<()> {
        let Some(bridge) = bridge else { return Ok(()) };
        durable::remove(&leases::file(&self.dnsmasq, bridge)).map_err(failed)?;
        durable::remove(&self.dnsmasq.join(format!("{bridge}.macs"))).map_err(failed)
    }

    /// Notes a port, or what it is now.
    ///
    /// # Errors
    /// The disk refuses.
    pub(crate) fn save_port(&self, network: &str, uuid: Uuid, port: &PortDocument) -> Result<()> {
        let ports = self.ports(network);
        durable::create_folder(ports.folder(), 0o700).map_err(failed)?;
        ports.save(&uuid.to_string(), &port.to_xml())
    }

    /// Notes that a port is gone.
    ///
    /// # Errors
    /// The disk refuses.
    pub(crate) fn remove_port(&self, network: &str, uuid: Uuid) -> Result<()> {
        self.ports(network).remove(&uuid.to_string())
    }

    /// Writes down which addresses guests have, as libvirt does: `BRIDGE.macs`.
    ///
    /// # Errors
    /// The disk refuses.
    pub(crate) fn save_guests(&self, bridge: &str, ports: &[Port]) -> Result<()> {
        let mut guests: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        for port in ports {
            let addresses = guests.entry(&port.document.owner.name).or_default();
            addresses.push(port.document.mac_address().to_string());
        }
        let guests: Vec<_> = guests
            .into_iter()
            .map(|(domain, macs)| Guest { domain, macs })
            .collect();
        let text = serde_json::to_string_pretty(&guests)
            .map_err(|err| refused(Code::InternalError, err.to_string()))?;
        let path = self.dnsmasq.join(format!("{bridge}.macs"));
        durable::replace_with_mode(&path, format!("{text}\n").as_bytes(), 0o644).map_err(failed)
    }

    /// Every definition on disk that can be read.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub(crate) fn definitions(&self) -> Result<Vec<Stored>> {
        self.definitions.load(|name, text| {
            let mut document = Document::from_xml(text)?;
            self.definitions.check_name(name, &document.name)?;
            // Those that are shipped have none, so that no two hosts have the same.
            if document.uuid.is_none() {
                document.uuid = Some(Uuid::new_v4());
                self.save(&document)?;
            }
            Ok(Stored {
                document,
                autostart: self.autostart.has(name),
            })
        })
    }

    /// What was active when the last daemon ended.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub(crate) fn were_active(&self) -> Result<Vec<Left>> {
        self.active.load(|name, text| {
            let state: Status = model::read(text)?;
            let network = state.network.ok_or_else(|| {
                let text = "<networkstatus>: there is no <network> in it";
                refused(Code::XmlError, text)
            })?;
            let document = Document::from_xml(network.as_str())?;
            self.active.check_name(name, &document.name)?;
            Ok(Left {
                ports: self.ports_of(name)?,
                former: state.firewall,
                unfinished: state.unfinished == Some(YesNo::Yes),
                document,
            })
        })
    }

    fn ports_of(&self, name: &str) -> Result<Vec<PortDocument>> {
        let ports = self.ports(name);
        durable::remove_left_overs(ports.folder(), "xml").map_err(failed)?;
        ports.load(|_, text| PortDocument::from_xml(text))
    }

    /// Whether nobody has started networks since the host did; the next time somebody has.
    ///
    /// # Errors
    /// The disk refuses.
    pub(crate) fn first_start(&self) -> Result<bool> {
        documents::is_first_start(self.run(), Domain::Network)
    }
}

/// The classes of a bridge that are in use, as libvirt's sets of numbers are written: "0-4,6".
fn classes_in_use(floors: &[Floor]) -> String {
    /// None, the whole, and that of guests of whom nothing is said.
    const ALWAYS: std::ops::RangeInclusive<u32> = 0..=2;
    let mut classes: Vec<u32> = ALWAYS.chain(floors.iter().map(|floor| floor.class)).collect();
    classes.sort_unstable();
    let ranges = classes.chunk_by(|one, next| one + 1 == *next);
    let written = ranges.filter_map(|range| match (range.first()?, range.last()?) {
        (first, last) if first == last => Some(first.to_string()),
        (first, last) => Some(format!("{first}-{last}")),
    });
    written.collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;
    use daemon::Mode;

    fn document(name: &str) -> Document {
        let text = format!(
            "<network><name>{name}</name><uuid>0a81f5b2-8403-7b23-c8d6-21ccc2f80d6f</uuid>\
             <bridge name='virbr0'/><ip address='10.0.0.1' netmask='255.255.255.0'/></network>"
        );
        Document::from_xml(&text).unwrap()
    }

    #[test]
    fn a_network_is_found_as_it_was_left() {
        let dir = tempfile::tempdir().unwrap();
        let layout = Layout::below(Mode::System, dir.path());
        let store = Store::open(&layout, "network").unwrap();
        let document = document("a--b");
        store.save(&document).unwrap();
        store.set_autostart("a--b", true).unwrap();
        store.set_active(&document, true, &[]).unwrap();
        let store = Store::open(&layout, "network").unwrap();
        let found = store.definitions().unwrap().remove(0);
        assert_eq!(found.document, document);
        assert!(found.autostart);
        let left = store.were_active().unwrap().remove(0);
        assert!(left.unfinished && left.document == document && left.ports.is_empty());
        let floor = |class| Floor {
            class,
            mac: model::Mac::qemu([0, 0, 1]),
            rate: 700,
        };
        store
            .set_active(&document, false, &[floor(6), floor(4), floor(3)])
            .unwrap();
        let status = fs::read_to_string(store.active.path("a--b")).unwrap();
        assert!(status.contains("<class_id bitmap='0-4,6'/>") && status.contains("<floor sum='2100'/>"));
        assert!(!store.were_active().unwrap().remove(0).unfinished);
        assert!(store.first_start().unwrap() && !store.first_start().unwrap());
        store.set_inactive("a--b").unwrap();
        store.remove("a--b").unwrap();
        assert!(store.definitions().unwrap().is_empty() && store.were_active().unwrap().is_empty());
        assert!(!store.autostart.has("a--b"));
    }

    #[test]
    fn a_shipped_definition_gets_a_uuid_that_it_keeps() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&Layout::below(Mode::System, dir.path()), "network").unwrap();
        let text = "<network><name>default</name><bridge name='virbr0'/></network>";
        fs::write(store.definitions.path("default"), text).unwrap();
        let uuid = |store: &Store| store.definitions().unwrap().remove(0).document.uuid;
        let first = uuid(&store).unwrap();
        assert_eq!(uuid(&store), Some(first));
    }

    #[test]
    fn a_file_that_is_not_what_it_is_called_is_left_out() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&Layout::below(Mode::System, dir.path()), "network").unwrap();
        store.save(&document("good")).unwrap();
        fs::copy(store.definitions.path("good"), store.definitions.path("other")).unwrap();
        fs::write(store.definitions.path("broken"), "<network").unwrap();
        assert_eq!(store.definitions().unwrap().len(), 1);
    }
}
