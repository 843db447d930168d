//! The kernel's end of a guest's vsock (`linux/vhost.h`).

use rustix::fs::{Mode, OFlags, open};
use rustix::io::Errno;
use rustix::ioctl::{Setter, ioctl, opcode};
use std::io;
use std::os::fd::{AsFd, OwnedFd};

/// Where it is opened.
const DEVICE: &str = "/dev/vhost-vsock";

/// `VHOST_VSOCK_SET_GUEST_CID`
const SET_GUEST_CID: rustix::ioctl::Opcode = opcode::write::<u64>(0xaf, 0x60);

/// Addresses below belong to nobody, the loopback and the host.
const FIRST_GUEST: u32 = 3;

/// The highest address stands for any.
const ANY: u32 = u32::MAX;

/// A vsock that waits for its guest.
#[derive(Debug)]
pub struct Vsock(OwnedFd);

impl Vsock {
    /// Opens one without an address.
    ///
    /// # Errors
    /// What the kernel says: no such device, no permission.
    pub fn open() -> io::Result<Self> {
        Ok(Self(open(DEVICE, OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())?))
    }

    /// Takes an address. It is free again once nobody holds the descriptor.
    ///
    /// # Errors
    /// [`io::ErrorKind::AddrInUse`] when another guest has it, [`io::ErrorKind::InvalidInput`] for one that no guest can
    /// have.
    pub fn take(&self, address: u32) -> io::Result<()> {
        set_address(self.0.as_fd(), address).map_err(io::Error::from)
    }

    /// Takes the lowest address that is free, and gives it.
    ///
    /// # Errors
    /// [`io::ErrorKind::AddrInUse`] when all are taken, or what else the kernel says.
    pub fn take_any(&self) -> io::Result<u32> {
        lowest_free(|address| set_address(self.0.as_fd(), address))
    }

    /// The descriptor for the hypervisor.
    pub fn into_fd(self) -> OwnedFd {
        self.0
    }
}

fn set_address(vsock: impl AsFd, address: u32) -> rustix::io::Result<()> {
    // SAFETY: The opcode is that of VHOST_VSOCK_SET_GUEST_CID, which reads one u64.
    #[expect(unsafe_code, reason = "there is no safe call for this ioctl")]
    unsafe {
        ioctl(vsock, Setter::<SET_GUEST_CID, u64>::new(u64::from(address)))
    }
}

fn lowest_free(mut take: impl FnMut(u32) -> rustix::io::Result<()>) -> io::Result<u32> {
    for address in FIRST_GUEST..ANY {
        match take(address) {
            Err(Errno::ADDRINUSE) => {}
            outcome => return Ok(outcome.map(|()| address)?),
        }
    }
    Err(io::ErrorKind::AddrInUse.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lowest_address_that_nobody_has_is_taken() {
        let taken = [3, 4, 6];
        let take = |address| match address {
            address if taken.contains(&address) => Err(Errno::ADDRINUSE),
            _ => Ok(()),
        };
        assert_eq!(lowest_free(take).unwrap(), 5);
        let refused = lowest_free(|_| Err(Errno::NODEV)).unwrap_err();
        assert_eq!(refused.raw_os_error(), Some(Errno::NODEV.raw_os_error()));
    }

    #[test]
    fn an_address_is_told_by_the_kernels_number() {
        // `_IOW(VHOST_VIRTIO, 0x60, __u64)`
        assert_eq!(SET_GUEST_CID, 0x4008_af60);
    }

    #[test]
    fn another_descriptor_takes_no_address() {
        let file = std::fs::File::open("/dev/null").unwrap();
        assert_eq!(set_address(&file, 3), Err(Errno::NOTTY));
    }

    #[test]
    fn two_guests_cannot_have_one_address() {
        // Kernels without the device, and users without the right to it, are not asked.
        let (Ok(first), Ok(second)) = (Vsock::open(), Vsock::open()) else {
            return;
        };
        let address = first.take_any().unwrap();
        assert!(address >= FIRST_GUEST);
        assert_eq!(second.take(address).unwrap_err().kind(), io::ErrorKind::AddrInUse);
        assert_eq!(second.take(2).unwrap_err().kind(), io::ErrorKind::InvalidInput);
        drop(first);
        second.take(address).unwrap();
    }
}
