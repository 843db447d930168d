//! `scsi`: the disks of a SCSI adapter of this machine, or of a virtual one that is made on a Fibre Channel adapter.

use super::{Backend, Place, Room, Scan, Volumes, lun};
use crate::failure::invalid;
use crate::sysfs::{Sysfs, host_number};
use crate::volume::Volume;
use error::Result;
use model::storage::{Adapter, AdapterKind, ParentAddress};
use std::fs::File;
use std::path::PathBuf;
use tool::Cancel;
use xml::YesNo;

#[derive(Debug)]
pub(super) struct Scsi;

fn adapter(place: &Place) -> Result<&Adapter> {
    let adapter = place.pool.source().and_then(|source| source.adapter.as_ref());
    adapter.ok_or_else(|| invalid(format!("pool '{}' has no adapter", place.pool.name)))
}

/// The number in the name of an adapter, as documents and node devices have it: `host5`, `scsi_host5`, `fc_host5`.
fn number(name: &str) -> Option<u32> {
    let plain = name.strip_prefix("scsi_").or_else(|| name.strip_prefix("fc_"));
    host_number(plain.unwrap_or(name))
}

/// The adapter at a place of the PCI bus with that number of its own.
fn at(sysfs: &Sysfs, address: &ParentAddress) -> Option<u32> {
    let pci = &address.address;
    let place = format!(
        "{:04x}:{:02x}:{:02x}.{:x}",
        pci.domain.0, pci.bus.0, pci.slot.0, pci.function.0
    );
    lun::hosts(sysfs).into_iter().find(|host| {
        let folder = format!("class/scsi_host/host{host}");
        let is_there = std::fs::canonicalize(sysfs.path(&folder))
            .is_ok_and(|path| path.iter().any(|step| step.to_str() == Some(place.as_str())));
        is_there && sysfs.number(format!("{folder}/unique_id")) == Some(address.unique_id)
    })
}

/// Whether a name that the kernel tells is the one that a document has.
fn same_name(told: Option<String>, wanted: Option<&str>) -> bool {
    let (Some(told), Some(wanted)) = (told, wanted) else {
        return false;
    };
    let plain = |name: &str| name.trim_start_matches("0x").to_ascii_lowercase();
    plain(&told) == plain(wanted)
}

/// The Fibre Channel adapter of whom `is_it` says so.
fn fibre_channel(sysfs: &Sysfs, is_it: impl Fn(&str) -> bool) -> Option<u32> {
    let hosts = sysfs.entries("class/fc_host");
    let mut found = hosts
        .iter()
        .filter(|name| is_it(&format!("class/fc_host/{name}")));
    found.find_map(|name| host_number(name))
}

/// The adapter that is there; `None` for one that is virtual and not made yet.
fn host(sysfs: &Sysfs, adapter: &Adapter) -> Result<Option<u32>> {
    if adapter.r#type == Some(AdapterKind::FcHost) {
        let (node, port) = (adapter.wwnn.as_deref(), adapter.wwpn.as_deref());
        return Ok(fibre_channel(sysfs, |folder| {
            same_name(sysfs.attribute(format!("{folder}/node_name")), node)
                && same_name(sysfs.attribute(format!("{folder}/port_name")), port)
        }));
    }
    let (found, what) = match (&adapter.parent_address, &adapter.name) {
        (Some(address), _) => (at(sysfs, address), "at that address".to_owned()),
        (None, name) => {
            let name = name.as_deref().unwrap_or_default();
            (number(name), format!("'{name}'"))
        }
    };
    let there = found.filter(|host| sysfs.path(format!("class/scsi_host/host{host}")).exists());
    match there {
        Some(host) => Ok(Some(host)),
        None => Err(invalid(format!("there is no SCSI adapter {what} on this host"))),
    }
}

