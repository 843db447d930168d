//! Cuts what arrives into lines, with an upper bound and no memory while nothing arrives.

use std::io;
use std::os::fd::AsFd;

/// How much is asked for at first; a longer line doubles it as its bytes arrive.
const FIRST_READ: usize = 4096;

/// A line without an end within the bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a line longer than {0} bytes")]
pub struct TooLong(
    /// The bound in bytes.
    pub usize,
);

/// Collects bytes and gives them back by the line.
#[derive(Debug)]
pub struct LineSplitter {
    buffer: Vec<u8>,
    /// Where the first line not yet given begins.
    start: usize,
    /// Up to where no line end was found.
    searched: usize,
    max_line: usize,
}

impl LineSplitter {
    /// Refuses lines longer than `max_line` bytes.
    pub fn new(max_line: usize) -> Self {
        Self {
            buffer: Vec::new(),
            start: 0,
            searched: 0,
            max_line,
        }
    }

    /// Takes bytes in.
    pub fn push(&mut self, bytes: &[u8]) {
        self.compact();
        self.buffer.extend_from_slice(bytes);
    }

    /// Reads once from a socket that does not block: how many bytes came (0: the end), and whether that emptied it.
    pub(crate) fn read_from(&mut self, fd: impl AsFd) -> io::Result<(usize, bool)> {
        self.compact();
        if self.buffer.capacity() == self.buffer.len() {
            self.buffer.reserve(self.buffer.len().max(FIRST_READ));
        }
        let room = self.buffer.capacity() - self.buffer.len();
        let count = rustix::io::read(fd, rustix::buffer::spare_capacity(&mut self.buffer))?;
        Ok((count, count < room))
    }

    /// The next whole line, without its end (`\n` or `\r\n`).
    ///
    /// # Errors
    /// [`TooLong`] once more than the bound has arrived without a line end.
    pub fn next_line(&mut self) -> Result<Option<&[u8]>, TooLong> {
        let found = self
            .buffer
            .get(self.searched..)
            .and_then(|rest| rest.iter().position(|&b| b == b'\n'));
        let Some(offset) = found else {
            self.searched = self.buffer.len();
            if self.buffer.len() - self.start > self.max_line {
                return Err(TooLong(self.max_line));
            }
            return Ok(None);
        };
        let end = self.searched + offset;
        if end - self.start > self.max_line {
            return Err(TooLong(self.max_line));
        }
        let line = self.start..end;
        self.start = end + 1;
        self.searched = self.start;
        let line = self.buffer.get(line).unwrap_or_default();
        Ok(Some(line.strip_suffix(b"\r").unwrap_or(line)))
    }

    /// Throws away everything up to and with the last `byte`; false if there is none.
    pub(crate) fn skip_past(&mut self, byte: u8) -> bool {
        let rest = self.buffer.get(self.start..).unwrap_or_default();
        match rest.iter().rposition(|&b| b == byte) {
            Some(offset) => {
                self.start += offset + 1;
                self.searched = self.start;
                true
            }
            None => false,
        }
    }

    /// Throws away what has arrived, and its memory.
    pub(crate) fn clear(&mut self) {
        *self = Self::new(self.max_line);
    }

    /// Bytes that belong to no line given yet.
    pub fn pending(&self) -> usize {
        self.buffer.len() - self.start
    }

    /// Gives the memory back if nothing is pending.
    pub fn release(&mut self) {
        if self.pending() == 0 {
            *self = Self::new(self.max_line);
        }
    }

    fn compact(&mut self) {
        if self.start > 0 {
            self.buffer.drain(..self.start);
            self.searched -= self.start;
            self.start = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(splitter: &mut LineSplitter) -> Vec<Vec<u8>> {
        std::iter::from_fn(|| splitter.next_line().unwrap().map(<[u8]>::to_vec)).collect()
    }

    #[test]
    fn a_line_is_bounded_however_it_arrives() {
        let mut splitter = LineSplitter::new(8);
        splitter.push(b"12345678\r\n12345678\n");
        assert_eq!(
            splitter.next_line(),
            Err(TooLong(8)),
            "the end's first byte counts"
        );
        let mut splitter = LineSplitter::new(8);
        splitter.push(b"12345678\n123456789");
        assert_eq!(splitter.next_line(), Ok(Some(b"12345678".as_slice())));
        assert_eq!(splitter.next_line(), Err(TooLong(8)));
    }

    #[test]
    fn memory_goes_back_when_nothing_is_pending() {
        let mut splitter = LineSplitter::new(1 << 20);
        splitter.push(&[b'a'; 1 << 19]);
        splitter.push(b"\n");
        assert_eq!(lines(&mut splitter).len(), 1);
        splitter.release();
        assert_eq!(splitter.buffer.capacity(), 0);
    }

    proptest::proptest! {
        #[test]
        fn chunks_do_not_matter(
            bytes in proptest::collection::vec(proptest::prop_oneof![
                4 => proptest::num::u8::ANY, 1 => proptest::strategy::Just(b'\n'), 1 => proptest::strategy::Just(b'\r'),
            ], 0..400),
            cuts in proptest::collection::vec(1_usize..40, 1..40),
        ) {
            let mut expected: Vec<Vec<u8>> = bytes.split(|&b| b == b'\n')
                .map(|line| line.strip_suffix(b"\r").unwrap_or(line).to_vec()).collect();
            expected.pop();
            let mut splitter = LineSplitter::new(1000);
            let mut got = Vec::new();
            let mut rest = bytes.as_slice();
            for &cut in cuts.iter().cycle() {
                if rest.is_empty() { break; }
                let (now, later) = rest.split_at(cut.min(rest.len()));
                splitter.push(now);
                got.extend(lines(&mut splitter));
                splitter.release();
                rest = later;
            }
            proptest::prop_assert_eq!(got, expected);
            let tail = bytes.rsplit(|&b| b == b'\n').next().unwrap_or_default();
            proptest::prop_assert_eq!(splitter.pending(), tail.len());
        }
    }
}
