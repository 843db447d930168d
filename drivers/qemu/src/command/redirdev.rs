//! USB redirection and smartcard readers.

use super::address::alias;
use super::chardev::Backend;
use super::line::{Line, Props, unsupported};
use error::Result;
use model::domain::devices::redirdev::UsbDevRule;
use model::domain::devices::smartcard::SmartcardKind;
use model::domain::devices::{Redirdev, Smartcard};

/// The database of certificates that a host has for itself.
const DATABASE: &str = "/etc/pki/nssdb";

impl Line<'_> {
    pub(super) fn redirdevs(&mut self) -> Result<()> {
        self.domain
            .devices
            .redirdevs
            .iter()
            .try_for_each(|redirdev| self.redirdev(redirdev))
    }

    fn redirdev(&mut self, redirdev: &Redirdev) -> Result<()> {
        let id = alias(&redirdev.info)?;
        let chardev = self.chardev(&Backend {
            alias: id,
            source: &redirdev.source,
            log: None,
            spice_name: "usbredir",
        })?;
        let mut props = Props::driver("usb-redir").set("chardev", chardev).set("id", id);
        if let Some(filter) = &self.domain.devices.redirfilter {
            let rules: Vec<String> = filter.rules.iter().map(rule).collect();
            props.put("filter", rules.join("|"));
        }
        if let Some(order) = redirdev.info.boot_order() {
            props.put("bootindex", order);
        }
        self.attach(&mut props, &redirdev.info)?;
        self.device(props);
        Ok(())
    }

    pub(super) fn smartcards(&mut self) -> Result<()> {
        self.domain
            .devices
            .smartcards
            .iter()
            .try_for_each(|smartcard| self.smartcard(smartcard))
    }

    fn smartcard(&mut self, smartcard: &Smartcard) -> Result<()> {
        let id = alias(&smartcard.info)?;
        let mut props = match &smartcard.kind {
            SmartcardKind::Host => Props::driver("ccid-card-emulated").set("backend", "nss-emulated"),
            SmartcardKind::HostCertificates {
                certificates,
                database,
            } => {
                let mut props = Props::driver("ccid-card-emulated").set("backend", "certificates");
                for (number, certificate) in (1..).zip(certificates) {
                    props.put(&format!("cert{number}"), certificate.as_str());
                }
                props.set("db", database.as_deref().unwrap_or(DATABASE))
            }
            SmartcardKind::Passthrough { source } => {
                let chardev = self.chardev(&Backend {
                    alias: id,
                    source,
                    log: None,
                    spice_name: "smartcard",
                })?;
                Props::driver("ccid-card-passthru").set("chardev", chardev)
            }
        };
        if !self.caps.has_device("ccid-card-emulated")
            && !matches!(smartcard.kind, SmartcardKind::Passthrough { .. })
        {
            return Err(unsupported("<smartcard>: this QEMU cannot use cards of the host"));
        }
        props.put("id", id);
        self.attach(&mut props, &smartcard.info)?;
        self.device(props);
        Ok(())
    }
}

fn rule(rule: &UsbDevRule) -> String {
    let class = rule
        .class
        .and_then(|class| class.0)
        .map_or("-1".to_owned(), |class| format!("0x{class:02X}"));
    let id = |id: Option<model::domain::devices::usb_filter::UsbFilterId>| {
        id.and_then(|id| id.0)
            .map_or("-1".to_owned(), |id| format!("0x{id:04X}"))
    };
    let version = rule
        .version
        .and_then(|it| it.0)
        .map_or("-1".to_owned(), |version| format!("0x{version:04X}"));
    let allow = i32::from(rule.allow.is_yes());
    format!(
        "{class}:{}:{}:{version}:{allow}",
        id(rule.vendor),
        id(rule.product)
    )
}
