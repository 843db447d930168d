//! The host's file systems of huge pages, and a run's folders in them.

use super::provide::{failed, own};
use crate::command::HugePages;
use crate::config::QemuConfig;
use crate::paths::short_name;
use error::Result;
use host::Host;
use rustix::fs::statfs;
use std::fs;
use std::path::{Path, PathBuf};

/// `HUGETLBFS_MAGIC` of `linux/magic.h`.
const HUGETLBFS: u64 = 0x9584_58f6;

/// Where such file systems are mounted: where the configuration says so, else what the kernel lists.
fn mounts(host: &Host, config: &QemuConfig) -> Vec<PathBuf> {
    match &config.hugetlbfs_mount {
        Some(named) => named
            .0
            .iter()
            .filter(|path| !path.is_empty())
            .map(PathBuf::from)
            .collect(),
        None => listed(&fs::read_to_string(host.path("proc/mounts")).unwrap_or_default()),
    }
}

/// The mounts of huge pages in a table as `/proc/mounts`.
fn listed(table: &str) -> Vec<PathBuf> {
    let place = |line: &str| {
        let mut fields = line.split(' ').skip(1);
        let (path, kind) = (fields.next()?, fields.next()?);
        (kind == "hugetlbfs").then(|| PathBuf::from(unescaped(path)))
    };
    table.lines().filter_map(place).collect()
}

/// The kernel writes blanks and the like as backslash and three octal digits.
fn unescaped(field: &str) -> String {
    let mut text = String::new();
    let mut parts = field.split('\\');
    text.push_str(parts.next().unwrap_or_default());
    for part in parts {
        let code = part
            .get(..3)
            .and_then(|digits| u8::from_str_radix(digits, 8).ok());
        match code.filter(u8::is_ascii) {
            Some(code) => {
                text.push(char::from(code));
                text.push_str(part.get(3..).unwrap_or_default());
            }
            None => {
                text.push('\\');
                text.push_str(part);
            }
        }
    }
    text
}

/// The folders that a run may have in them, whether or not it has.
pub(crate) fn folders(host: &Host, config: &QemuConfig, id: i32, name: &str) -> Vec<PathBuf> {
    let own = |mount: PathBuf| mount.join("libvirt/qemu").join(short_name(id, name));
    mounts(host, config).into_iter().map(own).collect()
}

/// A run's folders, of those file systems that are mounted, one a size of pages; the host's default size first.
pub(super) fn of_mounts(host: &Host, folders: &[PathBuf]) -> Vec<HugePages> {
    let mut found: Vec<HugePages> = Vec::new();
    for folder in folders {
        let Some(mount) = folder.ancestors().nth(3) else {
            continue;
        };
        let Some(page_kib) = page_size(mount) else {
            tracing::warn!(path = %mount.display(), "no file system of huge pages is mounted there");
            continue;
        };
        if found.iter().all(|known| known.page_kib != page_kib) {
            found.push(HugePages {
                page_kib,
                folder: folder.clone(),
            });
        }
    }
    let default = host.default_huge_page();
    found.sort_by_key(|pages| (Some(pages.page_kib) != default, pages.page_kib));
    found
}

/// Makes them. Blocks on the disk.
///
/// # Errors
/// When a folder cannot be made.
pub(super) fn provide(
    host: &Host,
    folders: &[PathBuf],
    identity: Option<(u32, u32)>,
) -> Result<Vec<HugePages>> {
    let found = of_mounts(host, folders);
    for HugePages { folder, .. } in &found {
        if folder.exists() {
            fs::remove_dir_all(folder).map_err(|err| failed("remove the left-over folder", folder, err))?;
        }
        // Others look into the upper ones for theirs.
        if let Some(parent) = folder.parent() {
            daemon::durable::create_folder(parent, 0o755)
                .map_err(|err| failed("create the folder", parent, err))?;
        }
        daemon::durable::create_folder(folder, 0o700)
            .map_err(|err| failed("create the folder", folder, err))?;
        own(folder, identity)?;
    }
    Ok(found)
}

/// The size of the pages of the file system that is mounted there, in KiB.
fn page_size(mount: &Path) -> Option<u64> {
    let about = statfs(mount).ok()?;
    let is_huge = u64::try_from(about.f_type).is_ok_and(|kind| kind & 0xffff_ffff == HUGETLBFS);
    is_huge.then(|| u64::try_from(about.f_bsize).unwrap_or(0) / 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mounts_are_read_from_the_kernels_table() {
        let table = "proc /proc proc rw 0 0\nnone /dev/hugepages hugetlbfs rw,pagesize=2M 0 0\n\
                     x /mnt/with\\040blank hugetlbfs rw 0 0\nbroken\n";
        assert_eq!(
            listed(table),
            [Path::new("/dev/hugepages"), Path::new("/mnt/with blank")]
        );
        assert_eq!(unescaped("a\\"), "a\\");
        assert_eq!(unescaped("\\999"), "\\999");
    }
}
