//! Devices by which a guest in trouble is noticed, and those by which it gives memory back or speaks to the host.

use super::Role;
use super::address::{alias, virtio_options};
use super::line::{Line, Props, incomplete, unsupported};
use error::Result;
use model::domain::devices::Address;
use model::domain::devices::info::VirtioModel;
use model::domain::devices::memballoon::BalloonModel;
use model::domain::devices::watchdog::{PanicModel, WatchdogAction, WatchdogModel};

impl Line<'_> {
    pub(super) fn watchdogs(&mut self) -> Result<()> {
        let watchdogs = &self.domain.devices.watchdogs;
        for watchdog in watchdogs {
            let driver = match watchdog.model {
                WatchdogModel::I6300esb => "i6300esb",
                WatchdogModel::Ib700 => "ib700",
                WatchdogModel::Itco => {
                    self.option("-global", "ICH9-LPC.noreboot=off");
                    continue;
                }
                WatchdogModel::Diag288 => {
                    return Err(unsupported("<watchdog model='diag288'> is for guests of s390x"));
                }
            };
            let mut props = Props::driver(driver).set("id", alias(&watchdog.info)?);
            self.attach(&mut props, &watchdog.info)?;
            self.device(props);
        }
        let Some(first) = watchdogs.first() else {
            return Ok(());
        };
        let action = |action: Option<WatchdogAction>| match action.unwrap_or_default() {
            WatchdogAction::Reset => "reset",
            WatchdogAction::Shutdown => "shutdown",
            WatchdogAction::PowerOff => "poweroff",
            // The daemon dumps once QEMU has stopped the guest.
            WatchdogAction::Pause | WatchdogAction::Dump => "pause",
            WatchdogAction::None => "none",
            WatchdogAction::InjectNmi => "inject-nmi",
        };
        if watchdogs
            .iter()
            .any(|other| action(other.action) != action(first.action))
        {
            return Err(unsupported(
                "<watchdog>: all watchdogs of a guest share one action",
            ));
        }
        self.option("-watchdog-action", action(first.action));
        Ok(())
    }

    pub(super) fn panics(&mut self) -> Result<()> {
        for panic in &self.domain.devices.panics {
            match panic.model {
                // A feature of the processor.
                Some(PanicModel::HyperV) => {}
                Some(PanicModel::Isa) => {
                    let mut props = Props::driver("pvpanic");
                    if let Some(Address::Isa(isa)) = &panic.info.address
                        && let Some(port) = isa.iobase
                    {
                        props.put("ioport", port.0);
                    }
                    self.device(props);
                }
                Some(PanicModel::PvPanic) => {
                    let mut props = Props::driver("pvpanic-pci");
                    self.attach(&mut props, &panic.info)?;
                    self.device(props);
                }
                Some(PanicModel::Default) | None => {
                    return Err(incomplete("<panic>: the model was not chosen"));
                }
                Some(PanicModel::Pseries | PanicModel::S390) => {
                    return Err(unsupported(
                        "<panic>: machines of this architecture have no such model",
                    ));
                }
            }
        }
        Ok(())
    }

    pub(super) fn balloon(&mut self) -> Result<()> {
        let Some(balloon) = &self.domain.devices.memballoon else {
            return Ok(());
        };
        let generation = match balloon.model {
            BalloonModel::None => return Ok(()),
            BalloonModel::Virtio => None,
            BalloonModel::VirtioTransitional => Some(VirtioModel::Transitional),
            BalloonModel::VirtioNonTransitional => Some(VirtioModel::NonTransitional),
            BalloonModel::Xen => return Err(unsupported("<memballoon model='xen'> is for Xen guests")),
        };
        let driver = self.virtio_driver("virtio-balloon", &balloon.info, generation, "<memballoon>")?;
        let mut props = Props::driver(&driver);
        if let Some(driver) = &balloon.driver {
            virtio_options(&mut props, &driver.virtio);
        }
        props = props
            .set("id", alias(&balloon.info)?)
            .maybe("deflate-on-oom", balloon.autodeflate.map(|it| it.is_on()))
            .maybe(
                "free-page-reporting",
                balloon.free_page_reporting.map(|it| it.is_on()),
            );
        self.attach(&mut props, &balloon.info)?;
        self.device(props);
        Ok(())
    }

    pub(super) fn vsock(&mut self) -> Result<()> {
        let Some(vsock) = &self.domain.devices.vsock else {
            return Ok(());
        };
        let id = alias(&vsock.info)?;
        let number = self.descriptor(id, Role::Vhost);
        let number = number.ok_or_else(|| unsupported("<vsock>: '/dev/vhost-vsock' was not opened"))?;
        let driver = self.virtio_driver("vhost-vsock", &vsock.info, vsock.model, "<vsock>")?;
        let mut props = Props::driver(&driver);
        if let Some(driver) = &vsock.driver {
            virtio_options(&mut props, &driver.virtio);
        }
        let address = vsock.cid.as_ref().and_then(|cid| cid.address);
        props = props
            .set("id", id)
            .set(
                "guest-cid",
                address.ok_or_else(|| incomplete("<vsock>: no address was chosen"))?,
            )
            .set("vhostfd", number.to_string());
        self.attach(&mut props, &vsock.info)?;
        self.device(props);
        Ok(())
    }

    /// Notes of the guest's kernel for who looks at its dump, and a number that tells it of going back in time.
    pub(super) fn notes(&mut self) -> Result<()> {
        let domain = self.domain;
        if domain
            .features
            .as_deref()
            .and_then(|features| features.vmcoreinfo)
            .is_some_and(|it| it.is_on())
        {
            self.device(Props::driver("vmcoreinfo"));
        }
        Ok(())
    }

    /// The number that changes whenever the guest goes back in time.
    pub(super) fn generation(&mut self) -> Result<()> {
        let Some(genid) = &self.domain.genid else {
            return Ok(());
        };
        let uuid = genid.uuid.ok_or_else(|| incomplete("<genid> was not chosen"))?;
        self.device(
            Props::driver("vmgenid")
                .set("guid", uuid.to_string())
                .set("id", "vmgenid0"),
        );
        Ok(())
    }
}
