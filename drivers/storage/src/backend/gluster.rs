//! `gluster`: the files of a Gluster volume, or of a folder of it. QEMU opens them by itself; the daemon sees them through a mount
//! in a folder of its own, which Gluster's own client makes.

use super::mount::{Mount, is_mounted, unmount};
use super::{Backend, Place, Room, Scan, Volumes};
use crate::failure::{argument, refused};
use crate::files::{Folder, Unfinished};
use crate::host_mounts;
use crate::volume::{Device, Volume};
use error::{Code, Result};
use model::storage::{Directory, Host, PoolSource, PoolSources, VolumeKind};
use std::fs;
use std::path::PathBuf;
use tool::{Cancel, Tool, find};
use xml::Element;

#[derive(Debug)]
pub(super) struct Gluster;

/// What a server's management listens on.
const PORT: u16 = 24007;

/// What a pool is made of.
#[derive(Debug, PartialEq, Eq)]
struct Source<'a> {
    host: &'a str,
    port: Option<u16>,
    volume: &'a str,
    /// The folder, with a slash at either end.
    folder: String,
}

/// A server, whose name cannot be taken for an option.
fn host(source: Option<&PoolSource>) -> Result<&Host> {
    let host = source.and_then(|source| source.hosts.first());
    let plain = |host: &&Host| {
        !host.name.is_empty() && !host.name.starts_with('-') && !host.name.contains(char::is_whitespace)
    };
    host.filter(plain)
        .ok_or_else(|| argument("gluster pools need the name of a host"))
}

fn source(place: &Place) -> Result<Source<'_>> {
    let source = place.pool.source();
    let host = host(source)?;
    let volume = source.and_then(|source| source.name.as_deref());
    let volume = volume.unwrap_or(&place.pool.name);
    if volume.starts_with(['-', '.'])
        || volume.contains(|letter: char| letter == '/' || letter.is_whitespace())
    {
        return Err(argument(format!(
            "'{volume}' cannot be the name of a Gluster volume"
        )));
    }
    let path = source.and_then(|source| source.directory.as_ref());
    let path = path.map_or("/", |directory| &directory.path).trim_matches('/');
    if path.split('/').any(|step| step == "..") {
        return Err(argument(format!(
            "'{path}' leads out of the Gluster volume '{volume}'"
        )));
    }
    Ok(Source {
        host: &host.name,
        port: host.port.filter(|port| *port != PORT),
        volume,
        folder: if path.is_empty() {
            "/".to_owned()
        } else {
            format!("/{path}/")
        },
    })
}

impl Source<'_> {
    /// The server as a part of addresses.
    fn server(&self) -> String {
        let host = if self.host.contains(':') {
            format!("[{}]", self.host)
        } else {
            self.host.to_owned()
        };
        match self.port {
            Some(port) => format!("{host}:{port}"),
            None => host,
        }
    }

    /// What QEMU calls a file.
    fn address(&self, name: &str) -> String {
        format!("gluster://{}/{}{}{name}", self.server(), self.volume, self.folder)
    }

    fn mount(&self) -> Mount<'static> {
        let host = if self.host.contains(':') {
            format!("[{}]", self.host)
        } else {
            self.host.to_owned()
        };
        Mount {
            source: format!("{host}:/{}", self.volume),
            kind: Some("glusterfs"),
            options: self
                .port
                .map(|port| format!("server-port={port}"))
                .into_iter()
                .collect(),
        }
    }
}

/// Where the daemon mounts the volume.
fn mount_point(place: &Place) -> PathBuf {
    place.host.run.join("gluster").join(&place.pool.name)
}

fn folder(place: &Place) -> Result<Folder> {
    let source = source(place)?;
    Folder::open(&mount_point(place).join(source.folder.trim_matches('/')))
}

/// The answer of `gluster --xml volume info`.
#[derive(Debug, Element)]
#[xml(element = "cliOutput")]
struct Answer {
    #[xml(child = "volInfo")]
    information: Option<Information>,
}

#[derive(Debug, Element)]
#[xml(element = "volInfo")]
struct Information {
    #[xml(child)]
    volumes: Known,
}

#[derive(Debug, Element)]
#[xml(element = "volumes")]
struct Known {
    #[xml(children = "volume")]
    volumes: Vec<KnownVolume>,
}

#[derive(Debug, Element)]
#[xml(element = "volume")]
struct KnownVolume {
    #[xml(value = "name")]
    name: Option<String>,
}

/// The names of the volumes that a server has, in the words of `gluster`.
fn names(told: &str) -> Result<Vec<String>> {
    let answer: Answer = xml::from_str(told).map_err(|err| {
        let text = format!("'gluster' answered what nobody understands: {err}");
        refused(Code::InternalError, text)
    })?;
    let volumes = answer.information.map(|information| information.volumes.volumes);
    let names = volumes.into_iter().flatten().filter_map(|volume| volume.name);
    Ok(names.collect())
}

