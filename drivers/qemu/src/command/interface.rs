//! Network cards: `-netdev` for the host's end, `-device` for the guest's.

use super::address::{alias, virtio_options};
use super::line::{Line, Props, incomplete, unsupported};
use super::{Role, chardev};
use error::Result;
use model::domain::devices::info::{TeamingKind, VirtioModel};
use model::domain::devices::interface::{
    BackendType, GuestOffloads, HostOffloads, Interface, InterfaceDriver, InterfaceDriverName, InterfaceKind,
    TxMode,
};
use model::domain::devices::interface_source::{SocketRole, VhostUserNicSource};
use serde_json::Value;

/// Seconds until QEMU connects again to a passt that went away.
const PASST_PAUSE: u64 = 5;

/// Cards that no bus takes: those of ARM's boards.
const BOARD_CARDS: [&str; 2] = ["lan9118", "smc91c111"];

impl Line<'_> {
    pub(super) fn interfaces(&mut self) -> Result<()> {
        let orders = super::boot::BootOrder::of(self.domain);
        for (interface, order) in self.domain.devices.interfaces.iter().zip(&orders.interfaces) {
            self.interface(interface, *order)?;
        }
        Ok(())
    }

    fn interface(&mut self, interface: &Interface, order: Option<u32>) -> Result<()> {
        let id = alias(&interface.info)?;
        let host = format!("host{id}");
        if let InterfaceKind::Hostdev { .. } = interface.kind {
            // It comes with the other devices of the host.
            return Ok(());
        }
        let netdev = self.netdev(interface, id, &host)?;
        if let Some(netdev) = netdev {
            self.option("-netdev", netdev.to_string());
        }
        self.card(interface, id, &host, order)
    }

    /// The host's end; nothing for a card that is joined to nothing.
    fn netdev(&mut self, interface: &Interface, id: &str, host: &str) -> Result<Option<Props>> {
        let passt = interface.backend.as_ref().and_then(|backend| backend.kind) == Some(BackendType::Passt);
        let socket = |key: &str, address: String| Props::new().set("type", "socket").set(key, address);
        let props = match &interface.kind {
            InterfaceKind::User { .. } if passt => {
                let path = super::passt_socket(&self.context.domain_dir, id)
                    .display()
                    .to_string();
                let address = Props::new().set("type", "unix").set("path", path);
                let props = Props::new()
                    .set("type", "stream")
                    .set("addr", address)
                    .set("server", false);
                let knows = |key| self.caps.schema(&format!("netdev_add/arg-type/+stream/{key}"));
                if knows("reconnect-ms") {
                    props.set("reconnect-ms", PASST_PAUSE * 1000)
                } else if knows("reconnect") {
                    props.set("reconnect", PASST_PAUSE)
                } else {
                    // QEMU before 8.0.
                    props
                }
            }
            InterfaceKind::User { .. } => user(interface)?,
            InterfaceKind::Ethernet { .. }
            | InterfaceKind::Network { .. }
            | InterfaceKind::Bridge { .. }
            | InterfaceKind::Direct { .. } => self.tap(interface, id)?,
            InterfaceKind::VhostUser { source } => {
                self.vhost_user(source.as_ref(), id, passt)?;
                let queues = interface
                    .driver
                    .as_ref()
                    .and_then(|driver| driver.queues)
                    .filter(|queues| *queues > 1);
                Props::new()
                    .set("type", "vhost-user")
                    .set("chardev", chardev::id(id))
                    .maybe("queues", queues)
            }
            InterfaceKind::Server { source } => socket(
                "listen",
                format!(
                    "{}:{}",
                    source.address.as_deref().unwrap_or_default(),
                    source.port
                ),
            ),
            InterfaceKind::Client { source } => socket(
                "connect",
                format!(
                    "{}:{}",
                    source.address.as_deref().unwrap_or_default(),
                    source.port
                ),
            ),
            InterfaceKind::Mcast { source } => socket(
                "mcast",
                format!(
                    "{}:{}",
                    source.address.as_deref().unwrap_or_default(),
                    source.port
                ),
            ),
            InterfaceKind::Udp { source } => socket("udp", format!("{}:{}", source.address, source.port))
                .set(
                    "localaddr",
                    format!("{}:{}", source.local.address, source.local.port),
                ),
            InterfaceKind::Null => return Ok(None),
            InterfaceKind::Vdpa { source } => {
                let number = self.descriptor(id, Role::Node).ok_or_else(|| {
                    unsupported(format!(
                        "<interface type='vdpa'>: the device '{}' was not opened",
                        source.dev
                    ))
                })?;
                let path = self.fd_set(number, &format!("{id}-vdpa"));
                Props::new().set("type", "vhost-vdpa").set("vhostdev", path)
            }
            InterfaceKind::Internal { .. } | InterfaceKind::Vds { .. } | InterfaceKind::Hostdev { .. } => {
                return Err(unsupported(format!(
                    "<interface type='{}'> is not for QEMU",
                    interface.kind.name()
                )));
            }
        };
        Ok(Some(props.set("id", host)))
    }

    fn tap(&self, interface: &Interface, id: &str) -> Result<Props> {
        let tap = self.descriptors(id, Role::Tap);
        let joined = |numbers: &[i32]| numbers.iter().map(i32::to_string).collect::<Vec<_>>().join(":");
        let props = Props::new().set("type", "tap");
        let mut props = match tap {
            [] => {
                return Err(unsupported(format!(
                    "<interface type='{}'>: no tap device was opened for '{id}'",
                    interface.kind.name()
                )));
            }
            [one] => props.set("fd", one.to_string()),
            many => props.set("fds", joined(many)),
        };
        let vhost = self.descriptors(id, Role::Vhost);
        let driver = interface.driver.as_ref();
        match vhost {
            [] if driver.and_then(|driver| driver.name) == Some(InterfaceDriverName::Vhost) => {
                return Err(unsupported(
                    "<driver name='vhost'>: '/dev/vhost-net' was not opened",
                ));
            }
            [] => {}
            [one] => props = props.set("vhost", true).set("vhostfd", one.to_string()),
            many => props = props.set("vhost", true).set("vhostfds", joined(many)),
        }
        Ok(props.maybe("sndbuf", interface.tune.as_ref().and_then(|tune| tune.sndbuf)))
    }

    fn vhost_user(&mut self, source: Option<&VhostUserNicSource>, id: &str, passt: bool) -> Result<()> {
        let mut option = super::line::KeyValues::new()
            .word("socket")
            .set("id", chardev::id(id));
        if passt {
            option.put(
                "path",
                super::passt_socket(&self.context.domain_dir, id).display(),
            );
            option = self.reconnecting(option, Some(PASST_PAUSE));
        } else {
            let path = source.and_then(|source| source.path.as_deref());
            option.put(
                "path",
                path.ok_or_else(|| incomplete("<interface type='vhostuser'> names no socket"))?,
            );
            if source.and_then(|source| source.mode) == Some(SocketRole::Server) {
                option.put("server", "on");
            } else {
                let reconnect = source.and_then(|source| source.reconnect.as_ref());
                option = self.reconnecting(option, chardev::pause(reconnect));
            }
        }
        self.option("-chardev", option.finish());
        Ok(())
    }

    /// The guest's end.
    fn card(&mut self, interface: &Interface, id: &str, host: &str, order: Option<u32>) -> Result<()> {
        let model = interface
            .model_name()
            .ok_or_else(|| incomplete("<interface>: the model was not chosen"))?;
        if BOARD_CARDS.contains(&model) {
            return self.board_card(interface, id, host, model);
        }
        let mut props = if interface.is_virtio() {
            let generation = match model {
                "virtio-transitional" => Some(VirtioModel::Transitional),
                "virtio-non-transitional" => Some(VirtioModel::NonTransitional),
                _ => None,
            };
            let driver = self.virtio_driver("virtio-net", &interface.info, generation, "<interface>")?;
            let mut props = Props::driver(&driver);
            if let Some(options) = &interface.driver {
                props = self.virtio_card(props, interface, options)?;
            }
            if let Some(mtu) = &interface.mtu {
                props.put("host_mtu", mtu.size);
            }
            if interface
                .teaming
                .as_ref()
                .is_some_and(|teaming| teaming.kind == TeamingKind::Persistent)
            {
                props.put("failover", true);
            }
            props
        } else {
            let driver = match model {
                "netfront" => return Err(unsupported("<interface>: model 'netfront' is for Xen guests")),
                other => other,
            };
            if !self.caps.has_device(driver) {
                return Err(unsupported(format!(
                    "<interface>: this QEMU has no card '{driver}'"
                )));
            }
            Props::driver(driver)
        };
        if !matches!(interface.kind, InterfaceKind::Null) {
            props.put("netdev", host);
        }
        props.put("id", id);
        if let Some(mac) = interface.mac_address() {
            props.put("mac", mac.to_string());
        }
        if let Some(order) = order {
            props.put("bootindex", order);
        }
        self.attach(&mut props, &interface.info)?;
        self.rom(&mut props, &interface.info);
        self.device(props);
        Ok(())
    }

    /// A card that is soldered to the board: QEMU only takes what it is connected to.
    fn board_card(&mut self, interface: &Interface, id: &str, host: &str, model: &str) -> Result<()> {
        let mut option = super::line::KeyValues::new()
            .word("nic")
            .maybe("macaddr", interface.mac_address());
        if !matches!(interface.kind, InterfaceKind::Null) {
            option.put("netdev", host);
        }
        self.option("-net", option.set("model", model).set("id", id).finish());
        Ok(())
    }

    fn virtio_card(
        &self,
        mut props: Props,
        interface: &Interface,
        driver: &InterfaceDriver,
    ) -> Result<Props> {
        if let Some(mode) = driver.txmode {
            props.put(
                "tx",
                match mode {
                    TxMode::IoThread => "bh",
                    TxMode::Timer => "timer",
                },
            );
        }
        props = props
            .maybe("ioeventfd", driver.ioeventfd.map(|it| it.is_on()))
            .maybe("event_idx", driver.event_idx.map(|it| it.is_on()));
        if let Some(host) = &driver.host {
            props = host_offloads(props, host);
        }
        if let Some(guest) = &driver.guest {
            props = guest_offloads(props, guest);
        }
        if let Some(queues) = driver.queues.filter(|queues| *queues > 1) {
            let tapped =
                !matches!(interface.kind, InterfaceKind::VhostUser { .. }) || driver.queues.is_some();
            if tapped {
                // A vector for each queue of each direction, one for the configuration, one for the control queue.
                props = props.set("mq", true).set("vectors", 2 * queues + 2);
            }
        }
        props = props
            .maybe("rx_queue_size", driver.rx_queue_size)
            .maybe("tx_queue_size", driver.tx_queue_size);
        virtio_options(&mut props, &driver.virtio);
        Ok(props
            .maybe("rss", driver.rss.map(|it| it.is_on()))
            .maybe("hash", driver.rss_hash_report.map(|it| it.is_on())))
    }
}

