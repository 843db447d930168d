//! Taps and what they have in common with macvtaps (`Documentation/networking/tuntap.rst` of the kernel).
//!
//! A tap made here lives as long as somebody holds one of its descriptors, unless it was made persistent by others. A
//! macvtap is a link that somebody else makes and removes; only its queues are opened here.
//!
//! Crates that make taps set them up for reading packets themselves; a hypervisor needs the bare queue, with the header
//! of virtio's where its guest understands it.

use rustix::fs::{Mode, OFlags, open};
use rustix::ioctl::{Ioctl, IoctlOutput, Opcode, opcode};
use std::ffi::c_void;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

/// Where taps are made, unless somebody has the node elsewhere.
const DEVICE: &str = "/dev/net/tun";

/// The kernel's limit on a device's name, with the zero at its end.
pub(super) const NAME_SIZE: usize = 16;

/// `IFF_TAP`, `IFF_NO_PI`, `IFF_MULTI_QUEUE`, `IFF_VNET_HDR` of `linux/if_tun.h`.
const IFF_TAP: i16 = 0x0002;
const IFF_NO_PI: i16 = 0x1000;
const IFF_MULTI_QUEUE: i16 = 0x0100;
const IFF_VNET_HDR: i16 = 0x4000;

/// `struct ifreq` as `TUNSETIFF` uses it.
#[repr(C)]
#[derive(Clone, Copy)]
struct Request {
    name: [u8; NAME_SIZE],
    flags: i16,
    rest: [u8; 22],
}

/// `TUNSETIFF`: binds a descriptor to a device, made if it is not there, and tells the device's name.
struct SetInterface(Request);

// SAFETY: The opcode is TUNSETIFF's, which reads and writes one `struct ifreq` of 40 bytes where the pointer points;
// `Request` has that size and layout, any bytes are valid for it, and it outlives the call.
#[expect(unsafe_code, reason = "there is no safe call for this ioctl")]
unsafe impl Ioctl for SetInterface {
    type Output = Request;

    const IS_MUTATING: bool = true;

    fn opcode(&self) -> Opcode {
        opcode::write::<i32>(b'T', 202)
    }

    fn as_ptr(&mut self) -> *mut c_void {
        (&raw mut self.0).cast()
    }

    unsafe fn output_from_ptr(_: IoctlOutput, request: *mut c_void) -> rustix::io::Result<Request> {
        // SAFETY: It is the pointer that `as_ptr` gave.
        Ok(unsafe { *request.cast::<Request>() })
    }
}

/// The flags of a queue; those of a macvtap take the same.
pub(super) fn flags(queues: usize, virtio: bool) -> i16 {
    let mut flags = IFF_TAP | IFF_NO_PI;
    if virtio {
        flags |= IFF_VNET_HDR;
    }
    if queues > 1 {
        flags |= IFF_MULTI_QUEUE;
    }
    flags
}

/// A device's name as the kernel takes it: one byte is left for the zero.
pub(super) fn device_name(name: &str) -> io::Result<[u8; NAME_SIZE]> {
    let mut bytes = [0; NAME_SIZE];
    let room = bytes.get_mut(..name.len()).filter(|room| room.len() < NAME_SIZE);
    room.ok_or(io::ErrorKind::InvalidFilename)?
        .copy_from_slice(name.as_bytes());
    Ok(bytes)
}

/// Gives a queue its flags and the device of that name, and tells the name that the kernel gave; a macvtap's queue has
/// its device and takes no name.
pub(super) fn bind(queue: &OwnedFd, name: &str, flags: i16) -> io::Result<String> {
    let request = Request {
        name: device_name(name)?,
        flags,
        rest: [0; 22],
    };
    // SAFETY: `SetInterface` says what it is.
    #[expect(unsafe_code, reason = "there is no safe call for this ioctl")]
    let made = unsafe { rustix::ioctl::ioctl(queue, SetInterface(request)) }?;
    let end = made.name.iter().position(|byte| *byte == 0).unwrap_or(NAME_SIZE);
    Ok(String::from_utf8_lossy(made.name.get(..end).unwrap_or_default()).into_owned())
}

/// A tap device.
#[derive(Debug)]
pub struct Tap {
    /// Its name.
    pub name: String,
    /// Its queues.
    pub queues: Vec<OwnedFd>,
}

impl Tap {
    /// Opens the tap of that name, or makes it; `%d` in the name stands for the first number that is free. `virtio`
    /// puts virtio's header before each packet, so that the guest may leave checksums and segmentation to others.
    ///
    /// # Errors
    /// What the kernel says: no permission, a name in use, a name too long, no such device.
    pub fn open(name: &str, queues: usize, virtio: bool) -> io::Result<Self> {
        Self::open_at(Path::new(DEVICE), name, queues, virtio)
    }

    /// The same by the node at `path`.
    ///
    /// # Errors
    /// As [`Tap::open`].
    pub fn open_at(path: &Path, name: &str, queues: usize, virtio: bool) -> io::Result<Self> {
        let flags = flags(queues, virtio);
        let mut tap = Self {
            name: name.to_owned(),
            queues: Vec::new(),
        };
        for _ in 0..queues.max(1) {
            let queue = open(
                path,
                OFlags::RDWR | OFlags::CLOEXEC | OFlags::NONBLOCK,
                Mode::empty(),
            )?;
            tap.name = bind(&queue, &tap.name, flags)?;
            tap.queues.push(queue);
        }
        Ok(tap)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_the_kernel_cannot_have_is_refused_before_it_is_asked() {
        // Without the device or the right to it nothing can be said of names.
        if let Err(err) = Tap::open("a-name-of-sixteen", 1, false) {
            assert!(
                matches!(
                    err.kind(),
                    io::ErrorKind::InvalidFilename
                        | io::ErrorKind::NotFound
                        | io::ErrorKind::PermissionDenied
                ),
                "{err}"
            );
        } else {
            unreachable!("the name has no room for its zero");
        }
    }
}