/// The volumes that a server has; none where this host cannot ask.
pub(super) fn discover(host: &str, cancel: &Cancel) -> Result<Vec<String>> {
    let told = Tool::new("gluster")
        .with(["--xml", "--log-file=/dev/null", "volume", "info", "all"])
        .with([format!("--remote-host={host}")])
        .run(cancel)?;
    names(&told)
}

impl Backend for Gluster {
    fn is_usable(&self) -> bool {
        find("mount.glusterfs").is_some()
    }

    fn is_active(&self, place: &Place, _cancel: &Cancel) -> Result<bool> {
        is_mounted(&mount_point(place))
    }

    fn start(&self, place: &Place, cancel: &Cancel) -> Result<()> {
        let point = mount_point(place);
        if is_mounted(&point)? {
            return Ok(());
        }
        let tool = source(place)?.mount().tool(&point, &place.pool);
        let failed = |err| crate::failure::system(format!("cannot create path '{}'", point.display()), err);
        fs::create_dir_all(&point).map_err(failed)?;
        host_mounts::run(&tool, cancel)
    }

    fn stop(&self, place: &Place, hangs: bool, cancel: &Cancel) -> Result<()> {
        let point = mount_point(place);
        unmount(&point, hangs, cancel)?;
        // Another start makes it again.
        let _ = fs::remove_dir(&point);
        Ok(())
    }

    fn sources(&self, given: Option<&PoolSource>, cancel: &Cancel) -> Result<PoolSources> {
        let host = host(given)?;
        let sources = discover(&host.name, cancel)?.into_iter().map(|name| PoolSource {
            hosts: vec![host.clone()],
            directory: Some(Directory { path: "/".to_owned() }),
            name: Some(name),
            ..PoolSource::default()
        });
        Ok(PoolSources {
            sources: sources.collect(),
        })
    }

    fn volumes(&self) -> &'static dyn Volumes {
        &Gluster
    }
}

/// A file of the mount as what it is to others.
fn away(source: &Source<'_>, mut volume: Volume) -> Volume {
    let address = source.address(&volume.name);
    volume.kind = match volume.kind {
        VolumeKind::Dir => VolumeKind::Netdir,
        _ => VolumeKind::Network,
    };
    volume.device = Some(Box::new(Device {
        path: address.clone(),
        key: address,
        lasting: None,
        parts: Vec::new(),
    }));
    volume
}

impl Volumes for Gluster {
    fn scan(&self, place: &Place, cancel: &Cancel) -> Result<Scan> {
        let (source, folder) = (source(place)?, folder(place)?);
        let volumes = folder.volumes(cancel, Unfinished::is_any)?;
        Ok(Scan {
            volumes: volumes.into_iter().map(|volume| away(&source, volume)).collect(),
            room: folder.figures()?.into(),
            permissions: None,
        })
    }

    fn room(&self, place: &Place, _cancel: &Cancel) -> Result<Room> {
        Ok(folder(place)?.figures()?.into())
    }

    fn look(&self, place: &Place, known: &Volume) -> Result<Option<Volume>> {
        let volume = folder(place)?.volume(&known.name)?;
        let source = source(place)?;
        Ok(volume.map(|volume| away(&source, volume)))
    }

    fn remove(&self, place: &Place, volume: &Volume, _cancel: &Cancel) -> Result<()> {
        folder(place)?.remove(&volume.name)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::place;
    use super::*;

    #[test]
    fn a_file_has_the_address_that_qemu_opens() {
        for (words, address, mounted) in [
            ("<host name='h'/>", "gluster://h/v/a.img", "h:/v"),
            (
                "<host name='h' port='24007'/><dir path='/'/>",
                "gluster://h/v/a.img",
                "h:/v",
            ),
            (
                "<host name='h' port='4'/><dir path='/s/t'/>",
                "gluster://h:4/v/s/t/a.img",
                "h:/v",
            ),
            (
                "<host name='::1'/><dir path='s/'/>",
                "gluster://[::1]/v/s/a.img",
                "[::1]:/v",
            ),
        ] {
            let place = place(&format!(
                "<pool type='gluster'><name>g</name><source><name>v</name>{words}</source></pool>"
            ));
            let source = source(&place).unwrap();
            assert_eq!(source.address("a.img"), address);
            assert_eq!(source.mount().source, mounted);
        }
        for words in ["<host name='-o'/>", "<host name='h'/><dir path='/a/../..'/>"] {
            let place = place(&format!(
                "<pool type='gluster'><name>g</name><source><name>v</name>{words}</source></pool>"
            ));
            assert!(source(&place).is_err(), "{words}");
        }
    }

    #[test]
    fn volumes_are_found_in_what_a_server_tells() {
        let told = "<?xml version='1.0' encoding='UTF-8' standalone='yes'?>\n<cliOutput><opRet>0</opRet><opErrno>0</opErrno>\
                    <opErrstr/><volInfo><volumes><volume><name>a</name><id>x</id></volume>\
                    <volume><name>b</name></volume><count>2</count></volumes></volInfo></cliOutput>";
        assert_eq!(names(told).unwrap(), ["a", "b"]);
        assert!(names("no XML").is_err());
    }
}
