//! Sound cards, and the `-audiodev` that they play through.

use super::address::{alias, virtio_options};
use super::line::{Line, Props, incomplete, unsupported};
use error::Result;
use model::domain::Domain;
use model::domain::devices::audio::{Audio, AudioDirection, AudioType, SampleFormat};
use model::domain::devices::graphics::AudioRef;
use model::domain::devices::sound::{CodecType, Sound, SoundModel};
use xml::YesNo;

/// The audio system that a device plays through: the one it names, else the first.
pub(super) fn audio_id(domain: &Domain, named: Option<&AudioRef>) -> Result<String> {
    let audios = &domain.devices.audios;
    let id = match named {
        Some(named) => audios
            .iter()
            .find(|audio| audio.id == named.id)
            .map(|audio| audio.id)
            .ok_or_else(|| {
                unsupported(format!(
                    "<audio id='{}'>: there is no such audio system in the document",
                    named.id
                ))
            })?,
        None => {
            let first = audios.iter().map(|audio| audio.id).min();
            first.ok_or_else(|| incomplete("the document has no <audio>"))?
        }
    };
    Ok(format!("audio{id}"))
}

impl Line<'_> {
    pub(super) fn audios(&mut self) {
        for audio in &self.domain.devices.audios {
            self.audio(audio);
        }
    }

    fn audio(&mut self, audio: &Audio) {
        let driver = match audio.kind {
            AudioType::None => "none",
            AudioType::Alsa => "alsa",
            AudioType::CoreAudio => "coreaudio",
            AudioType::Jack => "jack",
            AudioType::Oss => "oss",
            AudioType::PulseAudio => "pa",
            AudioType::Sdl => "sdl",
            AudioType::Spice => "spice",
            AudioType::File => "wav",
            AudioType::Dbus => "dbus",
            AudioType::PipeWire => "pipewire",
        };
        let yes = |value: Option<YesNo>| value.map(YesNo::is_yes);
        let mut props = Props::new()
            .set("id", format!("audio{}", audio.id))
            .set("driver", driver)
            .maybe("timer-period", audio.timer_period)
            .maybe("try-mmap", yes(audio.try_mmap))
            .maybe("exclusive", yes(audio.exclusive))
            .maybe("dsp-policy", audio.dsp_policy)
            .maybe("server", audio.server_name.as_deref())
            .maybe("path", audio.path.as_deref());
        for (key, direction) in [("in", &audio.input), ("out", &audio.output)] {
            if let Some(direction) = direction {
                let direction = self::direction(direction);
                if !direction.is_empty() {
                    props.put(key, direction);
                }
            }
        }
        self.option("-audiodev", props.to_string());
        if let Some(driver) = audio.driver {
            let driver = match driver {
                model::domain::devices::audio::SdlAudioDriver::Esd => "esd",
                model::domain::devices::audio::SdlAudioDriver::Alsa => "alsa",
                model::domain::devices::audio::SdlAudioDriver::Arts => "arts",
                model::domain::devices::audio::SdlAudioDriver::PulseAudio => "pulseaudio",
            };
            self.environment("SDL_AUDIODRIVER", driver);
        }
        if let Some(folder) = &audio.runtime_dir {
            self.environment("PIPEWIRE_RUNTIME_DIR", folder);
        }
    }

    pub(super) fn sounds(&mut self) -> Result<()> {
        self.domain
            .devices
            .sounds
            .iter()
            .try_for_each(|sound| self.sound(sound))
    }

    fn sound(&mut self, sound: &Sound) -> Result<()> {
        let id = alias(&sound.info)?;
        let driver = match sound.model {
            // Part of the machine, which is told its audio system.
            SoundModel::PcSpk => return Ok(()),
            SoundModel::Sb16 => "sb16",
            SoundModel::Es1370 => "ES1370",
            SoundModel::Ac97 => "AC97",
            SoundModel::Ich6 => "intel-hda",
            SoundModel::Ich9 => "ich9-intel-hda",
            SoundModel::Usb => "usb-audio",
            SoundModel::Virtio => {
                let name = self.virtio_driver("virtio-sound", &sound.info, None, "<sound>")?;
                let mut props = Props::driver(&name);
                if let Some(driver) = &sound.driver {
                    virtio_options(&mut props, &driver.virtio);
                }
                props.put("id", id);
                props.put("audiodev", audio_id(self.domain, sound.audio.as_ref())?);
                props.put("streams", sound.streams.unwrap_or(2));
                self.attach(&mut props, &sound.info)?;
                self.device(props);
                return Ok(());
            }
            SoundModel::Ich7 => return Err(unsupported("<sound model='ich7'> is for Parallels")),
        };
        if !self.caps.has_device(driver) {
            return Err(unsupported(format!("<sound>: this QEMU has no card '{driver}'")));
        }
        let mut props = Props::driver(driver).set("id", id);
        let with_codecs = matches!(sound.model, SoundModel::Ich6 | SoundModel::Ich9);
        let audio = audio_id(self.domain, sound.audio.as_ref())?;
        if !with_codecs {
            props.put("audiodev", audio.as_str());
        }
        props = props.maybe("multi", sound.multichannel.map(YesNo::is_yes));
        self.attach(&mut props, &sound.info)?;
        self.device(props);
        if with_codecs {
            let default = [CodecType::Duplex];
            let given: Vec<CodecType> = sound.codecs.iter().map(|codec| codec.kind).collect();
            let codecs = if given.is_empty() {
                &default[..]
            } else {
                &given[..]
            };
            for (index, codec) in codecs.iter().enumerate() {
                let name = match codec {
                    CodecType::Duplex => "hda-duplex",
                    CodecType::Micro => "hda-micro",
                    CodecType::Output => "hda-output",
                };
                let props = Props::driver(name)
                    .set("id", format!("{id}-codec{index}"))
                    .set("bus", format!("{id}.0"))
                    .set("cad", index)
                    .set("audiodev", audio.as_str());
                self.device(props);
            }
        }
        Ok(())
    }
}

fn direction(given: &AudioDirection) -> Props {
    let yes = |value: Option<YesNo>| value.map(YesNo::is_yes);
    let mut props = Props::new()
        .maybe("mixing-engine", yes(given.mixing_engine))
        .maybe("fixed-settings", yes(given.fixed_settings))
        .maybe("voices", given.voices)
        .maybe("buffer-length", given.buffer_length);
    if let Some(settings) = &given.settings {
        props = props
            .maybe("frequency", settings.frequency)
            .maybe("channels", settings.channels);
        if let Some(format) = settings.format {
            props.put(
                "format",
                match format {
                    SampleFormat::S8 => "s8",
                    SampleFormat::U8 => "u8",
                    SampleFormat::S16 => "s16",
                    SampleFormat::U16 => "u16",
                    SampleFormat::S32 => "s32",
                    SampleFormat::U32 => "u32",
                    SampleFormat::F32 => "f32",
                },
            );
        }
    }
    props
        .maybe("dev", given.dev.as_deref())
        .maybe("buffer-count", given.buffer_count)
        .maybe("try-poll", yes(given.try_poll))
        .maybe("name", given.name.as_deref())
        .maybe("stream-name", given.stream_name.as_deref())
        .maybe("latency", given.latency)
        .maybe("server-name", given.server_name.as_deref())
        .maybe("client-name", given.client_name.as_deref())
        .maybe("connect-ports", given.connect_ports.as_deref())
        .maybe("exact-name", yes(given.exact_name))
}
