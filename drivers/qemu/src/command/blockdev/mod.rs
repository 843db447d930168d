//! `-blockdev`: the layers of an image, from the file on the host up to what the guest's device is joined to.
//!
//! ```text
//!  libvirt-1-format ─ backing ─► libvirt-2-format ─ backing ─► libvirt-3-storage   (raw: no layer of its own, unless QEMU is old)
//!        │ file                        │ file
//!  libvirt-1-storage             libvirt-2-storage
//! ```
//! Layers are numbered through all disks, from the last disk to the first and within a disk from the top down: block
//! jobs and events name them by these numbers.

pub(in crate::command) mod network;
mod numbers;
mod protocol;

pub(crate) use numbers::sources;
pub(crate) use numbers::{DiskNumbers, disk_numbers};
pub(super) use numbers::{is_terminated, named_sources};

use super::line::{Line, Props, incomplete, unsupported};
use super::secret::{auth_object, cookie_object, key_object};
use error::Result;
use model::domain::devices::DiskSource;
use model::domain::devices::disk::{DetectZeroes, Discard, DiskCache, DiskIo, MetadataCache};
use model::domain::devices::disk_source::{
    Auth, Encryption, EncryptionEngine, EncryptionFormat, StorageFormat,
};
use serde_json::Value;

/// How QEMU is to use a layer.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct LayerFlags {
    pub(super) readonly: bool,
    pub(super) cache: Option<DiskCache>,
    pub(super) io: Option<DiskIo>,
    pub(super) discard: Option<Discard>,
    pub(super) detect_zeroes: Option<DetectZeroes>,
    pub(super) discard_no_unref: Option<bool>,
    /// A drive for media of the host.
    pub(super) cdrom: bool,
    /// A floppy drive.
    pub(super) floppy: bool,
    /// The number of the descriptor of a node that was opened for it.
    pub(super) node: Option<i32>,
}

/// One image.
#[derive(Debug, Clone, Copy)]
pub(super) struct Layer<'a> {
    /// What the layers' names begin with: `libvirt-1`.
    pub(super) name: &'a str,
    pub(super) source: &'a DiskSource,
    pub(super) format: StorageFormat,
    pub(super) encryption: Option<&'a Encryption>,
    pub(super) auth: Option<&'a Auth>,
    pub(super) metadata_cache: Option<&'a MetadataCache>,
    /// What the names of the file with its data begin with.
    pub(super) store: Option<&'a str>,
    /// The layer below: `None`: not said, `Some(None)`: there is none.
    pub(super) backing: Option<Option<&'a str>>,
}

/// The properties of a cache mode.
fn cache_props(cache: Option<DiskCache>) -> Option<Value> {
    let (direct, no_flush) = match cache {
        None | Some(DiskCache::Default) => return None,
        Some(DiskCache::None | DiskCache::DirectSync) => (true, false),
        Some(DiskCache::WriteThrough | DiskCache::WriteBack) => (false, false),
        Some(DiskCache::Unsafe) => (false, true),
    };
    Some(
        Props::new()
            .set("direct", direct)
            .set("no-flush", no_flush)
            .into(),
    )
}

/// How the bytes of a layer are opened.
#[derive(Debug, Clone, Copy)]
enum Opening {
    /// QEMU opens them for reading, and anew for writing when somebody wants that.
    AsNeeded,
    /// They are open already, in one way.
    Given,
}

/// What every node takes; `lower` is one below the layer that the guest's device is joined to.
fn node(mut props: Props, name: &str, flags: &LayerFlags, lower: bool, opening: Opening) -> Props {
    props.put("node-name", name);
    if lower {
        match opening {
            Opening::AsNeeded => props.put("auto-read-only", true),
            Opening::Given => props.put("read-only", flags.readonly),
        }
        props.put("discard", "unmap");
    } else {
        props.put("read-only", flags.readonly);
        props = upper(props, flags);
    }
    props.maybe("cache", cache_props(flags.cache))
}

