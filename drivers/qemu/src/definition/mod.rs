//! Definitions: what persists of a domain. Made, changed, renamed, removed; on disk before anybody hears of it.

mod define;
mod load;
mod metadata;
mod rename;
mod resize;
pub(crate) mod store;
mod undefine;

pub(crate) use metadata::Piece;
pub(crate) use resize::{Pinned, bind_all, iothreads};
pub(crate) use undefine::UndefineOptions;
