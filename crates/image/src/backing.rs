//! What an image is based on.

use std::path::{Path, PathBuf};

/// The image that another one is based on, as that one names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backing {
    /// A path, a URL, or `json:` and QEMU's description of a block node.
    pub name: String,
    /// QEMU's name of its format, where it is recorded.
    pub format: Option<String>,
}

/// Where an image lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Location<'a> {
    /// In the host's file system.
    Path(PathBuf),
    /// QEMU describes the block node in JSON; this is the JSON.
    Json(&'a str),
    /// Behind a protocol.
    Protocol {
        /// Its name: `nbd`, `https`, `nbd+unix`.
        name: &'a str,
        /// What follows the colon.
        rest: &'a str,
    },
}

impl Backing {
    /// Where it lies, seen from the image at `overlay`: relative paths begin in that one's folder, links not followed.
    pub fn locate(&self, overlay: &Path) -> Location<'_> {
        locate(&self.name, overlay)
    }
}

/// What a name in the image at `overlay` means.
pub(crate) fn locate<'a>(name: &'a str, overlay: &Path) -> Location<'a> {
    if let Some(json) = name.strip_prefix("json:") {
        return Location::Json(json);
    }
    // A colon before any slash, as QEMU tells protocols from paths.
    if let Some((protocol, rest)) = name.split_once(':')
        && !protocol.contains('/')
    {
        return Location::Protocol { name: protocol, rest };
    }
    Location::Path(beside(overlay, name))
}

/// A path as the image at `overlay` means it.
pub(crate) fn beside(overlay: &Path, name: &str) -> PathBuf {
    overlay.parent().unwrap_or(Path::new("")).join(name)
}
