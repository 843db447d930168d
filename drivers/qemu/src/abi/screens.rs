//! Screens, sound, and what is typed and pointed with.

use super::{Seen, devices, strip_info};
use error::Result;
use model::domain::devices::{Devices, Hub, Input, Sound, Video};

pub(super) fn check(source: &Devices, target: &Devices) -> Result<()> {
    devices(&source.inputs, &target.inputs)?;
    devices(&source.hubs, &target.hubs)?;
    devices(&source.videos, &target.videos)?;
    devices(&source.sounds, &target.sounds)
}

impl Seen for Input {
    const ELEMENT: &'static str = "input";

    fn strip(&mut self) {
        self.source = None;
        strip_info(&mut self.info);
    }

    fn name(&self) -> Option<String> {
        Some(self.kind.to_string())
    }
}

impl Seen for Hub {
    const ELEMENT: &'static str = "hub";

    fn strip(&mut self) {
        strip_info(&mut self.info);
    }
}

impl Seen for Video {
    const ELEMENT: &'static str = "video";

    fn strip(&mut self) {
        if let Some(acceleration) = self.model.as_mut().and_then(|model| model.acceleration.as_mut()) {
            acceleration.rendernode = None;
        }
        strip_info(&mut self.info);
    }
}

impl Seen for Sound {
    const ELEMENT: &'static str = "sound";

    fn strip(&mut self) {
        self.audio = None;
        strip_info(&mut self.info);
    }

    fn name(&self) -> Option<String> {
        Some(self.model.to_string())
    }
}