fn upper(props: Props, flags: &LayerFlags) -> Props {
    let discard = match flags.discard {
        Some(Discard::Unmap) => Some("unmap"),
        Some(Discard::Ignore) => Some("ignore"),
        Some(Discard::Default) | None => None,
    };
    let zeroes = match flags.detect_zeroes {
        Some(DetectZeroes::Off) => Some("off"),
        Some(DetectZeroes::On) => Some("on"),
        // Without discards there is nothing to turn them into.
        Some(DetectZeroes::Unmap) if flags.discard != Some(Discard::Unmap) => Some("on"),
        Some(DetectZeroes::Unmap) => Some("unmap"),
        Some(DetectZeroes::Default) | None => None,
    };
    props.maybe("discard", discard).maybe("detect-zeroes", zeroes)
}

impl Line<'_> {
    /// The layers of one image; the name of the upper one.
    ///
    /// # Errors
    /// For sources and formats that cannot be opened.
    pub(super) fn layer(&mut self, layer: &Layer<'_>, flags: &LayerFlags) -> Result<String> {
        let key = self.layer_secrets(layer)?;
        let librbd = layer
            .encryption
            .is_some_and(|it| it.engine == Some(EncryptionEngine::Librbd));
        let data_file = self.data_store(layer, flags)?;
        let slice = layer.source.details().and_then(|details| details.slices.first());
        let driver = match (format_driver(layer.format, flags)?, &key) {
            ("raw", Some(_)) if !librbd => "luks",
            (driver, _) => driver,
        };
        let storage = format!("{}-storage", layer.name);
        let needs_format = driver != "raw" || matches!(layer.backing, Some(Some(_))) || self.has_raw_layers();
        let (slice_lower, storage_lower) = (needs_format, needs_format || slice.is_some());
        let mut props = self.protocol(layer, flags, &storage)?;
        if let (Some(key), true) = (&key, librbd) {
            props.put("encrypt", encrypt(layer, key)?);
        }
        let opening = match layer.source.fd_group() {
            Some(_) => Opening::Given,
            None => Opening::AsNeeded,
        };
        self.blockdev(node(props, &storage, flags, storage_lower, opening));
        let mut below = storage;
        if let Some(slice) = slice {
            let name = format!("{}-slice-sto", layer.name);
            let props = Props::driver("raw")
                .set("file", below.as_str())
                .set("offset", slice.offset)
                .set("size", slice.size);
            self.blockdev(node(props, &name, flags, slice_lower, opening));
            below = name;
        }
        if !needs_format {
            return Ok(below);
        }
        let name = format!("{}-format", layer.name);
        let mut props = Props::new()
            .set("node-name", name.as_str())
            .set("read-only", flags.readonly);
        props = upper(props, flags);
        props = props
            .maybe("cache", cache_props(flags.cache))
            .set("driver", driver);
        if layer.format == StorageFormat::Qcow2 {
            if let Some(no_unref) = flags.discard_no_unref {
                props.put("discard-no-unref", no_unref);
            }
            let size = layer.metadata_cache.and_then(|cache| cache.max_size);
            props = props.maybe("cache-size", size.map(|size| size.0));
            props = props.maybe("data-file", data_file);
        }
        match &key {
            Some(key) if driver == "luks" => props.put("key-secret", key.as_str()),
            Some(key) if !librbd => props.put("encrypt", encrypt(layer, key)?),
            _ => {}
        }
        props.put("file", below);
        match layer.backing {
            Some(Some(lower)) => props.put("backing", lower),
            Some(None) if has_backing(layer.format) => props.put("backing", Value::Null),
            _ => {}
        }
        self.blockdev(props);
        Ok(name)
    }

    /// Whether raw images have a layer of their own. Without it, jobs would write names of storage drivers into images,
    /// unless QEMU can be told to keep them out.
    pub(super) fn has_raw_layers(&self) -> bool {
        !self.caps.schema("block-commit/arg-type/backing-mask-protocol")
    }

    /// The objects of what opens an image; the name of its key's.
    fn layer_secrets(&mut self, layer: &Layer<'_>) -> Result<Option<String>> {
        if layer.auth.is_some() {
            self.secret(&auth_object(layer.name), "<auth>")?;
        }
        if matches!(layer.source, DiskSource::Network { source: Some(source) } if !source.cookies.is_empty())
        {
            self.secret(&cookie_object(layer.name), "<cookies>")?;
        }
        let Some(encryption) = layer.encryption else {
            return Ok(None);
        };
        if encryption.secrets.len() != 1 {
            return Err(unsupported(
                "<encryption>: images with any number of keys but one are not supported yet",
            ));
        }
        let object = key_object(layer.name, encryption, layer.format);
        self.secret(&object, "<encryption>")?;
        Ok(Some(object))
    }

    /// The file that holds a qcow2 image's data, if it is another one.
    fn data_store(&mut self, layer: &Layer<'_>, flags: &LayerFlags) -> Result<Option<String>> {
        let Some(store) = layer
            .source
            .details()
            .and_then(|details| details.data_store.as_deref())
        else {
            return Ok(None);
        };
        let format = store
            .format
            .as_ref()
            .map_or(StorageFormat::Raw, |format| format.kind);
        if layer.format != StorageFormat::Qcow2 || format != StorageFormat::Raw {
            return Err(unsupported(
                "<dataStore>: only images of the format 'qcow2' have one, which is 'raw'",
            ));
        }
        let name = layer
            .store
            .ok_or_else(|| incomplete("<dataStore> has no number"))?;
        let image = Layer {
            name,
            source: &store.source,
            format,
            encryption: store
                .source
                .details()
                .and_then(|details| details.encryption.as_ref()),
            auth: store.source.details().and_then(|details| details.auth.as_ref()),
            metadata_cache: None,
            backing: None,
            store: None,
        };
        self.layer(&image, flags).map(Some)
    }
}

