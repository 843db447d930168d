//! The architectures of guests: libvirt's names, QEMU's names, and the binaries that run them.

/// One architecture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arch {
    /// libvirt's name.
    pub name: &'static str,
    /// QEMU's name, as in `qemu-system-NAME`.
    pub target: &'static str,
    /// Bits of a word.
    pub wordsize: u32,
}

macro_rules! table {
    ($($name:literal $target:literal $wordsize:literal,)*) => {
        /// All architectures, in the order of libvirt's documents.
        pub const ALL: &[Arch] = &[$(Arch { name: $name, target: $target, wordsize: $wordsize },)*];
    };
}

table! {
    "alpha" "alpha" 64,
    "armv6l" "arm" 32,
    "armv7l" "arm" 32,
    "aarch64" "aarch64" 64,
    "cris" "cris" 32,
    "i686" "i386" 32,
    "lm32" "lm32" 32,
    "loongarch64" "loongarch64" 64,
    "m68k" "m68k" 32,
    "microblaze" "microblaze" 32,
    "microblazeel" "microblazeel" 32,
    "mips" "mips" 32,
    "mipsel" "mipsel" 32,
    "mips64" "mips64" 64,
    "mips64el" "mips64el" 64,
    "openrisc" "or1k" 32,
    "ppc" "ppc" 32,
    "ppc64" "ppc64" 64,
    "ppc64le" "ppc64" 64,
    "riscv32" "riscv32" 32,
    "riscv64" "riscv64" 64,
    "s390x" "s390x" 64,
    "sh4" "sh4" 64,
    "sh4eb" "sh4eb" 64,
    "sparc" "sparc" 32,
    "sparc64" "sparc64" 64,
    "x86_64" "x86_64" 64,
    "xtensa" "xtensa" 32,
    "xtensaeb" "xtensaeb" 32,
}

/// The architecture of libvirt's name.
pub fn by_name(name: &str) -> Option<Arch> {
    ALL.iter().copied().find(|arch| arch.name == name)
}

/// libvirt's name for what QEMU calls `target`.
pub fn of_target(target: &str) -> String {
    match target {
        "arm" => "armv7l".to_owned(),
        _ => ALL
            .iter()
            .find(|arch| arch.target == target)
            .map_or(target, |arch| arch.name)
            .to_owned(),
    }
}

/// Whether a binary whose guests are of `binary` also runs guests of `guest`.
pub fn runs(binary: &str, guest: &str) -> bool {
    binary == guest
        || matches!(
            (binary, guest),
            ("x86_64", "i686") | ("ppc64", "ppc64le") | ("armv7l", "armv6l")
        )
        || matches!((binary, guest), ("aarch64", "armv7l"))
}

/// Whether the kernel of a host of `host` can run guests of `guest` under KVM.
pub fn kvm_runs(host: &str, guest: &str) -> bool {
    host == guest
        || matches!(
            (host, guest),
            ("x86_64", "i686") | ("aarch64", "armv7l") | ("ppc64", "ppc64le")
        )
        || matches!((host, guest), ("ppc64le", "ppc64"))
}

/// QEMU's type of the best processor model, such as `max-x86_64-cpu`; not every architecture has one.
pub fn max_cpu_type(target: &str) -> String {
    format!("max-{target}-cpu")
}
