//! The memory of the process itself.

use rustix::mm::{Advice, madvise};
use std::fs;
use std::io;

/// Takes the pages of the program's own file, its code and constants, out of the process. Those that are used again are
/// found in the kernel's cache of the file, some microseconds for each 64 kB; those of a process that rests are the
/// kernel's to reclaim, without having to find out first that nobody uses them.
///
/// How many bytes were in the process, of those that were taken out.
///
/// # Errors
/// `/proc/self` cannot be read, or the kernel refuses.
pub fn release_program() -> io::Result<usize> {
    let program = fs::read_link("/proc/self/exe")?;
    let maps = fs::read_to_string("/proc/self/smaps")?;
    let mut released = 0;
    for mapping in
        mappings(&maps).filter(|mapping| program.as_os_str() == mapping.path && mapping.is_all_file())
    {
        let start = std::ptr::with_exposed_provenance_mut(mapping.start);
        // SAFETY: This part of the program's file was mapped when the program was run and stays as long as it does. It
        // cannot be written, and holds no page of its own: no relocation, no breakpoint. Whatever is read there again is
        // read from the file, which the kernel keeps from being written while it runs, and is the same.
        #[expect(
            unsafe_code,
            reason = "advice may be one that loses what was written, which nothing was here"
        )]
        unsafe {
            madvise(start, mapping.length, Advice::LinuxDontNeed)?;
        }
        released += mapping.resident;
    }
    Ok(released)
}

/// A range of addresses, as `/proc/PID/smaps` tells it (proc(5)).
#[derive(Debug, Default, PartialEq)]
struct Mapping<'a> {
    start: usize,
    length: usize,
    permissions: &'a str,
    path: &'a str,
    /// Bytes of it that are in the process.
    resident: usize,
    /// Bytes that are not the file's, where that is known.
    anonymous: Option<usize>,
    /// Bytes that must stay in memory.
    locked: usize,
}

impl Mapping<'_> {
    /// Whether nothing of it can ever differ from its file.
    fn is_all_file(&self) -> bool {
        self.permissions.starts_with('r')
            && !self.permissions.contains('w')
            && self.anonymous == Some(0)
            && self.locked == 0
    }
}

fn mappings(text: &str) -> impl Iterator<Item = Mapping<'_>> {
    let mut lines = text.lines().peekable();
    std::iter::from_fn(move || {
        let mut mapping = loop {
            if let Some(mapping) = head(lines.next()?) {
                break mapping;
            }
        };
        while let Some(line) = lines.next_if(|line| head(line).is_none()) {
            match line.split_once(':') {
                Some(("Rss", value)) => mapping.resident = kilobytes(value).unwrap_or(0),
                Some(("Anonymous", value)) => mapping.anonymous = kilobytes(value),
                Some(("Locked", value)) => mapping.locked = kilobytes(value).unwrap_or(usize::MAX),
                _ => {}
            }
        }
        Some(mapping)
    })
}

/// The first line of a mapping: `start-end permissions offset device inode   path`.
fn head(line: &str) -> Option<Mapping<'_>> {
    let (range, rest) = line.split_once(' ')?;
    let (start, end) = range.split_once('-')?;
    let start = usize::from_str_radix(start, 16).ok()?;
    let end = usize::from_str_radix(end, 16).ok()?;
    let (permissions, rest) = rest.split_once(' ')?;
    let (_offset, rest) = rest.split_once(' ')?;
    let (_device, rest) = rest.split_once(' ')?;
    let (_inode, path) = rest.split_once(' ').unwrap_or((rest, ""));
    Some(Mapping {
        start,
        length: end.checked_sub(start)?,
        permissions,
        path: path.trim_start(),
        ..Mapping::default()
    })
}

fn kilobytes(value: &str) -> Option<usize> {
    let number = value.trim().strip_suffix("kB")?.trim_end();
    number.parse::<usize>().ok()?.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
55d0a0000000-55d0a0021000 r--p 00000000 08:01 1234                       /usr/sbin/virt qemud
Size:                132 kB
Rss:                 128 kB
Anonymous:             0 kB
Locked:                0 kB
VmFlags: rd mr mw me sd
55d0a0021000-55d0a0022000 r--p 00021000 08:01 1234                       /usr/sbin/virt qemud
Rss:                   4 kB
Anonymous:             4 kB
7f0000000000-7f0000001000 rw-p 00000000 00:00 0
Rss:                   4 kB
Anonymous:             0 kB
";

    #[test]
    fn what_is_the_files_is_told_from_what_is_not() {
        let all: Vec<_> = mappings(TEXT).collect();
        assert_eq!(all.len(), 3);
        assert_eq!(all[0].path, "/usr/sbin/virt qemud");
        assert_eq!((all[0].length, all[0].resident), (0x21000, 0x20000));
        assert!(all[0].is_all_file());
        assert!(!all[1].is_all_file(), "relocations are in it");
        assert_eq!(all[2].path, "");
        assert!(!all[2].is_all_file(), "it can be written");
    }

    #[test]
    fn a_mapping_of_which_nothing_is_known_is_left_alone() {
        let only_head = "55d0a0000000-55d0a0021000 r-xp 00000000 08:01 1234 /bin/x\n";
        assert!(mappings(only_head).all(|mapping| !mapping.is_all_file()));
        assert_eq!(mappings("Rss: 4 kB\nno mapping\n").count(), 0);
    }

    #[test]
    fn the_program_goes_on_without_its_pages() {
        let first = release_program().unwrap();
        let second = release_program().unwrap();
        assert!(first > 0);
        assert!(second < first, "{second} of {first} bytes came back");
    }
}
