//! A domain's share of its host: processor time, block devices, memory, NUMA nodes, and limits of its disks.
//!
//! Of a definition the figures are the document's. Of a running guest they are what its control groups hold it to, as the kernel
//! tells it.

mod block;
mod disk;
mod memory;
mod numa;
mod scheduler;

use super::Call;
use crate::Driver;
use crate::domain::Live;
use crate::flags;
use daemon::Routes;
use error::{Code, Domain, Error, Result};
use model::domain::Domain as Model;
use protocol::remote;
use std::sync::Arc;

pub(super) fn routes(routes: &mut Routes<Driver>) {
    scheduler::routes(routes);
    block::routes(routes);
    memory::routes(routes);
    numa::routes(routes);
    disk::routes(routes);
}

/// What is asked: a document, and the running guest if that is meant.
struct Asked {
    model: Model,
    live: Option<Arc<Live>>,
}

/// What the flags of a call that only asks mean; `what` is what it is about, where users' daemons have none of it.
fn asked(call: &Call, dom: &remote::Domain, name: &str, given: u32, what: Option<&str>) -> Result<Asked> {
    flags::check(name, given, flags::AFFECT | flags::STRING_OKAY)?;
    flags::exclusive(
        name,
        given,
        (flags::AFFECT_LIVE, "VIR_DOMAIN_AFFECT_LIVE"),
        (flags::AFFECT_CONFIG, "VIR_DOMAIN_AFFECT_CONFIG"),
    )?;
    if let Some(what) = what.filter(|_| call.driver.groups.is_session()) {
        let text = format!("{what} is not available in session mode");
        return Err(Error::new(Code::OperationUnsupported, Domain::Qemu, text));
    }
    let state = call.driver.domains.find(dom)?.state();
    let (model, impact) = state.meant(given)?;
    Ok(Asked {
        model,
        live: state.live.clone().filter(|_| impact.live),
    })
}