/// The adapter that can have virtual ones, as the document tells which, or the first that has room for one more.
fn parent(sysfs: &Sysfs, adapter: &Adapter) -> Result<String> {
    let attribute = |folder: &str, name: &str| sysfs.attribute(format!("{folder}/{name}"));
    let named = |name: &str, wanted: &str| {
        fibre_channel(sysfs, |folder| same_name(attribute(folder, name), Some(wanted)))
    };
    let found = match adapter {
        Adapter {
            parent: Some(name), ..
        } => number(name),
        Adapter {
            parent_wwnn: Some(node),
            parent_wwpn: Some(port),
            ..
        } => fibre_channel(sysfs, |folder| {
            same_name(attribute(folder, "node_name"), Some(node))
                && same_name(attribute(folder, "port_name"), Some(port))
        }),
        Adapter {
            parent_fabric_wwn: Some(fabric),
            ..
        } => named("fabric_name", fabric),
        _ => fibre_channel(sysfs, |folder| {
            let count = |name: &str| sysfs.number::<u32>(format!("{folder}/{name}"));
            attribute(folder, "port_state").as_deref() == Some("Online")
                && count("npiv_vports_inuse") < count("max_npiv_vports")
        }),
    };
    let folder = found.map(|host| format!("class/fc_host/host{host}"));
    folder
        .filter(|folder| sysfs.path(format!("{folder}/vport_create")).exists())
        .ok_or_else(|| {
            invalid("there is no Fibre Channel adapter on this host that the virtual one could be made on")
        })
}

/// What the kernel calls a virtual adapter that is made or removed.
fn virtual_name(adapter: &Adapter) -> Result<String> {
    let hex = |name: &Option<String>| {
        let name = name.as_deref().unwrap_or_default().trim_start_matches("0x");
        let plain = name.len() == 16 && name.bytes().all(|byte| byte.is_ascii_hexdigit());
        plain.then(|| name.to_owned())
    };
    match (hex(&adapter.wwpn), hex(&adapter.wwnn)) {
        (Some(port), Some(node)) => Ok(format!("{port}:{node}")),
        _ => Err(invalid(
            "'wwnn' and 'wwpn' of an adapter have 16 hexadecimal digits each",
        )),
    }
}

impl Backend for Scsi {
    fn is_usable(&self) -> bool {
        true
    }

    fn is_active(&self, place: &Place, _cancel: &Cancel) -> Result<bool> {
        host(&place.host.sysfs, adapter(place)?).map(|host| host.is_some())
    }

    fn start(&self, place: &Place, _cancel: &Cancel) -> Result<()> {
        let (sysfs, adapter) = (&place.host.sysfs, adapter(place)?);
        if host(sysfs, adapter)?.is_some() {
            return Ok(());
        }
        let parent = parent(sysfs, adapter)?;
        sysfs.order(format!("{parent}/vport_create"), &virtual_name(adapter)?)
    }

    fn stop(&self, place: &Place, _hangs: bool, _cancel: &Cancel) -> Result<()> {
        let (sysfs, adapter) = (&place.host.sysfs, adapter(place)?);
        let managed = adapter.r#type == Some(AdapterKind::FcHost) && adapter.managed == Some(YesNo::Yes);
        if !managed || host(sysfs, adapter)?.is_none() {
            return Ok(());
        }
        let parent = parent(sysfs, adapter)?;
        sysfs.order(format!("{parent}/vport_delete"), &virtual_name(adapter)?)
    }

    fn volumes(&self) -> &'static dyn Volumes {
        &Scsi
    }
}

impl Volumes for Scsi {
    fn scan(&self, place: &Place, cancel: &Cancel) -> Result<Scan> {
        let sysfs = &place.host.sysfs;
        let Some(host) = host(sysfs, adapter(place)?)? else {
            return Err(invalid("the virtual SCSI adapter is not there any more"));
        };
        lun::rescan(sysfs, host, cancel)?;
        lun::scan(place, host, cancel)
    }

    fn room(&self, place: &Place, cancel: &Cancel) -> Result<Room> {
        self.scan(place, cancel).map(|scan| scan.room)
    }

