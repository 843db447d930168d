//! Network cards.

use super::{Seen, devices, strip_info};
use error::Result;
use model::domain::devices::interface::{InterfaceDriver, InterfaceMac};
use model::domain::devices::{Devices, Interface, InterfaceKind};

pub(super) fn check(source: &Devices, target: &Devices) -> Result<()> {
    devices(&source.interfaces, &target.interfaces)
}

impl Seen for Interface {
    const ELEMENT: &'static str = "interface";

    fn strip(&mut self) {
        // What it is connected to, and how.
        let kept = Self {
            managed: None,
            trust_guest_rx_filters: None,
            mac: Some(InterfaceMac {
                address: self.mac_address(),
                ..InterfaceMac::default()
            }),
            kind: InterfaceKind::Null,
            vlan: None,
            virtual_port: None,
            bandwidth: None,
            port: None,
            ips: Vec::new(),
            routes: Vec::new(),
            port_forwards: Vec::new(),
            script: None,
            down_script: None,
            backend_domain: None,
            target: None,
            guest: None,
            model: self.model.take(),
            driver: self.driver.take().map(|driver| InterfaceDriver {
                name: None,
                model: None,
                txmode: None,
                ioeventfd: None,
                ..driver
            }),
            backend: None,
            filter_ref: None,
            tune: None,
            teaming: self.teaming.take(),
            link: None,
            mtu: self.mtu.take(),
            coalesce: None,
            info: std::mem::take(&mut self.info),
        };
        *self = kept;
        self.driver
            .take_if(|driver| *driver == InterfaceDriver::default());
        strip_info(&mut self.info);
    }

    fn name(&self) -> Option<String> {
        self.mac_address().map(|mac| mac.to_string())
    }
}
