//! The guest's firmware: what the host's descriptors say of it is written into the definition.
//!
//! A document may only say which kind it wants (`<os firmware='efi'>`), or name the file of the code. The first of the
//! host's descriptors that agrees with all it says fills in the rest: files, formats, and what the firmware can do. A
//! completed definition agrees with the descriptor it was completed from, so that it stays what it is.

use super::Facts;
use crate::capabilities::firmware::{self, Descriptor, Mapping};
use error::{Code, Domain as ErrorDomain, Error, Result};
use model::domain::Domain;
use model::domain::devices::DiskSource;
use model::domain::os::{
    FirmwareFeature, FirmwareFeatureName, FirmwareFeatures, FirmwareFormat, FirmwareKind, Loader, LoaderType,
    Nvram, Os,
};
use model::domain::security::LaunchSecurity;
use xml::YesNo;

/// Fills in what can be known of the firmware.
pub(super) fn complete(domain: &mut Domain, facts: &Facts) {
    let found = pick(domain, facts);
    match &found {
        Some(descriptor) => describe(domain, descriptor),
        None => undescribed(&mut domain.os, facts),
    }
    if found.is_none() && domain.os.firmware.is_some() {
        return;
    }
    let os = &mut domain.os;
    let Some(loader) = os.loader.as_ref().filter(|loader| keeps_variables(loader)) else {
        return;
    };
    let format = loader.format;
    let nvram = os.nvram.get_or_insert_default();
    let format = *nvram.format.get_or_insert(format.unwrap_or(FirmwareFormat::Raw));
    if nvram.path.is_none() && nvram.source.is_none() {
        let end = match format {
            FirmwareFormat::Raw => "fd",
            FirmwareFormat::Qcow2 => "qcow2",
        };
        let file = facts.nvram_dir.join(format!("{}_VARS.{end}", domain.name));
        nvram.path = Some(file.display().to_string());
    }
}

/// Refuses a definition for whose firmware the host has no descriptor.
///
/// # Errors
/// [`Code::OperationFailed`].
pub(super) fn require(domain: &Domain, facts: &Facts) -> Result<()> {
    match domain.os.firmware {
        Some(kind) if pick(domain, facts).is_none() => Err(none_fits(kind)),
        _ => Ok(()),
    }
}

/// Refuses the start of a guest whose firmware was never found. One that was is taken as it is, for the host's
/// descriptors may have changed since.
///
/// # Errors
/// [`Code::OperationFailed`].
pub(super) fn require_file(os: &Os) -> Result<()> {
    let has_file = os.loader.as_ref().is_some_and(|loader| loader.path.is_some());
    match os.firmware {
        Some(kind) if !has_file => Err(none_fits(kind)),
        _ => Ok(()),
    }
}

fn none_fits(kind: FirmwareKind) -> Error {
    let text = format!("Unable to find '{kind}' firmware that is compatible with the current configuration");
    Error::new(Code::OperationFailed, ErrorDomain::Qemu, text)
}

/// Whether the code is flash memory that needs a second one for its variables.
fn keeps_variables(loader: &Loader) -> bool {
    loader.r#type == Some(LoaderType::Pflash)
        && loader.readonly == Some(YesNo::Yes)
        && loader.stateless != Some(YesNo::Yes)
}

/// The first descriptor that agrees with the document.
fn pick(domain: &Domain, facts: &Facts) -> Option<Descriptor> {
    let os = &domain.os;
    let kind = match os.firmware {
        Some(kind) => kind,
        // Flash memory that is named by its file may be described all the same.
        None => os
            .loader
            .as_ref()
            .filter(|loader| loader.r#type == Some(LoaderType::Pflash) && loader.path.is_some())
            .map(|_| FirmwareKind::Efi)?,
    };
    let wanted = Wanted { domain, kind };
    firmware::descriptors(&facts.host, None)
        .into_iter()
        .find(|descriptor| wanted.agrees(descriptor))
}

/// What a document says of its firmware.
struct Wanted<'a> {
    domain: &'a Domain,
    kind: FirmwareKind,
}

