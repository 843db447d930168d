//! `<devices>`: everything the guest finds on its buses.
//!
//! There is one list for each kind, in the order in which libvirt prints them. What all devices have in common is
//! [`DeviceInfo`]; [`Devices::for_each_info_mut`] visits it across kinds, for whoever hands out names and addresses.

/// Makes a type that derives `Fields` the root of its own document too.
macro_rules! element_of_fields {
    ($kind:ty, $name:literal) => {
        impl xml::Element for $kind {
            const NAME: &'static str = $name;
        }
    };
}
pub(crate) use element_of_fields;

pub mod address;
pub mod audio;
pub mod bandwidth;
pub mod chardev;
pub mod controller;
pub mod crypto;
pub mod disk;
pub mod disk_network;
pub mod disk_source;
pub mod encryption;
pub mod filesystem;
pub mod graphics;
pub mod hex;
pub mod hostdev;
pub mod info;
pub mod input;
pub mod interface;
pub mod interface_source;
pub mod iommu;
pub mod iothread;
pub mod ip;
pub mod lease;
pub mod memballoon;
pub mod memory;
pub mod nvram;
pub mod pstore;
pub mod redirdev;
pub mod rng;
pub mod shmem;
pub mod size;
pub mod smartcard;
pub mod sound;
pub mod tpm;
pub mod usb_filter;
pub mod video;
pub mod virtual_port;
pub mod vsock;
pub mod watchdog;

#[cfg(test)]
mod tests;

use xml::Element;

pub use address::{Address, PciAddress};
pub use audio::Audio;
pub use chardev::{Channel, CharSource, Console, Parallel, Serial};
pub use controller::{Controller, ControllerKind, ControllerType};
pub use crypto::Crypto;
pub use disk::Disk;
pub use disk_source::{BackingStore, DiskSource};
pub use filesystem::Filesystem;
pub use graphics::Graphics;
pub use hostdev::Hostdev;
pub use info::DeviceInfo;
pub use input::{Hub, Input};
pub use interface::{Interface, InterfaceKind};
pub use iommu::Iommu;
pub use lease::Lease;
pub use memballoon::MemBalloon;
pub use memory::Memory;
pub use nvram::Nvram;
pub use pstore::Pstore;
pub use redirdev::{RedirFilter, Redirdev};
pub use rng::Rng;
use rng::RngBackend;
pub use shmem::Shmem;
pub use smartcard::Smartcard;
use smartcard::SmartcardKind;
pub use sound::Sound;
pub use tpm::Tpm;
pub use video::Video;
pub use vsock::Vsock;
pub use watchdog::{Panic, Watchdog};

