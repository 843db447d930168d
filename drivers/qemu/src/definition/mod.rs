//! Definitions: what persists of a domain. Made, changed, renamed, removed; on disk before anybody hears of it.

mod define;
mod load;
mod rename;
pub mod store;
mod undefine;

pub use undefine::UndefineOptions;
