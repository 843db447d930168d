//! Families of calls: what each of the daemons that run no guests serves, also for clients of those that do.
//!
//! A client that has opened `qemu:///system` asks that one connection for networks, storage and secrets as well. The daemon
//! connects to the one that serves them when the first such call comes, on behalf of that client and with no more rights than it has,
//! and passes packets on from then on; see `crates/rpc/src/forward.rs`. The connection is the client's alone and ends with it. A
//! daemon that does not answer is waited for as long as keepalive waits. One that the host does not have is no failure of it: its calls
//! are not supported then, which clients such as virt-install get along with.

use crate::Neighbour;
use daemon::Routes;
use daemon::connection::Connection;
use error::{Code, Domain, Error, Result};
use protocol::{Kind, ProcedureInfo, remote};
use rpc::{Far, Keepalive, Session, Transport};
use std::error::Error as _;
use std::io::ErrorKind;
use std::time::Duration;

/// How long a daemon may take to start and to open its driver.
const PATIENCE: Duration = Duration::from_secs(30);

/// The calls about one kind of object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names say it")]
pub enum Family {
    Network,
    Storage,
    Secret,
    NodeDevice,
    Interface,
    Nwfilter,
}

/// Calls about devices of the host that are the hypervisor's all the same: it gives devices to guests.
const OF_HYPERVISOR: &[&str] = &[
    "node_device_dettach",
    "node_device_detach_flags",
    "node_device_re_attach",
    "node_device_reset",
];

impl Family {
    /// All of them.
    pub const ALL: &[Self] = &[
        Self::Network,
        Self::Storage,
        Self::Secret,
        Self::NodeDevice,
        Self::Interface,
        Self::Nwfilter,
    ];

    /// The family of a procedure of the program `remote`, if it belongs to one.
    pub fn of(procedure: &ProcedureInfo) -> Option<Self> {
        if OF_HYPERVISOR.contains(&procedure.name) {
            return None;
        }
        let subject = procedure.subject();
        Self::ALL
            .iter()
            .copied()
            .find(|family| family.subject() == subject)
    }

    /// The daemon that serves it.
    pub fn daemon(self) -> &'static str {
        match self {
            Self::Network => "virtnetworkd",
            Self::Storage => "virtstoraged",
            Self::Secret => "virtsecretd",
            Self::NodeDevice => "virtnodedevd",
            Self::Interface => "virtinterfaced",
            Self::Nwfilter => "virtnwfilterd",
        }
    }

    /// The part of the system that it is about, as errors name it.
    fn subject(self) -> Domain {
        match self {
            Self::Network => Domain::Network,
            Self::Storage => Domain::Storage,
            Self::Secret => Domain::Secret,
            Self::NodeDevice => Domain::Nodedev,
            Self::Interface => Domain::Interface,
            Self::Nwfilter => Domain::Nwfilter,
        }
    }

    /// The scheme of its URIs.
    pub(crate) fn scheme(self) -> &'static str {
        match self {
            Self::Network => "network",
            Self::Storage => "storage",
            Self::Secret => "secret",
            Self::NodeDevice => "nodedev",
            Self::Interface => "interface",
            Self::Nwfilter => "nwfilter",
        }
    }
}

/// Has these families served by the daemons that serve them to everybody.
pub fn forward<D: Connection>(routes: &mut Routes<D>, families: &[Family]) {
    for procedure in remote::PROGRAM.procedures {
        let family = Family::of(procedure).filter(|family| families.contains(family));
        if let (Some(family), Kind::Call { .. }) = (family, &procedure.kind) {
            routes.forward(&remote::PROGRAM, procedure, family.daemon());
        }
    }
    routes.reach(|driver, session, daemon| Box::pin(async move { reach(&*driver, &session, daemon).await }));
}

