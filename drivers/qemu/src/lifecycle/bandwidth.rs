//! `<bandwidth>` of interfaces: what a guest's tap or macvtap sends and receives at most, in the kernel's traffic control.
//!
//! It goes with the link; a tap that was there before the guest is freed of it when the guest ends.

use super::switch;
use crate::Driver;
use error::{Code, Domain as ErrorDomain, Error, Result};
use model::domain::devices::Interface;
use model::domain::devices::bandwidth::Bandwidth;
use model::domain::devices::interface::InterfaceKind;
use tool::Tool;
use traffic::Sends;
use uuid::Uuid;

/// An interface's link with its limits.
#[derive(Debug, Clone)]
pub(crate) struct Limited {
    link: String,
    bandwidth: Bandwidth,
    by: Means,
    /// The guest.
    owner: Uuid,
}

/// Who limits a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Means {
    Kernel(Sends),
    OpenVSwitch,
}

impl Limited {
    /// The limits of an interface whose link can have any.
    ///
    /// # Errors
    /// [`Code::NoSupport`] for other kinds of interfaces, [`Code::OperationUnsupported`] where something is to be kept for a guest of
    /// what nobody shares.
    pub(crate) fn of(interface: &Interface, link: &str, owner: Uuid) -> Result<Self> {
        let bandwidth = interface.bandwidth.clone().unwrap_or_default();
        let by = match &interface.kind {
            InterfaceKind::Bridge { .. } if switch::is_open_vswitch(interface) => Means::OpenVSwitch,
            InterfaceKind::Bridge { .. } | InterfaceKind::Network { .. } | InterfaceKind::Ethernet { .. } => {
                Means::Kernel(Sends::ToGuest)
            }
            InterfaceKind::Direct { .. } => Means::Kernel(Sends::FromGuest),
            other => {
                let text = format!(
                    "<interface type='{}'>: <bandwidth> is not supported",
                    other.name()
                );
                return Err(Error::new(Code::NoSupport, ErrorDomain::Qemu, text));
            }
        };
        let floor = bandwidth.inbound.as_ref().and_then(|inbound| inbound.floor);
        if floor.unwrap_or(0) > 0 && !matches!(interface.kind, InterfaceKind::Network { .. }) {
            let mac = interface.mac_address().map(|mac| mac.to_string());
            let text = format!(
                "Invalid use of 'floor' on interface with MAC address {} - 'floor' is only supported for interface type 'network' \
                 with forward type 'nat', 'route', 'open' or none",
                mac.unwrap_or_default()
            );
            return Err(Error::new(Code::OperationUnsupported, ErrorDomain::Qemu, text));
        }
        Ok(Self {
            link: link.to_owned(),
            bandwidth,
            by,
            owner,
        })
    }

    /// Limits the link, which has no limits. Blocks.
    ///
    /// # Errors
    /// What tc or ovs-vsctl says; [`Code::NoSupport`] where it is not installed.
    pub(crate) fn set(&self) -> Result<()> {
        if !traffic::limits_anything(&self.bandwidth) {
            return Ok(());
        }
        switch::refuse_odd(&self.link)?;
        match self.by {
            Means::OpenVSwitch => switch::limit(&self.link, &self.bandwidth, self.owner),
            Means::Kernel(sends) => {
                let lines = traffic::limit(&self.link, &self.bandwidth, sends);
                tc(&traffic::ARGUMENTS, &lines)?;
                if let Err(err) = tc(&traffic::REGARDLESS, &traffic::take_turns(&self.link, 1)) {
                    tracing::debug!(%err, link = self.link, "flows of one guest do not take turns");
                }
                Ok(())
            }
        }
        .map_err(|err| err.context(format_args!("interface '{}'", self.link)))
    }

    /// Takes all limits off the link. Blocks.
    ///
    /// # Errors
    /// What ovs-vsctl says.
    pub(crate) fn free(&self) -> Result<()> {
        match self.by {
            Means::OpenVSwitch => switch::free(&self.link),
            Means::Kernel(_) => {
                free(&self.link);
                Ok(())
            }
        }
    }

    /// Limits the link otherwise than `former`ly; where that fails it is as it was. Blocks.
    ///
    /// # Errors
    /// As [`Self::set`].
    pub(crate) fn replace(&self, former: &Self) -> Result<()> {
        self.free()?;
        let Err(err) = self.set() else { return Ok(()) };
        let back = self.free().and_then(|()| former.set());
        if let Err(err) = back {
            tracing::error!(%err, "a guest's interface has lost its limits");
        }
        Err(err)
    }
}

impl Driver {
    /// [`Limited::set`], where that harms nobody.
    ///
    /// # Errors
    /// As there.
    pub(crate) async fn limit(&self, limited: Limited) -> Result<()> {
        self.blocking(move || limited.set()).await
    }
}

/// Takes all limits off a link of the kernel's. Blocks. One that has none is fine.
pub(super) fn free(link: &str) {
    if let Err(err) = tc(&traffic::REGARDLESS, &traffic::free(link)) {
        tracing::debug!(%err, link, "there were no limits of one kind");
    }
}

fn tc(arguments: &[&'static str], lines: &str) -> Result<()> {
    if lines.is_empty() {
        return Ok(());
    }
    let tc = Tool::new(traffic::PROGRAM)
        .of(ErrorDomain::Qemu)
        .within(tool::PATIENCE);
    let tc = tc.with(arguments.iter().copied()).with_input(lines);
    tc.run_to_end().map(drop)
}
