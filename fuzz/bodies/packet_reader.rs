//! Any bytes in any parts, as a socket may deliver them, to the packet reader.

use protocol::net::MessageType;
use rpc::{FrameError, FrameReader, Packet};

/// The packets found in `bytes` when they come in parts of `part` bytes, and how it ended.
fn read(bytes: &[u8], part: usize) -> (Vec<Option<Vec<u8>>>, Result<(), FrameError>) {
    let mut reader = FrameReader::new();
    let mut packets = Vec::new();
    let mut left = bytes;
    while !left.is_empty() {
        let room = reader.room();
        let count = room.len().min(part).min(left.len());
        let (now, later) = left.split_at(count);
        if let Some(room) = room.get_mut(..count) {
            room.copy_from_slice(now);
        }
        left = later;
        if let Err(error) = reader.received(count, None) {
            return (packets, Err(error));
        }
        loop {
            let frame = match reader.peek() {
                Ok(Some(frame)) => frame,
                Ok(None) => break,
                Err(error) => return (packets, Err(error)),
            };
            if let Err(error) = reader.take_fds(&frame) {
                return (packets, Err(error));
            }
            // What announces descriptors has a count in front of its body; nothing stands for it here.
            let plain = !matches!(
                frame.header.r#type,
                MessageType::CallWithFds | MessageType::ReplyWithFds
            );
            let packet = Packet::raw(frame.header, reader.body(&frame));
            packets.push(
                packet
                    .ok()
                    .filter(|_| plain)
                    .map(|packet| packet.bytes().to_vec()),
            );
            reader.consume(&frame);
        }
        assert!(
            reader.allocated() <= 8192 + 2 * bytes.len(),
            "memory follows what came, not what was announced"
        );
    }
    (packets, reader.end())
}

/// The first byte chooses the parts, the rest is what arrives.
pub(crate) fn run(data: &[u8]) {
    let Some((part, bytes)) = data.split_first() else {
        return;
    };
    let whole = read(bytes, usize::MAX);
    let parts = read(bytes, usize::from(*part) + 1);
    assert_eq!(whole, parts, "how bytes are cut changes nothing");
    let mut sent = bytes;
    for packet in whole.0 {
        let Some(packet) = packet else { break };
        assert!(sent.starts_with(&packet), "what is read is what was sent");
        sent = sent.get(packet.len()..).unwrap_or_default();
    }
}
