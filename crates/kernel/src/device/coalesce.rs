//! How many packets a tap gathers before it hands them on (`linux/ethtool.h`).

use super::tap::{NAME_SIZE, device_name};
use rustix::ioctl::{Ioctl, IoctlOutput, Opcode, ioctl};
use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};
use std::ffi::c_void;
use std::io;
use std::os::fd::OwnedFd;

/// `SIOCETHTOOL`
const SIOCETHTOOL: Opcode = 0x8946;

/// `ETHTOOL_GCOALESCE`, `ETHTOOL_SCOALESCE`
const GET: u32 = 0x0e;
const SET: u32 = 0x0f;

/// `struct ethtool_coalesce`: the command, the time, the number of received packets, and what taps do not have.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
struct Coalesce {
    command: u32,
    rx_time: u32,
    rx_frames: u32,
    rest: [u32; 20],
}

/// `struct ifreq` as `SIOCETHTOOL` uses it.
#[repr(C)]
struct Request {
    name: [u8; NAME_SIZE],
    data: *mut Coalesce,
    rest: [u8; 16],
}

/// One exchange with the driver of a link.
struct Exchange<'a> {
    request: Request,
    data: &'a mut Coalesce,
}

// SAFETY: The opcode is SIOCETHTOOL's, which reads one `struct ifreq` where the pointer points, and reads and writes one
// `struct ethtool_coalesce` where its `data` points: `Request` and `Coalesce` have those layouts, any bytes are valid for
// them, and both outlive the call.
#[expect(unsafe_code, reason = "there is no safe call for this ioctl")]
unsafe impl Ioctl for Exchange<'_> {
    type Output = ();

    const IS_MUTATING: bool = true;

    fn opcode(&self) -> Opcode {
        SIOCETHTOOL
    }

    fn as_ptr(&mut self) -> *mut c_void {
        self.request.data = &raw mut *self.data;
        (&raw mut self.request).cast()
    }

    unsafe fn output_from_ptr(_: IoctlOutput, _: *mut c_void) -> rustix::io::Result<()> {
        Ok(())
    }
}

/// Has the link of that name gather at most so many received packets; what its driver makes of it is told.
///
/// # Errors
/// What the kernel says: no such link, or one that gathers none.
pub fn set_coalesced_frames(name: &str, frames: u32) -> io::Result<u32> {
    let socket = socket_with(AddressFamily::INET, SocketType::DGRAM, SocketFlags::CLOEXEC, None)?;
    let mut data = Coalesce {
        command: GET,
        rx_time: 0,
        rx_frames: 0,
        rest: [0; 20],
    };
    exchange(&socket, name, &mut data)?;
    data.command = SET;
    data.rx_frames = frames;
    exchange(&socket, name, &mut data)?;
    data.command = GET;
    exchange(&socket, name, &mut data)?;
    Ok(data.rx_frames)
}

fn exchange(socket: &OwnedFd, name: &str, data: &mut Coalesce) -> io::Result<()> {
    let request = Request {
        name: device_name(name)?,
        data: std::ptr::null_mut(),
        rest: [0; 16],
    };
    // SAFETY: `Exchange` says what it is.
    #[expect(unsafe_code, reason = "there is no safe call for this ioctl")]
    unsafe { ioctl(socket, Exchange { request, data }) }?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_kernel_reads_has_the_kernels_size() {
        assert_eq!(size_of::<Coalesce>(), 92);
        assert_eq!(size_of::<Request>(), 40);
    }

    #[test]
    fn a_link_that_gathers_nothing_says_so() {
        assert!(set_coalesced_frames("lo", 3).is_err());
        assert!(set_coalesced_frames("nowhere0", 3).is_err());
        let refused = set_coalesced_frames("a-name-of-sixteen", 3).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::InvalidFilename);
    }
}
