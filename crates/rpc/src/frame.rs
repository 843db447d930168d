//! Bytes to packets: finds packets in what arrives, and the descriptors that belong to them.
//!
//! The reader does no I/O. Whoever owns the socket asks for [`room`](FrameReader::room), tells how much was
//! [`received`](FrameReader::received), and takes packets until [`peek`](FrameReader::peek) finds no whole one. A length is
//! checked before anything is allocated for it, and the buffer grows with the bytes that are really there, at most by
//! doubling; once it is empty and nothing more comes, [`rest`](FrameReader::rest) shrinks it again.
//!
//! A descriptor arrives with one data byte of its own behind its packet. The reader keeps the place of that byte in the
//! stream, so a descriptor at any other place is noticed.
//!
//! A packet may hold a secret, so what is consumed is overwritten.

use std::collections::VecDeque;
use std::ops::Range;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use bytes::Bytes;
use protocol::net::{Header, MessageType, limits};

use crate::wipe::wipe;

/// What an idle connection keeps allocated, in bytes.
const IDLE: usize = 4096;
/// The shortest packet that is given away with its buffer, in bytes: shorter ones are copied sooner.
const WORTH_LENDING: usize = 64 * 1024;
/// How many buffers are waited for.
const MOST_LENT: usize = 8;
/// Length word and header: no packet is shorter.
const SHORTEST: usize = limits::LENGTH + limits::HEADER;
/// The longest packet, length word included.
const LONGEST: usize = limits::LENGTH + limits::MESSAGE;

/// Why bytes cannot be framed; the connection ends.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// The announced length leaves no room for a header, or is above the largest packet.
    #[error("a packet announces {0} bytes: too few for a header, or more than may come now")]
    Length(u32),
    /// The header holds a number that its field does not have.
    #[error("a packet's header is malformed: {0}")]
    Header(xdr::Error),
    /// More descriptors are announced than may accompany a packet.
    #[error("a packet announces {0} descriptors, above {max}", max = limits::DESCRIPTORS)]
    TooManyDescriptors(u32),
    /// A packet announces descriptors without room for their count.
    #[error("a packet announces descriptors but not how many")]
    NoDescriptorCount,
    /// A byte that should carry a descriptor came without one.
    #[error("fewer descriptors came than were announced")]
    DescriptorMissing,
    /// A descriptor came where none was announced.
    #[error("a descriptor came that was not announced")]
    DescriptorUnexpected,
    /// The peer closed in the middle of a packet.
    #[error("the connection ended in the middle of a packet, {0} bytes into it")]
    Truncated(usize),
}

/// A whole packet that stands in the reader's buffer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// Its header.
    pub header: Header,
    /// The body, relative to the packet's start, without the descriptor count.
    body: Range<usize>,
    /// How many descriptors follow.
    fds: usize,
    /// The packet without its descriptors' bytes.
    length: usize,
}

/// Finds packets in a stream of bytes.
#[derive(Debug)]
pub struct FrameReader {
    /// The longest packet to take, length word included.
    longest: usize,
    buffer: Vec<u8>,
    /// The bytes of the buffer that were received and not consumed.
    filled: Range<usize>,
    /// How many bytes from the packet's start are needed to go on.
    needed: usize,
    /// The place of `filled.start` in the stream.
    position: u64,
    /// Descriptors not yet taken, with the place of the byte each came with.
    fds: VecDeque<(u64, OwnedFd)>,
    /// Buffers whose packets were given away, to be filled again once nobody has them any more.
    lent: VecDeque<Arc<Vec<u8>>>,
}

/// A buffer with a packet that was given away.
struct Lent(Arc<Vec<u8>>);

impl AsRef<[u8]> for Lent {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl FrameReader {
    /// A reader without a buffer yet.
    pub fn new() -> Self {
        Self {
            longest: LONGEST,
            buffer: Vec::new(),
            filled: 0..0,
            needed: SHORTEST,
            position: 0,
            fds: VecDeque::new(),
            lent: VecDeque::new(),
        }
    }

    /// From now on takes packets of at most `longest` bytes, and never longer ones than the protocol has.
    pub fn limit(&mut self, longest: usize) {
        self.longest = longest.min(LONGEST);
    }

    /// Whether nothing of a packet was received that is not dealt with.
    pub fn is_empty(&self) -> bool {
        self.filled.is_empty() && self.fds.is_empty()
    }

