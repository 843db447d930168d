//! Several drivers in one process, behind the same sockets: what libvirtd is made of.
//!
//! Each is opened, read again and ended like the one driver of a daemon, one after the other. A client that opens one of them is served
//! by its table, as if the daemon had no other ([`rpc::Router::hand_over`]).

mod passage;
mod shares;

use crate::access::Judge;
use crate::connection::Connection;
use crate::{Daemon, Driver, Handover, Info, Instance, Passage};
use error::Result;
use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use passage::Inside;
use rpc::Dispatcher;
use std::sync::Arc;

/// A driver that is part of the program.
#[derive(Debug, Clone, Copy)]
pub struct Link {
    scheme: &'static str,
    info: Info,
    hypervisor: bool,
    open: fn(Instance) -> BoxFuture<'static, Result<Opened>>,
}

impl Link {
    /// A driver beside the hypervisors. Its connections do what it does, and no more.
    pub const fn to<D: Connection>() -> Self {
        assert!(
            <D as Driver>::KEYS.is_empty(),
            "the daemon's file has the daemon's keys"
        );
        Self {
            scheme: D::SCHEME,
            info: <D as Driver>::INFO,
            hypervisor: false,
            open: |instance| Box::pin(open::<D>(instance)),
        }
    }

    /// A hypervisor's driver. What its connections are asked that it does not do itself, the drivers do that are none.
    pub const fn to_hypervisor<D: Connection>() -> Self {
        Self {
            hypervisor: true,
            ..Self::to::<D>()
        }
    }
}

/// A driver as whatever kind it is.
struct Opened {
    dispatcher: Dispatcher,
    life: Box<dyn Life>,
}

/// A driver that is open.
pub struct Linked {
    link: Link,
    dispatcher: Dispatcher,
    life: Box<dyn Life>,
}

/// What a process does with a driver beside serving calls.
trait Life: Send + Sync {
    fn busy(&self) -> bool;
    fn reload(&self) -> BoxFuture<'_, Result<()>>;
    fn hand_over(&self) -> BoxFuture<'_, Result<Handover>>;
    fn go_on(&self);
    fn shutdown(&self) -> BoxFuture<'_, ()>;
}

impl<D: Driver> Life for Arc<D> {
    fn busy(&self) -> bool {
        Driver::busy(&**self)
    }

    fn reload(&self) -> BoxFuture<'_, Result<()>> {
        Box::pin(Driver::reload(&**self))
    }

    fn hand_over(&self) -> BoxFuture<'_, Result<Handover>> {
        Box::pin(Driver::hand_over(&**self))
    }

    fn go_on(&self) {
        Driver::go_on(&**self);
    }

    fn shutdown(&self) -> BoxFuture<'_, ()> {
        Box::pin(Driver::shutdown(&**self))
    }
}

async fn open<D: Connection>(instance: Instance) -> Result<Opened> {
    let judge = Judge::of(&instance);
    let driver = <D as Daemon>::open(instance).await?;
    let router = Arc::new(judge.map_or_else(<D as Daemon>::router, <D as Daemon>::guarded_router));
    Ok(Opened {
        dispatcher: Dispatcher::new(router, Arc::clone(&driver)),
        life: Box::new(driver),
    })
}

/// The drivers of a process.
#[derive(Debug)]
pub struct LinkedDrivers(Vec<Linked>);

impl LinkedDrivers {
    /// Opens drivers in this order, with what each had handed over.
    ///
    /// # Errors
    /// What the first answers that cannot be opened.
    pub async fn open(links: &[Link], instance: &Instance) -> Result<Self> {
        let mut handed_over = shares::split(instance.take_handover());
        let passage = Arc::new(Inside::new());
        let mut opened = Vec::new();
        for link in links {
            let own = Instance {
                handover: Arc::new(Mutex::new(handed_over.remove(link.info.driver))),
                passage: Some(Arc::clone(&passage) as Arc<dyn Passage>),
                ..instance.clone()
            };
            let driver = (link.open)(own).await?;
            passage.add(link.info.daemon, driver.dispatcher.clone());
            opened.push((link, driver));
            tracing::debug!(driver = link.info.driver, "open");
        }
        for driver in handed_over.keys() {
            tracing::error!(
                driver,
                "what it handed over is lost: this program does not have it"
            );
        }
        let of_others = opened.iter().filter(|(link, _)| !link.hypervisor);
        let of_others: Vec<_> = of_others.map(|(_, opened)| opened.dispatcher.clone()).collect();
        let linked = opened.into_iter().map(|(link, opened)| {
            let others = if link.hypervisor {
                of_others.clone()
            } else {
                Vec::new()
            };
            Linked {
                link: *link,
                dispatcher: opened.dispatcher.or(others),
                life: opened.life,
            }
        });
        Ok(Self(linked.collect()))
    }

    /// Who serves connections of that scheme.
    pub fn serving(&self, scheme: &str) -> Option<&Dispatcher> {
        let driver = self.0.iter().find(|driver| driver.link.scheme == scheme)?;
        Some(&driver.dispatcher)
    }

    /// The scheme of the first hypervisor.
    pub fn hypervisor(&self) -> Option<&'static str> {
        let driver = self.0.iter().find(|driver| driver.link.hypervisor)?;
        Some(driver.link.scheme)
    }

    /// As [`Driver::busy`], of any of them.
    pub fn busy(&self) -> bool {
        self.0.iter().any(|driver| driver.life.busy())
    }

    /// As [`Driver::reload`], of each of them.
    ///
    /// # Errors
    /// What the first answers that refuses; the log has what others do.
    pub async fn reload(&self) -> Result<()> {
        let mut outcome = Ok(());
        for driver in &self.0 {
            match driver.life.reload().await {
                Err(failure) if outcome.is_err() => {
                    tracing::error!(driver = driver.link.info.driver, %failure, "its configuration is refused, too");
                }
                Err(failure) => outcome = Err(failure),
                Ok(()) => {}
            }
        }
        outcome
    }

    /// As [`Driver::hand_over`], of all of them.
    ///
    /// # Errors
    /// What the first answers that does not stop; all others go on by then.
    pub async fn hand_over(&self) -> Result<Handover> {
        let mut handed_over = Vec::new();
        for (index, driver) in self.0.iter().enumerate() {
            match driver.life.hand_over().await {
                Ok(share) => handed_over.push((driver.link.info.driver, share)),
                Err(failure) => {
                    for stopped in self.0.iter().take(index) {
                        stopped.life.go_on();
                    }
                    return Err(failure);
                }
            }
        }
        shares::join(handed_over)
    }

    /// As [`Driver::go_on`], of all of them.
    pub fn go_on(&self) {
        for driver in &self.0 {
            driver.life.go_on();
        }
    }

    /// As [`Driver::shutdown`], of all of them at once.
    pub async fn shutdown(&self) {
        futures_util::future::join_all(self.0.iter().map(|driver| driver.life.shutdown())).await;
    }
}

impl std::fmt::Debug for Linked {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Linked").field(&self.link.info.driver).finish()
    }
}
