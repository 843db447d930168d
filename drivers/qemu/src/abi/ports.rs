//! Ports, consoles and channels.

use super::{Seen, devices, strip_info};
use error::Result;
use model::domain::devices::chardev::ChannelTarget;
use model::domain::devices::smartcard::SmartcardKind;
use model::domain::devices::{Channel, CharSource, Console, Devices, Parallel, Redirdev, Serial, Smartcard};

pub(super) fn check(source: &Devices, target: &Devices) -> Result<()> {
    devices(&source.serials, &target.serials)?;
    devices(&source.parallels, &target.parallels)?;
    devices(&source.channels, &target.channels)?;
    devices(&source.consoles, &target.consoles)?;
    devices(&source.smartcards, &target.smartcards)?;
    devices(&source.redirdevs, &target.redirdevs)
}

macro_rules! port {
    ($($kind:ident $element:literal;)*) => {$(
        impl Seen for $kind {
            const ELEMENT: &'static str = $element;

            fn strip(&mut self) {
                (self.source, self.log) = (CharSource::Null, None);
                strip_info(&mut self.info);
            }
        }
    )*};
}

port! {
    Serial "serial";
    Parallel "parallel";
}

impl Seen for Channel {
    const ELEMENT: &'static str = "channel";

    fn strip(&mut self) {
        (self.source, self.log) = (CharSource::Null, None);
        if let ChannelTarget::Virtio { state, .. } = &mut self.target {
            *state = None;
        }
        strip_info(&mut self.info);
    }

    fn name(&self) -> Option<String> {
        Channel::name(self).map(str::to_owned)
    }
}

impl Seen for Console {
    const ELEMENT: &'static str = "console";

    fn strip(&mut self) {
        (self.tty, self.source, self.log) = (None, CharSource::Null, None);
        strip_info(&mut self.info);
    }
}

impl Seen for Smartcard {
    const ELEMENT: &'static str = "smartcard";

    fn strip(&mut self) {
        // Which cards are in it may change at any time.
        self.kind = SmartcardKind::Host;
        strip_info(&mut self.info);
    }
}

impl Seen for Redirdev {
    const ELEMENT: &'static str = "redirdev";

    fn strip(&mut self) {
        self.source = CharSource::Null;
        strip_info(&mut self.info);
    }
}