    /// Room for more bytes; never empty.
    pub fn room(&mut self) -> &mut [u8] {
        let wanted = self.needed.max(IDLE);
        if self.filled.is_empty() {
            self.filled = 0..0;
        } else if self.filled.start > 0 && self.filled.start.saturating_add(wanted) > self.buffer.len() {
            self.buffer.copy_within(self.filled.clone(), 0);
            let left = self.filled.len().max(self.filled.start)..self.filled.end;
            self.filled = 0..self.filled.len();
            wipe(self.buffer.get_mut(left).unwrap_or_default());
        }
        if self.filled.end == self.buffer.len() {
            // Doubling, so that a peer which announces much and sends little holds little.
            let length = (self.buffer.len() * 2).clamp(IDLE, wanted.max(self.filled.end + 1).max(IDLE));
            // Not resized, which would leave a copy behind.
            let mut larger = Vec::with_capacity(length);
            larger.extend_from_slice(&self.buffer);
            larger.resize(length, 0);
            wipe(&mut self.buffer);
            self.buffer = larger;
        }
        self.buffer.get_mut(self.filled.end..).unwrap_or_default()
    }

    /// The first `count` bytes of the room hold data now; `fd` came with the last of them.
    ///
    /// # Errors
    /// [`FrameError::DescriptorUnexpected`] when more descriptors wait for their packet than one may have.
    pub fn received(&mut self, count: usize, fd: Option<OwnedFd>) -> Result<(), FrameError> {
        self.filled.end = self.filled.end.saturating_add(count).min(self.buffer.len());
        if let Some(fd) = fd {
            if self.fds.len() >= limits::DESCRIPTORS {
                return Err(FrameError::DescriptorUnexpected);
            }
            let place = self.position + self.filled.len() as u64;
            self.fds.push_back((place.saturating_sub(1), fd));
        }
        Ok(())
    }

    /// Nothing more to read for now: gives back what an idle connection does not need.
    pub fn rest(&mut self) {
        self.lent = VecDeque::new();
        if self.filled.is_empty() && self.buffer.len() > IDLE {
            self.buffer = Vec::new();
            self.filled = 0..0;
        }
    }

    /// The bytes of a packet that has not arrived whole.
    ///
    /// # Errors
    /// [`FrameError::Truncated`] when there are any: the peer closed too early.
    pub fn end(&self) -> Result<(), FrameError> {
        if self.filled.is_empty() {
            Ok(())
        } else {
            Err(FrameError::Truncated(self.filled.len()))
        }
    }

    /// The next packet if it is there with all its descriptors.
    ///
    /// # Errors
    /// Any [`FrameError`]: what arrived is no packet.
    pub fn peek(&mut self) -> Result<Option<Frame>, FrameError> {
        let filled = self.buffer.get(self.filled.clone()).unwrap_or_default();
        let Some((word, rest)) = filled.split_first_chunk::<{ limits::LENGTH }>() else {
            self.needed = SHORTEST;
            return Ok(None);
        };
        let word = u32::from_be_bytes(*word);
        let length = word as usize;
        if !(SHORTEST..=self.longest).contains(&length) {
            return Err(FrameError::Length(word));
        }
        self.needed = length;
        let Some((header, rest)) = rest.split_first_chunk::<{ limits::HEADER }>() else {
            return Ok(None);
        };
        let header: Header = xdr::from_bytes(header).map_err(FrameError::Header)?;
        let mut body = SHORTEST..length;
        let mut fds = 0;
        if matches!(
            header.r#type,
            MessageType::CallWithFds | MessageType::ReplyWithFds
        ) {
            body.start += 4;
            if body.start > length {
                return Err(FrameError::NoDescriptorCount);
            }
            let Some((count, _)) = rest.split_first_chunk::<4>() else {
                return Ok(None);
            };
            let count = u32::from_be_bytes(*count);
            fds = count as usize;
            if fds > limits::DESCRIPTORS {
                return Err(FrameError::TooManyDescriptors(count));
            }
        }
        self.needed = length + fds;
        if filled.len() < self.needed {
            // A descriptor inside of the packet or beyond those announced is wrong already.
            return Ok(None);
        }
        Ok(Some(Frame {
            header,
            body,
            fds,
            length,
        }))
    }

