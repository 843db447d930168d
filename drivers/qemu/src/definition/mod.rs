//! Definitions: what persists of a domain. Made, changed, renamed, removed; on disk before anybody hears of it.

mod change;
mod define;
pub(crate) mod interface_limits;
mod io_threads;
mod load;
mod metadata;
mod rename;
mod resize;
pub(crate) mod store;
pub(crate) mod tune;
mod undefine;
mod vcpus;

pub(crate) use io_threads::IoThreadSettings;
pub(crate) use resize::{Pinned, iothreads};
pub(crate) use undefine::UndefineOptions;
pub(crate) use vcpus::plug_at_start;
