//! Memory that is encrypted with a key the host does not know: AMD's SEV.

use super::line::{Line, Props, incomplete};
use error::Result;
use model::domain::security::{LaunchSecurity, Sev, SevSnp};

/// The object that the machine refers to.
const NAME: &str = "lsec0";

impl Line<'_> {
    /// The object of the guest's key.
    pub(super) fn launch_security(&mut self) -> Result<()> {
        let props = match &self.domain.launch_security {
            None | Some(LaunchSecurity::S390Pv) => return Ok(()),
            Some(LaunchSecurity::Sev(sev)) => self.sev(sev)?,
            Some(LaunchSecurity::SevSnp(snp)) => snp_props(snp)?,
        };
        self.object(props);
        Ok(())
    }

    fn sev(&self, sev: &Sev) -> Result<Props> {
        let file = |given: &Option<String>, name: &str| {
            let path = self.context.domain_dir.join(name);
            given.as_ref().map(|_| path.display().to_string())
        };
        let props = Props::object("sev-guest", NAME)
            .set(
                "cbitpos",
                sev.cbitpos
                    .ok_or_else(|| incomplete("<launchSecurity>: no <cbitpos>"))?,
            )
            .set(
                "reduced-phys-bits",
                sev.reduced_phys_bits
                    .ok_or_else(|| incomplete("<launchSecurity>: no <reducedPhysBits>"))?,
            )
            .set("policy", sev.policy.0)
            .maybe("dh-cert-file", file(&sev.dh_cert, "dh_cert.base64"))
            .maybe("session-file", file(&sev.session, "session.base64"));
        Ok(props.maybe("kernel-hashes", sev.kernel_hashes.map(|hashes| hashes.is_yes())))
    }
}

fn snp_props(snp: &SevSnp) -> Result<Props> {
    Ok(Props::object("sev-snp-guest", NAME)
        .set(
            "cbitpos",
            snp.cbitpos
                .ok_or_else(|| incomplete("<launchSecurity>: no <cbitpos>"))?,
        )
        .set(
            "reduced-phys-bits",
            snp.reduced_phys_bits
                .ok_or_else(|| incomplete("<launchSecurity>: no <reducedPhysBits>"))?,
        )
        .maybe("kernel-hashes", snp.kernel_hashes.map(|hashes| hashes.is_yes()))
        .set("policy", snp.policy.0)
        .maybe(
            "guest-visible-workarounds",
            snp.guest_visible_workarounds.as_deref().map(str::trim),
        )
        .maybe("id-block", snp.id_block.as_deref().map(str::trim))
        .maybe("id-auth", snp.id_auth.as_deref().map(str::trim))
        .maybe("host-data", snp.host_data.as_deref().map(str::trim))
        .maybe("author-key-enabled", snp.author_key.map(|key| key.is_yes()))
        .maybe("vcek-disabled", snp.vcek.map(|vcek| !vcek.is_yes())))
}
