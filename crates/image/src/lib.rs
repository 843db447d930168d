//! What a disk image is, read off its header without QEMU: format, size, the image it is based on, the file with its
//! data, encryption.
//!
//! ```text
//!  path ─ Walk::open ─► Image: Sizes (what the host's file system says)
//!                              Header (what the image says of itself) ─ Backing::locate ─► the next path, or elsewhere
//! ```
//! Images are hostile input: a guest writes what it likes into its own. So a header is read within fixed bounds whatever
//! it claims, what does not hold together is an error, and a [`Walk`] along a chain of images refuses loops and absurd
//! depths. Nothing is ever written; what an [empty image](EmptyQcow2) consists of is told as bytes. The formats are as QEMU's `docs/interop` and the products' own papers describe them.
//!
//! Everything here blocks on the disk; on a mount whose server is gone, for ever.

mod backing;
mod bytes;
mod empty;
mod format;
mod header;
mod other;
mod qcow;
mod qed;
mod vhdx;
mod vmdk;
mod walk;

pub use backing::{Backing, Location};
pub use bytes::{Ahead, ReadAt};
pub use empty::EmptyQcow2;
pub use format::Format;
pub use header::{Encryption, Header, Malformed, Qcow2};
pub use walk::{Error, Image, MAX_LAYERS, Sizes, Walk};
