//! Frames that pass an interface, as a program of the kernel's packet filter chooses them.

use rustix::net::addr::{SocketAddrArg, SocketAddrLen, SocketAddrOpaque};
use rustix::net::{AddressFamily, Protocol, SocketFlags, SocketType, bind, netdevice, socket_with, sockopt};
use socket2::{SockFilter, SockRef};
use std::io;
use std::mem::size_of;
use std::os::fd::OwnedFd;
use std::ptr;

/// `ETH_P_ALL`, as in headers: every frame, also those that leave by the interface.
const EVERY_PROTOCOL: u16 = 3_u16.to_be();

/// An interface in `linux/if_packet.h`: `sockaddr_ll`.
#[repr(C)]
struct Link {
    family: u16,
    protocol: u16,
    index: i32,
    hardware_type: u16,
    packet_type: u8,
    address_length: u8,
    address: [u8; 8],
}

// SAFETY: The pointer is to the whole of a `Link`, which has the layout of `sockaddr_ll` and lives until the call is back.
#[expect(unsafe_code, reason = "addresses of links are not among those of rustix")]
unsafe impl SocketAddrArg for Link {
    unsafe fn with_sockaddr<R>(&self, f: impl FnOnce(*const SocketAddrOpaque, SocketAddrLen) -> R) -> R {
        let length = u32::try_from(size_of::<Self>()).unwrap_or_default();
        f(ptr::from_ref(self).cast(), length)
    }
}

/// A socket that does not block and reads the frames that the interface of that name receives and sends and `program` lets through, cut as the
/// program says; without frames of before. No more than about `room` bytes wait in the kernel to be read, and what has no room is lost.
///
/// # Errors
/// What the kernel says: no such interface, no permission, not a program.
pub fn capture(interface: &str, program: &[SockFilter], room: usize) -> io::Result<OwnedFd> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    // Of no protocol yet: nothing comes in before the program is there.
    let socket = socket_with(AddressFamily::PACKET, SocketType::RAW, flags, None::<Protocol>)?;
    let index = netdevice::name_to_index(&socket, interface)?;
    sockopt::set_socket_recv_buffer_size(&socket, room)?;
    SockRef::from(&socket).attach_filter(program)?;
    let link = Link {
        family: AddressFamily::PACKET.as_raw(),
        protocol: EVERY_PROTOCOL,
        index: i32::try_from(index).map_err(io::Error::other)?,
        hardware_type: 0,
        packet_type: 0,
        address_length: 0,
        address: [0; 8],
    };
    bind(&socket, &link)?;
    Ok(socket)
}
