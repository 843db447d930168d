//! Content of images, overwritten. No program of Ceph's overwrites with zeroes: `rbd` takes them for holes. QEMU's qemu-io does.

use super::answers::Extent;
use super::cluster::Cluster;
use super::{answers, full, pool};
use crate::backend::Place;
use crate::failure::argument;
use crate::files::Algorithm;
use crate::volume::Volume;
use error::Result;
use serde_json::json;
use tool::{Cancel, Tool};

/// How much qemu-io writes at once, in bytes: it has that much memory for it.
const STEP: u64 = 16 << 20;

/// How many writes one process does: its words are limited.
const WRITES: usize = 1024;

/// Overwrites an image's content.
///
/// # Errors
/// [`error::Code::InvalidArg`] for the algorithms of `scrub`, which wants files; what the programs say.
pub(super) fn wipe(place: &Place, volume: &Volume, algorithm: Algorithm, cancel: &Cancel) -> Result<()> {
    let cluster = Cluster::open(place)?;
    let image = full(place, &volume.name)?;
    match algorithm {
        Algorithm::Zero => {
            // What has no place in the cluster has nothing to overwrite.
            let told = cluster
                .rbd(&["diff", "--whole-object", "--format", "json", &image])
                .run(cancel)?;
            let writes = writes(&answers::extents(&told)?, volume.capacity);
            let opened = opened(&cluster, pool(place)?, &volume.name);
            for some in writes.chunks(WRITES) {
                let words = some.iter().flat_map(|write| ["-c", write]);
                Tool::new("qemu-io")
                    .with(words)
                    .with(["-c", "flush", &opened])
                    .run(cancel)?;
            }
            Ok(())
        }
        Algorithm::Trim => cluster
            .rbd(&["import-diff", "--no-progress", "-", &image])
            .with_input(hole(volume.capacity))
            .run(cancel)
            .map(drop),
        Algorithm::Scrub(name) => {
            let text = format!("images of RBD pools cannot be overwritten by the algorithm '{name}'");
            Err(argument(text))
        }
    }
}

/// The image as QEMU opens it.
fn opened(cluster: &Cluster, pool: &str, image: &str) -> String {
    let image = json!({
        "driver": "rbd",
        "pool": pool,
        "image": image,
        "user": cluster.user(),
        "conf": cluster.configuration().to_string_lossy(),
    });
    format!("json:{}", json!({"driver": "raw", "file": image}))
}

/// The commands of qemu-io that overwrite stretches of an image of that capacity.
fn writes(extents: &[Extent], capacity: u64) -> Vec<String> {
    let mut writes = Vec::new();
    for extent in extents {
        let end = extent.offset.saturating_add(extent.length).min(capacity);
        let mut at = extent.offset;
        while at < end {
            let step = (end - at).min(STEP);
            writes.push(format!("write -q -P 0 {at} {step}"));
            at += step;
        }
    }
    writes
}

/// A difference between images (Ceph's "RBD incremental backup", version 1) that makes a hole of everything.
fn hole(capacity: u64) -> Vec<u8> {
    let (start, length) = (0_u64.to_le_bytes(), capacity.to_le_bytes());
    [b"rbd diff v1\ns", &length[..], b"z", &start, &length, b"e"].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_that_takes_room_is_overwritten_and_nothing_behind_the_end() {
        let extent = |offset, length| Extent { offset, length };
        let extents = [extent(0, 4 << 20), extent(32 << 20, 20 << 20)];
        assert_eq!(
            writes(&extents, (50 << 20) + 512),
            [
                "write -q -P 0 0 4194304",
                "write -q -P 0 33554432 16777216",
                "write -q -P 0 50331648 2097664"
            ]
        );
        assert_eq!(writes(&[extent(u64::MAX, u64::MAX)], 1 << 20), [""; 0]);
    }
}
