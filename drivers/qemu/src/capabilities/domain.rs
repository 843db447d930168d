//! What guests of one machine type on one binary can have: the domain capabilities document.
//!
//! It promises what the driver's definitions accept and QEMU can do, so every word here is decided by a fact of
//! [`BinaryCaps`] or of [`Ground`].

use super::cpu;
use super::firmware::Firmware;
use crate::binary::{Accel, BinaryCaps, Machine};
use crate::board::Board;
use host::catalogue::Catalogue;
use model::capabilities::Amount;
use model::domain_capabilities::{
    DeviceOffers, DomainCapabilities, FeatureOffers, LoaderOffer, Offer, OsOffer, SevOffer, SgxOffer,
    SgxSection, VcpuLimit, Words,
};

/// Facts of the host that the document depends on beside the binary.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ground {
    /// What the machine can boot with.
    pub firmware: Firmware,
    /// Whether the kernel can give PCI devices to guests.
    pub vfio: bool,
    /// The versions of TPM that the installed emulator offers; empty without one.
    pub tpm_versions: Vec<String>,
    /// Whether the helper that serves a display over RDP is installed.
    pub rdp: bool,
    /// Bits of a physical address.
    pub physical_bits: Option<u32>,
    /// The most encrypted guests at a time: of SEV, and of SEV-ES.
    pub sev_guests: Option<(u32, u32)>,
}

/// The document for guests of `arch` on `machine`.
pub fn document(
    caps: &BinaryCaps,
    accel: Accel,
    arch: &str,
    machine: &Machine,
    ground: &Ground,
    catalogue: Option<&Catalogue>,
) -> DomainCapabilities {
    let x86 = matches!(arch, "i686" | "x86_64");
    DomainCapabilities {
        path: Some(caps.path.display().to_string()),
        domain: match accel {
            Accel::Tcg => "qemu",
            Accel::Kvm => "kvm",
        }
        .to_owned(),
        machine: Some(machine.name.to_string()),
        arch: arch.to_owned(),
        vcpu: Some(VcpuLimit {
            max: machine.max_cpus,
        }),
        iothreads: Some(Offer::plain(caps.has_device("iothread"))),
        os: Some(os(&ground.firmware)),
        cpu: Some(cpu::offer(ground.physical_bits, caps, accel, catalogue)),
        memory_backing: Some(memory_backing(caps)),
        devices: Some(devices(caps, machine, ground, x86)),
        features: Some(FeatureOffers {
            gic: Some(interrupts(caps, accel, arch, machine)),
            ..features(caps, arch, ground)
        }),
    }
}

