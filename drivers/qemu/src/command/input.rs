//! Mice, tablets and keyboards, and the hubs that USB devices are plugged into.

use super::address::{alias, virtio_options};
use super::line::{Line, Props, incomplete, unsupported};
use error::Result;
use model::domain::devices::Input;
use model::domain::devices::input::{GrabToggle, InputBus, InputGrab, InputType};

impl Line<'_> {
    pub(super) fn hubs(&mut self) -> Result<()> {
        for hub in &self.domain.devices.hubs {
            let mut props = Props::driver("usb-hub").set("id", alias(&hub.info)?);
            self.attach(&mut props, &hub.info)?;
            self.device(props);
        }
        Ok(())
    }

    pub(super) fn inputs(&mut self) -> Result<()> {
        self.domain
            .devices
            .inputs
            .iter()
            .try_for_each(|input| self.input(input))
    }

    fn input(&mut self, input: &Input) -> Result<()> {
        let source = input.source.as_ref();
        match input.bus {
            // Part of the board.
            Some(InputBus::Ps2) => Ok(()),
            Some(InputBus::Usb) => {
                let driver = match input.kind {
                    InputType::Mouse => "usb-mouse",
                    InputType::Tablet => "usb-tablet",
                    InputType::Keyboard => "usb-kbd",
                    InputType::Passthrough | InputType::Evdev => {
                        return Err(unsupported(
                            "<input bus='usb'>: only mice, tablets and keyboards are on USB",
                        ));
                    }
                };
                let mut props = Props::driver(driver).set("id", alias(&input.info)?);
                self.attach(&mut props, &input.info)?;
                self.device(props);
                Ok(())
            }
            Some(InputBus::Virtio) => {
                let base = match input.kind {
                    InputType::Mouse => "virtio-mouse",
                    InputType::Tablet => "virtio-tablet",
                    InputType::Keyboard => "virtio-keyboard",
                    InputType::Passthrough => "virtio-input-host",
                    InputType::Evdev => return Err(unsupported("<input type='evdev'> has no bus 'virtio'")),
                };
                let driver = self.virtio_driver(base, &input.info, input.model, "<input>")?;
                let mut props = Props::driver(&driver);
                if let Some(driver) = &input.driver {
                    virtio_options(&mut props, &driver.virtio);
                }
                props.put("id", alias(&input.info)?);
                if input.kind == InputType::Passthrough {
                    let path = source.and_then(|source| source.evdev.as_deref());
                    props.put(
                        "evdev",
                        path.ok_or_else(|| incomplete("<input type='passthrough'> names no device"))?,
                    );
                }
                self.attach(&mut props, &input.info)?;
                self.device(props);
                Ok(())
            }
            Some(InputBus::None) | None if input.kind == InputType::Evdev => {
                let path = source.and_then(|source| source.dev.as_deref());
                let path = path.ok_or_else(|| incomplete("<input type='evdev'> names no device"))?;
                let mut props = Props::object("input-linux", alias(&input.info)?).set("evdev", path);
                if let Some(source) = source {
                    props = props.maybe("repeat", source.repeat.map(|repeat| repeat.is_on()));
                    props = props.maybe("grab_all", source.grab.map(|InputGrab::All| true));
                    if let Some(toggle) = source.grab_toggle {
                        props.put(
                            "grab-toggle",
                            match toggle {
                                GrabToggle::CtrlCtrl => "ctrl-ctrl",
                                GrabToggle::AltAlt => "alt-alt",
                                GrabToggle::ShiftShift => "shift-shift",
                                GrabToggle::MetaMeta => "meta-meta",
                                GrabToggle::ScrollLock => "scrolllock",
                                GrabToggle::CtrlScrollLock => "ctrl-scrolllock",
                            },
                        );
                    }
                }
                self.object(props);
                Ok(())
            }
            _ => Err(unsupported("<input>: this machine has no such bus")),
        }
    }
}