    /// A packet that [`peek`](Self::peek) found as it came, without its descriptors' bytes.
    pub fn bytes(&self, frame: &Frame) -> &[u8] {
        let start = self.filled.start;
        self.buffer.get(start..start + frame.length).unwrap_or_default()
    }

    /// The body of a packet that [`peek`](Self::peek) found.
    pub fn body(&self, frame: &Frame) -> &[u8] {
        let start = self.filled.start;
        self.buffer
            .get(start + frame.body.start..start + frame.body.end)
            .unwrap_or_default()
    }

    /// The body of a packet that [`peek`](Self::peek) found, for whoever keeps it: without a copy where a large packet has the
    /// buffer for itself. All that may be done with the packet after this is [`consume`](Self::consume).
    pub fn take_body(&mut self, frame: &Frame) -> Bytes {
        let alone = frame.fds == 0 && self.filled == (0..frame.length);
        if !alone || frame.length < WORTH_LENDING {
            return Bytes::copy_from_slice(self.body(frame));
        }
        let next = self.free_buffer();
        let whole = Arc::new(std::mem::replace(&mut self.buffer, next));
        if self.lent.len() < MOST_LENT {
            self.lent.push_back(Arc::clone(&whole));
        }
        Bytes::from_owner(Lent(whole)).slice(frame.body.clone())
    }

    /// A buffer for what follows: one that came back, or a new one of the same length.
    fn free_buffer(&mut self) -> Vec<u8> {
        let length = self.buffer.len();
        for _ in 0..self.lent.len() {
            match self.lent.pop_front().map(Arc::try_unwrap) {
                Some(Ok(buffer)) if buffer.len() == length => return buffer,
                // Somebody has it still.
                Some(Err(buffer)) => self.lent.push_back(buffer),
                _ => {}
            }
        }
        vec![0; length]
    }

    /// The descriptors of a packet that [`peek`](Self::peek) found.
    ///
    /// # Errors
    /// [`FrameError::DescriptorMissing`] or [`FrameError::DescriptorUnexpected`].
    pub fn take_fds(&mut self, frame: &Frame) -> Result<Vec<OwnedFd>, FrameError> {
        let first = self.position + frame.length as u64;
        let end = first + frame.fds as u64;
        let mut taken = Vec::new();
        for place in first..end {
            match self.fds.front() {
                Some((at, _)) if *at < place => return Err(FrameError::DescriptorUnexpected),
                Some((at, _)) if *at == place => taken.extend(self.fds.pop_front().map(|(_, fd)| fd)),
                _ => return Err(FrameError::DescriptorMissing),
            }
        }
        if self.fds.front().is_some_and(|(at, _)| *at < end) {
            return Err(FrameError::DescriptorUnexpected);
        }
        Ok(taken)
    }

    /// Forgets a packet that was dealt with.
    pub fn consume(&mut self, frame: &Frame) {
        let whole = frame.length + frame.fds;
        let done = self.filled.start..(self.filled.start + whole).min(self.filled.end);
        wipe(self.buffer.get_mut(done).unwrap_or_default());
        self.filled.start = (self.filled.start + whole).min(self.filled.end);
        self.position += whole as u64;
        self.needed = SHORTEST;
    }

    /// How many bytes are allocated.
    pub fn allocated(&self) -> usize {
        self.buffer.capacity()
    }
}

impl Drop for FrameReader {
    fn drop(&mut self) {
        wipe(self.buffer.get_mut(self.filled.clone()).unwrap_or_default());
    }
}

impl Default for FrameReader {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Packet;
    use proptest::prelude::*;
    use protocol::net::Status;

    fn header(r#type: MessageType, serial: u32) -> Header {
        Header {
            prog: 0x2000_8086,
            vers: 1,
            proc: 1,
            r#type,
            serial,
            status: Status::Ok,
        }
    }

    fn feed(reader: &mut FrameReader, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let room = reader.room();
            let count = room.len().min(bytes.len());
            let (now, later) = bytes.split_at(count);
            room[..count].copy_from_slice(now);
            reader.received(count, None).unwrap();
            bytes = later;
        }
    }

    fn descriptor() -> OwnedFd {
        std::fs::File::open("/dev/null").unwrap().into()
    }

