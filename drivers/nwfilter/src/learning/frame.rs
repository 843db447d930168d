//! What a frame tells of a guest's addresses.

use super::{Lesson, Method};
use smoltcp::wire::{
    ArpOperation, ArpPacket, ArpRepr, DhcpMessageType, DhcpPacket, DhcpRepr, EthernetAddress, EthernetFrame,
    EthernetProtocol, IpProtocol, Ipv4Packet, UdpPacket,
};
use std::net::Ipv4Addr;
use std::time::Duration;

/// What was seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seen {
    /// The guest uses an address.
    Uses(Ipv4Addr),
    /// A server leased it one; without a time, for good.
    Leased(Ipv4Addr, Option<Duration>),
    /// It gave one back.
    GaveBack(Ipv4Addr),
}

/// Whether a guest can have the address.
fn is_of_a_host(address: Ipv4Addr) -> bool {
    !(address.is_unspecified() || address.is_broadcast() || address.is_multicast() || address.is_loopback())
}

/// What a frame tells of the guest's addresses, if anything: its bytes are whatever anybody sends who reaches the port.
pub fn read(lesson: &Lesson, bytes: &[u8]) -> Option<Seen> {
    let frame = EthernetFrame::new_checked(bytes).ok()?;
    let own = EthernetAddress(lesson.mac.octets());
    match frame.ethertype() {
        EthernetProtocol::Arp if frame.src_addr() == own => arp(own, frame.payload()),
        EthernetProtocol::Ipv4 => ipv4(lesson, &frame, own),
        _ => None,
    }
    .filter(|seen| match seen {
        Seen::Uses(address) | Seen::Leased(address, _) => is_of_a_host(*address),
        Seen::GaveBack(_) => true,
    })
}

fn arp(own: EthernetAddress, payload: &[u8]) -> Option<Seen> {
    let packet = ArpPacket::new_checked(payload).ok()?;
    match ArpRepr::parse(&packet).ok()? {
        ArpRepr::EthernetIpv4 {
            operation: ArpOperation::Request | ArpOperation::Reply,
            source_hardware_addr,
            source_protocol_addr,
            ..
        } if source_hardware_addr == own => Some(Seen::Uses(source_protocol_addr)),
        _ => None,
    }
}

fn ipv4(lesson: &Lesson, frame: &EthernetFrame<&[u8]>, own: EthernetAddress) -> Option<Seen> {
    let packet = Ipv4Packet::new_checked(frame.payload()).ok()?;
    if packet.next_header() == IpProtocol::Udp && packet.frag_offset() == 0 {
        let message = UdpPacket::new_checked(packet.payload()).ok()?;
        if let (67, 68) | (68, 67) = (message.src_port(), message.dst_port()) {
            let from = message.src_port() == 67;
            return dhcp(lesson, own, packet.src_addr(), from, message.payload());
        }
    }
    (lesson.method == Method::Any && frame.src_addr() == own).then(|| Seen::Uses(packet.src_addr()))
}

