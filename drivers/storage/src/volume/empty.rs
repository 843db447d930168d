//! Empty qcow2 images, made without qemu-img.
//!
//! Of all that clients ask for this is made most often, and a process takes ten times as long as the image does. qemu-img
//! stays who makes everything else; a test holds these images against its own.

use crate::qemu_img::{Image, Wanted};
use image::{EmptyQcow2, Qcow2};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// The size of clusters where nobody says another one, in bytes: qemu-img's.
const CLUSTER: u64 = 64 << 10;

/// The image that qemu-img would make of nothing; `None` for one that is left to it.
pub(super) fn image(image: &Image<'_>, wanted: &Wanted<'_>) -> Option<EmptyQcow2> {
    let plain = image.format == "qcow2"
        && image.key.is_none()
        && wanted.backing.is_none()
        && wanted.preallocation.is_none()
        && !wanted.nocow;
    if !plain {
        return None;
    }
    let layout = Qcow2 {
        version: match wanted.compat {
            None | Some("1.1") => 3,
            Some("0.10") => 2,
            Some(_) => return None,
        },
        cluster_size: wanted.cluster_size.unwrap_or(CLUSTER),
        lazy_refcounts: wanted.lazy_refcounts,
        extended_l2: wanted.extended_l2,
    };
    // As qemu-img is told it: in KiB, rounded up.
    let capacity = wanted.capacity?.checked_next_multiple_of(1024)?;
    EmptyQcow2::new(capacity, layout)
}

/// Writes it into an empty file.
///
/// # Errors
/// What the disk says.
pub(super) fn write(path: &str, image: &EmptyQcow2) -> io::Result<()> {
    let file = File::options().write(true).open(path)?;
    file.set_len(image.length)?;
    image
        .pieces
        .iter()
        .try_for_each(|(at, bytes)| file.write_all_at(bytes, *at))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::qemu_img::create;
    use std::fs;
    use tool::Cancel;

    /// Where the names of features stand, which images of version 3 may do without.
    const NAMES: std::ops::Range<usize> = 112..1024;

    #[test]
    fn an_image_is_the_one_that_qemu_img_makes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("qemu");
        let path = path.to_str().unwrap();
        let mut made = 0;
        for compat in [None, Some("1.1"), Some("0.10")] {
            for cluster_size in [None, Some(512), Some(4096), Some(16 << 10), Some(2 << 20)] {
                for (lazy_refcounts, extended_l2) in
                    [(false, false), (true, false), (false, true), (true, true)]
                {
                    for capacity in [0, 1, 1 << 20, (10 << 30) + 1, 1 << 40, 3 << 50] {
                        let wanted = Wanted {
                            capacity: Some(capacity),
                            compat,
                            cluster_size,
                            lazy_refcounts,
                            extended_l2,
                            ..Wanted::default()
                        };
                        let image = Image {
                            path,
                            format: "qcow2",
                            key: None,
                        };
                        let Some(own) = super::image(&image, &wanted) else {
                            continue;
                        };
                        create(&image, &wanted).run(&Cancel::default()).unwrap();
                        let own_path = folder.path().join("own");
                        File::create_new(&own_path).unwrap();
                        write(own_path.to_str().unwrap(), &own).unwrap();
                        let read = |name: &str| fs::read(folder.path().join(name)).unwrap();
                        let (mut theirs, ours) = (read("qemu"), read("own"));
                        if own.pieces[0].1.len() > 72 {
                            // The header is shorter than a cluster; what follows it there are names.
                            let end = NAMES
                                .end
                                .min(usize::try_from(cluster_size.unwrap_or(CLUSTER)).unwrap());
                            theirs[NAMES.start..end].fill(0);
                        }
                        assert!(ours == theirs, "{wanted:?}");
                        fs::remove_file(own_path).unwrap();
                        fs::remove_file(path).unwrap();
                        made += 1;
                    }
                }
            }
        }
        assert!(made > 100, "only {made} are made here");
    }

    #[test]
    fn what_is_not_simple_is_left_to_qemu_img() {
        let simple = Wanted {
            capacity: Some(1 << 20),
            ..Wanted::default()
        };
        let made = |format, wanted: Wanted<'_>| {
            let image = Image {
                path: "/p",
                format,
                key: None,
            };
            super::image(&image, &wanted).is_some()
        };
        assert!(made("qcow2", simple));
        assert!(!made("qcow", simple));
        for other in [
            Wanted {
                nocow: true,
                ..simple
            },
            Wanted {
                capacity: None,
                ..simple
            },
            Wanted {
                capacity: Some(u64::MAX),
                ..simple
            },
            Wanted {
                backing: Some(("/b", None)),
                ..simple
            },
            Wanted {
                preallocation: Some(crate::qemu_img::Preallocation::Falloc),
                ..simple
            },
            Wanted {
                compat: Some("1.2"),
                ..simple
            },
            Wanted {
                compat: Some("0.10"),
                lazy_refcounts: true,
                ..simple
            },
            Wanted {
                cluster_size: Some(3000),
                ..simple
            },
            Wanted {
                cluster_size: Some(4 << 20),
                ..simple
            },
            Wanted {
                cluster_size: Some(4096),
                extended_l2: true,
                ..simple
            },
        ] {
            assert!(!made("qcow2", other), "{other:?}");
        }
    }
}
