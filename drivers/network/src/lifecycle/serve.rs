//! A network's server of addresses and names: dnsmasq, run as libvirt runs it and watched.

use super::run::bridge_name;
use crate::Driver;
use crate::host::dnsmasq::{self, Server};
use crate::network::Network;
use error::Result;
use model::network::Network as Document;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// A server that lived that long is started again at once.
const GOOD_LIFE: Duration = Duration::from_secs(10);

/// How long to wait before a server is started again that ended early, and at most after it did several times.
const PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

impl Driver {
    /// Starts the network's server, or finds the one that an earlier daemon started, where the document wants one.
    pub(super) async fn serve(
        self: &Arc<Self>,
        network: &Arc<Network>,
        document: &Arc<Document>,
    ) -> Result<()> {
        let plan = match dnsmasq::Plan::of(self.store.as_ref(), &self.place, document)? {
            Some(plan) => plan,
            None => return Ok(()),
        };
        let started = self.blocking(move |_| plan.start()).await?;
        let server = Arc::new(Server::hold(started)?);
        *network.server.lock() = Some(Arc::clone(&server));
        self.watch(network, server);
        Ok(())
    }

    /// Starts the server again when it ends though nobody asked it to.
    fn watch(self: &Arc<Self>, network: &Arc<Network>, server: Arc<Server>) {
        let (driver, network) = (Arc::downgrade(self), Arc::downgrade(network));
        tokio::spawn(async move {
            let mut server = server;
            let mut pause = PAUSE;
            loop {
                let began = Instant::now();
                server.ended().await;
                let (Some(driver), Some(network)) = (driver.upgrade(), network.upgrade()) else {
                    return;
                };
                if !is_its(&network, &server) {
                    return;
                }
                tracing::warn!(
                    network = network.name,
                    "dnsmasq ended by itself; it is started again"
                );
                pause = if began.elapsed() < GOOD_LIFE {
                    (pause * 2).min(LONGEST_PAUSE)
                } else {
                    PAUSE
                };
                match driver.serve_again(&network, &server).await {
                    Ok(Some(next)) => server = next,
                    Ok(None) => return,
                    Err(err) => {
                        tracing::error!(%err, network = network.name, "dnsmasq cannot be started again");
                    }
                }
                drop((driver, network));
                tokio::time::sleep(pause).await;
            }
        });
    }

    /// Puts another server in the place of one that has ended; none where that is not the network's any more.
    async fn serve_again(
        self: &Arc<Self>,
        network: &Arc<Network>,
        former: &Arc<Server>,
    ) -> Result<Option<Arc<Server>>> {
        let _work = self.work.read().await;
        let _turn = network.turn().await?;
        if !is_its(network, former) {
            return Ok(None);
        }
        let document = Arc::clone(&network.state().document);
        let Some(plan) = dnsmasq::Plan::of(self.store.as_ref(), &self.place, &document)? else {
            return Ok(None);
        };
        let started = self.blocking(move |_| plan.start()).await?;
        let server = Arc::new(Server::hold(started)?);
        *network.server.lock() = Some(Arc::clone(&server));
        Ok(Some(server))
    }

    /// Ends the network's server, whoever started it, and removes its files.
    pub(super) async fn end_service(&self, network: &Network, document: &Document) -> Result<()> {
        let known = network.server.lock().take();
        if let Some(server) = known {
            server.end().await?;
        }
        let ground = dnsmasq::Ground::of(&self.store, &network.name, bridge_name(document)?);
        let looking = ground.clone();
        // One that nobody knows of: it was started just before the daemon ended.
        for pid in self.blocking(move |_| Ok(looking.servers())).await? {
            if let Ok(server) = Server::hold(pid) {
                server.end().await?;
            }
        }
        self.blocking(move |_| ground.remove()).await
    }

    /// Has the server read anew what may change while it runs, or puts another in its place.
    pub(super) async fn serve_changed(
        self: &Arc<Self>,
        network: &Arc<Network>,
        document: &Arc<Document>,
    ) -> Result<()> {
        let plan = dnsmasq::Plan::of(self.store.as_ref(), &self.place, document)?;
        let known = network.server.lock().clone();
        match (plan, known) {
            (Some(plan), Some(server)) => {
                let same = self.blocking(move |_| plan.write_changed()).await?;
                if same {
                    return server.read_anew();
                }
                network.server.lock().take();
                server.end().await?;
                self.serve(network, document).await
            }
            (Some(_), None) => self.serve(network, document).await,
            (None, Some(_)) => self.end_service(network, document).await,
            (None, None) => Ok(()),
        }
    }
}

/// Whether a server is the one that the network has.
fn is_its(network: &Network, server: &Arc<Server>) -> bool {
    let own = network.server.lock();
    own.as_ref().is_some_and(|own| Arc::ptr_eq(own, server))
}
