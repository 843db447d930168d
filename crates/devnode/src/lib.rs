//! Device nodes of Linux that a hypervisor is handed as descriptors, where setting them up takes an `ioctl` that no crate
//! has a safe call for: [taps](Tap) and [how they gather packets](set_coalesced_frames), [queues of macvtaps](open_macvtap)
//! and the [vsock](Vsock) of a guest.

mod coalesce;
mod macvtap;
mod tap;
mod vsock;

pub use coalesce::set_coalesced_frames;
pub use macvtap::open_macvtap;
pub use tap::Tap;
pub use vsock::Vsock;
