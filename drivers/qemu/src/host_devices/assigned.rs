//! A PCI function that is taken from the host for a guest, and given back after it.
//!
//! What is going to be done stands in the guest's status document before it is done:
//! ```xml
//!  <assigned driver='vfio-pci' bound='yes' former='igbvf'>
//!    <address domain='0x0000' bus='0x01' slot='0x10' function='0x2'/>
//!    <function card='eth1' number='1' mac='00:00:00:00:00:00' vlan='0'/>      as it was before
//!    <port network='pool' uuid='…'/>                                          where a network gave it
//!  </assigned>
//! ```
//! Giving back begins from whatever there is, so a daemon may die anywhere, and the next one does it again.
//!
//! The function is not reset here: VFIO's drivers do that whenever a guest opens it and whenever it is closed.

use super::pci::Function;
use super::refused;
use super::vf::Settings;
use crate::lifecycle::networks::NotedPort;
use error::{Code, Result};
use host::Host;
use model::domain::devices::address::PciAddress;
use xml::{Element, YesNo};

/// A PCI function that a guest has.
#[derive(Debug, Clone, PartialEq, Element)]
#[xml(element = "assigned")]
pub(crate) struct Assigned {
    /// The driver that passes it on.
    #[xml(attr)]
    pub driver: String,
    /// Whether the daemon gives it to that driver and back.
    #[xml(attr)]
    pub bound: YesNo,
    /// The driver that had it before.
    #[xml(attr)]
    pub former: Option<String>,
    /// The only driver that could have it before.
    #[xml(attr)]
    pub only: Option<String>,
    /// Its place.
    #[xml(child)]
    pub address: PciAddress,
    /// What its card told it before.
    #[xml(child)]
    pub function: Option<Settings>,
    /// The port of the network that gave it.
    #[xml(child)]
    pub port: Option<NotedPort>,
}

impl Assigned {
    /// What is to be done for a guest that has `address` by way of `driver`; `managed` has it taken from whatever driver has it.
    ///
    /// # Errors
    /// [`Code::OperationInvalid`] for one that is not managed and whose driver does not pass it on.
    pub(super) fn plan(host: &Host, address: &PciAddress, driver: &str, managed: bool) -> Result<Self> {
        let function = Function::at(host, address);
        let former = function.driver();
        let passes = former.as_deref().is_some_and(super::pci::is_vfio);
        if !managed && !passes {
            let text = format!(
                "Unmanaged PCI device {} must be manually detached from the host",
                function.address
            );
            return Err(refused(Code::OperationInvalid, text));
        }
        let has_it = former.as_deref() == Some(driver);
        Ok(Self {
            driver: match &former {
                Some(former) if !managed => former.clone(),
                _ => driver.to_owned(),
            },
            // What somebody has prepared stays so.
            bound: (managed && !has_it).into(),
            former,
            only: function.only_driver(),
            address: function.address,
            function: None,
            port: None,
        })
    }

    /// Gives it to the driver that passes it on. Waits for that driver, which asks the device.
    ///
    /// # Errors
    /// [`Code::SystemError`] with the kernel's words; [`Code::InternalError`] when the driver does not take it.
    pub(super) fn bind(&self, host: &Host) -> Result<()> {
        if !self.bound.is_yes() {
            return Ok(());
        }
        let function = Function::at(host, &self.address);
        function.set_only_driver(Some(&self.driver))?;
        if function.driver().is_some_and(|driver| driver != self.driver) {
            function.unbind()?;
        }
        if function.driver().is_none() {
            function.probe()?;
        }
        match function.driver() {
            Some(driver) if driver == self.driver => Ok(()),
            _ => {
                let text = format!("PCI device {} cannot be bound to '{}'", self.address, self.driver);
                Err(refused(Code::InternalError, text))
            }
        }
    }