fn user(interface: &Interface) -> Result<Props> {
    if !interface.port_forwards.is_empty() {
        return Err(unsupported("<portForward> needs <backend type='passt'/>"));
    }
    let mut props = Props::new().set("type", "user");
    for ip in &interface.ips {
        let family = ip
            .family
            .as_ref()
            .map_or(if ip.address.contains(':') { "ipv6" } else { "ipv4" }, |family| {
                family.as_str()
            });
        let prefix = ip.prefix;
        if family == "ipv6" {
            props = props
                .set("ipv6-prefix", ip.address.as_str())
                .maybe("ipv6-prefixlen", prefix);
        } else {
            let length = prefix.unwrap_or(24);
            props.put("net", format!("{}/{length}", ip.address));
        }
    }
    Ok(props)
}

fn host_offloads(props: Props, host: &HostOffloads) -> Props {
    let all = [
        ("csum", host.csum),
        ("gso", host.gso),
        ("host_tso4", host.tso4),
        ("host_tso6", host.tso6),
        ("host_ecn", host.ecn),
        ("host_ufo", host.ufo),
        ("mrg_rxbuf", host.mrg_rxbuf),
    ];
    all.into_iter().fold(props, |props, (key, value)| {
        props.maybe(key, value.map(|it| Value::from(it.is_on())))
    })
}

fn guest_offloads(props: Props, guest: &GuestOffloads) -> Props {
    let all = [
        ("guest_csum", guest.csum),
        ("guest_tso4", guest.tso4),
        ("guest_tso6", guest.tso6),
        ("guest_ecn", guest.ecn),
        ("guest_ufo", guest.ufo),
    ];
    all.into_iter().fold(props, |props, (key, value)| {
        props.maybe(key, value.map(|it| Value::from(it.is_on())))
    })
}