/// How an image is decrypted.
fn encrypt(layer: &Layer<'_>, key: &str) -> Result<Props> {
    let format = match layer.encryption.map(|encryption| encryption.format) {
        Some(EncryptionFormat::Luks) => "luks",
        Some(EncryptionFormat::Luks2) => "luks2",
        Some(EncryptionFormat::LuksAny) => "luks-any",
        Some(EncryptionFormat::Qcow) if layer.format == StorageFormat::Qcow => "aes",
        _ => return Err(unsupported("<encryption>: QEMU cannot decrypt this format")),
    };
    Ok(Props::new().set("format", format).set("key-secret", key))
}

/// Whether images of a format can have a layer below.
fn has_backing(format: StorageFormat) -> bool {
    matches!(
        format,
        StorageFormat::Qcow
            | StorageFormat::Qcow2
            | StorageFormat::Qed
            | StorageFormat::Vmdk
            | StorageFormat::Cow
    )
}

fn format_driver(format: StorageFormat, flags: &LayerFlags) -> Result<&'static str> {
    Ok(match format {
        StorageFormat::Raw | StorageFormat::Iso => "raw",
        StorageFormat::Qcow2 => "qcow2",
        StorageFormat::Qcow => "qcow",
        StorageFormat::Qed => "qed",
        StorageFormat::Vmdk => "vmdk",
        StorageFormat::Vpc => "vpc",
        StorageFormat::Vhd => "vhdx",
        StorageFormat::Vdi => "vdi",
        StorageFormat::Bochs => "bochs",
        StorageFormat::Cloop => "cloop",
        StorageFormat::Dmg => "dmg",
        StorageFormat::Ploop => "parallels",
        StorageFormat::Luks => "luks",
        StorageFormat::Fat => {
            if !flags.readonly && !flags.floppy {
                return Err(unsupported("cannot create virtual FAT disks in read-write mode"));
            }
            "raw"
        }
        StorageFormat::Dir | StorageFormat::Cow | StorageFormat::Aio => {
            return Err(unsupported(
                "<driver type>: QEMU cannot open images of this format",
            ));
        }
    })
}
