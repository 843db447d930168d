//! What the proxy answers itself: the opening of a connection. All else goes to the daemon that the client opened.

use daemon::config::{Key, NetworkConfig, Schema};
use daemon::confinement::{Capabilities, CapabilitySet, Needs};
use daemon::handshake::{self, feature};
use daemon::{Daemon, Entrance, Info, Instance, Network};
use error::{Code, Domain, Error, Result};
use front::{Certified, default_uri, local_uri};
use neighbours::Neighbour;
use protocol::net::Header;
use protocol::remote::procedure::{
    AuthList, AuthPolkit, AuthSaslInit, AuthSaslStart, AuthSaslStep, ConnectClose, ConnectOpen,
    ConnectSetIdentity, ConnectSupportsFeature,
};
use protocol::remote::{ConnectOpenArgs, ConnectSupportsFeatureArgs, ConnectSupportsFeatureRet};
use protocol::{Procedure, ProcedureInfo, lxc, qemu, remote};
use rpc::{Context, Keepalive, Router, Transport};
use std::sync::Arc;

/// `VIR_CONNECT_RO`.
const READ_ONLY: u32 = 1;

/// The proxy.
#[derive(Debug)]
pub(crate) struct Proxy {
    instance: Instance,
}

type Call = Context<Proxy>;

impl Daemon for Proxy {
    const INFO: Info = Info {
        daemon: "virtproxyd",
        about: "libvirt proxy daemon",
        driver: "proxy",
    };

    const SOCKETS: &'static str = "libvirt";

    const KEYS: &'static [Key] = NetworkConfig::KEYS;
    const NETWORK: Network = Network::Configured;
    /// It copies and encrypts, and waits for nothing: more threads would mostly wake each other.
    const THREADS: usize = 1;
    /// Everybody's packets pass here, strangers' among them: it has no power, and keeps nothing.
    const NEEDS: Needs = Needs {
        capabilities: Capabilities::Only(CapabilitySet::empty()),
        children: false,
        places: Some(front::places),
    };

    async fn open(instance: Instance) -> Result<Arc<Self>> {
        Ok(Arc::new(Self { instance }))
    }

    async fn entrance(&self) -> Result<Arc<dyn Entrance>> {
        Ok(Arc::new(Certified::open(&self.instance).await?))
    }

    fn router() -> Router<Self> {
        let mut router = handshake::router();
        router
            .on::<ConnectOpen, _>(open)
            .on::<ConnectClose, _>(close)
            .on::<ConnectSupportsFeature, _>(supports_feature)
            .serve_program(&qemu::PROGRAM)
            .serve_program(&lxc::PROGRAM);
        router
    }

    fn busy(&self) -> bool {
        false
    }

    async fn reload(&self) -> Result<()> {
        Ok(())
    }

    async fn shutdown(&self) {}
}

/// Calls that are about the client's own connection, and those that a client may not make through the proxy: who it is, the
/// proxy knows better.
const KEPT: &[&ProcedureInfo] = &[
    AuthList::INFO,
    AuthPolkit::INFO,
    AuthSaslInit::INFO,
    AuthSaslStart::INFO,
    AuthSaslStep::INFO,
    ConnectOpen::INFO,
    ConnectSetIdentity::INFO,
];

/// Whether a call of a client whose connection is open is answered here.
fn keeps(header: &Header, body: &[u8]) -> bool {
    if header.prog != remote::PROGRAM.number {
        return false;
    }
    if header.proc == ConnectSupportsFeature::INFO.number {
        let asked = xdr::from_bytes::<ConnectSupportsFeatureArgs>(body);
        return asked
            .is_ok_and(|args| matches!(args.feature, feature::FD_PASSING | feature::PROGRAM_KEEPALIVE));
    }
    KEPT.iter().any(|kept| kept.number == header.proc)
}

async fn open(call: Call, args: ConnectOpenArgs) -> Result<()> {
    if call.session.is_relayed() {
        return Err(Error::new(
            Code::InternalError,
            Domain::Rpc,
            "connection already open",
        ));
    }
    let instance = &call.driver.instance;
    let read_only = call.session.read_only() || args.flags & READ_ONLY != 0;
    let name = match args.name.filter(|name| !name.is_empty()) {
        Some(name) => name,
        None => default_uri::find(instance, default_uri::of_daemons).await?,
    };
    let neighbour = Neighbour::of(&local_uri::parse(&name)?, &instance.layout, read_only)?;
    // Without it the daemon would take the client for the proxy.
    let caller = call.session.caller();
    let (stream, keepalive) = tokio::select! {
        opened = neighbour.open(instance, name, args.flags, &caller) => opened?,
        () = call.session.closed() => return Err(Error::new(Code::Rpc, Domain::Rpc, "the client is gone")),
    };
    let keepalive = if keepalive {
        call.session.limits().keepalive
    } else {
        Keepalive::OFF
    };
    handshake::set_open(&call.session);
    call.session.relay(Transport::unix(stream), keepalive, keeps)?;
    tracing::debug!(client = call.session.id(), ?neighbour, "client is passed on");
    Ok(())
}

/// Only of a connection that is not open, or the call would be passed on.
async fn close(_: Call, (): ()) -> Result<()> {
    Ok(())
}

async fn supports_feature(call: Call, args: ConnectSupportsFeatureArgs) -> Result<ConnectSupportsFeatureRet> {
    let supported = match handshake::feature_before_open(&call.session, args.feature) {
        Some(supported) => supported,
        None if call.session.is_relayed() => args.feature == feature::FD_PASSING && call.session.passes_fds(),
        None => return Err(handshake::not_open()),
    };
    Ok(ConnectSupportsFeatureRet {
        supported: i32::from(supported),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_about_the_clients_own_connection_is_kept() {
        let call = |info: &ProcedureInfo, body: &[u8]| {
            let header = Header {
                prog: remote::PROGRAM.number,
                vers: 1,
                proc: info.number,
                r#type: protocol::net::MessageType::Call,
                serial: 1,
                status: protocol::net::Status::Ok,
            };
            keeps(&header, body)
        };
        for (feature, kept) in [(8, true), (10, true), (14, false), (15, false), (4, false)] {
            let asked = i32::to_be_bytes(feature);
            assert_eq!(call(ConnectSupportsFeature::INFO, &asked), kept, "{feature}");
        }
        assert!(call(AuthList::INFO, &[]) && call(ConnectSetIdentity::INFO, &[]));
        assert!(!call(ConnectClose::INFO, &[]) && !call(ConnectSupportsFeature::INFO, &[1]));
    }
}
