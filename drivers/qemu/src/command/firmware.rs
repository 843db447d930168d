//! The guest's firmware: `-bios`, or flash memory as block layers that the machine refers to.

use super::blockdev::{Layer, LayerFlags};
use super::line::{KeyValues, Line, Props, incomplete, unsupported};
use error::Result;
use model::domain::devices::DiskSource;
use model::domain::devices::disk_source::{FileSource, SourceDetails, StorageFormat};
use model::domain::os::{FirmwareFormat, LoaderType, Os};

/// Whether the firmware is flash memory.
fn is_pflash(os: &Os) -> bool {
    os.loader
        .as_ref()
        .is_some_and(|loader| loader.r#type == Some(LoaderType::Pflash) && loader.path.is_some())
}

fn has_nvram(os: &Os) -> bool {
    os.nvram
        .as_deref()
        .is_some_and(|nvram| nvram.path.is_some() || nvram.source.as_ref().is_some_and(|it| !it.is_empty()))
}

/// Whether the guest's variables are the storage as it is.
fn nvram_is_plain(os: &Os) -> bool {
    let source = os.nvram.as_deref().and_then(|nvram| nvram.source.as_ref());
    let encrypted = source
        .and_then(|source| source.details())
        .is_some_and(|details| details.encryption.is_some());
    nvram_format(os) == FirmwareFormat::Raw && !encrypted
}

fn nvram_format(os: &Os) -> FirmwareFormat {
    os.nvram
        .as_deref()
        .and_then(|nvram| nvram.format)
        .unwrap_or(FirmwareFormat::Raw)
}

/// Refers the machine to its flash memory.
pub(super) fn pflash(line: &Line<'_>, machine: &mut KeyValues) {
    let os = &line.domain.os;
    if !is_pflash(os) {
        return;
    }
    machine.put("pflash0", "libvirt-pflash0-format");
    if has_nvram(os) {
        let layer = if nvram_is_plain(os) && !line.has_raw_layers() {
            "storage"
        } else {
            "format"
        };
        machine.put("pflash1", format!("libvirt-pflash1-{layer}"));
    }
}

impl Line<'_> {
    /// The block layers of flash memory.
    pub(super) fn firmware_layers(&mut self) -> Result<()> {
        let os = &self.domain.os;
        if !is_pflash(os) {
            return Ok(());
        }
        let Some(loader) = &os.loader else { return Ok(()) };
        let path = loader
            .path
            .as_deref()
            .ok_or_else(|| incomplete("<loader> has no path"))?;
        let format = loader.format.unwrap_or(FirmwareFormat::Raw);
        let readonly = loader.readonly.is_none_or(|readonly| readonly.is_yes());
        let code = Props::driver("file")
            .set("filename", path)
            .set("node-name", "libvirt-pflash0-storage")
            .set("auto-read-only", true)
            .set("discard", "unmap");
        self.blockdev(code);
        let mut layer = Props::new()
            .set("node-name", "libvirt-pflash0-format")
            .set("read-only", readonly)
            .set("driver", name(format))
            .set("file", "libvirt-pflash0-storage");
        if format == FirmwareFormat::Qcow2 {
            layer.put("backing", serde_json::Value::Null);
        }
        self.blockdev(layer);
        let Some(nvram) = os.nvram.as_deref().filter(|_| has_nvram(os)) else {
            return Ok(());
        };
        let plain = nvram.path.clone().map(|path| DiskSource::File {
            source: Some(FileSource {
                file: Some(path),
                fdgroup: None,
                details: SourceDetails::default(),
            }),
        });
        let source = nvram
            .source
            .as_ref()
            .filter(|source| !source.is_empty())
            .or(plain.as_ref());
        let source = source.ok_or_else(|| incomplete("<nvram> names no file"))?;
        let format = nvram_format(os);
        let flags = LayerFlags {
            readonly: false,
            ..LayerFlags::default()
        };
        let storage = "libvirt-pflash1";
        let layer = Layer {
            name: storage,
            source,
            format: if format == FirmwareFormat::Raw {
                StorageFormat::Raw
            } else {
                StorageFormat::Qcow2
            },
            encryption: source.details().and_then(|details| details.encryption.as_ref()),
            auth: source.details().and_then(|details| details.auth.as_ref()),
            metadata_cache: None,
            backing: Some(None),
            store: None,
        };
        self.layer(&layer, &flags)?;
        Ok(())
    }

    /// `-bios`, and what makes flash memory safe from the guest's system.
    pub(super) fn firmware(&mut self) -> Result<()> {
        let os = &self.domain.os;
        let Some(loader) = &os.loader else {
            if os
                .firmware
                .is_some_and(|kind| kind != model::domain::os::FirmwareKind::Bios)
            {
                return Err(incomplete("the firmware was not chosen"));
            }
            return Ok(());
        };
        if is_pflash(os) {
            if loader.secure.is_some_and(|secure| secure.is_yes()) {
                self.option("-global", "driver=cfi.pflash01,property=secure,value=on");
            }
            return Ok(());
        }
        if let Some(path) = &loader.path {
            self.option("-bios", path.as_str());
        }
        if has_nvram(os) {
            return Err(unsupported(
                "<nvram>: only firmware in flash memory keeps variables",
            ));
        }
        Ok(())
    }
}

fn name(format: FirmwareFormat) -> &'static str {
    match format {
        FirmwareFormat::Raw => "raw",
        FirmwareFormat::Qcow2 => "qcow2",
    }
}