/// The words whose fact holds.
fn words<const N: usize>(list: [(&'static str, bool); N]) -> Vec<&'static str> {
    list.into_iter()
        .filter(|&(_, holds)| holds)
        .map(|(word, _)| word)
        .collect()
}

/// The usual model of a virtio device and its two variants.
fn virtio(caps: &BinaryCaps, device: &str) -> Vec<&'static str> {
    let plain = ["pci", "ccw", "device"]
        .iter()
        .any(|bus| caps.has_device(&format!("{device}-{bus}")));
    words([
        ("virtio", plain),
        (
            "virtio-transitional",
            caps.has_device(&format!("{device}-pci-transitional")),
        ),
        (
            "virtio-non-transitional",
            caps.has_device(&format!("{device}-pci-non-transitional")),
        ),
    ])
}

fn os(firmware: &Firmware) -> OsOffer {
    let secure = words([("yes", firmware.secure), ("no", true)]);
    OsOffer {
        supported: true.into(),
        words: vec![Words::new("firmware", firmware.interfaces.iter().copied())],
        loader: Some(LoaderOffer {
            supported: true.into(),
            values: firmware.files.clone(),
            words: vec![
                Words::new("type", ["rom", "pflash"]),
                Words::new("readonly", ["yes", "no"]),
                Words::new("secure", secure),
            ],
        }),
    }
}

fn memory_backing(caps: &BinaryCaps) -> Offer {
    let sources = words([
        ("file", caps.has_device("memory-backend-file")),
        ("anonymous", true),
        ("memfd", caps.has_device("memory-backend-memfd")),
    ]);
    Offer::yes().with("sourceType", sources)
}

fn devices(caps: &BinaryCaps, machine: &Machine, ground: &Ground, x86: bool) -> DeviceOffers {
    DeviceOffers {
        disk: Some(disk(caps, machine)),
        graphics: Some(graphics(caps, ground)),
        video: Some(video(caps)),
        hostdev: Some(hostdev(caps, ground)),
        rng: Some(rng(caps)),
        filesystem: Some(filesystem(caps)),
        tpm: Some(tpm(caps, ground)),
        redirdev: Some(match caps.has_device("usb-redir") {
            true => Offer::yes().with("bus", ["usb"]),
            false => Offer::no(),
        }),
        channel: Some(Offer::yes().with(
            "type",
            words([("pty", true), ("unix", true), ("spicevmc", caps.has_spice())]),
        )),
        crypto: Some(crypto(caps)),
        interface: Some(Offer::yes().with(
            "backendType",
            words([
                ("default", true),
                ("passt", caps.schema("netdev_add/arg-type/+stream")),
            ]),
        )),
        panic: Some(panic(caps, x86)),
    }
}

fn disk(caps: &BinaryCaps, machine: &Machine) -> Offer {
    let has_ide = machine.name.starts_with("pc-i440fx") || machine.name.as_ref() == "isapc";
    let has_floppy = machine.name.starts_with("pc-") || machine.name.as_ref() == "isapc";
    let devices = words([
        ("disk", true),
        ("cdrom", true),
        ("floppy", has_floppy),
        ("lun", true),
    ]);
    let buses = words([
        ("ide", has_ide),
        ("fdc", has_floppy),
        ("scsi", true),
        ("virtio", true),
        ("usb", caps.has_device("usb-storage")),
        ("sata", caps.has_device("ich9-ahci")),
    ]);
    Offer::yes()
        .with("diskDevice", devices)
        .with("bus", buses)
        .with("model", virtio(caps, "virtio-blk"))
}

fn graphics(caps: &BinaryCaps, ground: &Ground) -> Offer {
    let display = |kind: &str| caps.schema(&format!("query-display-options/ret-type/type/^{kind}"));
    let kinds = words([
        ("sdl", display("sdl")),
        ("vnc", caps.has_command("query-vnc")),
        ("rdp", display("dbus") && ground.rdp),
        ("spice", caps.has_spice()),
        ("egl-headless", display("egl-headless")),
        ("dbus", display("dbus")),
    ]);
    Offer::yes().with("type", kinds)
}

fn video(caps: &BinaryCaps) -> Offer {
    let gpu = ["virtio-gpu-pci", "virtio-gpu-ccw", "virtio-gpu-device"];
    let models = words([
        ("vga", caps.has_device("VGA")),
        ("cirrus", caps.has_device("cirrus-vga")),
        ("vmvga", caps.has_device("vmware-svga")),
        ("qxl", caps.has_device("qxl")),
        ("virtio", gpu.iter().any(|device| caps.has_device(device))),
        ("none", true),
        ("bochs", caps.has_device("bochs-display")),
        ("ramfb", caps.has_device("ramfb")),
    ]);
    Offer::yes().with("modelType", models)
}

fn hostdev(caps: &BinaryCaps, ground: &Ground) -> Offer {
    let vfio = ground.vfio && caps.has_device("vfio-pci");
    Offer::yes()
        .with("mode", ["subsystem"])
        .with("startupPolicy", ["default", "mandatory", "requisite", "optional"])
        .with(
            "subsysType",
            words([
                ("usb", true),
                ("pci", true),
                ("scsi", caps.has_device("scsi-generic")),
            ]),
        )
        .with("capsType", <[&str; 0]>::default())
        .with("pciBackend", words([("default", vfio), ("vfio", vfio)]))
}

fn rng(caps: &BinaryCaps) -> Offer {
    let backends = words([
        ("random", caps.has_device("rng-random")),
        ("egd", caps.has_device("rng-egd")),
        ("builtin", caps.has_device("rng-builtin")),
    ]);
    Offer::yes()
        .with("model", virtio(caps, "virtio-rng"))
        .with("backendModel", backends)
}

fn filesystem(caps: &BinaryCaps) -> Offer {
    let kinds = words([
        ("path", true),
        ("handle", true),
        ("virtiofs", caps.has_device("vhost-user-fs-device")),
    ]);
    Offer::yes().with("driverType", kinds)
}

fn tpm(caps: &BinaryCaps, ground: &Ground) -> Offer {
    let models: Vec<&str> = ["tpm-tis", "tpm-crb", "tpm-spapr"]
        .into_iter()
        .filter(|model| caps.tpm_models.contains(model) || caps.has_device(model))
        .collect();
    if models.is_empty() {
        return Offer::no();
    }
    let emulator = caps.tpm_types.contains("emulator") && !ground.tpm_versions.is_empty();
    let backends = words([
        ("passthrough", caps.tpm_types.contains("passthrough")),
        ("emulator", emulator),
        ("external", emulator),
    ]);
    let offer = Offer::yes().with("model", models).with("backendModel", backends);
    match emulator {
        true => offer.with("backendVersion", ground.tpm_versions.clone()),
        false => offer,
    }
}

fn crypto(caps: &BinaryCaps) -> Offer {
    if !caps.has_device("virtio-crypto-pci") && !caps.has_device("virtio-crypto-ccw") {
        return Offer::no();
    }
    let backends = words([
        ("builtin", caps.has_device("cryptodev-backend-builtin")),
        ("lkcf", caps.has_device("cryptodev-backend-lkcf")),
    ]);
    Offer::yes()
        .with("model", ["virtio"])
        .with("type", ["qemu"])
        .with("backendModel", backends)
}

fn panic(caps: &BinaryCaps, x86: bool) -> Offer {
    let models = words([
        ("isa", caps.has_device("pvpanic")),
        ("hyperv", x86),
        ("pvpanic", caps.has_device("pvpanic-pci")),
    ]);
    match models.is_empty() {
        true => Offer::no(),
        false => Offer::yes().with("model", models),
    }
}

/// Versions of the interrupt controller of ARM's `virt` machines.
fn interrupts(caps: &BinaryCaps, accel: Accel, arch: &str, machine: &Machine) -> Offer {
    let mut versions: Vec<String> = caps
        .gic_versions(accel)
        .map(|version| version.to_string())
        .collect();
    versions.reverse();
    if Board::named(arch, &machine.name) != Board::ArmVirt || versions.is_empty() {
        return Offer::no();
    }
    Offer::yes().with("version", versions)
}

fn features(caps: &BinaryCaps, arch: &str, ground: &Ground) -> FeatureOffers {
    FeatureOffers {
        gic: None,
        vmcoreinfo: Some(Offer::plain(caps.has_device("vmcoreinfo"))),
        genid: Some(Offer::plain(caps.has_device("vmgenid"))),
        backing_store_input: Some(Offer::plain(true)),
        backup: Some(Offer::plain(true)),
        async_teardown: Some(Offer::plain(caps.has_option("run-with", "async-teardown"))),
        s390_pv: (arch == "s390x").then(|| Offer::plain(caps.has_device("s390-pv-guest"))),
        ps2: Some(Offer::plain(caps.has_device("i8042"))),
        sev: Some(sev(caps, ground)),
        sgx: Some(sgx(caps)),
        hyperv: hyperv(caps),
        launch_security: Some(launch_security(caps)),
    }
}

fn sev(caps: &BinaryCaps, ground: &Ground) -> SevOffer {
    let have = caps.sev.as_ref();
    SevOffer {
        supported: have.is_some().into(),
        cbitpos: have.map(|sev| sev.cbitpos),
        reduced_phys_bits: have.map(|sev| sev.reduced_phys_bits),
        max_guests: have.and(ground.sev_guests).map(|(guests, _)| guests),
        max_es_guests: have.and(ground.sev_guests).map(|(_, guests)| guests),
        cpu0_id: have.and_then(|sev| sev.cpu0_id.clone()),
    }
}

fn sgx(caps: &BinaryCaps) -> SgxOffer {
    let have = caps.sgx.as_ref();
    let total = have.map(|sgx| match sgx.sections.is_empty() {
        true => sgx.section_size,
        false => sgx
            .sections
            .iter()
            .map(|section| section.size)
            .fold(0, u64::saturating_add),
    });
    let kib = |bytes: u64| bytes / 1024;
    let sections = have.map_or(&[][..], |sgx| &sgx.sections);
    let section = |have: &crate::binary::SgxSection| SgxSection {
        node: have.node,
        size: kib(have.size),
        unit: "KiB".to_owned(),
    };
    SgxOffer {
        supported: have.is_some().into(),
        flc: have.map(|sgx| sgx.flc.into()),
        sgx1: have.map(|sgx| sgx.sgx1.into()),
        sgx2: have.map(|sgx| sgx.sgx2.into()),
        section_size: total.map(|bytes| Amount {
            unit: "KiB".to_owned(),
            amount: kib(bytes),
        }),
        sections: sections.iter().map(section).collect(),
    }
}

/// Hyper-V's interface is KVM's; a binary that never ran under KVM tells nothing of it.
fn hyperv(caps: &BinaryCaps) -> Option<Offer> {
    let have = caps.hyperv.as_ref()?;
    let on = |name: &str| have.features.contains(name);
    let features = words([
        ("relaxed", on("relaxed")),
        ("vapic", on("vapic")),
        ("spinlocks", have.spinlocks.is_some()),
        ("vpindex", on("vpindex")),
        ("runtime", on("runtime")),
        ("synic", on("synic")),
        ("stimer", on("stimer")),
        ("reset", on("reset")),
        ("vendor_id", have.vendor_id.is_some()),
        ("frequencies", on("frequencies")),
        ("reenlightenment", on("reenlightenment")),
        ("tlbflush", on("tlbflush")),
        ("ipi", on("ipi")),
        ("evmcs", on("evmcs")),
        ("avic", on("avic")),
        ("emsr_bitmap", on("emsr-bitmap")),
        ("xmm_input", on("xmm-input")),
    ]);
    Some(Offer::yes().with("features", features))
}

fn launch_security(caps: &BinaryCaps) -> Offer {
    let kinds = words([
        ("sev", caps.sev.is_some() && caps.has_device("sev-guest")),
        ("sev-snp", caps.sev.is_some() && caps.has_device("sev-snp-guest")),
        ("s390-pv", caps.has_device("s390-pv-guest")),
    ]);
    match kinds.is_empty() {
        true => Offer::no(),
        false => Offer::yes().with("sectype", kinds),
    }
}
