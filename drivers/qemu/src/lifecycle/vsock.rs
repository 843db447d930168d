//! `<vsock>`: the kernel's end of the guest's sockets, with an address that no other guest has.

use super::descriptors::Descriptors;
use crate::command::Role;
use error::{Code, Domain as ErrorDomain, Error, Result};
use kernel::device::Vsock;
use model::domain::Domain as Model;
use xml::YesNo;

/// Opens the vsock of a live document and notes there the address that was chosen.
///
/// # Errors
/// [`Code::ConfigUnsupported`] where the kernel has none, [`Code::OperationFailed`] for an address that is taken.
pub(super) fn open(model: &mut Model, descriptors: &mut Descriptors) -> Result<()> {
    let Some(vsock) = model.devices.vsock.as_mut() else {
        return Ok(());
    };
    let opened = Vsock::open().map_err(|err| {
        let text = format!("<vsock>: cannot open '/dev/vhost-vsock': {err}");
        Error::new(Code::ConfigUnsupported, ErrorDomain::Qemu, text).caused_by(err)
    })?;
    let refused = |what: String, err: std::io::Error| {
        let text = format!("<vsock>: cannot take {what}: {err}");
        Error::new(Code::OperationFailed, ErrorDomain::Qemu, text).caused_by(err)
    };
    let cid = vsock.cid.get_or_insert_default();
    match cid.address {
        Some(address) if cid.auto != Some(YesNo::Yes) => opened
            .take(address)
            .map_err(|err| refused(format!("the address {address}"), err))?,
        None if cid.auto == Some(YesNo::No) => {
            let text = "<vsock><cid auto='no'> names no address";
            return Err(Error::new(Code::ConfigUnsupported, ErrorDomain::Qemu, text));
        }
        _ => {
            let address = opened
                .take_any()
                .map_err(|err| refused("a free address".to_owned(), err))?;
            cid.address = Some(address);
        }
    }
    let alias = vsock.info.alias_name().unwrap_or_default();
    descriptors.add(alias, Role::Vhost, vec![opened.into_fd()]);
    Ok(())
}
