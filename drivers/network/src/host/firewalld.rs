//! firewalld, over D-Bus (`firewalld.dbus(5)`): which of its zones a link is in.
//!
//! Its zones hold for the host as the rules of networks do: what firewalld drops is dropped, whatever else accepts it. So a
//! network's bridge is in a zone that lets guests reach what the host has for them.

use crate::failure::refused;
use error::{Code, Result};
use futures_util::StreamExt;
use std::time::Duration;
use zbus::{Connection, MessageStream};

/// How long an answer may take: firewalld changes rules of the kernel, one after another.
const PATIENCE: Duration = Duration::from_secs(30);

const SERVICE: &str = "org.fedoraproject.FirewallD1";
const OBJECT: &str = "/org/fedoraproject/FirewallD1";
const ZONES: &str = "org.fedoraproject.FirewallD1.zone";

/// Tells that it has read its configuration again, and that it came or went.
const ANEW: [&str; 2] = [
    "type='signal',interface='org.fedoraproject.FirewallD1',member='Reloaded'",
    "type='signal',sender='org.freedesktop.DBus',interface='org.freedesktop.DBus',member='NameOwnerChanged',\
     arg0='org.fedoraproject.FirewallD1'",
];

/// The firewalld of this host, which runs.
#[derive(Debug)]
pub(crate) struct Firewalld(Connection);

impl Firewalld {
    /// It, if it runs. A host without a system bus has none.
    pub(crate) async fn find() -> Option<Self> {
        let found = async {
            let bus = bus().await?;
            let call = bus.call_method(
                Some("org.freedesktop.DBus"),
                "/org/freedesktop/DBus",
                Some("org.freedesktop.DBus"),
                "NameHasOwner",
                &SERVICE,
            );
            let runs = call.await?.body().deserialize::<bool>()?;
            Ok::<_, zbus::Error>(runs.then_some(Self(bus)))
        };
        match tokio::time::timeout(PATIENCE, found).await {
            Ok(Ok(found)) => found,
            Ok(Err(failure)) => {
                tracing::debug!(%failure, "the system bus cannot be asked for firewalld");
                None
            }
            Err(_) => {
                tracing::warn!("the system bus does not tell whether firewalld runs");
                None
            }
        }
    }

    /// Whether it has a zone of that name.
    ///
    /// # Errors
    /// [`Code::InternalError`] when it does not answer.
    pub(crate) async fn has_zone(&self, zone: &str) -> Result<bool> {
        let reply = self.ask("getZones", &()).await?;
        let zones = reply.body().deserialize::<Vec<String>>();
        let zones = zones.map_err(|cause| failed(format!("firewalld tells its zones otherwise: {cause}")))?;
        Ok(zones.iter().any(|name| name == zone))
    }

    /// Puts a link into a zone, wherever it was.
    ///
    /// # Errors
    /// [`Code::InternalError`] when there is no such zone, or it does not answer.
    pub(crate) async fn put(&self, link: &str, zone: &str) -> Result<()> {
        self.ask("changeZoneOfInterface", &(zone, link)).await.map(drop)
    }

    /// Takes a link out of the zone it is in.
    ///
    /// # Errors
    /// [`Code::InternalError`] when it is in none, or it does not answer.
    pub(crate) async fn take_out(&self, link: &str) -> Result<()> {
        self.ask("removeInterface", &("", link)).await.map(drop)
    }

    async fn ask<B>(&self, method: &str, body: &B) -> Result<zbus::Message>
    where
        B: serde::Serialize + zbus::zvariant::Type,
    {
        let call = self
            .0
            .call_method(Some(SERVICE), OBJECT, Some(ZONES), method, body);
        match tokio::time::timeout(PATIENCE, call).await {
            Ok(Ok(reply)) => Ok(reply),
            Ok(Err(cause)) => Err(failed(format!("firewalld refuses {method}: {cause}"))),
            Err(_) => {
                let seconds = PATIENCE.as_secs();
                Err(failed(format!("firewalld does not answer within {seconds} s")))
            }
        }
    }
}

/// Waits for each time that firewalld may have forgotten which link is where.
pub(crate) struct Changes(MessageStream, MessageStream);

impl Changes {
    /// From now on.
    ///
    /// # Errors
    /// The system bus does not tell.
    pub(crate) async fn new() -> zbus::Result<Self> {
        let bus = bus().await?;
        let [reloaded, came] = ANEW.map(|rule| MessageStream::for_match_rule(rule, &bus, None));
        Ok(Self(reloaded.await?, came.await?))
    }

    /// The next time; `None` when the bus is gone.
    pub(crate) async fn next(&mut self) -> Option<()> {
        tokio::select! {
            told = self.0.next() => told.map(drop),
            told = self.1.next() => told.map(drop),
        }
    }
}

async fn bus() -> zbus::Result<Connection> {
    zbus::connection::Builder::system().build().await
}

fn failed(text: String) -> error::Error {
    refused(Code::InternalError, text)
}
