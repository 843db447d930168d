//! `vstorage`: a folder on a cluster of Virtuozzo Storage, mounted by its own program.

use super::dir::{make_folder, remove_folder};
use super::mount::{is_mounted, unmount};
use super::{Backend, Files, Overwrite, Place, Volumes};
use crate::failure::{argument, invalid};
use crate::host_mounts;
use error::Result;
use model::storage::{PoolSource, PoolSources};
use tool::{Cancel, Tool, find};

#[derive(Debug)]
pub(super) struct Vstorage;

/// The cluster, whose name cannot be taken for an option.
fn cluster(place: &Place) -> Result<&str> {
    let name = place.pool.source().and_then(|source| source.name.as_deref());
    let name = name.unwrap_or(&place.pool.name);
    if name.starts_with('-') || name.contains(char::is_whitespace) {
        return Err(argument(format!("'{name}' cannot be the name of a cluster")));
    }
    Ok(name)
}

/// The name of a user or group, which is what the program takes.
fn name_of(database: &'static str, number: u32, cancel: &Cancel) -> Result<String> {
    let told = Tool::new("getent")
        .with([database, &number.to_string()])
        .run(cancel)
        .map_err(|_| invalid(format!("this host has no {database} entry of number {number}")))?;
    Ok(told.split(':').next().unwrap_or_default().to_owned())
}

/// How it is mounted.
fn mount(place: &Place, cancel: &Cancel) -> Result<Tool> {
    let target = place.pool.target.as_ref();
    let permissions = target
        .and_then(|target| target.permissions.clone())
        .unwrap_or_default();
    let mut tool = Tool::new("vstorage-mount")
        .with(["-c", cluster(place)?])
        .with([place.path()?]);
    if let Some(mode) = permissions.mode {
        tool = tool.with(["-m", &format!("{:o}", mode.0)]);
    }
    if let Some(group) = permissions.group {
        tool = tool.with(["-g", &name_of("group", group, cancel)?]);
    }
    if let Some(owner) = permissions.owner {
        tool = tool.with(["-u", &name_of("passwd", owner, cancel)?]);
    }
    Ok(tool)
}

impl Backend for Vstorage {
    fn is_usable(&self) -> bool {
        find("vstorage-mount").is_some()
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
        host_mounts::run(&mount(place, cancel)?, cancel)
    }

    fn stop(&self, place: &Place, hangs: bool, cancel: &Cancel) -> Result<()> {
        unmount(place.path()?, hangs, cancel)
    }

    fn delete(&self, place: &Place, _cancel: &Cancel) -> Result<()> {
        remove_folder(place.path()?)
    }

    fn sources(&self, _given: Option<&PoolSource>, cancel: &Cancel) -> Result<PoolSources> {
        let told = Tool::new("vstorage").with(["discover"]).run(cancel)?;
        let clusters = told.lines().filter_map(|line| line.split_whitespace().next());
        Ok(PoolSources::named(clusters))
    }

    fn volumes(&self) -> &'static dyn Volumes {
        &Files
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::place;
    use super::*;

    #[test]
    fn it_is_mounted_with_the_pools_permissions() {
        let place = place(
            "<pool type='vstorage'><name>v</name><source><name>cluster</name></source>\
             <target><path>/mnt/v</path><permissions><mode>0750</mode><owner>0</owner><group>0</group>\
             </permissions></target></pool>",
        );
        let words = mount(&place, &Cancel::default()).unwrap().words().join(" ");
        assert_eq!(words, "vstorage-mount -c cluster /mnt/v -m 750 -g root -u root");
    }
}
