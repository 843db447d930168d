//! What two pools cannot both be made of.

use model::storage::{AdapterKind, Pool, PoolKind, PoolSource};

/// What a pool takes for itself, in words that are the same for the same.
pub(crate) fn claims(pool: &Pool) -> Vec<String> {
    let source = pool.source();
    let name = source.and_then(|source| source.name.as_deref());
    let devices = source.into_iter().flat_map(|source| &source.devices);
    let devices = devices.map(|device| format!("device {}", device.path));
    let path = pool.path().map(|path| format!("path {path}"));
    match pool.kind {
        PoolKind::Dir | PoolKind::Vstorage | PoolKind::Netfs => path.into_iter().collect(),
        PoolKind::Fs => devices.chain(path).collect(),
        PoolKind::Logical | PoolKind::Zfs => name.map(|name| format!("group {name}")).into_iter().collect(),
        PoolKind::Disk => devices.collect(),
        PoolKind::Iscsi | PoolKind::IscsiDirect => source.map(target).into_iter().collect(),
        PoolKind::Scsi => source.and_then(adapter).into_iter().collect(),
        // It has all of them.
        PoolKind::Mpath => vec!["multipath".to_owned()],
        // Several pools may show the same images.
        PoolKind::Rbd | PoolKind::Gluster | PoolKind::Sheepdog => Vec::new(),
    }
}

/// A target, as one initiator uses it. Names of hosts are not resolved, as `storage.html` says.
fn target(source: &PoolSource) -> String {
    let hosts: Vec<_> = source.hosts.iter().map(|host| host.name.as_str()).collect();
    let target = source.devices.first().map(|device| device.path.as_str());
    let initiator = source
        .initiator
        .as_ref()
        .map(|initiator| initiator.iqn.name.as_str());
    format!(
        "target {} {} {}",
        hosts.join(","),
        target.unwrap_or_default(),
        initiator.unwrap_or_default()
    )
}

fn adapter(source: &PoolSource) -> Option<String> {
    let adapter = source.adapter.as_ref()?;
    if adapter.r#type == Some(AdapterKind::FcHost) {
        return Some(format!("adapter {:?} {:?}", adapter.wwnn, adapter.wwpn));
    }
    Some(match (&adapter.name, &adapter.parent_address) {
        (Some(name), _) => format!("adapter {}", name.trim_start_matches("scsi_")),
        (None, address) => format!("adapter {address:?}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pools_of_the_same_are_known() {
        let of = |text: &str| claims(&Pool::from_xml(text).unwrap());
        let iscsi = |host: &str, more: &str| {
            of(&format!(
                "<pool type='iscsi'><name>p</name><source><host name='{host}'/><device path='iqn.t'/>{more}</source>\
                 <target><path>/dev/disk/by-path</path></target></pool>"
            ))
        };
        let own = "<initiator><iqn name='iqn.own'/></initiator>";
        assert_eq!(iscsi("h", ""), iscsi("h", ""));
        assert_ne!(iscsi("h", ""), iscsi("g", ""));
        assert_ne!(iscsi("h", ""), iscsi("h", own));
        let scsi = |name: &str| {
            of(&format!(
                "<pool type='scsi'><name>p</name><source><adapter name='{name}'/></source>\
                 <target><path>/dev/disk/by-path</path></target></pool>"
            ))
        };
        assert_eq!(scsi("host5"), scsi("scsi_host5"));
        assert_ne!(scsi("host5"), scsi("host6"));
    }
}
