//! What `cargo xtask testbed` runs in a guest of its own: everything as installed, under a real systemd.
//!
//! Each test is ignored elsewhere, as it would change the host. They run one after the other on one system; each leaves
//! services running or stopped as it pleases, and starts from what it makes sure of itself.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

mod activation;
mod confined;
mod gluster;
mod guests;
mod hardening;
mod host;
mod hostdev;
mod idle;
mod iscsi;
mod journal;
mod limits;
mod logical;
mod monolith;
mod netfs;
mod networks;
mod polkit;
mod pools;
mod rbd;
mod reload;
mod remote;
mod scopes;
mod scsi;
mod switches;
mod units;
