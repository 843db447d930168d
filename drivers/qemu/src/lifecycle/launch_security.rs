//! Guests whose memory the host cannot read: what the host must have for them, and what their owners give them.

use super::provide::{failed, own};
use crate::binary::BinaryCaps;
use error::{Code, Domain as ErrorDomain, Error, Result};
use model::domain::Domain as Model;
use model::domain::security::LaunchSecurity;
use std::path::Path;

/// Refuses a guest whose memory cannot be encrypted here, and fills in what the host's processor says of how it is.
///
/// # Errors
/// [`Code::ConfigUnsupported`] that says what is missing.
pub(super) fn check(model: &mut Model, caps: &BinaryCaps) -> Result<()> {
    let unsupported = |what: &str| {
        let text = format!("<launchSecurity>: {what}");
        Err(Error::new(Code::ConfigUnsupported, ErrorDomain::Qemu, text))
    };
    let (object, name) = match &model.launch_security {
        None => return Ok(()),
        Some(LaunchSecurity::Sev(_)) => ("sev-guest", "SEV"),
        Some(LaunchSecurity::SevSnp(_)) => ("sev-snp-guest", "SEV-SNP"),
        Some(LaunchSecurity::S390Pv) => ("s390-pv-guest", "S390 PV"),
    };
    if !caps.has_device(object) {
        return unsupported(&format!(
            "{name} launch security is not supported with this QEMU binary"
        ));
    }
    let (cbitpos, reduced_phys_bits) = match model.launch_security.as_mut() {
        Some(LaunchSecurity::Sev(sev)) => (&mut sev.cbitpos, &mut sev.reduced_phys_bits),
        Some(LaunchSecurity::SevSnp(snp)) => (&mut snp.cbitpos, &mut snp.reduced_phys_bits),
        _ => return Ok(()),
    };
    let Some(host) = &caps.sev else {
        return unsupported(&format!(
            "{name} launch security requested, but the host has no processor, firmware or device (/dev/sev) for it"
        ));
    };
    cbitpos.get_or_insert(host.cbitpos);
    reduced_phys_bits.get_or_insert(host.reduced_phys_bits);
    Ok(())
}

/// Writes what the guest's owner sent along to where its arguments say it is.
///
/// # Errors
/// When the disk refuses.
pub(super) fn write(model: &Model, folder: &Path, identity: Option<(u32, u32)>) -> Result<()> {
    let Some(LaunchSecurity::Sev(sev)) = &model.launch_security else {
        return Ok(());
    };
    for (name, text) in [("dh_cert.base64", &sev.dh_cert), ("session.base64", &sev.session)] {
        let Some(text) = text else { continue };
        let path = folder.join(name);
        daemon::durable::replace_with_mode(&path, text.as_bytes(), 0o600)
            .map_err(|err| failed("write", &path, err))?;
        own(&path, identity)?;
    }
    Ok(())
}