/// The devices of a domain.
#[derive(Debug, Clone, PartialEq, Default, Element)]
#[xml(element = "devices")]
pub struct Devices {
    /// Path of the program that runs the guest.
    #[xml(value = "emulator")]
    pub emulator: Option<String>,
    #[xml(children = "disk")]
    pub disks: Vec<Disk>,
    #[xml(children = "controller")]
    pub controllers: Vec<Controller>,
    #[xml(children = "lease")]
    pub leases: Vec<Lease>,
    #[xml(children = "filesystem")]
    pub filesystems: Vec<Filesystem>,
    #[xml(children = "interface")]
    pub interfaces: Vec<Interface>,
    #[xml(children = "smartcard")]
    pub smartcards: Vec<Smartcard>,
    #[xml(children = "serial")]
    pub serials: Vec<Serial>,
    #[xml(children = "parallel")]
    pub parallels: Vec<Parallel>,
    #[xml(children = "console")]
    pub consoles: Vec<Console>,
    #[xml(children = "channel")]
    pub channels: Vec<Channel>,
    #[xml(children = "input")]
    pub inputs: Vec<Input>,
    #[xml(children = "tpm")]
    pub tpms: Vec<Tpm>,
    #[xml(children = "graphics")]
    pub graphics: Vec<Graphics>,
    #[xml(children = "sound")]
    pub sounds: Vec<Sound>,
    #[xml(children = "audio")]
    pub audios: Vec<Audio>,
    #[xml(children = "video")]
    pub videos: Vec<Video>,
    #[xml(children = "hostdev")]
    pub hostdevs: Vec<Hostdev>,
    #[xml(children = "redirdev")]
    pub redirdevs: Vec<Redirdev>,
    #[xml(child = "redirfilter")]
    pub redirfilter: Option<RedirFilter>,
    #[xml(children = "hub")]
    pub hubs: Vec<Hub>,
    #[xml(children = "watchdog")]
    pub watchdogs: Vec<Watchdog>,
    #[xml(child)]
    pub memballoon: Option<MemBalloon>,
    #[xml(children = "rng")]
    pub rngs: Vec<Rng>,
    #[xml(child)]
    pub nvram: Option<Nvram>,
    #[xml(children = "panic")]
    pub panics: Vec<Panic>,
    #[xml(children = "shmem")]
    pub shmems: Vec<Shmem>,
    #[xml(children = "memory")]
    pub memories: Vec<Memory>,
    #[xml(children = "crypto")]
    pub cryptos: Vec<Crypto>,
    #[xml(child)]
    pub iommu: Option<Iommu>,
    #[xml(child)]
    pub vsock: Option<Vsock>,
    #[xml(child)]
    pub pstore: Option<Pstore>,
}

/// Declares the kinds that have a [`DeviceInfo`], and the walks over them, from one list.
macro_rules! devices_with_info {
    ($($variant:ident $field:ident),+ $(,)?) => {
        /// Kinds of devices that have a name and an address.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum DeviceKind {
            $($variant),+
        }

        impl Devices {
            /// Visits what all devices have in common, with the device's kind and its number in the list of that kind.
            pub fn for_each_info(&self, mut visit: impl FnMut(DeviceKind, usize, &DeviceInfo)) {
                $(for (index, device) in self.$field.iter().enumerate() {
                    visit(DeviceKind::$variant, index, &device.info);
                })+
            }

            /// As [`Devices::for_each_info`], to be changed.
            pub fn for_each_info_mut(&mut self, mut visit: impl FnMut(DeviceKind, usize, &mut DeviceInfo)) {
                $(for (index, device) in self.$field.iter_mut().enumerate() {
                    visit(DeviceKind::$variant, index, &mut device.info);
                })+
            }

            /// What one device has in common with all others, by its number in the list of its kind.
            pub fn info(&self, kind: DeviceKind, index: usize) -> Option<&DeviceInfo> {
                match kind {
                    $(DeviceKind::$variant => self.$field.iter().nth(index).map(|device| &device.info),)+
                }
            }

            /// As [`Devices::info`], to be changed.
            pub fn info_mut(&mut self, kind: DeviceKind, index: usize) -> Option<&mut DeviceInfo> {
                match kind {
                    $(DeviceKind::$variant => self.$field.iter_mut().nth(index).map(|device| &mut device.info),)+
                }
            }
        }
    };
}

devices_with_info!(
    Disk disks, Controller controllers, Filesystem filesystems, Interface interfaces, Smartcard smartcards,
    Serial serials, Parallel parallels, Console consoles, Channel channels, Input inputs, Tpm tpms, Sound sounds,
    Video videos, Hostdev hostdevs, Redirdev redirdevs, Hub hubs, Watchdog watchdogs, MemBalloon memballoon,
    Rng rngs, Nvram nvram, Panic panics, Shmem shmems, Memory memories, Crypto cryptos, Iommu iommu, Vsock vsock,
    Pstore pstore,
);

impl Devices {
    /// The disk that API calls name by its target (`vda`).
    pub fn disk_by_target(&self, dev: &str) -> Option<&Disk> {
        self.disks.iter().find(|disk| disk.target.dev == dev)
    }

