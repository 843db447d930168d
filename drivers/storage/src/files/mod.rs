//! Volumes that are files of a folder, as pools of several kinds have them.
//!
//! Everything here blocks on the disk; it is done on the threads of the pool.

pub(crate) mod copy;
mod cow;
mod folder;
pub(crate) mod label;
pub(crate) mod look;
pub(crate) mod make;
mod wipe;

pub(crate) use copy::copy_data;
pub(crate) use cow::set_sharing;
pub(crate) use folder::{Figures, Folder};
pub(crate) use make::{Making, Unfinished};
pub(crate) use wipe::{Algorithm, wipe};