    /// Gives it back to the driver that had it before. Waits until nobody has it open.
    ///
    /// # Errors
    /// [`Code::SystemError`] with the kernel's words.
    pub(super) fn give_back(&self, host: &Host) -> Result<()> {
        if !self.bound.is_yes() {
            return Ok(());
        }
        let function = Function::at(host, &self.address);
        if function.check().is_err() {
            // The card has fewer virtual functions now, or is gone.
            return Ok(());
        }
        function.set_only_driver(self.only.as_deref())?;
        if function.driver().as_ref() == Some(&self.driver) {
            function.unbind()?;
        }
        if self.former.is_some() && function.driver().is_none() {
            function.probe()?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::made_up::MadeUp;
    use super::*;

    const ADDRESS: &str = "0000:01:10.2";

    fn made_up(driver: &str) -> MadeUp {
        let made_up = MadeUp::new();
        made_up.function(ADDRESS, 7, driver);
        made_up
    }

    fn plan(made_up: &MadeUp, managed: bool) -> Result<Assigned> {
        let address = PciAddress::new(0, 1, 0x10, 2);
        Assigned::plan(&made_up.host(), &address, "vfio-pci", managed)
    }

    #[test]
    fn a_managed_device_goes_to_the_guest_and_back() {
        let made_up = made_up("igbvf");
        let host = made_up.host();
        let assigned = plan(&made_up, true).unwrap();
        assert_eq!(made_up.driver_of(ADDRESS).as_deref(), Some("igbvf"));
        assigned.bind(&host).unwrap();
        assert_eq!(made_up.driver_of(ADDRESS).as_deref(), Some("vfio-pci"));
        assert_eq!(made_up.only_driver_of(ADDRESS), "vfio-pci");
        assert!(made_up.path("dev/vfio/7").exists());
        assigned.give_back(&host).unwrap();
        assert_eq!(made_up.driver_of(ADDRESS).as_deref(), Some("igbvf"));
        assert_eq!(made_up.only_driver_of(ADDRESS), "");
        assert!(!made_up.path("dev/vfio/7").exists());
    }

    #[test]
    fn it_comes_back_wherever_a_daemon_died() {
        type Step = fn(&Function<'_>);
        let steps: [Step; 3] = [
            |function| function.set_only_driver(Some("vfio-pci")).unwrap(),
            |function| function.unbind().unwrap(),
            |function| function.probe().unwrap(),
        ];
        for done in 0..=steps.len() {
            let made_up = made_up("igbvf");
            let host = made_up.host();
            let assigned = plan(&made_up, true).unwrap();
            let noted: Assigned = xml::from_str(&xml::to_string(&assigned)).unwrap();
            assert_eq!(noted, assigned);
            let function = Function::at(&host, &noted.address);
            for step in steps.iter().take(done) {
                step(&function);
            }
            // And once more, as by one that dies when it has done so.
            for _ in 0..2 {
                noted.give_back(&host).unwrap();
                assert_eq!(made_up.driver_of(ADDRESS).as_deref(), Some("igbvf"), "{done}");
                assert_eq!(made_up.only_driver_of(ADDRESS), "");
            }
        }
    }

    #[test]
    fn what_was_prepared_stays_prepared() {
        let made_up = made_up("vfio-pci");
        let host = made_up.host();
        for managed in [false, true] {
            let assigned = plan(&made_up, managed).unwrap();
            assigned.bind(&host).unwrap();
            assigned.give_back(&host).unwrap();
            assert_eq!(made_up.driver_of(ADDRESS).as_deref(), Some("vfio-pci"));
            assert_eq!(made_up.only_driver_of(ADDRESS), "(null)");
        }
    }

    #[test]
    fn an_unmanaged_device_has_to_be_prepared() {
        for driver in ["igbvf", ""] {
            let err = plan(&made_up(driver), false).unwrap_err();
            assert_eq!(err.code(), Code::OperationInvalid);
            assert_eq!(
                err.detail(),
                "Unmanaged PCI device 0000:01:10.2 must be manually detached from the host"
            );
        }
    }

    #[test]
    fn one_without_driver_has_none_afterwards() {
        let made_up = made_up("");
        let host = made_up.host();
        let assigned = plan(&made_up, true).unwrap();
        assigned.bind(&host).unwrap();
        assert_eq!(made_up.driver_of(ADDRESS).as_deref(), Some("vfio-pci"));
        assigned.give_back(&host).unwrap();
        assert_eq!(made_up.driver_of(ADDRESS), None);
    }

    #[test]
    fn a_driver_that_is_not_there_does_not_take_it() {
        let made_up = made_up("igbvf");
        let host = made_up.host();
        let address = PciAddress::new(0, 1, 0x10, 2);
        let assigned = Assigned::plan(&host, &address, "none-vfio-pci", true).unwrap();
        assert_eq!(assigned.bind(&host).unwrap_err().code(), Code::InternalError);
        assigned.give_back(&host).unwrap();
        assert_eq!(made_up.driver_of(ADDRESS).as_deref(), Some("igbvf"));
    }
}