/// A message of DHCP. One from a server was seen on its way to the guest, one from a client on its way from it.
fn dhcp(
    lesson: &Lesson,
    own: EthernetAddress,
    source: Ipv4Addr,
    is_of_server: bool,
    payload: &[u8],
) -> Option<Seen> {
    let packet = DhcpPacket::new_checked(payload).ok()?;
    let message = DhcpRepr::parse(&packet).ok()?;
    if message.client_hardware_address != own {
        return None;
    }
    let is_believed = lesson.servers.is_empty() || lesson.servers.contains(&source);
    match message.message_type {
        DhcpMessageType::Ack if is_of_server && is_believed => {
            let time = message.lease_duration.filter(|seconds| *seconds != u32::MAX);
            let time = time.map(|seconds| Duration::from_secs(seconds.into()));
            Some(Seen::Leased(message.your_ip, time))
        }
        DhcpMessageType::Release if !is_of_server => Some(Seen::GaveBack(message.client_ip)),
        DhcpMessageType::Decline if !is_of_server => message.requested_ip.map(Seen::GaveBack),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::Mac;
    use smoltcp::phy::ChecksumCapabilities;
    use smoltcp::wire::{IpAddress, Ipv4Repr, UdpRepr};

    const GUEST: [u8; 6] = [0x52, 0x54, 0, 0, 0, 7];
    const SERVER: Ipv4Addr = Ipv4Addr::new(10, 7, 0, 1);
    const LEASED: Ipv4Addr = Ipv4Addr::new(10, 7, 0, 2);

    fn lesson(method: Method, servers: &[Ipv4Addr]) -> Lesson {
        Lesson {
            method,
            mac: Mac(GUEST),
            servers: servers.to_vec(),
        }
    }

    fn message(kind: DhcpMessageType, mac: [u8; 6], time: u32) -> Vec<u8> {
        let of_server = kind == DhcpMessageType::Ack;
        let repr = DhcpRepr {
            message_type: kind,
            transaction_id: 1,
            secs: 0,
            client_hardware_address: EthernetAddress(mac),
            client_ip: if of_server { Ipv4Addr::UNSPECIFIED } else { LEASED },
            your_ip: if of_server { LEASED } else { Ipv4Addr::UNSPECIFIED },
            server_ip: Ipv4Addr::UNSPECIFIED,
            router: None,
            subnet_mask: None,
            relay_agent_ip: Ipv4Addr::UNSPECIFIED,
            broadcast: false,
            requested_ip: None,
            client_identifier: None,
            server_identifier: None,
            parameter_request_list: None,
            dns_servers: None,
            max_size: None,
            lease_duration: of_server.then_some(time),
            renew_duration: None,
            rebind_duration: None,
            additional_options: &[],
        };
        let (source, destination) = if of_server {
            (SERVER, LEASED)
        } else {
            (LEASED, SERVER)
        };
        let ports = if of_server { (67, 68) } else { (68, 67) };
        let udp = UdpRepr {
            src_port: ports.0,
            dst_port: ports.1,
        };
        let mut bytes = vec![0; 14 + 20 + 8 + repr.buffer_len()];
        let mut frame = EthernetFrame::new_unchecked(&mut bytes);
        frame.set_src_addr(EthernetAddress(GUEST));
        frame.set_ethertype(EthernetProtocol::Ipv4);
        let ip = Ipv4Repr {
            src_addr: source,
            dst_addr: destination,
            next_header: IpProtocol::Udp,
            payload_len: 8 + repr.buffer_len(),
            hop_limit: 64,
        };
        let checks = ChecksumCapabilities::default();
        let mut packet = Ipv4Packet::new_unchecked(frame.payload_mut());
        ip.emit(&mut packet, &checks);
        udp.emit(
            &mut UdpPacket::new_unchecked(packet.payload_mut()),
            &IpAddress::Ipv4(source),
            &IpAddress::Ipv4(destination),
            repr.buffer_len(),
            |payload| repr.emit(&mut DhcpPacket::new_unchecked(payload)).unwrap(),
            &checks,
        );
        bytes
    }

    #[test]
    fn a_lease_is_believed_of_servers_that_are_named_for_the_guest_that_is_meant() {
        let ack = message(DhcpMessageType::Ack, GUEST, 3600);
        let leased = Some(Seen::Leased(LEASED, Some(Duration::from_secs(3600))));
        assert_eq!(read(&lesson(Method::Dhcp, &[]), &ack), leased);
        assert_eq!(read(&lesson(Method::Dhcp, &[SERVER]), &ack), leased);
        assert_eq!(read(&lesson(Method::Dhcp, &[LEASED]), &ack), None);
        let others = message(DhcpMessageType::Ack, [2; 6], 3600);
        assert_eq!(read(&lesson(Method::Dhcp, &[]), &others), None);
        let forever = message(DhcpMessageType::Ack, GUEST, u32::MAX);
        assert_eq!(
            read(&lesson(Method::Dhcp, &[]), &forever),
            Some(Seen::Leased(LEASED, None))
        );
        let release = message(DhcpMessageType::Release, GUEST, 0);
        assert_eq!(
            read(&lesson(Method::Dhcp, &[]), &release),
            Some(Seen::GaveBack(LEASED))
        );
        // Any part of a frame is no frame.
        for end in 0..ack.len() {
            let _ = read(&lesson(Method::Any, &[]), ack.get(..end).unwrap());
        }
    }

    #[test]
    fn the_address_that_a_guest_uses_is_seen_in_arp() {
        let mut bytes = vec![0xff; 6];
        bytes.extend(GUEST);
        bytes.extend([8, 6, 0, 1, 8, 0, 6, 4, 0, 1]);
        bytes.extend(GUEST);
        bytes.extend(LEASED.octets());
        bytes.extend([0; 10]);
        assert_eq!(read(&lesson(Method::Any, &[]), &bytes), Some(Seen::Uses(LEASED)));
        // A probe, which is of nobody yet.
        bytes.splice(28..32, [0; 4]);
        assert_eq!(read(&lesson(Method::Any, &[]), &bytes), None);
    }
}
