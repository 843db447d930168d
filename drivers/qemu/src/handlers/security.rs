//! How guests are confined: by their user alone, since no security driver is built in.

use super::Call;
use crate::Driver;
use daemon::Routes;
use error::Result;
use protocol::remote;
use protocol::remote::procedure as p;
use xdr::Chars;

pub(super) fn routes(routes: &mut Routes<Driver>) {
    routes.on::<p::DomainGetSecurityLabel, _>(label);
    routes.on::<p::DomainGetSecurityLabelList, _>(labels);
}

/// The label of a guest that no driver has labelled.
fn none() -> Chars {
    Chars::from_text("")
}

async fn label(
    call: Call,
    args: remote::DomainGetSecurityLabelArgs,
) -> Result<remote::DomainGetSecurityLabelRet> {
    call.driver.domains.find(&args.dom)?;
    Ok(remote::DomainGetSecurityLabelRet {
        label: none(),
        enforcing: 0,
    })
}

async fn labels(
    call: Call,
    args: remote::DomainGetSecurityLabelListArgs,
) -> Result<remote::DomainGetSecurityLabelListRet> {
    call.driver.domains.find(&args.dom)?;
    Ok(remote::DomainGetSecurityLabelListRet {
        labels: Vec::new(),
        ret: 0,
    })
}
