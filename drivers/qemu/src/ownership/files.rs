//! The files of a guest that change hands.

use crate::command;
use model::domain::Domain as Model;
use model::domain::devices::CharSource;
use model::domain::devices::info::DeviceSecLabel;
use model::domain::security::SecLabelType;
use std::path::{Path, PathBuf};

/// A file that is the guest's user's while it runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Owned {
    /// Where it is.
    pub path: PathBuf,
    /// Whether it goes back afterwards: what other guests may read at the same time does not.
    pub returns: bool,
    /// Whose it is, in the document's words, where not the guest's user's.
    pub label: Option<String>,
}

fn is_of_owners(model: Option<&str>) -> bool {
    model.is_none_or(|model| model == "dac")
}

/// Whether a device's files are left alone.
fn is_exempt(labels: &[DeviceSecLabel]) -> bool {
    labels
        .iter()
        .filter(|label| is_of_owners(label.model.as_deref()))
        .any(|label| label.relabel.is_some_and(|relabel| !relabel.is_yes()))
}

/// Whose a device's files are by its own words.
fn given(labels: &[DeviceSecLabel]) -> Option<String> {
    let mut labels = labels.iter();
    let label = labels.find(|label| label.model.as_deref() == Some("dac"))?;
    label.label.clone()
}

impl Owned {
    /// Those of a live document, and nodes of the host's devices that it means; none where it says that owners stay.
    pub(crate) fn of(model: &Model, nodes: &[Self]) -> Vec<Self> {
        let exempt = model.seclabels.iter().any(|label| {
            let none = label.r#type == Some(SecLabelType::None);
            let stays = match label.relabel {
                Some(relabel) => !relabel.is_yes(),
                None => label.r#type == Some(SecLabelType::Static),
            };
            is_of_owners(label.model.as_deref()) && (none || stays)
        });
        if exempt {
            return Vec::new();
        }
        let mut all: Vec<Self> = Vec::new();
        let mut add = |path: &str, returns: bool, label: Option<String>| {
            let path = PathBuf::from(path);
            if path.is_absolute() && !is_everybodys(&path) && all.iter().all(|one| one.path != path) {
                all.push(Self { path, returns, label });
            }
        };
        let os = &model.os;
        for path in [&os.kernel, &os.initrd, &os.dtb, &os.shim].into_iter().flatten() {
            add(path, true, None);
        }
        for table in os.acpi.iter().flat_map(|acpi| &acpi.tables) {
            add(&table.path, true, None);
        }
        for disk in &model.devices.disks {
            let returns = !disk.readonly && !disk.shareable;
            // The layer below a run's own image was the disk's, and nobody else's unless it is shared.
            let alone = disk
                .transient
                .as_ref()
                .is_some_and(|transient| transient.share_backing.is_none_or(|shares| !shares.is_yes()));
            let top = usize::from(alone && command::is_covered(disk, &model.name));
            for (at, source) in command::sources(disk).into_iter().enumerate() {
                let labels = source.details().map_or(&[][..], |details| &details.seclabels);
                if let Some(path) = source.path().filter(|_| !is_exempt(labels)) {
                    // Layers below the first are only read, and perhaps by others, too.
                    add(path, returns && at <= top, given(labels));
                }
            }
        }
        for (_, source) in model.devices.chars() {
            let (path, labels) = match source {
                CharSource::Dev { source: Some(source) } | CharSource::Pipe { source: Some(source) } => {
                    (&source.path, &source.seclabels)
                }
                CharSource::File { source: Some(source) } => (&source.path, &source.seclabels),
                _ => continue,
            };
            if let Some(path) = path.as_deref().filter(|_| !is_exempt(labels)) {
                add(path, true, given(labels));
            }
        }
        for memory in &model.devices.memories {
            if let Some(path) = memory.source.as_ref().and_then(|source| source.path.as_deref()) {
                add(path, true, None);
            }
        }
        for input in &model.devices.inputs {
            let path = input
                .source
                .as_ref()
                .and_then(|source| source.evdev.as_deref().or(source.dev.as_deref()));
            if let Some(path) = path {
                add(path, true, None);
            }
        }
        for node in nodes {
            add(&node.path.to_string_lossy(), node.returns, node.label.clone());
        }
        all
    }
}

