//! Definitions: what persists of a domain. Made, changed, renamed, removed; on disk before anybody hears of it.

mod define;
mod load;
mod metadata;
mod rename;
pub mod store;
mod undefine;

pub use metadata::Piece;
pub use undefine::UndefineOptions;
