//! What the kernel offers guests and the driver: security modules, IOMMU, sleep states.

use crate::Host;

/// A security module that can confine guests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SecurityModule {
    /// SELinux.
    Selinux,
    /// AppArmor.
    Apparmor,
}

/// The sleep states the host can enter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PowerManagement {
    /// Suspend to memory.
    pub suspend_mem: bool,
    /// Suspend to disk.
    pub suspend_disk: bool,
    /// Both: memory kept powered, with an image on disk.
    pub suspend_hybrid: bool,
}

impl Host {
    /// The security modules that are switched on.
    pub fn security_modules(&self) -> Vec<SecurityModule> {
        let mut modules = Vec::new();
        let listed = self.text("sys/kernel/security/lsm").unwrap_or_default();
        let lists = |name: &str| listed.split(',').any(|module| module == name);
        if lists("selinux") || self.path("sys/fs/selinux/enforce").exists() {
            modules.push(SecurityModule::Selinux);
        }
        let apparmor = self.text("sys/module/apparmor/parameters/enabled");
        if apparmor.is_some_and(|enabled| enabled == "Y") && (listed.is_empty() || lists("apparmor")) {
            modules.push(SecurityModule::Apparmor);
        }
        modules
    }

    /// Whether devices can be given to guests: an IOMMU that the kernel uses has made groups.
    pub fn has_iommu(&self) -> bool {
        !self.numbered("sys/kernel/iommu_groups", "").is_empty()
    }

    /// The sleep states the host can enter.
    pub fn power_management(&self) -> PowerManagement {
        let offers = |file: &str, word: &str| {
            let text = self.text(file).unwrap_or_default();
            text.split_whitespace()
                .any(|state| state.trim_matches(['[', ']']) == word)
        };
        let suspend_mem = offers("sys/power/state", "mem") && !offers("sys/power/mem_sleep", "none");
        let suspend_disk = offers("sys/power/state", "disk");
        let suspend_hybrid = suspend_disk && offers("sys/power/disk", "suspend");
        PowerManagement {
            suspend_mem,
            suspend_disk,
            suspend_hybrid,
        }
    }

    /// Whether the kernel has made a KVM device. It is not opened: a device that opens may still not run guests.
    pub fn has_kvm_device(&self) -> bool {
        self.path("dev/kvm").exists()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::Tree;

    #[test]
    fn a_module_that_is_built_in_but_off_does_not_count() {
        let off = Tree::new(&[
            ("sys/kernel/security/lsm", "capability,landlock"),
            ("sys/module/apparmor/parameters/enabled", "Y"),
        ]);
        assert!(off.host().security_modules().is_empty());
        let on = Tree::new(&[
            ("sys/kernel/security/lsm", "capability,apparmor"),
            ("sys/module/apparmor/parameters/enabled", "Y"),
        ]);
        assert_eq!(on.host().security_modules(), [SecurityModule::Apparmor]);
    }

    #[test]
    fn sleep_states_are_read_word_by_word() {
        let tree = Tree::new(&[
            ("sys/power/state", "freeze mem disk"),
            ("sys/power/disk", "[platform] shutdown suspend"),
        ]);
        let power = tree.host().power_management();
        assert!(power.suspend_mem && power.suspend_disk && power.suspend_hybrid);
        assert_eq!(
            Tree::new(&[]).host().power_management(),
            PowerManagement::default()
        );
    }

    #[test]
    fn groups_mean_an_iommu() {
        assert!(
            Tree::new(&[("sys/kernel/iommu_groups/0/type", "DMA")])
                .host()
                .has_iommu()
        );
        assert!(!Tree::new(&[]).host().has_iommu());
    }
}
