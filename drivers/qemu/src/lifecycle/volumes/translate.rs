//! A volume of a pool as the source that QEMU opens, by what the pool is; pure.

use error::{Code, Domain, Error, Result};
use model::domain::devices::disk_network::{Initiator, Iqn, NetworkHost, NetworkProtocol, NetworkSource};
use model::domain::devices::disk_source::{
    Auth, AuthSecret, BlockSource, DirSource, DiskSource, FileSource, SourceDetails, VolumeMode, VolumeSource,
};
use model::storage::{Pool, PoolKind, PoolSource, VolumeKind};

/// The source that a volume is, which lies at `path`.
///
/// # Errors
/// [`Code::ConfigUnsupported`] with pool and volume, for what no guest can have.
pub(super) fn translate(pool: &Pool, volume: &VolumeSource, kind: u8, path: String) -> Result<DiskSource> {
    let is_iscsi = matches!(pool.kind, PoolKind::Iscsi | PoolKind::IscsiDirect);
    if volume.mode.is_some() && !is_iscsi {
        return Err(refused(volume, "'mode' is only for volumes of iSCSI pools"));
    }
    if matches!(
        pool.kind,
        PoolKind::Mpath | PoolKind::Rbd | PoolKind::Gluster | PoolKind::Sheepdog
    ) {
        let text = format!(
            "using '{}' pools for backing 'volume' disks isn't yet supported; name the image itself as the disk's source",
            pool.kind.as_str()
        );
        return Err(refused(volume, &text));
    }
    let is_file = kind == VolumeKind::File.number();
    let details = volume.details.clone();
    if !is_file && details.startup_policy.is_some() {
        let text = "'startupPolicy' is only for volumes that are files";
        return Err(refused(volume, text));
    }
    if pool.kind == PoolKind::IscsiDirect || volume.mode == Some(VolumeMode::Direct) {
        return direct(pool, volume, details);
    }
    if is_file {
        Ok(DiskSource::File {
            source: Some(FileSource {
                file: Some(path),
                fdgroup: None,
                details,
            }),
        })
    } else if kind == VolumeKind::Block.number() {
        Ok(DiskSource::Block {
            source: Some(BlockSource {
                dev: Some(path),
                details,
            }),
        })
    } else if kind == VolumeKind::Dir.number() {
        Ok(DiskSource::Dir {
            source: Some(DirSource { dir: path, details }),
        })
    } else {
        Err(refused(volume, "it is not on this host, which is not supported"))
    }
}

/// A LUN that QEMU's own initiator logs in for, as the pool would.
fn direct(pool: &Pool, volume: &VolumeSource, details: SourceDetails) -> Result<DiskSource> {
    let source = pool.source();
    let target = source.and_then(|source| source.devices.first());
    let (Some(source), Some(target)) = (source, target) else {
        return Err(refused(volume, "its pool has no target"));
    };
    // `unit:0:0:1`: of bus, target and LUN QEMU wants the last.
    let lun = volume
        .volume
        .rsplit(':')
        .next()
        .and_then(|lun| lun.parse::<u64>().ok());
    let Some(lun) = lun.filter(|_| volume.volume.starts_with("unit:")) else {
        return Err(refused(volume, "no number of a LUN is in its name"));
    };
    let hosts = source.hosts.iter().map(|host| NetworkHost {
        name: Some(host.name.clone()),
        port: Some(u32::from(
            host.port.unwrap_or(NetworkProtocol::Iscsi.default_port()),
        )),
        ..NetworkHost::default()
    });
    let network = NetworkSource {
        name: Some(format!("{}/{lun}", target.path)),
        hosts: hosts.collect(),
        initiator: source.initiator.as_ref().map(|initiator| Initiator {
            iqn: Iqn {
                name: initiator.iqn.name.clone(),
            },
        }),
        details: SourceDetails {
            auth: auth(source),
            ..details
        },
        ..NetworkSource::of(NetworkProtocol::Iscsi)
    };
    Ok(DiskSource::Network {
        source: Some(Box::new(network)),
    })
}

fn auth(source: &PoolSource) -> Option<Auth> {
    let auth = source.auth.as_ref()?;
    Some(Auth {
        username: auth.username.clone(),
        secret: AuthSecret {
            kind: Some("iscsi".to_owned()),
            uuid: auth.secret.uuid,
            usage: auth.secret.usage.clone(),
        },
    })
}

/// What cannot be, with the volume's name.
pub(super) fn refused(volume: &VolumeSource, why: &str) -> Error {
    let text = format!(
        "volume '{}' of storage pool '{}': {why}",
        volume.volume, volume.pool
    );
    Error::new(Code::ConfigUnsupported, Domain::Qemu, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pool(kind: &str) -> Pool {
        let text = format!(
            "<pool type='{kind}'><name>p</name><source><name>s</name><host name='h'/><device path='iqn.t'/>\
             <initiator><iqn name='iqn.own'/></initiator>\
             <auth type='chap' username='u'><secret usage='x'/></auth></source>\
             <target><path>/dev/disk/by-path</path></target></pool>"
        );
        Pool::from_xml(&text).unwrap()
    }

    fn volume(name: &str, mode: Option<VolumeMode>) -> VolumeSource {
        VolumeSource {
            pool: "p".to_owned(),
            volume: name.to_owned(),
            mode,
            details: SourceDetails::default(),
        }
    }

    #[test]
    fn a_lun_is_the_hosts_device_or_qemus_own() {
        let block = VolumeKind::Block.number();
        let by_host = [None, Some(VolumeMode::Host)];
        for mode in by_host {
            let source = translate(
                &pool("iscsi"),
                &volume("unit:0:0:3", mode),
                block,
                "/dev/x".to_owned(),
            );
            assert!(matches!(source.unwrap(), DiskSource::Block { .. }), "{mode:?}");
        }
        for (kind, mode) in [("iscsi", Some(VolumeMode::Direct)), ("iscsi-direct", None)] {
            let source = translate(&pool(kind), &volume("unit:0:0:3", mode), block, "x".to_owned());
            let DiskSource::Network {
                source: Some(network),
            } = source.unwrap()
            else {
                panic!("{kind}")
            };
            assert_eq!(network.protocol, NetworkProtocol::Iscsi);
            assert_eq!(network.name.as_deref(), Some("iqn.t/3"));
            assert_eq!(network.initiator.unwrap().iqn.name, "iqn.own");
            assert_eq!(network.hosts.first().and_then(|host| host.port), Some(3260));
            let auth = network.details.auth.unwrap();
            assert_eq!(
                (auth.username.as_str(), auth.secret.usage.as_deref()),
                ("u", Some("x"))
            );
        }
    }

    #[test]
    fn what_no_guest_can_have_is_refused() {
        let file = VolumeKind::File.number();
        for (kind, name, mode, words) in [
            ("dir", "v", Some(VolumeMode::Direct), "'mode' is only for"),
            ("rbd", "v", None, "using 'rbd' pools"),
            ("gluster", "v", None, "using 'gluster' pools"),
            ("mpath", "dm-1", None, "using 'mpath' pools"),
            (
                "iscsi",
                "unit:0:0:x",
                Some(VolumeMode::Direct),
                "no number of a LUN",
            ),
        ] {
            let error = translate(&pool(kind), &volume(name, mode), file, "x".to_owned()).unwrap_err();
            assert!(error.detail().contains(words), "{error}");
        }
    }
}
