//! `<sound>`: a sound card of the guest.

use xml::{Element, Value, YesNo};

use super::graphics::AudioRef;
use super::info::{DeviceInfo, VirtioDriver};

/// A sound card.
#[derive(Debug, Clone, PartialEq, Element)]
#[xml(element = "sound")]
pub struct Sound {
    #[xml(attr)]
    pub model: SoundModel,
    /// USB: more than two channels.
    #[xml(attr)]
    pub multichannel: Option<YesNo>,
    /// virtio: number of PCM streams.
    #[xml(attr)]
    pub streams: Option<u32>,
    #[xml(children = "codec")]
    pub codecs: Vec<Codec>,
    #[xml(child)]
    pub audio: Option<AudioRef>,
    #[xml(flatten)]
    pub info: DeviceInfo,
    #[xml(child)]
    pub driver: Option<VirtioDriver>,
}

/// Models of sound cards.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Value)]
pub enum SoundModel {
    #[xml("sb16")]
    Sb16,
    #[xml("es1370")]
    Es1370,
    #[xml("pcspk")]
    PcSpk,
    #[xml("ac97")]
    Ac97,
    #[xml("ich6")]
    Ich6,
    #[xml("ich9")]
    Ich9,
    #[xml("usb")]
    Usb,
    #[xml("ich7")]
    Ich7,
    #[xml("virtio")]
    Virtio,
}

/// `<codec type='duplex'/>`
#[derive(Debug, Clone, PartialEq, Eq, Element)]
#[xml(element = "codec")]
pub struct Codec {
    #[xml(attr = "type")]
    pub kind: CodecType,
}

/// Codecs of an HDA controller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Value)]
pub enum CodecType {
    #[xml("duplex")]
    Duplex,
    #[xml("micro")]
    Micro,
    #[xml("output")]
    Output,
}