impl Wanted<'_> {
    fn agrees(&self, descriptor: &Descriptor) -> bool {
        let machine = &self.domain.os.r#type;
        let interface = match self.kind {
            FirmwareKind::Bios => "bios",
            FirmwareKind::Efi => "uefi",
        };
        descriptor.is(interface)
            && descriptor.is_for(
                machine.arch.as_deref().unwrap_or_default(),
                machine.machine.as_deref().unwrap_or_default(),
            )
            && self.features_agree(descriptor)
            && self.files_agree(&descriptor.mapping)
    }

    fn features_agree(&self, descriptor: &Descriptor) -> bool {
        let domain = self.domain;
        let asked = domain
            .os
            .firmware_features
            .iter()
            .flat_map(|asked| &asked.features);
        let mut asked = asked.map(|asked| (word(asked.name), asked.enabled.is_yes()));
        let needs_smm = descriptor.has("requires-smm");
        let has_smm = domain
            .features
            .as_ref()
            .and_then(|features| features.smm.as_ref());
        let secure = match domain.os.loader.as_ref().and_then(|loader| loader.secure) {
            Some(YesNo::Yes) => needs_smm && descriptor.has("secure-boot"),
            Some(YesNo::No) => !needs_smm,
            None => true,
        };
        let sleep = domain.pm.as_ref();
        let sleeps = |state: Option<&model::domain::lifecycle::SleepState>| {
            state.is_some_and(|state| state.enabled == Some(YesNo::Yes))
        };
        let sealed = match &domain.launch_security {
            Some(LaunchSecurity::Sev(_)) => Some("amd-sev"),
            Some(LaunchSecurity::SevSnp(_)) => Some("amd-sev-snp"),
            _ => None,
        };
        asked.all(|(name, wanted)| descriptor.has(name) == wanted)
            && secure
            && (!needs_smm || has_smm.is_none_or(|smm| smm.switch.is_on()))
            && (!sleeps(sleep.and_then(|sleep| sleep.suspend_to_mem.as_ref())) || descriptor.has("acpi-s3"))
            && (!sleeps(sleep.and_then(|sleep| sleep.suspend_to_disk.as_ref())) || descriptor.has("acpi-s4"))
            && sealed.is_none_or(|sealed| descriptor.has(sealed))
    }

    fn files_agree(&self, mapping: &Mapping) -> bool {
        let none = Loader::default();
        let loader = self.domain.os.loader.as_ref().unwrap_or(&none);
        let nvram = self.domain.os.nvram.as_deref();
        let is_code = |file: &std::path::Path| loader.path.as_deref().is_none_or(|path| file == path);
        match mapping {
            Mapping::Flash {
                mode,
                executable,
                nvram_template,
            } => {
                let stateless = loader.stateless == Some(YesNo::Yes);
                let variables = match (mode.as_deref().unwrap_or("split"), nvram_template) {
                    ("split", Some(template)) => {
                        let is_template = |path: &str| template.filename.as_os_str() == path;
                        let named = nvram.and_then(|nvram| nvram.template.as_deref());
                        let format = nvram.and_then(|nvram| nvram.template_format);
                        !stateless
                            && named.is_none_or(is_template)
                            && format.is_none_or(|format| template.format == format.to_string())
                    }
                    ("stateless", _) => stateless,
                    // One file for both is written to by the guest: nothing that guests can share.
                    _ => false,
                };
                loader.r#type != Some(LoaderType::Rom)
                    && loader.readonly != Some(YesNo::No)
                    && variables
                    && is_code(&executable.filename)
                    && executable.format == self.format(loader, nvram).to_string()
            }
            Mapping::Memory { filename } => {
                loader.r#type != Some(LoaderType::Pflash)
                    && nvram.is_none()
                    && is_code(filename)
                    && loader.format != Some(FirmwareFormat::Qcow2)
            }
            Mapping::Kernel { .. } => false,
        }
    }

    /// The format that is asked for. A file that is named has its own, whatever the variables have.
    fn format(&self, loader: &Loader, nvram: Option<&Nvram>) -> FirmwareFormat {
        let of_variables = nvram
            .and_then(|nvram| nvram.format)
            .filter(|_| loader.path.is_none());
        loader.format.or(of_variables).unwrap_or(FirmwareFormat::Raw)
    }
}

