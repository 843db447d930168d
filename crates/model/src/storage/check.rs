//! What a pool's document must say, and what is filled in: by kind, as `formatstorage.html` has it.

use super::{AdapterKind, FormatName, Pool, PoolKind, PoolTarget, tidy_path, unsupported, wrong};
use crate::scaled::Bytes;
use error::{Code, Domain, Error, Result};

/// Completes a document as it was read.
///
/// # Errors
/// What is missing or wrong.
pub(super) fn pool(pool: &mut Pool) -> Result<()> {
    let nothing = Some(Bytes(0));
    (pool.capacity, pool.allocation, pool.available) = (nothing, nothing, nothing);
    forget(pool);
    extras(pool)?;
    source(pool)?;
    name(pool)?;
    target(pool)
}

/// Forgets the parts of a source that mean nothing for pools of that kind.
fn forget(pool: &mut Pool) {
    use PoolKind::{
        Disk, Fs, Gluster, Iscsi, IscsiDirect, Logical, Netfs, Rbd, Scsi, Sheepdog, Vstorage, Zfs,
    };
    let kind = pool.kind;
    let source = pool.source.get_or_insert_default();
    if !matches!(kind, Netfs | Iscsi | IscsiDirect | Rbd | Sheepdog | Gluster) {
        source.hosts.clear();
    }
    if !matches!(kind, Fs | Logical | Disk | Iscsi | IscsiDirect | Zfs) {
        source.devices.clear();
    }
    if !matches!(kind, Netfs | Gluster) {
        source.directory = None;
    }
    if kind != Scsi {
        source.adapter = None;
    }
    if !matches!(kind, Logical | Rbd | Sheepdog | Gluster | Zfs | Vstorage) {
        source.name = None;
    }
    if !matches!(kind, Iscsi | IscsiDirect) {
        source.initiator = None;
    }
    if kind != Netfs {
        source.protocol = None;
    }
}

/// What stands beside source and target.
fn extras(pool: &mut Pool) -> Result<()> {
    let mounts = matches!(pool.kind, PoolKind::Fs | PoolKind::Netfs);
    let mount_options = pool.mount_options.take();
    pool.mount_options = mount_options.filter(|given| mounts && !given.options.is_empty());
    let config_options = pool.config_options.take();
    let is_ceph = pool.kind == PoolKind::Rbd;
    pool.config_options = config_options.filter(|given| is_ceph && !given.options.is_empty());
    let refresh = pool.refresh.take();
    pool.refresh = refresh.filter(|given| {
        let volume = given.volume.as_ref();
        volume.is_some_and(|volume| volume.allocation.is_some())
    });
    pool.features = pool.features.take().filter(|features| features.cow.is_some());
    if pool.features.is_some() && !matches!(pool.kind, PoolKind::Dir | PoolKind::Fs) {
        let text = "<cow>: only pools of the types 'fs' and 'dir' have files that could share blocks";
        return Err(Error::new(Code::NoSupport, Domain::Storage, text));
    }
    Ok(())
}

/// The longest name of a file, less the longest ending that is added to a pool's.
const LONGEST_NAME: usize = 255 - ".xml.new".len();

fn name(pool: &mut Pool) -> Result<()> {
    let source = pool.source.get_or_insert_default();
    if pool.kind == PoolKind::Rbd && source.name.is_none() {
        return Err(wrong("element 'name' is mandatory for RBD pool"));
    }
    let named_by_source = matches!(
        pool.kind,
        PoolKind::Logical
            | PoolKind::Rbd
            | PoolKind::Sheepdog
            | PoolKind::Gluster
            | PoolKind::Zfs
            | PoolKind::Vstorage
    );
    if named_by_source {
        match (&source.name, pool.name.is_empty()) {
            (Some(name), true) => pool.name.clone_from(name),
            (None, false) => source.name = Some(pool.name.clone()),
            _ => {}
        }
    }
    match pool.name.as_str() {
        "" => Err(wrong("missing pool source name element")),
        name if name.contains('/') => Err(wrong(format!("name {name} cannot contain '/'"))),
        name @ ("." | "..") => Err(wrong(format!("<name>: '{name}' cannot be the name of a pool"))),
        name if name.contains(char::is_control) => {
            let text = format!(
                "<name>: '{}' cannot contain control characters",
                name.escape_debug()
            );
            Err(Error::new(Code::XmlDetail, Domain::Xml, text))
        }
        name if name.len() > LONGEST_NAME => Err(wrong(format!("<name>: longer than {LONGEST_NAME} bytes"))),
        _ => Ok(()),
    }
}