    /// The disk that API calls name by its target (`vda`) or by the path of its source.
    pub fn disk_by_name(&self, name: &str) -> Option<&Disk> {
        self.disk_by_target(name)
            .or_else(|| self.disks.iter().find(|disk| disk.source_path() == Some(name)))
    }

    /// The character devices of the guest's ports: serial, parallel, channels, consoles.
    pub fn chars(&self) -> impl Iterator<Item = (&DeviceInfo, &CharSource)> {
        let serials = self.serials.iter().map(|port| (&port.info, &port.source));
        let parallels = self.parallels.iter().map(|port| (&port.info, &port.source));
        let channels = self.channels.iter().map(|port| (&port.info, &port.source));
        let consoles = self.consoles.iter().map(|port| (&port.info, &port.source));
        serials.chain(parallels).chain(channels).chain(consoles)
    }

    /// [`Self::chars`], to change where they lead.
    pub fn chars_mut(&mut self) -> impl Iterator<Item = (&DeviceInfo, &mut CharSource)> {
        let serials = self.serials.iter_mut().map(|port| (&port.info, &mut port.source));
        let parallels = self
            .parallels
            .iter_mut()
            .map(|port| (&port.info, &mut port.source));
        let channels = self
            .channels
            .iter_mut()
            .map(|port| (&port.info, &mut port.source));
        let consoles = self
            .consoles
            .iter_mut()
            .map(|port| (&port.info, &mut port.source));
        serials.chain(parallels).chain(channels).chain(consoles)
    }

    /// Everything that is at the guest's end of a character device: [`Self::chars`], and redirections, sources of random numbers
    /// and card readers that have one.
    pub fn all_chars(&self) -> impl Iterator<Item = (&DeviceInfo, &CharSource)> {
        let redirdevs = self.redirdevs.iter().map(|one| (&one.info, &one.source));
        let rngs = self.rngs.iter().filter_map(|one| match &one.backend {
            RngBackend::Egd { source } => Some((&one.info, source)),
            _ => None,
        });
        let smartcards = self.smartcards.iter().filter_map(|one| match &one.kind {
            SmartcardKind::Passthrough { source } => Some((&one.info, source)),
            _ => None,
        });
        self.chars().chain(smartcards).chain(redirdevs).chain(rngs)
    }

    /// [`Self::all_chars`], to change where they lead.
    pub fn all_chars_mut(&mut self) -> impl Iterator<Item = (&DeviceInfo, &mut CharSource)> {
        let serials = self.serials.iter_mut().map(|one| (&one.info, &mut one.source));
        let parallels = self.parallels.iter_mut().map(|one| (&one.info, &mut one.source));
        let channels = self.channels.iter_mut().map(|one| (&one.info, &mut one.source));
        let consoles = self.consoles.iter_mut().map(|one| (&one.info, &mut one.source));
        let redirdevs = self.redirdevs.iter_mut().map(|one| (&one.info, &mut one.source));
        let rngs = self.rngs.iter_mut().filter_map(|one| match &mut one.backend {
            RngBackend::Egd { source } => Some((&one.info, source)),
            _ => None,
        });
        let smartcards = self.smartcards.iter_mut().filter_map(|one| match &mut one.kind {
            SmartcardKind::Passthrough { source } => Some((&one.info, source)),
            _ => None,
        });
        let ports = serials.chain(parallels).chain(channels).chain(consoles);
        ports.chain(smartcards).chain(redirdevs).chain(rngs)
    }

    /// The controllers of one kind.
    pub fn controllers_of(&self, bus: ControllerType) -> impl Iterator<Item = &Controller> {
        self.controllers
            .iter()
            .filter(move |controller| controller.bus() == bus)
    }

    /// Takes passwords and cookies out, as clients without the right to see them get the document.
    pub fn strip_secrets(&mut self) {
        self.graphics.iter_mut().for_each(Graphics::strip_secrets);
        self.disks.iter_mut().for_each(Disk::strip_secrets);
    }
}
