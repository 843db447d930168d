//! Who serves which procedure: one file for each subject, each with its own list.

mod capabilities;
mod event;
mod pool_change;
mod pool_info;
mod pool_list;
mod volume_change;
mod volume_info;
mod volume_list;

use crate::Driver;
use crate::failure::argument;
use crate::pool::Pool;
use crate::volume::Volume;
use daemon::Routes;
use error::{Domain, Result};
use model::storage::Pool as Document;
use protocol::remote;
use std::sync::Arc;

/// One call of a client.
pub(crate) type Call = rpc::Context<Driver>;

/// Registers all of them.
pub(crate) fn routes(routes: &mut Routes<Driver>) {
    daemon::connection::routes(routes);
    capabilities::routes(routes);
    event::routes(routes);
    pool_change::routes(routes);
    pool_info::routes(routes);
    pool_list::routes(routes);
    volume_change::routes(routes);
    volume_info::routes(routes);
    volume_list::routes(routes);
}

/// Refuses flags outside `known`.
fn check_flags(call: &str, flags: u32, known: u32) -> Result<()> {
    daemon::call_flags::check(Domain::Storage, call, flags, known)
}

/// Refuses two flags that contradict each other.
fn check_exclusive(call: &str, flags: u32, one: u32, other: u32) -> Result<()> {
    if flags & one != 0 && flags & other != 0 {
        return Err(argument(format!(
            "flags 0x{one:x} and 0x{other:x} of {call} are mutually exclusive"
        )));
    }
    Ok(())
}

/// The pool of a volume that a client names: a volume's reference has the pool's name.
fn pool_of(call: &Call, volume: &remote::StorageVol) -> Result<Arc<Pool>> {
    call.driver.pools.by_name(&volume.pool)
}

/// The reference that clients know a volume by.
fn volume_reference(pool: &Pool, volume: &Volume) -> remote::StorageVol {
    reference_in(&pool.state().document, volume)
}

/// The same of a volume in the pool of that document.
fn reference_in(pool: &Document, volume: &Volume) -> remote::StorageVol {
    remote::StorageVol {
        pool: pool.name.clone(),
        name: volume.name.to_string(),
        key: volume.key(pool),
    }
}