    fn content(&self, _place: &Place, volume: &Volume, write: bool) -> Result<(File, PathBuf)> {
        lun::content(volume, write)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::storage::Pool;
    use std::fs;
    use std::os::unix::fs::symlink;
    use std::path::Path;

    /// A machine with an adapter on the PCI bus, and a Fibre Channel adapter that can have virtual ones.
    fn machine(root: &Path) -> Sysfs {
        let write = |path: &str, text: &str| {
            let path = root.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        write(
            "devices/pci0000:00/0000:00:1f.2/ata1/host4/scsi_host/host4/unique_id",
            "5\n",
        );
        write(
            "devices/pci0000:00/0000:00:1f.2/ata2/host5/scsi_host/host5/unique_id",
            "6\n",
        );
        fs::create_dir_all(root.join("class/scsi_host")).unwrap();
        for (host, port) in [("host4", "ata1"), ("host5", "ata2")] {
            let device = format!("../../devices/pci0000:00/0000:00:1f.2/{port}/{host}/scsi_host/{host}");
            symlink(device, root.join("class/scsi_host").join(host)).unwrap();
        }
        for (file, text) in [
            ("node_name", "0x20000000C9831B4B\n"),
            ("port_name", "0x10000000c9831b4b\n"),
            ("fabric_name", "0x2001000dec9877c1\n"),
            ("port_state", "Online\n"),
            ("max_npiv_vports", "127\n"),
            ("npiv_vports_inuse", "0\n"),
            ("vport_create", ""),
            ("vport_delete", ""),
        ] {
            write(&format!("class/fc_host/host7/{file}"), text);
        }
        Sysfs::below(root)
    }

    fn of(words: &str) -> Adapter {
        let text = format!(
            "<pool type='scsi'><name>p</name><source><adapter {words}</source>\
             <target><path>/dev/disk/by-path</path></target></pool>"
        );
        let mut pool = Pool::from_xml(&text).unwrap();
        pool.source.take().unwrap().adapter.unwrap()
    }

    #[test]
    fn an_adapter_is_found_by_its_name_or_its_place() {
        let dir = tempfile::tempdir().unwrap();
        let sysfs = machine(dir.path());
        let address =
            "<address domain='0x0000' bus='0x00' slot='0x1f' function='0x2'/></parentaddr></adapter>";
        for (words, number) in [
            ("name='host4'/>".to_owned(), 4),
            ("name='scsi_host5'/>".to_owned(), 5),
            (format!("type='scsi_host'><parentaddr unique_id='6'>{address}"), 5),
        ] {
            assert_eq!(host(&sysfs, &of(&words)).unwrap(), Some(number), "{words}");
        }
        for words in ["name='host6'/>", "name='../host4'/>", "name='host+4'/>"] {
            assert!(host(&sysfs, &of(words)).is_err(), "{words}");
        }
    }

    #[test]
    fn a_virtual_adapter_is_made_where_the_document_says() {
        let dir = tempfile::tempdir().unwrap();
        let sysfs = machine(dir.path());
        let there = of("type='fc_host' wwnn='20000000c9831b4b' wwpn='10000000c9831b4b'/>");
        assert_eq!(host(&sysfs, &there).unwrap(), Some(7));
        for parent_words in [
            "",
            "parent='scsi_host7'",
            "parent_fabric_wwn='2001000dec9877c1'",
            "parent_wwnn='20000000c9831b4b' parent_wwpn='10000000c9831b4b'",
        ] {
            let words =
                format!("type='fc_host' {parent_words} wwnn='5001a4a93526d0a1' wwpn='5001a4ace3ee047d'/>");
            let adapter = of(&words);
            assert_eq!(host(&sysfs, &adapter).unwrap(), None);
            assert_eq!(parent(&sysfs, &adapter).unwrap(), "class/fc_host/host7");
            assert_eq!(
                virtual_name(&adapter).unwrap(),
                "5001a4ace3ee047d:5001a4a93526d0a1"
            );
        }
        let elsewhere =
            of("type='fc_host' parent='scsi_host4' wwnn='5001a4a93526d0a1' wwpn='5001a4ace3ee047d'/>");
        assert!(parent(&sysfs, &elsewhere).is_err());
        fs::write(dir.path().join("class/fc_host/host7/npiv_vports_inuse"), "127\n").unwrap();
        let anywhere = of("type='fc_host' wwnn='5001a4a93526d0a1' wwpn='5001a4ace3ee047d'/>");
        assert!(
            parent(&sysfs, &anywhere).is_err(),
            "it has no room for another one"
        );
    }
}
