//! What a document may say of its firmware.

use super::{unsupported, wrong_detail};
use crate::prepare::machine::{Board, Machine};
use error::Result;
use model::domain::Domain;
use model::domain::os::{FirmwareFeatureName, FirmwareKind, Loader, LoaderType};
use xml::YesNo;

/// What contradicts itself, as the user wrote it.
pub(super) fn before(domain: &Domain) -> Result<()> {
    let os = &domain.os;
    let loader = os.loader.as_ref();
    let enabled = |name| {
        let mut features = os.firmware_features.iter().flat_map(|asked| &asked.features);
        features
            .find(|feature| feature.name == name)
            .map(|feature| feature.enabled)
    };
    if enabled(FirmwareFeatureName::EnrolledKeys) == Some(YesNo::Yes)
        && enabled(FirmwareFeatureName::SecureBoot) == Some(YesNo::No)
    {
        return wrong_detail(
            "firmware feature 'enrolled-keys' cannot be enabled when firmware feature 'secure-boot' is disabled",
        );
    }
    if loader.is_some_and(|loader| loader.stateless == Some(YesNo::Yes)) && os.nvram.is_some() {
        return wrong_detail("NVRAM is not permitted when loader is stateless");
    }
    match os.firmware {
        Some(FirmwareKind::Bios) if os.nvram.is_some() => {
            wrong_detail("firmware type 'bios' does not support nvram")
        }
        Some(_) => Ok(()),
        None if os
            .firmware_features
            .as_ref()
            .is_some_and(|asked| !asked.features.is_empty()) =>
        {
            wrong_detail(
                "cannot use feature-based firmware autoselection when firmware autoselection is disabled",
            )
        }
        None if loader.map_or(os.nvram.is_some(), |loader| loader.path.is_none()) => {
            wrong_detail("no loader path specified and firmware auto selection disabled")
        }
        None => Ok(()),
    }
}

/// What firmware needs of the rest of the machine.
pub(super) fn after(domain: &Domain, machine: &Machine) -> Result<()> {
    let os = &domain.os;
    let features = domain.features.as_ref();
    let has_acpi = features.is_some_and(|features| features.acpi);
    let is_pflash = |loader: &Loader| loader.r#type == Some(LoaderType::Pflash);
    let is_efi = os.firmware == Some(FirmwareKind::Efi) || os.loader.as_ref().is_some_and(is_pflash);
    match os.r#type.arch.as_deref() {
        // Without UEFI nobody there finds the tables; with it they need not be.
        Some("aarch64") if has_acpi && !is_efi => {
            return Err(unsupported("ACPI requires UEFI on this architecture"));
        }
        Some("x86_64" | "i686") if is_efi && !has_acpi => {
            return Err(unsupported("UEFI requires ACPI on this architecture"));
        }
        _ => {}
    }
    let Some(loader) = os.loader.as_ref() else {
        return Ok(());
    };
    if loader.secure != Some(YesNo::Yes) {
        return Ok(());
    }
    if machine.board != Board::Q35 {
        return Err(unsupported(
            "Secure boot is supported with q35 machine types only",
        ));
    }
    let smm = features.and_then(|features| features.smm.as_ref());
    if !smm.is_some_and(|smm| smm.switch.is_on()) {
        return Err(unsupported("Secure boot requires SMM feature enabled"));
    }
    Ok(())
}
