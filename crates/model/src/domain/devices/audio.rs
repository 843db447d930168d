//! `<audio>`: where on the host the guest's sound goes to and comes from.

use xml::{Element, Value, YesNo};

/// An audio backend; which of the fields apply depends on its type.
#[derive(Debug, Clone, PartialEq, Eq, Element)]
#[xml(element = "audio")]
pub struct Audio {
    /// Counted from 1; sound cards and displays name it.
    #[xml(attr)]
    pub id: u32,
    #[xml(attr = "type")]
    pub kind: AudioType,
    /// In microseconds.
    #[xml(attr = "timerPeriod")]
    pub timer_period: Option<u32>,
    /// OSS.
    #[xml(attr = "tryMMap")]
    pub try_mmap: Option<YesNo>,
    /// OSS.
    #[xml(attr)]
    pub exclusive: Option<YesNo>,
    /// OSS.
    #[xml(attr = "dspPolicy")]
    pub dsp_policy: Option<i32>,
    /// PulseAudio.
    #[xml(attr = "serverName")]
    pub server_name: Option<String>,
    /// PipeWire.
    #[xml(attr = "runtimeDir")]
    pub runtime_dir: Option<String>,
    /// SDL.
    #[xml(attr)]
    pub driver: Option<SdlAudioDriver>,
    /// The WAV file to write.
    #[xml(attr)]
    pub path: Option<String>,
    #[xml(child)]
    pub input: Option<AudioDirection>,
    #[xml(child)]
    pub output: Option<AudioDirection>,
}

/// Audio systems.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Value)]
pub enum AudioType {
    #[xml("none")]
    None,
    #[xml("alsa")]
    Alsa,
    #[xml("coreaudio")]
    CoreAudio,
    #[xml("jack")]
    Jack,
    #[xml("oss")]
    Oss,
    #[xml("pulseaudio")]
    PulseAudio,
    #[xml("sdl")]
    Sdl,
    #[xml("spice")]
    Spice,
    #[xml("file")]
    File,
    #[xml("dbus")]
    Dbus,
    #[xml("pipewire")]
    PipeWire,
}

/// What SDL plays through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Value)]
pub enum SdlAudioDriver {
    #[xml("esd")]
    Esd,
    #[xml("alsa")]
    Alsa,
    #[xml("arts")]
    Arts,
    #[xml("pulseaudio")]
    PulseAudio,
}

/// Recording or playing.
#[derive(Debug, Clone, PartialEq, Eq, Default, Element)]
#[xml(element = "input")]
pub struct AudioDirection {
    #[xml(attr = "mixingEngine")]
    pub mixing_engine: Option<YesNo>,
    /// Whether `settings` are kept whatever the guest asks for.
    #[xml(attr = "fixedSettings")]
    pub fixed_settings: Option<YesNo>,
    #[xml(attr)]
    pub voices: Option<u32>,
    /// In microseconds.
    #[xml(attr = "bufferLength")]
    pub buffer_length: Option<u32>,
    /// ALSA and OSS: device.
    #[xml(attr)]
    pub dev: Option<String>,
    /// CoreAudio, OSS and SDL.
    #[xml(attr = "bufferCount")]
    pub buffer_count: Option<u32>,
    /// OSS.
    #[xml(attr = "tryPoll")]
    pub try_poll: Option<YesNo>,
    /// PulseAudio and PipeWire: sink or source.
    #[xml(attr)]
    pub name: Option<String>,
    /// PulseAudio and PipeWire.
    #[xml(attr = "streamName")]
    pub stream_name: Option<String>,
    /// PulseAudio and PipeWire, in microseconds.
    #[xml(attr)]
    pub latency: Option<u32>,
    /// JACK.
    #[xml(attr = "serverName")]
    pub server_name: Option<String>,
    /// JACK.
    #[xml(attr = "clientName")]
    pub client_name: Option<String>,
    /// JACK: pattern of ports to connect to.
    #[xml(attr = "connectPorts")]
    pub connect_ports: Option<String>,
    /// JACK.
    #[xml(attr = "exactName")]
    pub exact_name: Option<YesNo>,
    #[xml(child)]
    pub settings: Option<AudioSettings>,
}

/// Format of the samples.
#[derive(Debug, Clone, PartialEq, Eq, Default, Element)]
#[xml(element = "settings")]
pub struct AudioSettings {
    /// In Hz.
    #[xml(attr)]
    pub frequency: Option<u32>,
    #[xml(attr)]
    pub channels: Option<u32>,
    #[xml(attr)]
    pub format: Option<SampleFormat>,
}

/// Formats of samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Value)]
pub enum SampleFormat {
    #[xml("s8")]
    S8,
    #[xml("u8")]
    U8,
    #[xml("s16")]
    S16,
    #[xml("u16")]
    U16,
    #[xml("s32")]
    S32,
    #[xml("u32")]
    U32,
    #[xml("f32")]
    F32,
}