    #[test]
    fn packets_may_be_split_at_every_byte() {
        let mut bytes = Packet::raw(header(MessageType::Call, 1), b"\0\0\0\x04test")
            .unwrap()
            .bytes()
            .to_vec();
        bytes.extend_from_slice(Packet::raw(header(MessageType::Stream, 2), &[]).unwrap().bytes());
        for cut in 0..=bytes.len() {
            let mut reader = FrameReader::new();
            let mut seen = Vec::new();
            for part in [&bytes[..cut], &bytes[cut..]] {
                feed(&mut reader, part);
                while let Some(frame) = reader.peek().unwrap() {
                    seen.push((frame.header.serial, reader.body(&frame).to_vec()));
                    assert!(reader.take_fds(&frame).unwrap().is_empty());
                    reader.consume(&frame);
                }
            }
            assert_eq!(seen, [(1, b"\0\0\0\x04test".to_vec()), (2, Vec::new())]);
            assert_eq!(reader.end(), Ok(()));
        }
    }

    #[test]
    fn a_length_outside_the_limits_is_refused_before_room_is_made() {
        for length in [0, 3, 4, 27, 33_554_437, u32::MAX] {
            let mut reader = FrameReader::new();
            feed(&mut reader, &length.to_be_bytes());
            assert_eq!(reader.peek(), Err(FrameError::Length(length)));
            assert_eq!(reader.allocated(), IDLE);
        }
    }

    #[test]
    fn the_buffer_grows_with_what_is_there_and_shrinks_again() {
        let mut reader = FrameReader::new();
        let mut bytes = Packet::raw(header(MessageType::Stream, 1), &[7; 1 << 20])
            .unwrap()
            .bytes()
            .to_vec();
        bytes[..4].copy_from_slice(&(LONGEST as u32).to_be_bytes());
        feed(&mut reader, &bytes[..IDLE]);
        assert_eq!(reader.peek(), Ok(None));
        assert!(
            reader.room().len() <= 2 * IDLE,
            "an announcement alone allocates nothing"
        );

        let mut reader = FrameReader::new();
        let packet = Packet::raw(header(MessageType::Stream, 1), &[7; 1 << 20]).unwrap();
        for part in packet.bytes().chunks(1000) {
            feed(&mut reader, part);
            if let Some(frame) = reader.peek().unwrap() {
                assert_eq!(reader.body(&frame), &[7; 1 << 20]);
                reader.consume(&frame);
            }
        }
        assert!(reader.allocated() > 1 << 20);
        reader.rest();
        reader.room();
        assert!(reader.allocated() <= 8192);
    }

    #[test]
    fn a_large_packet_is_given_away_with_its_buffer_which_is_filled_again() {
        let packet = |byte: u8| Packet::raw(header(MessageType::Stream, 1), &[byte; WORTH_LENDING]).unwrap();
        let mut reader = FrameReader::new();
        let mut kept = Vec::new();
        let mut places = std::collections::HashSet::new();
        for byte in 0..40 {
            feed(&mut reader, packet(byte).bytes());
            let frame = reader.peek().unwrap().unwrap();
            let body = reader.take_body(&frame);
            reader.consume(&frame);
            assert!(reader.is_empty());
            assert_eq!(body, vec![byte; WORTH_LENDING]);
            places.insert(body.as_ptr());
            kept.push(body);
            if kept.len() > 3 {
                kept.remove(0);
            }
            for (age, body) in kept.iter().rev().enumerate() {
                assert!(
                    body.iter()
                        .all(|known| usize::from(*known) + age == usize::from(byte))
                );
            }
        }
        assert!(places.len() < 8, "{} buffers", places.len());
        // Short ones, and those that something follows, are copied.
        let mut bytes = packet(1).bytes().to_vec();
        bytes.extend_from_slice(
            Packet::raw(header(MessageType::Stream, 2), b"next")
                .unwrap()
                .bytes(),
        );
        reader.rest();
        feed(&mut reader, &bytes);
        let frame = reader.peek().unwrap().unwrap();
        assert_eq!(reader.take_body(&frame), vec![1; WORTH_LENDING]);
        reader.consume(&frame);
        let frame = reader.peek().unwrap().unwrap();
        assert_eq!(reader.take_body(&frame), b"next"[..]);
    }

