//! What becomes of session guests' taps: the kernel tells of every link that changes, and ports go with their taps.

use super::note::{self, Note};
use crate::Driver;
use crate::failure::system;
use crate::host::links::Links;
use daemon::connection::Connection as _;
use error::{Code, Result};
use futures_util::StreamExt;
use rtnetlink::MulticastGroup;
use rtnetlink::packet_core::NetlinkPayload;
use rtnetlink::packet_route::RouteNetlinkMessage;
use std::path::PathBuf;
use std::sync::{Arc, Weak};
use std::time::Duration;

/// How long to wait before what was left is looked after again.
const PAUSE: Duration = Duration::from_secs(1);

/// How long after a change others are waited for, to look once for all of them.
const SETTLE: Duration = Duration::from_millis(20);

impl Driver {
    /// Where notes are.
    pub(super) fn session_notes(&self) -> PathBuf {
        self.instance().layout.driver_run_dir("network-session-ports")
    }

    /// Looks after what earlier daemons noted.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub(crate) async fn adopt_session_ports(self: &Arc<Self>) -> Result<()> {
        let folder = self.session_notes();
        if self.blocking(move |_| note::all(&folder)).await?.is_empty() {
            return Ok(());
        }
        self.watch_session_ports()
    }

    /// Has somebody follow links from now on.
    ///
    /// # Errors
    /// The kernel does not tell of them.
    pub(super) fn watch_session_ports(self: &Arc<Self>) -> Result<()> {
        let mut watched = self.session_guests.watched.lock();
        if *watched {
            return Ok(());
        }
        let (connection, _, mut messages) = rtnetlink::new_multicast_connection(&[MulticastGroup::Link])
            .map_err(|err| system("the kernel does not tell what becomes of links", err))?;
        tokio::spawn(connection);
        let driver = Arc::downgrade(self);
        tokio::spawn(async move {
            // What changed before there was anybody to hear of it.
            let mut left = sweep(&driver).await;
            loop {
                let next = match left {
                    true => tokio::time::timeout(PAUSE, messages.next()).await.ok(),
                    false => Some(messages.next().await),
                };
                match next {
                    Some(None) => break,
                    Some(Some((message, _))) if !is_of_link(&message.payload) => continue,
                    _ => {}
                }
                tokio::time::sleep(SETTLE).await;
                while let Ok(Some(_)) = tokio::time::timeout(Duration::ZERO, messages.next()).await {}
                if driver.strong_count() == 0 {
                    return;
                }
                left = sweep(&driver).await;
            }
            if let Some(driver) = driver.upgrade() {
                *driver.session_guests.watched.lock() = false;
                tracing::error!("the kernel does not tell any more what becomes of links");
            }
        });
        *watched = true;
        Ok(())
    }

    /// Removes what is left of ports whose taps are gone, or are not what was handed out.
    async fn sweep_session_ports(self: &Arc<Self>) -> Result<()> {
        let _turn = self.session_guests.turn.lock().await;
        let folder = self.session_notes();
        let notes = self.blocking(move |_| note::all(&folder)).await?;
        if notes.is_empty() {
            return Ok(());
        }
        let links = Links::new()?;
        let mut failed = None;
        for note in notes {
            let is_whole = match &note.tap {
                Some(tap) => {
                    let found = links
                        .look_up(&tap.name)
                        .await?
                        .filter(|link| link.index == tap.index);
                    // Without a carrier nobody has its descriptors, and somebody has made it stay; with another address it is somebody else's.
                    let fits = found
                        .as_ref()
                        .map(|link| link.has_carrier && link.address == tap.address);
                    if fits == Some(false) {
                        tracing::warn!(
                            uid = note.uid,
                            tap = tap.name,
                            "a tap that was tampered with is removed"
                        );
                    }
                    fits == Some(true)
                }
                None => false,
            };
            if !is_whole && let Err(err) = self.remove_session_port(&note).await {
                failed.get_or_insert(err);
            }
        }
        failed.map_or(Ok(()), Err)
    }

    /// Removes all that there is of a port.
    ///
    /// # Errors
    /// What is left is in its note still.
    pub(super) async fn remove_session_port(self: &Arc<Self>, note: &Note) -> Result<()> {
        if let Some(tap) = &note.tap {
            let links = Links::new()?;
            let left = links.look_up(&tap.name).await?;
            if let Some(left) = left.filter(|link| link.index == tap.index) {
                links.remove(&left.name, left.index).await?;
            }
            if note.filter.is_some() {
                self.release_tap(&tap.name).await?;
            }
        }
        match self.networks.by_name(&note.network) {
            Ok(network) => match self.delete_port(&network, note.port).await {
                Err(err) if err.code() != Code::NoNetworkPort => return Err(err),
                _ => {}
            },
            Err(err) if err.code() == Code::NoNetwork => {}
            Err(err) => return Err(err),
        }
        let (note, folder) = (note.clone(), self.session_notes());
        self.blocking(move |_| note.remove(&folder)).await
    }
}

fn is_of_link(payload: &NetlinkPayload<RouteNetlinkMessage>) -> bool {
    match payload {
        NetlinkPayload::InnerMessage(message) => {
            matches!(
                message,
                RouteNetlinkMessage::DelLink(_) | RouteNetlinkMessage::NewLink(_)
            )
        }
        // Some were lost.
        _ => true,
    }
}

/// Looks once; whether something is left to do.
async fn sweep(driver: &Weak<Driver>) -> bool {
    let Some(driver) = driver.upgrade() else {
        return false;
    };
    match driver.sweep_session_ports().await {
        Ok(()) => false,
        Err(err) => {
            tracing::warn!(%err, "what is left of session guests' ports is removed later");
            true
        }
    }
}