async fn reach<D: Connection>(driver: &D, session: &Session, daemon: &'static str) -> Result<Far> {
    let family = Family::ALL.iter().find(|family| family.daemon() == daemon);
    let family = family.ok_or_else(|| {
        let text = format!("{daemon} serves no calls of other daemons' clients");
        Error::new(Code::InternalError, Domain::Rpc, text)
    })?;
    let instance = driver.instance();
    let neighbour = Neighbour::serving(*family, &instance.layout, session.read_only());
    let uri = format!("{}:///{}", family.scheme(), driver.mode().name());
    let caller = session.caller();
    let opening = neighbour.open(instance, uri, 0, &caller);
    let opened = tokio::time::timeout(PATIENCE, opening).await.map_err(|_| {
        let text = format!("{daemon} has not answered for {} s", PATIENCE.as_secs());
        Error::new(Code::OperationTimeout, Domain::Rpc, text)
    })?;
    let (stream, keepalive) = opened.map_err(|failure| {
        if is_absent(&failure) {
            Error::new(Code::NoSupport, family.subject(), failure.detail()).caused_by(failure)
        } else {
            failure
        }
    })?;
    Ok(Far {
        transport: Transport::unix(stream),
        keepalive: if keepalive {
            session.limits().keepalive
        } else {
            Keepalive::OFF
        },
    })
}

/// Whether there is not even a socket: then the host has no such daemon, and clients that can do without it are to know. One
/// that does not listen any more is a failure.
fn is_absent(failure: &Error) -> bool {
    let causes = std::iter::successors(failure.source(), |&cause| cause.source());
    let mut failures = causes.filter_map(|cause| cause.downcast_ref::<std::io::Error>());
    failures.any(|failure| failure.kind() == ErrorKind::NotFound)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_procedure_that_is_about_an_object_is_its_familys() {
        for procedure in remote::PROGRAM.procedures {
            let objects = procedure.acl.iter().map(|rule| match rule.object {
                "network" | "network_port" => Some(Family::Network),
                "storage_pool" | "storage_vol" => Some(Family::Storage),
                "secret" => Some(Family::Secret),
                "node_device" => Some(Family::NodeDevice),
                "interface" => Some(Family::Interface),
                "nwfilter" | "nwfilter_binding" => Some(Family::Nwfilter),
                _ => None,
            });
            if let Some(family) = objects.flatten().next()
                && !OF_HYPERVISOR.contains(&procedure.name)
            {
                assert_eq!(Family::of(procedure), Some(family), "{}", procedure.name);
            }
            let of_domain = procedure.acl.iter().any(|rule| rule.object == "domain");
            assert!(
                !of_domain || Family::of(procedure).is_none(),
                "{}",
                procedure.name
            );
        }
    }

    #[test]
    fn calls_of_the_connection_belong_where_their_objects_do() {
        for (name, family) in [
            ("connect_num_of_networks", Some(Family::Network)),
            ("connect_network_event_register_any", Some(Family::Network)),
            ("connect_find_storage_pool_sources", Some(Family::Storage)),
            ("connect_list_all_secrets", Some(Family::Secret)),
            ("node_num_of_devices", Some(Family::NodeDevice)),
            ("connect_list_all_node_devices", Some(Family::NodeDevice)),
            ("connect_list_defined_interfaces", Some(Family::Interface)),
            ("connect_list_all_nwfilter_bindings", Some(Family::Nwfilter)),
            ("node_device_reset", None),
            ("domain_interface_addresses", None),
            ("connect_list_all_domains", None),
            ("connect_open", None),
            ("connect_set_identity", None),
            ("node_get_info", None),
        ] {
            let procedure = remote::PROGRAM
                .procedures
                .iter()
                .find(|procedure| procedure.name == name)
                .unwrap();
            assert_eq!(Family::of(procedure), family, "{name}");
        }
    }

    #[test]
    fn each_family_has_its_daemon() {
        for family in Family::ALL {
            let uri = client::Uri::parse(&format!("{}:///system", family.scheme())).unwrap();
            assert_eq!(uri.daemon().unwrap(), family.daemon());
        }
    }
}
