//! What a document needs that a machine without special hardware, servers and foreign networks does not have.

use roxmltree::{Document, Node};

/// What Debian has in packages of its own, which pull whole desktops.
const DISPLAY: &str = "a display that this QEMU is not built with";

/// What it needs and is not here; `None` where nothing is missing.
pub(crate) fn needs(text: &str) -> Option<&'static str> {
    let document = Document::parse(text).ok()?;
    let root = document.root_element();
    root.descendants().find_map(of_element)
}

fn of_element(node: Node<'_, '_>) -> Option<&'static str> {
    let kind = node.attribute("type").unwrap_or_default();
    let parent = node
        .parent_element()
        .map_or("", |parent| parent.tag_name().name());
    match (parent, node.tag_name().name()) {
        ("devices", "hostdev") => Some("a device of the host"),
        ("devices", "disk") => match kind {
            "network" => Some("a server of disks"),
            "volume" => Some("a storage pool"),
            "nvme" | "vhostvdpa" => Some("a device of the host"),
            "vhostuser" => Some("a process that serves a device"),
            _ => None,
        },
        ("disk" | "mirror", "backingStore") if kind == "network" => Some("a server of disks"),
        ("devices", "interface") => match kind {
            "hostdev" | "vdpa" => Some("a device of the host"),
            "vhostuser" => Some("a process that serves a device"),
            "network" | "direct" => Some("a network of the host"),
            _ => None,
        },
        ("filesystem", "source") if node.has_attribute("socket") => Some("a process that serves a device"),
        ("video", "driver") if node.attribute("name") == Some("vhostuser") => {
            Some("a process that serves a device")
        }
        ("devices", "tpm") => {
            let backend = node.children().find(|child| child.has_tag_name("backend"))?;
            (backend.attribute("type") != Some("emulator")).then_some("a TPM of the host")
        }
        ("devices", "graphics") if ["spice", "sdl", "dbus", "rdp", "egl-headless"].contains(&kind) => {
            Some(DISPLAY)
        }
        ("devices", "video") => {
            let model = node.children().find(|child| child.has_tag_name("model"))?;
            (model.attribute("type") == Some("qxl")).then_some(DISPLAY)
        }
        ("devices", "audio") if !["none", "alsa", "file"].contains(&kind) => Some("another sound system"),
        ("devices", "channel" | "redirdev" | "smartcard" | "serial" | "console")
            if ["spicevmc", "spiceport", "dbus"].contains(&kind) =>
        {
            Some(DISPLAY)
        }
        ("memoryBacking", "hugepages") => Some("huge pages"),
        ("memoryBacking", "allocation") if node.attribute("mode") == Some("immediate") => {
            Some("all of its memory at once")
        }
        ("domain", "cpu") if node.attribute("mode") == Some("host-passthrough") => Some("KVM"),
        ("devices", "serial" | "parallel" | "channel") if kind == "dev" => Some("a device of the host"),
        ("devices", "input") if ["passthrough", "evdev"].contains(&kind) => Some("a device of the host"),
        ("devices", "vsock") => Some("a device of the host"),
        ("interface", "driver") if node.attribute("name") == Some("vhost") => Some("a device of the host"),
        ("nvram", "source")
        | ("disk", "encryption")
        | ("source", "encryption")
        | ("backend", "encryption") => (node.has_tag_name("encryption") || node.has_attribute("protocol"))
            .then_some("a secret, or a server of disks"),
        ("source", "auth") | ("disk", "auth") => Some("a secret, or a server of disks"),
        ("shmem", "server") => Some("a process that serves a device"),
        ("filesystem", "driver") if kind == "virtiofs" => Some("a process that serves a device"),
        ("domain", "launchSecurity") => Some("encrypted memory"),
        _ => None,
    }
}
