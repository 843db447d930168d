//! What libvirtd does itself: the opening of a connection, which chooses the driver that serves it from then on.

use crate::DRIVERS;
use daemon::config::{Key, NetworkConfig, Schema};
use daemon::confinement::Needs;
use daemon::handshake;
use daemon::linked::LinkedDrivers;
use daemon::{Daemon, Driver, Entrance, Handover, Info, Instance, Network};
use error::{Code, Domain, Error, Result};
use front::{Certified, default_uri, local_uri};
use protocol::remote::procedure::{ConnectClose, ConnectOpen, ConnectSupportsFeature};
use protocol::remote::{ConnectOpenArgs, ConnectSupportsFeatureArgs, ConnectSupportsFeatureRet};
use protocol::{lxc, qemu};
use rpc::{Context, Dispatcher, Router};
use std::sync::Arc;

/// The daemon.
#[derive(Debug)]
pub(crate) struct Monolith {
    instance: Instance,
    drivers: LinkedDrivers,
}

type Call = Context<Monolith>;

impl Daemon for Monolith {
    const INFO: Info = Info {
        daemon: "libvirtd",
        about: "libvirt management daemon",
        driver: "all",
    };

    const SOCKETS: &'static str = "libvirt";

    const KEYS: &'static [Key] = NetworkConfig::KEYS;
    const NETWORK: Network = Network::Asked;
    /// What the driver of guests needs: no other needs more.
    const NEEDS: Needs = <driver_qemu::Driver as Driver>::NEEDS;
    /// Of the objects that its drivers have; it has none itself.
    const GUARDS: bool = true;

    async fn open(instance: Instance) -> Result<Arc<Self>> {
        let drivers = LinkedDrivers::open(DRIVERS, &instance).await?;
        Ok(Arc::new(Self { instance, drivers }))
    }

    async fn entrance(&self) -> Result<Arc<dyn Entrance>> {
        Ok(Arc::new(Certified::open(&self.instance).await?))
    }

    fn router() -> Router<Self> {
        let mut router = handshake::router();
        router
            .hand_over::<ConnectOpen, _, _>(choose)
            .on::<ConnectClose, _>(close)
            .on::<ConnectSupportsFeature, _>(supports_feature)
            .serve_program(&qemu::PROGRAM)
            .serve_program(&lxc::PROGRAM);
        router
    }

    fn busy(&self) -> bool {
        self.drivers.busy()
    }

    async fn reload(&self) -> Result<()> {
        self.drivers.reload().await
    }

    async fn hand_over(&self) -> Result<Handover> {
        self.drivers.hand_over().await
    }

    fn go_on(&self) {
        self.drivers.go_on();
    }

    async fn shutdown(&self) {
        self.drivers.shutdown().await;
    }
}

/// The driver of the client's URI, which serves `connect_open` itself and all that follows.
async fn choose(call: Call, args: ConnectOpenArgs) -> Result<(Dispatcher, ConnectOpenArgs)> {
    let Monolith { instance, drivers } = &*call.driver;
    let name = match args.name.filter(|name| !name.is_empty()) {
        Some(name) => name,
        None => {
            let hypervisor = drivers.hypervisor();
            default_uri::find(instance, move |_| hypervisor).await?
        }
    };
    let uri = local_uri::parse(&name)?;
    let dispatcher = drivers
        .serving(uri.driver())
        .ok_or_else(|| Error::new(Code::NoConnect, Domain::Uri, &*name))?;
    let args = ConnectOpenArgs {
        name: Some(name),
        flags: args.flags,
    };
    Ok((dispatcher.clone(), args))
}

/// Only of a connection that is not open: it is the driver's otherwise.
async fn close(_: Call, (): ()) -> Result<()> {
    Ok(())
}

/// Only of a connection that is not open, as well.
async fn supports_feature(call: Call, args: ConnectSupportsFeatureArgs) -> Result<ConnectSupportsFeatureRet> {
    let supported =
        handshake::feature_before_open(&call.session, args.feature).ok_or_else(handshake::not_open)?;
    Ok(ConnectSupportsFeatureRet {
        supported: i32::from(supported),
    })
}
