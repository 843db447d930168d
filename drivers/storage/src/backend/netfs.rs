//! `netfs`: a folder of a server, by NFS, CIFS or GlusterFS.

use super::dir::{make_folder, remove_folder};
use super::mount::{Mount, is_mounted, unmount};
use super::{Backend, Files, Overwrite, Place, Volumes, gluster};
use crate::failure::{argument, invalid, refused};
use crate::host_mounts;
use error::{Code, Result};
use model::storage::{Directory, FormatName, Host, PoolSource, PoolSources};
use tool::{Cancel, Tool, find};

#[derive(Debug)]
pub(super) struct Netfs;

/// A server, whose name cannot be taken for an option.
fn server(source: Option<&PoolSource>) -> Result<&str> {
    let host = source.and_then(|source| source.hosts.first());
    let host = host
        .map(|host| host.name.as_str())
        .filter(|name| !name.is_empty());
    let host = host.ok_or_else(|| argument("hostname must be specified for netfs sources"))?;
    if host.starts_with('-') || host.contains(char::is_whitespace) {
        return Err(argument(format!("'{host}' cannot be the name of a host")));
    }
    Ok(host)
}

/// How the pool is mounted.
pub(super) fn mount(place: &Place) -> Result<Mount<'_>> {
    let source = place.pool.source();
    let host = server(source)?;
    let path = source
        .and_then(|source| source.directory.as_ref())
        .map(|directory| &directory.path);
    let path = path.map_or("", String::as_str);
    let format = source.and_then(|source| source.format.as_ref());
    let format = format.map_or("auto", |format| &format.r#type);
    let mut options = Vec::new();
    if let Some(protocol) = source.and_then(|source| source.protocol.as_ref()) {
        options.push(format!("nfsvers={}", protocol.ver));
    }
    if format == "glusterfs" {
        // QEMU opens images past the page cache, which FUSE has to pass on.
        options.push("direct-io-mode=1".to_owned());
    }
    let source = if format == "cifs" {
        options.push("guest".to_owned());
        format!("//{host}/{}", path.trim_start_matches('/'))
    } else if host.contains(':') {
        format!("[{host}]:{path}")
    } else {
        format!("{host}:{path}")
    };
    Ok(Mount {
        source,
        kind: (format != "auto").then_some(format),
        options,
    })
}

/// The folders that a server exports by NFS.
fn exports(host: &str, cancel: &Cancel) -> Result<Vec<String>> {
    let told = Tool::new("showmount")
        .with(["--no-headers", "--exports", host])
        .run(cancel)?;
    let folders = told.lines().filter_map(|line| line.split_whitespace().next());
    Ok(folders.map(str::to_owned).collect())
}

impl Backend for Netfs {
    fn is_usable(&self) -> bool {
        ["mount.nfs", "mount.cifs", "mount.glusterfs"]
            .into_iter()
            .any(|program| find(program).is_some())
    }

    fn is_active(&self, place: &Place, _cancel: &Cancel) -> Result<bool> {
        is_mounted(place.path()?)
    }

    fn build(&self, place: &Place, overwrite: Overwrite, _cancel: &Cancel) -> Result<()> {
        if overwrite != Overwrite::Unsaid {
            return Err(invalid(format!(
                "No source device specified when formatting pool '{}'",
                place.pool.name
            )));
        }
        make_folder(place)
    }

    fn start(&self, place: &Place, cancel: &Cancel) -> Result<()> {
        if is_mounted(place.path()?)? {
            return Ok(());
        }
        host_mounts::run(&mount(place)?.tool(place.path()?, &place.pool), cancel)
    }

    fn stop(&self, place: &Place, hangs: bool, cancel: &Cancel) -> Result<()> {
        unmount(place.path()?, hangs, cancel)
    }

    fn delete(&self, place: &Place, _cancel: &Cancel) -> Result<()> {
        remove_folder(place.path()?)
    }

    fn sources(&self, given: Option<&PoolSource>, cancel: &Cancel) -> Result<PoolSources> {
        if given.is_some_and(|given| given.hosts.len() != 1) {
            return Err(refused(
                Code::ConfigUnsupported,
                "Expected exactly 1 host for the storage pool",
            ));
        }
        let host = server(given)?;
        let folders = exports(host, cancel);
        let volumes = gluster::discover(host, cancel);
        let (folders, volumes) = match (folders, volumes) {
            (Err(folders), Err(volumes)) => {
                cancel.check()?;
                return Err(refused(
                    Code::OperationFailed,
                    format!(
                        "no storage pools were found on host '{host}': {}; {}",
                        folders.detail(),
                        volumes.detail()
                    ),
                ));
            }
            // A host may have one of them and not know of the other.
            (folders, volumes) => (folders.unwrap_or_default(), volumes.unwrap_or_default()),
        };
        let source = |path, format| PoolSource {
            hosts: vec![Host {
                name: host.to_owned(),
                port: None,
            }],
            directory: Some(Directory { path }),
            format: Some(FormatName::from(format)),
            ..PoolSource::default()
        };
        let folders = folders.into_iter().map(|path| source(path, "nfs"));
        let volumes = volumes.into_iter().map(|name| source(name, "glusterfs"));
        Ok(PoolSources {
            sources: folders.chain(volumes).collect(),
        })
    }

    fn volumes(&self) -> &'static dyn Volumes {
        &Files
    }
}
