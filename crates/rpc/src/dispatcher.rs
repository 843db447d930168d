//! Who serves the calls of a session: a table with the driver that its handlers are for, whatever kind of driver that is.

use std::sync::Arc;

use error::Result;
use futures_util::future::BoxFuture;
use protocol::ProcedureInfo;
use protocol::net::Header;
use zeroize::Zeroizing;

use crate::forward::Far;
use crate::guard::Guarded;
use crate::router::{Call, Context, Place, Router, Work, unsupported};
use crate::session::Session;

/// A table with the driver that its handlers are for; clones share it.
#[derive(Clone)]
pub struct Dispatcher(Arc<dyn Dispatch>);

trait Dispatch: Send + Sync {
    /// The procedure that `header` calls, and who serves it.
    fn find(&self, header: &Header) -> Result<(&'static ProcedureInfo, Place)>;

    /// Whether the gate lets a call through.
    fn admit(&self, session: &Session, header: &Header) -> Result<()>;

    /// Connects to another server that serves what `header` calls.
    fn reach(
        &self,
        session: &Arc<Session>,
        header: &Header,
        to: &'static str,
    ) -> BoxFuture<'static, Result<Far>>;

    /// Begins to serve a call, where the gate lets it.
    fn start(&self, session: &Arc<Session>, call: &Arc<Call>, body: &[u8]) -> Result<Work>;
}

impl Dispatcher {
    /// Serves with the handlers of `router`, which are given `driver`.
    pub fn new<D: Send + Sync + 'static>(router: Arc<Router<D>>, driver: Arc<D>) -> Self {
        Self(Arc::new(Bound { router, driver }))
    }

    /// Serves what has no handler here with the first of `others` that has one, as if it were here; it is that one's gate that is asked.
    #[must_use]
    pub fn or(self, others: Vec<Self>) -> Self {
        if others.is_empty() {
            return self;
        }
        Self(Arc::new(Chain { first: self, others }))
    }

    pub(crate) fn find(&self, header: &Header) -> Result<(&'static ProcedureInfo, Place)> {
        self.0.find(header)
    }

    pub(crate) fn admit(&self, session: &Session, header: &Header) -> Result<()> {
        self.0.admit(session, header)
    }

    pub(crate) fn reach(
        &self,
        session: &Arc<Session>,
        header: &Header,
        to: &'static str,
    ) -> BoxFuture<'static, Result<Far>> {
        self.0.reach(session, header, to)
    }

    pub(crate) fn start(&self, session: &Arc<Session>, call: &Arc<Call>, body: &[u8]) -> Result<Work> {
        self.0.start(session, call, body)
    }

    fn serves(&self, header: &Header) -> bool {
        self.0.find(header).is_ok_and(|(_, place)| place == Place::Here)
    }
}

impl std::fmt::Debug for Dispatcher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Dispatcher").finish_non_exhaustive()
    }
}

struct Bound<D> {
    router: Arc<Router<D>>,
    driver: Arc<D>,
}

impl<D: Send + Sync + 'static> Dispatch for Bound<D> {
    fn find(&self, header: &Header) -> Result<(&'static ProcedureInfo, Place)> {
        let route = self.router.find(header)?;
        Ok((route.procedure, route.place))
    }

    fn admit(&self, session: &Session, header: &Header) -> Result<()> {
        let route = self.router.find(header)?;
        self.router.check(session, &route)
    }

    fn reach(&self, session: &Arc<Session>, _: &Header, to: &'static str) -> BoxFuture<'static, Result<Far>> {
        self.router.reach_for(&self.driver, session, to)
    }

    fn start(&self, session: &Arc<Session>, call: &Arc<Call>, body: &[u8]) -> Result<Work> {
        let route = self.router.find(&call.header)?;
        self.router.check(session, &route)?;
        let driver = Arc::clone(&self.driver);
        let context = Context::new(driver, Arc::clone(session), Arc::clone(call));
        match (self.router.guarded(), route.handler) {
            (None, Some(handler)) => handler.start(context, body),
            (None, None) => Err(unsupported(route.procedure)),
            (Some(guard), _) => Ok(guard.serve(Guarded {
                context,
                arguments: Zeroizing::new(body.to_vec()),
                program: route.program,
                router: Arc::clone(&self.router),
            })),
        }
    }
}

struct Chain {
    first: Dispatcher,
    others: Vec<Dispatcher>,
}

impl Chain {
    fn choose(&self, header: &Header) -> &Dispatcher {
        if self.first.serves(header) {
            return &self.first;
        }
        let other = self.others.iter().find(|other| other.serves(header));
        other.unwrap_or(&self.first)
    }
}

impl Dispatch for Chain {
    fn find(&self, header: &Header) -> Result<(&'static ProcedureInfo, Place)> {
        self.choose(header).0.find(header)
    }

    fn admit(&self, session: &Session, header: &Header) -> Result<()> {
        self.choose(header).0.admit(session, header)
    }

    fn reach(
        &self,
        session: &Arc<Session>,
        header: &Header,
        to: &'static str,
    ) -> BoxFuture<'static, Result<Far>> {
        self.choose(header).0.reach(session, header, to)
    }

    fn start(&self, session: &Arc<Session>, call: &Arc<Call>, body: &[u8]) -> Result<Work> {
        self.choose(&call.header).start(session, call, body)
    }
}