fn source(pool: &mut Pool) -> Result<()> {
    let kind = pool.kind;
    let source = pool.source.get_or_insert_default();
    let needs_host = matches!(
        kind,
        PoolKind::Netfs | PoolKind::Iscsi | PoolKind::IscsiDirect | PoolKind::Rbd | PoolKind::Gluster
    );
    if needs_host && source.hosts.is_empty() {
        return Err(wrong("missing storage pool source host name"));
    }
    if kind == PoolKind::IscsiDirect && source.initiator.is_none() {
        return Err(unsupported("missing initiator IQN"));
    }
    // Without its target a pool of iSCSI can be defined, and no more.
    let needs_device = matches!(kind, PoolKind::Fs | PoolKind::Disk | PoolKind::IscsiDirect);
    if needs_device && source.devices.is_empty() {
        return Err(wrong("missing storage pool source device name"));
    }
    for device in &mut source.devices {
        if device.path.is_empty() {
            return Err(wrong("missing storage pool source device path"));
        }
        // The daemon tells them.
        device.free.clear();
    }
    match &mut source.directory {
        Some(directory) => directory.path = tidy_path(&directory.path),
        None if kind == PoolKind::Gluster => {
            source.directory = Some(super::Directory { path: "/".to_owned() });
        }
        None if kind == PoolKind::Netfs => {
            return Err(wrong("missing storage pool source path"));
        }
        None => {}
    }
    if kind == PoolKind::Scsi {
        adapter(source)?;
    }
    if let Some(secret) = source.auth.as_ref().map(|auth| &auth.secret)
        && secret.uuid.is_some() == secret.usage.is_some()
    {
        return Err(wrong("<secret>: either a uuid or a usage is needed"));
    }
    let formats = kind.source_formats();
    source.format = match source.format.take() {
        _ if formats.is_empty() => None,
        None => kind.default_source_format().map(FormatName::from),
        Some(format) if formats.contains(&format.r#type.as_str()) => Some(format),
        Some(format) => {
            return Err(unsupported(format!("unknown pool format type {}", format.r#type)));
        }
    };
    if let Some(version) = source.protocol.as_ref().map(|protocol| &protocol.ver) {
        let format = source.format.as_ref().map(|format| format.r#type.as_str());
        if !matches!(format, Some("nfs" | "auto")) {
            return Err(unsupported("storage pool protocol ver is only for format 'nfs'"));
        }
        if version.is_empty() || !version.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') {
            return Err(wrong(format!(
                "storage pool protocol ver '{version}' is malformed"
            )));
        }
    }
    Ok(())
}

fn adapter(source: &mut super::PoolSource) -> Result<()> {
    let missing = || wrong("missing storage pool source adapter");
    let adapter = source.adapter.as_mut().ok_or_else(missing)?;
    let of_fibre = [&adapter.wwnn, &adapter.wwpn, &adapter.parent]
        .iter()
        .any(|given| given.is_some());
    let kind = match adapter.r#type {
        Some(kind) => kind,
        None if of_fibre => {
            let text = "Use of 'wwnn', 'wwpn', and 'parent' attributes requires use of the adapter 'type'";
            return Err(wrong(text));
        }
        None if adapter.name.is_none() && adapter.parent_address.is_none() => return Err(missing()),
        None => *adapter.r#type.insert(AdapterKind::ScsiHost),
    };
    if kind == AdapterKind::ScsiHost {
        if adapter.name.is_some() == adapter.parent_address.is_some() {
            return Err(wrong(
                "either 'name' or 'parentaddr' must be specified for adapter type 'scsi_host'",
            ));
        }
        return Ok(());
    }
    if adapter.wwnn.is_none() || adapter.wwpn.is_none() {
        return Err(wrong(
            "'wwnn' and 'wwpn' must be specified for adapter type 'fc_host'",
        ));
    }
    if adapter.parent_wwnn.is_some() != adapter.parent_wwpn.is_some() {
        return Err(wrong(
            "'parent_wwnn' and 'parent_wwpn' must be specified together",
        ));
    }
    let names = [
        &adapter.wwnn,
        &adapter.wwpn,
        &adapter.parent_wwnn,
        &adapter.parent_wwpn,
        &adapter.parent_fabric_wwn,
    ];
    names
        .into_iter()
        .flatten()
        .try_for_each(|name| world_wide_name(name))
}

/// The name of a node or port in a fabric: 16 hexadecimal digits.
fn world_wide_name(name: &str) -> Result<()> {
    let digits = name.strip_prefix("0x").unwrap_or(name);
    if digits.len() == 16 && digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return Ok(());
    }
    let text = format!("Malformed wwn: {name}");
    Err(Error::new(Code::InternalError, Domain::None, text))
}

fn target(pool: &mut Pool) -> Result<()> {
    if matches!(
        pool.kind,
        PoolKind::Rbd | PoolKind::Sheepdog | PoolKind::Gluster | PoolKind::IscsiDirect
    ) {
        pool.target = None;
        return Ok(());
    }
    let source_name = pool.source.as_ref().and_then(|source| source.name.as_deref());
    let given = pool.target.take().unwrap_or_default();
    let path = match (pool.kind, given.path.filter(|path| !path.is_empty())) {
        // LVM has its own place for them.
        (PoolKind::Logical, _) => format!("/dev/{}", source_name.unwrap_or(&pool.name)),
        (PoolKind::Zfs, _) => format!("/dev/zvol/{}", source_name.unwrap_or(&pool.name)),
        (_, Some(path)) => tidy_path(&path),
        (_, None) => return Err(wrong("missing storage pool target path")),
    };
    if !path.starts_with('/') {
        return Err(wrong(format!(
            "storage pool target path '{path}' is not absolute"
        )));
    }
    if path.contains(['\0', '\n']) {
        return Err(wrong("storage pool target path cannot contain line breaks"));
    }
    pool.target = Some(PoolTarget {
        path: Some(path),
        permissions: given.permissions.filter(|permissions| !permissions.is_empty()),
    });
    Ok(())
}