/// Nodes that everybody may use.
fn is_everybodys(path: &Path) -> bool {
    let nodes = [
        "/dev/null",
        "/dev/zero",
        "/dev/full",
        "/dev/random",
        "/dev/urandom",
    ];
    nodes.iter().any(|node| path == Path::new(node))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn model(seclabel: &str) -> Model {
        let text = format!(
            "<domain type='qemu'><name>a</name><memory>1024</memory><os><type>hvm</type><kernel>/k</kernel></os><devices>\
             <disk type='file'><source file='/a'/><backingStore type='file'><format type='raw'/><source file='/b'/>\
             </backingStore><target dev='vda'/></disk>\
             <disk type='file'><source file='/c'/><target dev='vdb'/><readonly/></disk>\
             <disk type='file'><source file='/d'><seclabel model='dac' relabel='no'/></source><target dev='vdc'/></disk>\
             <serial type='file'><source path='/e'/></serial><serial type='dev'><source path='/dev/null'/></serial>\
             </devices>{seclabel}</domain>"
        );
        Model::from_xml(&text).unwrap()
    }

    #[test]
    fn what_others_may_read_does_not_go_back() {
        let node = Owned {
            path: "/dev/vfio/7".into(),
            returns: true,
            label: None,
        };
        let all = Owned::of(&model(""), &[node]);
        let all: Vec<(&str, bool)> = all
            .iter()
            .map(|one| (one.path.to_str().unwrap(), one.returns))
            .collect();
        assert_eq!(
            all,
            [
                ("/k", true),
                ("/a", true),
                ("/b", false),
                ("/c", false),
                ("/e", true),
                ("/dev/vfio/7", true)
            ]
        );
    }

    #[test]
    fn the_image_of_a_transient_disk_goes_back_unless_it_is_shared() {
        let returns = |transient: &str| -> Vec<bool> {
            let text = format!(
                "<domain type='qemu'><name>g</name><memory>1</memory><os><type>hvm</type></os><devices>\
                 <disk type='file'><source file='/i.TRANSIENT-g'/><backingStore type='file'><format type='raw'/>\
                 <source file='/i'/></backingStore><target dev='vda'/>{transient}</disk></devices></domain>"
            );
            let all = Owned::of(&Model::from_xml(&text).unwrap(), &[]);
            all.iter().map(|one| one.returns).collect()
        };
        assert_eq!(returns("<transient/>"), [true, true]);
        assert_eq!(returns("<transient shareBacking='yes'/>"), [true, false]);
        assert_eq!(returns(""), [true, false]);
    }

    #[test]
    fn a_device_can_have_another_owner() {
        let text = "<domain type='qemu'><name>g</name><memory>1</memory><os><type>hvm</type></os><devices>\
                    <disk type='file'><source file='/i'><seclabel model='dac' relabel='yes'><label>+1:+2</label></seclabel>\
                    </source><target dev='vda'/></disk></devices></domain>";
        let all = Owned::of(&Model::from_xml(text).unwrap(), &[]);
        assert_eq!(all.len(), 1);
        assert_eq!(all[0].label.as_deref(), Some("+1:+2"));
    }

    #[test]
    fn a_document_can_keep_its_files() {
        assert_eq!(Owned::of(&model("<seclabel type='none' model='dac'/>"), &[]), []);
        assert_eq!(Owned::of(&model("<seclabel type='none'/>"), &[]), []);
        assert_ne!(
            Owned::of(&model("<seclabel type='none' model='selinux'/>"), &[]),
            []
        );
        let fixed = |more: &str| {
            let label = format!("<seclabel type='static' model='dac'{more}><label>+1:+1</label></seclabel>");
            Owned::of(&model(&label), &[])
        };
        assert_eq!(fixed(""), []);
        assert_eq!(fixed(" relabel='no'"), []);
        assert_ne!(fixed(" relabel='yes'"), []);
    }
}
