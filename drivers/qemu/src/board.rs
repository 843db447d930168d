//! The boards of guests: what is part of a machine type, and where devices go on it.

use model::domain::Domain;
use model::domain::devices::controller::PciModel;

/// A kind of machine types.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Board {
    /// `pc-i440fx-*`, `pc-0.*`, `pc`: PCI, with IDE, floppy and USB on the board.
    I440fx,
    /// `pc-q35-*`, `q35`: PCI Express, with SATA on the board.
    Q35,
    /// `microvm`: virtio-mmio alone.
    Microvm,
    /// `isapc` and `none`: no PCI.
    Isa,
    /// `virt-*`, `virt` of ARM: PCI Express with nothing else on the board, and places for virtio-mmio.
    ArmVirt,
    /// `versatilepb` and `versatileab`: PCI.
    Versatile,
    /// `realview-*`: PCI whose places only QEMU knows.
    Realview,
    /// ARM's other boards, such as `vexpress-a9`: no PCI.
    Arm,
    /// What nothing is known of here.
    Other,
}

/// Whether guests of that architecture are ARM's.
pub(crate) fn is_arm(arch: &str) -> bool {
    matches!(arch, "aarch64" | "armv7l" | "armv6l")
}

/// Whether guests of that architecture are x86's.
pub(crate) fn is_x86(arch: &str) -> bool {
    matches!(arch, "x86_64" | "i686")
}

impl Board {
    /// The board of a document's machine type.
    pub(crate) fn of(domain: &Domain) -> Self {
        let machine = &domain.os.r#type;
        Self::named(
            machine.arch.as_deref().unwrap_or_default(),
            machine.machine.as_deref().unwrap_or_default(),
        )
    }

    /// The board of a machine type, or of an alias of one.
    pub(crate) fn named(arch: &str, machine: &str) -> Self {
        let is = |name: &str| {
            machine
                .strip_prefix(name)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
        };
        if is_arm(arch) {
            return match machine {
                _ if is("virt") => Self::ArmVirt,
                "versatilepb" | "versatileab" => Self::Versatile,
                "none" => Self::Isa,
                _ if is("realview") => Self::Realview,
                _ => Self::Arm,
            };
        }
        if !is_x86(arch) {
            return Self::Other;
        }
        match machine {
            _ if is("q35") || is("pc-q35") => Self::Q35,
            "microvm" => Self::Microvm,
            "isapc" | "none" => Self::Isa,
            "pc" => Self::I440fx,
            _ if is("pc-i440fx") || machine.starts_with("pc-0") || machine.starts_with("pc-1") => {
                Self::I440fx
            }
            _ => Self::Other,
        }
    }

    /// What makes its first PCI bus, if devices have places on one.
    pub(crate) fn first_bus(self) -> Option<PciModel> {
        match self {
            Self::I440fx | Self::Versatile => Some(PciModel::PciRoot),
            Self::Q35 | Self::ArmVirt => Some(PciModel::PcieRoot),
            Self::Microvm | Self::Isa | Self::Realview | Self::Arm | Self::Other => None,
        }
    }

    /// Whether its first bus is PCI Express.
    pub(crate) fn is_express(self) -> bool {
        self.first_bus() == Some(PciModel::PcieRoot)
    }

    /// Whether it is a PC with a PCI bus: there is a keyboard, a mouse and USB.
    pub(crate) fn is_pc(self) -> bool {
        matches!(self, Self::I440fx | Self::Q35)
    }

    /// Whether it is one of ARM's.
    pub(crate) fn is_arm(self) -> bool {
        matches!(self, Self::ArmVirt | Self::Versatile | Self::Realview | Self::Arm)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_their_versions_are_the_same_board() {
        for (arch, machine, board) in [
            ("x86_64", "pc", Board::I440fx),
            ("i686", "pc-i440fx-10.0", Board::I440fx),
            ("x86_64", "pc-1.2", Board::I440fx),
            ("x86_64", "pc-q35-4.0", Board::Q35),
            ("x86_64", "virt", Board::Other),
            ("aarch64", "virt", Board::ArmVirt),
            ("armv7l", "virt-6.0", Board::ArmVirt),
            ("aarch64", "virtual", Board::Arm),
            ("armv7l", "vexpress-a9", Board::Arm),
            ("aarch64", "realview-pbx-a9", Board::Realview),
            ("s390x", "virt", Board::Other),
        ] {
            assert_eq!(Board::named(arch, machine), board, "{arch} {machine}");
        }
    }
}
