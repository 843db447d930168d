//! From image to image.

use crate::{Format, Header, backing};
use rustix::fs::{Mode, OFlags};
use std::collections::HashSet;
use std::fs::{File, Metadata};
use std::io::{self, Seek, SeekFrom};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

/// How many images a chain may have. Monitors and documents tell chains as nested data, which nobody reads at any depth.
pub const MAX_LAYERS: usize = 100;

/// Why an image was not read.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "each variant's sentence tells")]
#[non_exhaustive]
pub enum Error {
    #[error("cannot open '{}': {source}", path.display())]
    Open { path: PathBuf, source: io::Error },
    #[error("'{}' is neither a file nor a block device", path.display())]
    Kind { path: PathBuf },
    #[error("cannot read '{}': {source}", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("'{}' is based on itself", path.display())]
    Loop { path: PathBuf },
    #[error("'{}' is the image number {} of its chain, which is more than anybody needs", path.display(), MAX_LAYERS + 1)]
    TooDeep { path: PathBuf },
}

/// What the host's file system says of an image, and how large it is for the guest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sizes {
    /// Bytes it occupies on the host.
    pub allocation: u64,
    /// Bytes the guest sees.
    pub capacity: u64,
    /// Bytes until the file's end.
    pub physical: u64,
}

impl Sizes {
    /// Those of the image at `path`, of which the format is known. A header that does not hold together leaves the
    /// guest's size at the file's length, as it is for raw images.
    ///
    /// # Errors
    /// [`Error::Open`], [`Error::Kind`], [`Error::Read`].
    pub fn of(path: &Path, format: Format) -> Result<Self, Error> {
        let opened = Opened::new(path)?;
        let header = match format {
            Format::Raw => None,
            format => match Header::read(&opened.file, format, opened.length) {
                Ok(header) => Some(header),
                Err(err) if err.kind() == io::ErrorKind::InvalidData => None,
                Err(err) => return Err(opened.unread(err)),
            },
        };
        Ok(opened.sizes(header.as_ref()))
    }
}

/// An image that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// Where it lies.
    pub path: PathBuf,
    /// Whether it is a block device.
    pub is_block: bool,
    /// Its sizes.
    pub sizes: Sizes,
    /// What it says of itself.
    pub header: Header,
}

impl Image {
    /// Where the file with its data lies, if it is another one.
    pub fn data_path(&self) -> Option<PathBuf> {
        let name = self.header.data_file.as_deref()?;
        Some(backing::beside(&self.path, name))
    }
}

/// A way along a chain of images: each is entered once, and no more than [`MAX_LAYERS`] are.
#[derive(Debug, Default)]
pub struct Walk {
    entered: HashSet<(u64, u64)>,
    layers: usize,
}

impl Walk {
    /// A layer that is not in the host's file system is on the way.
    ///
    /// # Errors
    /// [`Error::TooDeep`], with the layer's name.
    pub fn pass(&mut self, name: &str) -> Result<(), Error> {
        self.layers += 1;
        if self.layers > MAX_LAYERS {
            return Err(Error::TooDeep { path: name.into() });
        }
        Ok(())
    }

    /// Reads the next image. Where its format is not told it is probed, which only says what the image would like to
    /// be; [`Header::format`] tells.
    ///
    /// # Errors
    /// Every [`Error`]. A header that does not hold together is one of [`io::ErrorKind::InvalidData`].
    pub fn open(&mut self, path: &Path, format: Option<Format>) -> Result<Image, Error> {
        self.pass(&path.to_string_lossy())?;
        let opened = Opened::new(path)?;
        if !self
            .entered
            .insert((opened.metadata.dev(), opened.metadata.ino()))
        {
            return Err(Error::Loop {
                path: path.to_owned(),
            });
        }
        let header = match format {
            Some(format) => Ok(format),
            None => Format::probe(&opened.file),
        };
        let header = header.and_then(|format| Header::read(&opened.file, format, opened.length));
        match header {
            Ok(header) => Ok(Image {
                path: path.to_owned(),
                is_block: opened.metadata.file_type().is_block_device(),
                sizes: opened.sizes(Some(&header)),
                header,
            }),
            Err(err) => Err(opened.unread(err)),
        }
    }
}

/// A file or block device that was opened.
struct Opened<'a> {
    path: &'a Path,
    file: File,
    metadata: Metadata,
    length: u64,
}

impl<'a> Opened<'a> {
    fn new(path: &'a Path) -> Result<Self, Error> {
        let failed = |source: io::Error| Error::Open {
            path: path.to_owned(),
            source,
        };
        // A pipe in the place of an image must not keep anybody waiting for its writer.
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
        let file = rustix::fs::open(path, flags, Mode::empty()).map_err(|err| failed(err.into()))?;
        let mut file = File::from(file);
        let metadata = file.metadata().map_err(failed)?;
        let kind = metadata.file_type();
        let length = if kind.is_block_device() {
            file.seek(SeekFrom::End(0)).map_err(failed)?
        } else if kind.is_file() {
            metadata.len()
        } else {
            return Err(Error::Kind {
                path: path.to_owned(),
            });
        };
        Ok(Self {
            path,
            file,
            metadata,
            length,
        })
    }

    fn sizes(&self, header: Option<&Header>) -> Sizes {
        let physical = self.length;
        let allocation = if self.metadata.file_type().is_block_device() {
            physical
        } else {
            // The kernel counts in blocks of 512 bytes, whatever the file system's are.
            self.metadata.blocks().saturating_mul(512)
        };
        Sizes {
            allocation,
            capacity: header.and_then(|header| header.capacity).unwrap_or(physical),
            physical,
        }
    }

    fn unread(&self, source: io::Error) -> Error {
        Error::Read {
            path: self.path.to_owned(),
            source,
        }
    }
}
