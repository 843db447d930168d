//! Device nodes that a hypervisor is handed as descriptors, where setting them up takes an `ioctl` that no crate
//! has a safe call for: [taps](Tap) and [how they gather packets](set_coalesced_frames), [queues of macvtaps](open_macvtap)
//! and the [vsock](Vsock) of a guest; and [what passes an interface](capture), for who has to learn from it.

mod capture;
mod coalesce;
mod macvtap;
mod tap;
mod vsock;

pub use capture::capture;
pub use coalesce::set_coalesced_frames;
pub use macvtap::open_macvtap;
pub use socket2::SockFilter;
pub use tap::Tap;
pub use vsock::Vsock;
