//! What daemons at libvirtd's old sockets have in common, whoever serves the calls in the end: which URI is meant by
//! clients that name none, and how clients from afar come in.

pub mod default_uri;
mod entrance;
pub mod local_uri;

pub use entrance::{Certified, places};