fn word(feature: FirmwareFeatureName) -> &'static str {
    match feature {
        FirmwareFeatureName::EnrolledKeys => "enrolled-keys",
        FirmwareFeatureName::SecureBoot => "secure-boot",
    }
}

/// Writes down what a descriptor says.
fn describe(domain: &mut Domain, descriptor: &Descriptor) {
    let os = &mut domain.os;
    let is_flash = matches!(descriptor.mapping, Mapping::Flash { .. });
    os.firmware.get_or_insert(FirmwareKind::Efi);
    // What is enrolled is in the variables, and those of a server are nobody's here to know.
    let own_variables = os.nvram.as_deref().is_none_or(|nvram| !is_remote(nvram));
    let told = [FirmwareFeatureName::EnrolledKeys, FirmwareFeatureName::SecureBoot]
        .into_iter()
        .filter(|name| own_variables || *name != FirmwareFeatureName::EnrolledKeys);
    let features = told.map(|name| FirmwareFeature {
        enabled: descriptor.has(word(name)).into(),
        name,
    });
    os.firmware_features = Some(FirmwareFeatures {
        r#type: None,
        features: features.collect(),
    });
    let named = os.loader.as_ref().is_some_and(|loader| loader.path.is_some());
    let loader = os.loader.get_or_insert_default();
    loader.path = Some(descriptor.code().display().to_string());
    if is_flash {
        loader.readonly = Some(YesNo::Yes);
    }
    loader.r#type = Some(if is_flash {
        LoaderType::Pflash
    } else {
        LoaderType::Rom
    });
    loader.format = Some(FirmwareFormat::Raw);
    if let Mapping::Flash {
        executable,
        nvram_template,
        ..
    } = &descriptor.mapping
    {
        loader.format = format_of(&executable.format);
        let stateless = loader.stateless == Some(YesNo::Yes);
        if let Some(template) = nvram_template.as_ref().filter(|_| !stateless) {
            let nvram = os.nvram.get_or_insert_default();
            if !named {
                nvram.format = format_of(&template.format);
            }
            if !is_remote(nvram) {
                nvram.template = Some(template.filename.display().to_string());
                nvram.template_format = format_of(&template.format);
            }
        }
    }
    if descriptor.has("requires-smm") {
        loader.secure.get_or_insert(YesNo::Yes);
        domain
            .features
            .get_or_insert_default()
            .smm
            .get_or_insert_default();
    }
}

fn format_of(word: &str) -> Option<FirmwareFormat> {
    match word {
        "raw" => Some(FirmwareFormat::Raw),
        "qcow2" => Some(FirmwareFormat::Qcow2),
        _ => None,
    }
}

fn is_remote(nvram: &Nvram) -> bool {
    matches!(nvram.source, Some(DiskSource::Network { .. }))
}

/// What is known of firmware that no descriptor speaks of.
fn undescribed(os: &mut Os, facts: &Facts) {
    let Some(loader) = os.loader.as_mut() else { return };
    if os.firmware.is_none() {
        loader.r#type.get_or_insert(LoaderType::Rom);
    }
    let variables = keeps_variables(loader);
    if loader.r#type != Some(LoaderType::Rom) || os.nvram.is_none() {
        loader.format.get_or_insert(FirmwareFormat::Raw);
    }
    let pair = facts
        .variables
        .iter()
        .find(|pair| loader.path.as_deref() == Some(pair.code.as_str()));
    let Some(pair) = pair.filter(|_| variables) else {
        return;
    };
    let nvram = os.nvram.get_or_insert_default();
    if !is_remote(nvram) {
        nvram.template.get_or_insert_with(|| pair.template.clone());
        nvram.template_format.get_or_insert(FirmwareFormat::Raw);
    }
}
