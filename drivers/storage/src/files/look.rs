//! What a file is as a volume.

use super::Folder;
use crate::failure::system;
use crate::volume::{Backing, FileFacts, Volume};
use error::Result;
use image::{Ahead, Format, Header, Location};
use model::domain::devices::disk_source::{Encryption, EncryptionFormat};
use model::storage::VolumeKind;
use rustix::fs::{self, AtFlags, FileType, Mode, OFlags};
use rustix::io::Errno;
use std::fs::{File, Metadata};
use std::io::{self, Seek, SeekFrom};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use tool::Cancel;

/// How many files a thread looks at before it asks for more.
const SHARE: usize = 64;

/// How many threads look at the files of a folder at most: they wait for the disk, or share what its memory has.
const MOST_THREADS: usize = 4;

/// How many threads help to look at that many files: a thread costs as much as some tens of them.
fn helpers(files: usize) -> usize {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    processors
        .min(MOST_THREADS)
        .min(files.div_ceil(4 * SHARE))
        .saturating_sub(1)
}

/// A document's word for a format.
pub(crate) fn word(format: Format) -> &'static str {
    match format {
        Format::Qcow => "qcow",
        Format::Qcow2 => "qcow2",
        Format::Qed => "qed",
        Format::Vmdk => "vmdk",
        Format::Vdi => "vdi",
        Format::Vpc => "vpc",
        Format::Vhdx => "vhd",
        Format::Ploop => "ploop",
        Format::Iso => "iso",
        Format::Bochs => "bochs",
        Format::Cloop => "cloop",
        Format::Dmg => "dmg",
        // What LUKS holds is raw, and documents tell its encryption apart from that.
        _ => "raw",
    }
}

impl Folder {
    /// Every volume in the folder. What cannot be looked at is left out, and said in the log.
    ///
    /// # Errors
    /// The folder itself cannot be read; the thread was told to end.
    pub(crate) fn volumes(&self, cancel: &Cancel, skip: impl Fn(&str) -> bool) -> Result<Vec<Volume>> {
        let mut entries = self.entries()?;
        entries.retain(|entry| !skip(&entry.name));
        let next = AtomicUsize::new(0);
        // Each takes some at a time until there are none.
        let look = || -> Result<Vec<Volume>> {
            let mut volumes = Vec::new();
            loop {
                cancel.check()?;
                let start = next.fetch_add(SHARE, Ordering::Relaxed);
                let rest = entries.get(start..).filter(|rest| !rest.is_empty());
                let Some(rest) = rest else { return Ok(volumes) };
                for entry in rest.get(..SHARE).unwrap_or(rest) {
                    match self.entry(&entry.name, entry.kind) {
                        Ok(volume) => volumes.extend(volume),
                        Err(err) => tracing::warn!(%err, "a volume was left out"),
                    }
                }
            }
        };
        let helpers = helpers(entries.len());
        std::thread::scope(|scope| {
            // Where there can be no more threads, this one does it all.
            let spawn = |_| {
                let thread = std::thread::Builder::new().name("storage".to_owned());
                thread.spawn_scoped(scope, look).ok()
            };
            let helpers: Vec<_> = (0..helpers).filter_map(spawn).collect();
            let mut volumes = look()?;
            for helper in helpers {
                let seen = helper
                    .join()
                    .unwrap_or_else(|panic| std::panic::resume_unwind(panic));
                volumes.append(&mut seen?);
            }
            Ok(volumes)
        })
    }

    /// The volume of that name; `None` for what is not there or can be none.
    ///
    /// # Errors
    /// [`error::Code::SystemError`] for what cannot be looked at.
    pub(crate) fn volume(&self, name: &str) -> Result<Option<Volume>> {
        self.entry(name, FileType::Unknown)
    }

    /// The same of what was of that kind a moment ago.
    fn entry(&self, name: &str, kind: FileType) -> Result<Option<Volume>> {
        let kind = match kind {
            FileType::RegularFile | FileType::Directory => kind,
            _ => match fs::statat(self.fd(), name, AtFlags::empty()) {
                Ok(found) => FileType::from_raw_mode(found.st_mode),
                // Links that lead nowhere, too.
                Err(Errno::NOENT | Errno::LOOP) => return Ok(None),
                Err(err) => return Err(self.failed("look at", name, err)),
            },
        };
        let directory = match kind {
            FileType::RegularFile | FileType::BlockDevice => OFlags::empty(),
            FileType::Directory => OFlags::DIRECTORY,
            // Pipes, sockets and terminals are no storage.
            _ => return Ok(None),
        };
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOCTTY | OFlags::NONBLOCK | directory;
        let file = match fs::openat(self.fd(), name, flags, Mode::empty()) {
            Ok(fd) => File::from(fd),
            // It is gone, or something else by now.
            Err(Errno::NOENT | Errno::NXIO) => return Ok(None),
            Err(err) => return Err(self.failed("open", name, err)),
        };
        let metadata = file
            .metadata()
            .map_err(|err| system(format!("cannot look at '{}'", self.path(name).display()), err))?;
        let facts = FileFacts::from(&metadata);
        match FileType::from_raw_mode(metadata.mode()) {
            FileType::Directory => Ok(Some(Volume {
                kind: VolumeKind::Dir,
                format: Some("dir"),
                ..empty(name, facts)
            })),
            FileType::RegularFile | FileType::BlockDevice => {
                let path = self.path(name);
                image_of(file, &path, &metadata, empty(name, facts))
                    .map(Some)
                    .map_err(|err| system(format!("cannot read '{}'", path.display()), err))
            }
            _ => Ok(None),
        }
    }

