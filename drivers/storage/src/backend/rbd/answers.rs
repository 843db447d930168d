//! What Ceph's programs answer, in JSON.

use crate::failure::refused;
use crate::files::Figures;
use error::{Code, Result};
use serde_json::Value;
use std::collections::HashMap;

/// An image.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Image {
    pub name: String,
    /// Bytes.
    pub size: u64,
}

fn parse(told: &str) -> Result<Value> {
    serde_json::from_str(told).map_err(|err| {
        let text = format!("a program of Ceph answered what nobody understands: {err}");
        refused(Code::InternalError, text)
    })
}

/// What a list says of images, less what it says of their snapshots.
fn entries<'v>(list: &'v Value, name: &'static str) -> impl Iterator<Item = (&'v str, &'v Value)> {
    let entries = list.as_array().into_iter().flatten();
    entries
        .filter(|entry| entry.get("snapshot").is_none())
        .filter_map(move |entry| Some((entry.get(name)?.as_str()?, entry)))
}

/// The images in the answer of `rbd ls --long`.
pub(super) fn images(told: &str) -> Result<Vec<Image>> {
    let list = parse(told)?;
    let images = entries(&list, "image").filter_map(|(name, entry)| {
        Some(Image {
            name: name.to_owned(),
            size: entry.get("size")?.as_u64()?,
        })
    });
    Ok(images.collect())
}

/// How many bytes each image takes, in the answer of `rbd du`: those of its snapshots are its own too, and are not told here.
pub(super) fn taken(told: &str) -> Result<HashMap<String, u64>> {
    let answer = parse(told)?;
    let list = answer.get("images").unwrap_or(&Value::Null);
    let taken = entries(list, "name")
        .filter_map(|(name, entry)| Some((name.to_owned(), entry.get("used_size")?.as_u64()?)));
    Ok(taken.collect())
}

/// A stretch of an image that takes room.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Extent {
    /// Bytes from the beginning.
    pub offset: u64,
    /// Bytes.
    pub length: u64,
}

/// The stretches in the answer of `rbd diff`.
pub(super) fn extents(told: &str) -> Result<Vec<Extent>> {
    let list = parse(told)?;
    let extents = list.as_array().into_iter().flatten().filter_map(|entry| {
        // Older ones tell "true" as a word.
        let exists = entry.get("exists")?;
        let exists = exists.as_bool().unwrap_or(exists == "true");
        exists.then_some(Extent {
            offset: entry.get("offset")?.as_u64()?,
            length: entry.get("length")?.as_u64()?,
        })
    });
    Ok(extents.collect())
}

/// A snapshot of an image.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Snapshot {
    pub name: String,
    /// Whether images may be based on it, and it cannot be removed.
    pub is_protected: bool,
}

/// The snapshots in the answer of `rbd snap ls`.
pub(super) fn snapshots(told: &str) -> Result<Vec<Snapshot>> {
    let list = parse(told)?;
    let snapshots = list.as_array().into_iter().flatten().filter_map(|entry| {
        let protected = entry.get("protected")?;
        Some(Snapshot {
            name: entry.get("name")?.as_str()?.to_owned(),
            is_protected: protected.as_bool().unwrap_or(protected == "true"),
        })
    });
    Ok(snapshots.collect())
}

/// The sizes in the answer of `rados df`, which counts in KiB.
pub(super) fn figures(told: &str, pool: &str) -> Result<Figures> {
    let answer = parse(told)?;
    let number = |value: Option<&Value>| {
        // Older ones tell numbers as words.
        let value = value?;
        value.as_u64().or_else(|| value.as_str()?.parse().ok())
    };
    let kib = |name: &str| number(answer.get(name)).unwrap_or(0).saturating_mul(1024);
    let pools = answer.get("pools").unwrap_or(&Value::Null);
    let own = entries(pools, "name").find(|(name, _)| *name == pool);
    Ok(Figures {
        capacity: kib("total_space"),
        available: kib("total_avail"),
        allocation: own
            .and_then(|(_, entry)| number(entry.get("size_bytes")))
            .unwrap_or(0),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_of_a_real_cluster_are_understood() {
        let listed = r#"[{"image":"a","id":"102db55e3c4b","size":10485760,"format":2},
            {"image":"a","id":"102db55e3c4b","snapshot":"s","snapshot_id":4,"size":10485760,"format":2,"protected":"false"},
            {"image":"b","id":"103018fa5d5a","size":1073741824,"format":2}]"#;
        let image = |name: &str, size| Image {
            name: name.to_owned(),
            size,
        };
        assert_eq!(
            images(listed).unwrap(),
            [image("a", 10 << 20), image("b", 1 << 30)]
        );
        let used = r#"{"images":[{"name":"a","id":"1","snapshot":"s","snapshot_id":4,"provisioned_size":10,"used_size":7},
            {"name":"a","id":"1","provisioned_size":10,"used_size":3}],"total_provisioned_size":10,"total_used_size":10}"#;
        assert_eq!(taken(used).unwrap(), HashMap::from([("a".to_owned(), 3)]));
        let df = r#"{"pools":[{"name":"vms","id":1,"size_bytes":172,"size_kb":1,"num_objects":12}],"total_objects":12,
            "total_used":30,"total_avail":524257,"total_space":524288}"#;
        let told = figures(df, "vms").unwrap();
        assert_eq!(
            (told.capacity, told.available, told.allocation),
            (512 << 20, 524_257 << 10, 172)
        );
        assert_eq!(figures(df, "other").unwrap().allocation, 0);
        let taken = r#"[{"offset":0,"length":4194304,"exists":"true"},{"offset":8388608,"length":10,"exists":"false"}]"#;
        let first = Extent {
            offset: 0,
            length: 4 << 20,
        };
        assert_eq!(extents(taken).unwrap(), [first]);
        let snapshot = r#"[{"id":6,"name":"a","size":18874880,"protected":"true","timestamp":"Fri Nov 27 14:33:22 2026"}]"#;
        let only = Snapshot {
            name: "a".to_owned(),
            is_protected: true,
        };
        assert_eq!(snapshots(snapshot).unwrap(), [only]);
        assert!(images("<html>").is_err());
    }
}
