//! Descriptors that a client gives a domain for its images.

use super::Call;
use crate::Driver;
use crate::domain::GivenFds;
use crate::flags;
use daemon::Routes;
use error::{Code, Domain, Error, Result};
use protocol::remote;
use protocol::remote::procedure as p;

pub(super) fn routes(routes: &mut Routes<Driver>) {
    routes.on::<p::DomainFdAssociate, _>(associate);
}

/// `VIR_DOMAIN_FD_ASSOCIATE_SECLABEL_RESTORE` and `_WRITABLE`: no labels are set on what clients open themselves, so there
/// is nothing to restore and nothing to choose.
const LABELS: u32 = 1 | 2;

async fn associate(call: Call, args: remote::DomainFdAssociateArgs) -> Result<()> {
    flags::check("virDomainFDAssociate", args.flags, LABELS)?;
    let domain = call.driver.domains.find(&args.dom)?;
    let given = call.take_fds();
    if given.is_empty() {
        let text = "nfds in virDomainFDAssociate must not be zero";
        return Err(Error::new(Code::InvalidArg, Domain::Qemu, text));
    }
    call.session.state::<GivenFds>().give(&domain, &args.name, given)
}
