//! Numbers and texts at places of a file.

use crate::Malformed;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// What is read at places: a file, or bytes that are there already.
pub trait ReadAt {
    /// Reads some bytes at a place, none behind the end.
    ///
    /// # Errors
    /// What the disk says.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;
}

impl ReadAt for File {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        // No file is that long, and the kernel takes no such offset.
        if i64::try_from(offset).is_err() {
            return Ok(0);
        }
        FileExt::read_at(self, buffer, offset)
    }
}

impl ReadAt for [u8] {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let rest = usize::try_from(offset).ok().and_then(|start| self.get(start..));
        let mut rest = rest.unwrap_or_default();
        io::Read::read(&mut rest, buffer)
    }
}

/// How much of a file is read at once: where headers end, mostly.
const START: usize = 4096;

/// A file of which the start was read, so that whoever reads a header there asks nobody again.
#[derive(Debug)]
pub struct Ahead<'a> {
    file: &'a File,
    length: u64,
    start: Vec<u8>,
}

impl<'a> Ahead<'a> {
    /// Reads the start of a file of that length.
    ///
    /// # Errors
    /// What the disk says.
    pub fn of(file: &'a File, length: u64) -> io::Result<Self> {
        let room = usize::try_from(length).unwrap_or(START).min(START);
        let start = read(file, 0, room)?;
        Ok(Self { file, length, start })
    }
}

impl ReadAt for Ahead<'_> {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        if offset >= self.length {
            return Ok(0);
        }
        match self.start.as_slice().read_at(buffer, offset)? {
            0 => ReadAt::read_at(self.file, buffer, offset),
            count => Ok(count),
        }
    }
}

/// Reads `length` bytes at a place, fewer at the end of the file. The length is the caller's, never the file's word.
pub(crate) fn read(from: &(impl ReadAt + ?Sized), offset: u64, length: usize) -> io::Result<Vec<u8>> {
    let mut buffer = vec![0; length];
    let mut filled = 0;
    while let Some(room) = buffer.get_mut(filled..).filter(|room| !room.is_empty()) {
        match from.read_at(room, offset.saturating_add(filled as u64)) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(err) if err.kind() == io::ErrorKind::Interrupted => {}
            Err(err) => return Err(err),
        }
    }
    buffer.truncate(filled);
    Ok(buffer)
}

/// The start of a file, as numbers.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fields<'a>(pub(crate) &'a [u8]);

impl Fields<'_> {
    fn array<const N: usize>(self, at: usize) -> Result<[u8; N], Malformed> {
        let end = at.saturating_add(N);
        let bytes = self.0.get(at..end).and_then(|bytes| bytes.try_into().ok());
        bytes.ok_or(Malformed("the header is cut off"))
    }

    pub(crate) fn be16(self, at: usize) -> Result<u16, Malformed> {
        self.array(at).map(u16::from_be_bytes)
    }

    pub(crate) fn be32(self, at: usize) -> Result<u32, Malformed> {
        self.array(at).map(u32::from_be_bytes)
    }

    pub(crate) fn be64(self, at: usize) -> Result<u64, Malformed> {
        self.array(at).map(u64::from_be_bytes)
    }

    pub(crate) fn le16(self, at: usize) -> Result<u16, Malformed> {
        self.array(at).map(u16::from_le_bytes)
    }

    pub(crate) fn le32(self, at: usize) -> Result<u32, Malformed> {
        self.array(at).map(u32::from_le_bytes)
    }

    pub(crate) fn le64(self, at: usize) -> Result<u64, Malformed> {
        self.array(at).map(u64::from_le_bytes)
    }
}

/// A name of another file, `length` bytes at a place, where the format allows `most`.
pub(crate) fn name(
    from: &(impl ReadAt + ?Sized),
    offset: u64,
    length: usize,
    most: usize,
) -> Result<String, crate::header::Failure> {
    if length > most {
        return Err(Malformed("the name of another file is too long").into());
    }
    let bytes = read(from, offset, length)?;
    if bytes.len() < length {
        return Err(Malformed("the name of another file is cut off").into());
    }
    text(bytes).map_err(Into::into)
}

/// A name from its bytes. What is no UTF-8 could be told to no client, and what has a zero byte in it to no kernel.
pub(crate) fn text(bytes: Vec<u8>) -> Result<String, Malformed> {
    let text = String::from_utf8(bytes).map_err(|_| Malformed("the name of another file is no UTF-8"))?;
    if text.contains('\0') {
        return Err(Malformed("the name of another file has a zero byte in it"));
    }
    Ok(text)
}
