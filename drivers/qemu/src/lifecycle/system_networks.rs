//! Networks of the system for guests of a user's own: the system's virtnetworkd makes the tap, guards it, plugs it in and hands it over, where
//! its configuration lets this user have one.
//!
//! Nothing is to be given back: the tap goes with QEMU, and its port with the tap.

use super::taps;
use crate::Driver;
use daemon::Mode;
use daemon::connection::Connection as _;
use error::{Code, Domain as ErrorDomain, Error, Result};
use kernel::device::Tap;
use model::domain::Domain as Model;
use model::domain::devices::Interface;
use model::domain::devices::interface::InterfaceKind;
use neighbours::Family;
use protocol::hybrid::procedure::OpenPort;
use protocol::hybrid::{OpenPortArgs, Parameter};
use uuid::Uuid;

/// Taps that were handed over, by port.
#[derive(Debug, Default)]
pub(super) struct HandedOver(Vec<(Uuid, Tap)>);

impl HandedOver {
    /// The tap of an interface, if it was handed over.
    pub(super) fn take(&mut self, interface: &Interface) -> Option<Tap> {
        let InterfaceKind::Network { source } = &interface.kind else {
            return None;
        };
        let place = self.0.iter().position(|(port, _)| Some(*port) == source.portid)?;
        Some(self.0.swap_remove(place).1)
    }
}

/// Whether virtual networks are those of the system, and not of daemons of the same user: nobody but root makes any.
pub(crate) fn are_of_system(driver: &Driver) -> bool {
    let layout = &driver.instance().layout;
    layout.mode() == Mode::Session && layout.private_root().is_none()
}

/// What the system's daemon would not do, or nobody may do to a tap who has no power over the host.
fn refuse_options(interface: &Interface, portgroup: bool) -> Result<()> {
    let target = interface.target.as_ref();
    let asked = [
        ("source portgroup", portgroup),
        ("vlan", interface.vlan.is_some()),
        ("virtualport", interface.virtual_port.is_some()),
        ("bandwidth", interface.bandwidth.is_some()),
        ("port", interface.port.is_some()),
        ("coalesce", interface.coalesce.is_some()),
        ("mtu", interface.mtu.is_some()),
        (
            "target managed",
            target.is_some_and(|target| target.managed.is_some()),
        ),
        (
            "backend tap",
            interface
                .backend
                .as_ref()
                .is_some_and(|backend| backend.tap.is_some()),
        ),
    ];
    super::refuse_asked(asked, |what| {
        format!(
            "<interface type='network'>: <{what}> is not supported for guests of a user's own on networks of the system"
        )
    })
}

/// Has the interfaces of a live document connected, and notes in it by what.
///
/// # Errors
/// Which interface cannot be, and why. What was handed over until then goes with the value.
pub(super) async fn join(driver: &Driver, model: &mut Model) -> Result<HandedOver> {
    let mut handed = HandedOver::default();
    let (owner_name, owner_uuid) = (model.name.clone(), model.uuid.unwrap_or_default());
    let client = neighbours::connect_to_system(driver.instance(), Family::Network).await;
    let client =
        client.map_err(|err| err.context("interfaces of type 'network' need the system's virtnetworkd"))?;
    for interface in &mut model.devices.interfaces {
        let InterfaceKind::Network { source } = &interface.kind else {
            continue;
        };
        let mut source = source.clone();
        refuse_options(interface, source.portgroup.is_some())?;
        let mac = interface.mac_address().ok_or_else(|| {
            let text = "<interface type='network'>: no address was chosen for the card";
            Error::new(Code::InternalError, ErrorDomain::Qemu, text)
        })?;
        let filter = interface.filter_ref.as_ref();
        let parameters = filter
            .map(|filter| filter.parameters.as_slice())
            .unwrap_or_default();
        let args = OpenPortArgs {
            network: source.network.clone(),
            owner_name: owner_name.clone(),
            owner_uuid: owner_uuid.into_bytes(),
            mac: mac.octets(),
            filter: filter.map(|filter| filter.filter.clone()),
            parameters: parameters
                .iter()
                .map(|parameter| Parameter {
                    name: parameter.name.clone(),
                    value: parameter.value.clone(),
                })
                .collect(),
            queues: u32::try_from(taps::queues(interface)).unwrap_or(u32::MAX),
            virtio: i32::from(interface.is_virtio()),
            flags: 0,
        };
        let said = |err: Error| match err.code() {
            // libvirt's daemon, or an older one of ours.
            Code::NoSupport => err.context("the system's virtnetworkd connects no guests of users' own"),
            _ => err.context(format_args!("network '{}'", source.network)),
        };
        let (opened, queues) = client
            .call_with_fds::<OpenPort>(&args, Vec::new())
            .await
            .map_err(said)?;
        let port = Uuid::from_bytes(opened.port);
        source.portid = Some(port);
        source.bridge = Some(opened.bridge);
        interface.kind = InterfaceKind::Network { source };
        interface.target.get_or_insert_default().dev = Some(opened.tap.clone());
        let name = opened.tap;
        handed.0.push((port, Tap { name, queues }));
    }
    Ok(handed)
}
