//! Firmware that the host chooses: `<os firmware='efi'>`.

use super::Facts;
use crate::capabilities::firmware::{self, Mapping};
use error::{Code, Domain as ErrorDomain, Error, Result};
use model::domain::Domain;
use model::domain::os::{FirmwareKind, Loader, LoaderType, Nvram};
use xml::YesNo;

/// Names the firmware's files where the document only says which kind it wants.
pub(super) fn choose(domain: &mut Domain, kind: FirmwareKind, facts: &Facts) -> Result<()> {
    if domain
        .os
        .loader
        .as_ref()
        .is_some_and(|loader| loader.path.is_some())
    {
        return Ok(());
    }
    if kind == FirmwareKind::Bios {
        // The board's own.
        return Ok(());
    }
    let arch = domain.os.r#type.arch.clone().unwrap_or_default();
    let machine = domain.os.r#type.machine.clone().unwrap_or_default();
    let secure = domain.os.loader.as_ref().and_then(|loader| loader.secure);
    let fitting = firmware::descriptors(&facts.host, None)
        .into_iter()
        .find_map(|one| {
            let Mapping::Flash {
                executable,
                nvram_template,
                ..
            } = &one.mapping
            else {
                return None;
            };
            let is_secure = one.has("requires-smm") || one.has("secure-boot");
            let wanted = match secure {
                Some(YesNo::Yes) => is_secure,
                Some(YesNo::No) => !is_secure,
                None => true,
            };
            let fits = one.is("uefi") && wanted && one.is_for(&arch, &machine);
            let template = nvram_template.as_ref()?;
            (fits && executable.format == "raw")
                .then(|| (executable.filename.clone(), template.filename.clone(), is_secure))
        });
    let Some((code, template, is_secure)) = fitting else {
        return Err(Error::new(
            Code::OperationFailed,
            ErrorDomain::Qemu,
            "<os firmware='efi'>: no firmware of this host fits (package ovmf)",
        ));
    };
    let loader = domain.os.loader.get_or_insert(Loader {
        readonly: None,
        secure: None,
        r#type: None,
        stateless: None,
        format: None,
        path: None,
    });
    loader.readonly = Some(YesNo::Yes);
    loader.r#type = Some(LoaderType::Pflash);
    loader
        .secure
        .get_or_insert(if is_secure { YesNo::Yes } else { YesNo::No });
    loader.path = Some(code.display().to_string());
    let nvram: &mut Nvram = domain.os.nvram.get_or_insert_default();
    nvram
        .template
        .get_or_insert_with(|| template.display().to_string());
    Ok(())
}