    /// The same, with what the file system says of the image that it is based on.
    ///
    /// # Errors
    /// As [`Self::volume`].
    pub(crate) fn volume_with_backing(&self, name: &str) -> Result<Option<Volume>> {
        let mut volume = self.volume(name)?;
        if let Some(backing) = volume.as_mut().and_then(|volume| volume.backing.as_mut()) {
            backing.file = std::fs::metadata(Path::new(&backing.name))
                .ok()
                .map(|metadata| (&metadata).into());
        }
        Ok(volume)
    }

    /// Bytes that a file takes.
    pub(crate) fn allocation(&self, name: &str) -> Option<u64> {
        let found = fs::statat(self.fd(), name, AtFlags::SYMLINK_NOFOLLOW).ok()?;
        u64::try_from(found.st_blocks).ok()?.checked_mul(512)
    }
}

fn empty(name: &str, facts: FileFacts) -> Volume {
    Volume {
        file: Some(facts),
        ..Volume::named(name, VolumeKind::File)
    }
}

/// A file or device with an image in it. A header that does not hold together is none: the file is taken for raw then, and
/// nobody believes what it claims.
fn image_of(mut file: File, path: &Path, metadata: &Metadata, mut volume: Volume) -> io::Result<Volume> {
    let is_block = metadata.file_type().is_block_device();
    let length = if is_block {
        file.seek(SeekFrom::End(0))?
    } else {
        metadata.len()
    };
    volume.allocation = if is_block {
        length
    } else {
        metadata.blocks().saturating_mul(512)
    };
    if is_block {
        volume.kind = VolumeKind::Block;
    }
    volume.physical = Some(length);
    volume.capacity = length;
    let start = Ahead::of(&file, length)?;
    let format = Format::probe(&start)?;
    let header = match Header::read(&start, format, length) {
        Ok(header) => header,
        Err(err) if err.kind() == io::ErrorKind::InvalidData => {
            volume.format = Some("raw");
            return Ok(volume);
        }
        Err(err) => return Err(err),
    };
    volume.format = Some(word(format));
    // Sizes beyond what any file system can hold are a lie.
    volume.capacity = header
        .capacity
        .filter(|capacity| *capacity <= model::storage::MAX_SIZE)
        .unwrap_or(length);
    volume.qcow2 = header.qcow2;
    volume.encryption = header.encryption.map(|kind| {
        let format = match kind {
            image::Encryption::Aes => EncryptionFormat::Qcow,
            image::Encryption::Luks => EncryptionFormat::Luks,
            image::Encryption::Luks2 => EncryptionFormat::Luks2,
        };
        Box::new(Encryption {
            format,
            engine: None,
            secrets: Vec::new(),
            cipher: None,
            ivgen: None,
        })
    });
    volume.backing = header.backing.map(|backing| {
        let name = match backing.locate(path) {
            Location::Path(path) => path.to_string_lossy().into_owned(),
            _ => backing.name.clone(),
        };
        Box::new(Backing {
            format: backing.format.as_deref().and_then(Format::recorded).map(word),
            name,
            file: None,
        })
    });
    Ok(volume)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_storage_is_left_out_and_keeps_nobody_waiting() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        std::fs::write(path("a"), "abc").unwrap();
        std::fs::create_dir(path("d")).unwrap();
        std::os::unix::fs::symlink("/nowhere", path("dangling")).unwrap();
        std::os::unix::fs::symlink("loop", path("loop")).unwrap();
        let _socket = std::os::unix::net::UnixListener::bind(path("socket")).unwrap();
        rustix::fs::mknodat(rustix::fs::CWD, path("pipe"), FileType::Fifo, Mode::RUSR, 0).unwrap();
        std::fs::write(path("lies"), b"QFI\xfb\0\0\0\x03 and nothing behind it").unwrap();
        let folder = Folder::open(dir.path()).unwrap();
        let mut volumes = folder.volumes(&Cancel::default(), |_| false).unwrap();
        volumes.sort_by(|one, other| one.name.cmp(&other.name));
        let seen: Vec<_> = volumes
            .iter()
            .map(|volume| (&*volume.name, volume.kind, volume.format, volume.capacity))
            .collect();
        assert_eq!(
            seen,
            [
                ("a", VolumeKind::File, Some("raw"), 3),
                ("d", VolumeKind::Dir, Some("dir"), 0),
                ("lies", VolumeKind::File, Some("raw"), 30)
            ]
        );
    }
}