    #[test]
    fn descriptors_belong_where_they_were_announced() {
        let packet = Packet::with_fds(
            header(MessageType::Call, 1),
            &5u32,
            vec![descriptor(), descriptor()],
        )
        .unwrap();
        let with = |places: &[Option<()>]| {
            let mut reader = FrameReader::new();
            feed(&mut reader, packet.bytes());
            for place in places {
                reader.room()[0] = 0;
                reader.received(1, place.map(|()| descriptor())).unwrap();
            }
            reader
        };
        let mut reader = with(&[Some(())]);
        assert_eq!(reader.peek(), Ok(None), "one is still to come");
        reader.room()[0] = 0;
        reader.received(1, Some(descriptor())).unwrap();
        let frame = reader.peek().unwrap().unwrap();
        assert_eq!(frame.header.r#type, MessageType::CallWithFds);
        assert_eq!(reader.body(&frame), 5u32.to_be_bytes());
        assert_eq!(reader.take_fds(&frame).unwrap().len(), 2);
        reader.consume(&frame);
        assert_eq!(reader.end(), Ok(()));

        let mut reader = with(&[Some(()), None]);
        let frame = reader.peek().unwrap().unwrap();
        assert_eq!(
            reader.take_fds(&frame).map(|_| ()),
            Err(FrameError::DescriptorMissing)
        );

        let mut reader = FrameReader::new();
        let plain = Packet::raw(header(MessageType::Call, 1), &[]).unwrap();
        feed(&mut reader, &plain.bytes()[..10]);
        let room = reader.room();
        room[..18].copy_from_slice(&plain.bytes()[10..]);
        reader.received(18, Some(descriptor())).unwrap();
        let frame = reader.peek().unwrap().unwrap();
        assert_eq!(
            reader.take_fds(&frame).map(|_| ()),
            Err(FrameError::DescriptorUnexpected)
        );
    }

    #[test]
    fn nothing_of_a_packet_stays_once_it_is_dealt_with() {
        const SESAME: &[u8] = b"open sesame!";
        let body = SESAME.repeat(1000);
        let secret = Packet::raw(header(MessageType::Call, 1), &body).unwrap();
        let mut reader = FrameReader::new();
        // Of two packets the second moves to the front of the buffer to have room.
        for bytes in [secret.bytes(), secret.bytes()] {
            feed(&mut reader, &bytes[..6000]);
            assert_eq!(reader.peek(), Ok(None));
            feed(&mut reader, &bytes[6000..]);
            feed(&mut reader, &secret.bytes()[..40]);
            let frame = reader.peek().unwrap().unwrap();
            reader.consume(&frame);
            reader.room();
            feed(&mut reader, &secret.bytes()[40..]);
            let frame = reader.peek().unwrap().unwrap();
            reader.consume(&frame);
            let found = reader.buffer.windows(SESAME.len()).any(|part| part == SESAME);
            assert!(!found, "a secret is still in the buffer");
        }
    }

    #[test]
    fn more_descriptors_than_allowed_are_refused_at_the_announcement() {
        let mut bytes = Packet::raw(header(MessageType::CallWithFds, 1), &33u32.to_be_bytes()).unwrap();
        let mut reader = FrameReader::new();
        feed(&mut reader, bytes.bytes());
        assert_eq!(reader.peek(), Err(FrameError::TooManyDescriptors(33)));
        bytes = Packet::raw(header(MessageType::CallWithFds, 1), &[]).unwrap();
        let mut reader = FrameReader::new();
        feed(&mut reader, bytes.bytes());
        assert_eq!(reader.peek(), Err(FrameError::NoDescriptorCount));
    }

    proptest! {
        #[test]
        fn any_packets_in_any_parts_come_out_as_they_went_in(
            bodies in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..9000), 1..8),
            parts in prop::collection::vec(1usize..5000, 1..20),
        ) {
            let mut bytes = Vec::new();
            for (serial, body) in bodies.iter().enumerate() {
                bytes.extend_from_slice(Packet::raw(header(MessageType::Stream, serial as u32), body).unwrap().bytes());
            }
            let mut reader = FrameReader::new();
            let mut seen = Vec::new();
            let mut rest = bytes.as_slice();
            for part in parts.iter().cycle() {
                let (now, later) = rest.split_at((*part).min(rest.len()));
                feed(&mut reader, now);
                while let Some(frame) = reader.peek().unwrap() {
                    seen.push(reader.body(&frame).to_vec());
                    reader.consume(&frame);
                }
                rest = later;
                if rest.is_empty() { break; }
            }
            prop_assert_eq!(seen, bodies);
        }
    }
}
