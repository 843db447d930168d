//! `<source fdgroup=''>`: images that a client has opened.

use super::descriptors::Descriptors;
use crate::command::{self, Provision, Role};
use crate::domain::FdGroups;
use error::{Code, Domain as ErrorDomain, Error, Result};
use model::domain::Domain as Model;

/// Doubles what clients gave for the images of a live document.
///
/// # Errors
/// [`Code::InvalidArg`] for a group that nobody has given, [`Code::SystemError`] when there can be no more descriptors.
pub(super) fn open(model: &Model, groups: &FdGroups, descriptors: &mut Descriptors) -> Result<()> {
    for wanted in command::requirements(model) {
        let Provision::FdGroup(name) = wanted.what else {
            continue;
        };
        if descriptors.has(&name) {
            continue;
        }
        let group = groups.get(&name).ok_or_else(|| {
            let text = format!("file descriptor group '{name}' was not associated with the domain");
            Error::new(Code::InvalidArg, ErrorDomain::Qemu, text)
        })?;
        let doubles: std::io::Result<_> = group.iter().map(|one| one.try_clone()).collect();
        let doubles = doubles.map_err(|err| {
            let text = format!("cannot double the file descriptors of group '{name}': {err}");
            Error::new(Code::SystemError, ErrorDomain::Qemu, text).caused_by(err)
        })?;
        descriptors.add(&name, Role::Group, doubles);
    }
    Ok(())
}
