//! The driver's table of procedures, with the daemon's own entries and its guards.

use crate::Driver;
use crate::access::{self, AccessGuard, Forbidden, Judge, Opened};
use crate::handshake::{self, feature};
use error::{Code, Domain, Error, Result};
use futures_util::future::BoxFuture;
use protocol::remote::{self, procedure};
use protocol::{Procedure, ProcedureInfo, Program};
use rpc::{Context, Far, Handler, Place, Router, Session};
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use xdr::Encode;

/// Where a driver registers who serves what.
#[derive(Debug)]
pub struct Routes<D> {
    router: Router<D>,
    /// What libvirt's documentation calls the driver of its connections.
    connect_driver: &'static str,
}

impl<D: Driver> Routes<D> {
    /// The finished table of a driver.
    pub(crate) fn of_driver() -> Router<D> {
        Self::assembled().0
    }

    /// The finished table with access control around every call.
    pub(crate) fn of_driver_behind(judge: Judge) -> Router<D> {
        let (mut router, connect_driver) = Self::assembled();
        let guard = AccessGuard::new(&router, connect_driver, judge.0);
        router.guard(guard);
        router
    }

    fn assembled() -> (Router<D>, &'static str) {
        let mut routes = Self {
            connect_driver: D::INFO.driver,
            router: if D::CONNECTS {
                handshake::router()
            } else {
                Router::new()
            },
        };
        D::routes(&mut routes);
        let Self {
            mut router,
            connect_driver,
        } = routes;
        if !D::CONNECTS {
            router.gate(access::gate_of_own_user);
            return (router, connect_driver);
        }
        router.on::<procedure::ConnectSupportsFeature, _>(supports_feature);
        router.on::<procedure::ConnectRegisterCloseCallback, _>(register_close_callback);
        router.on::<procedure::ConnectUnregisterCloseCallback, _>(unregister_close_callback);
        (router, connect_driver)
    }

    /// Every call of the driver's programs by program and name, and who serves it: what the table of supported calls is
    /// made from.
    pub fn calls() -> Vec<(&'static str, &'static str, Place)> {
        let router = Self::of_driver();
        router
            .calls()
            .map(|(program, procedure, place)| (program.name, procedure.name, place))
            .collect()
    }

    /// Serves `P` with `handler`, which is every `async fn(Context<D>, P::Args) -> error::Result<P::Ret>`; a later
    /// handler replaces an earlier one. A program counts as served when one of its procedures is: the others then
    /// answer that they are not supported.
    pub fn on<P: Procedure, H: Handler<D, P>>(&mut self, handler: H) -> &mut Self {
        let rules = access::forbidden(P::INFO);
        let opens = P::INFO.is::<procedure::ConnectOpen>();
        if rules.is_empty() && !opens {
            self.router.on::<P, _>(handler);
        } else {
            self.router.on::<P, _>(Guarded {
                handler,
                rules,
                opens,
            });
        }
        self
    }

    /// The same with a handler whose reply writes itself; see [`Router::on_encoding`].
    pub fn on_encoding<P, H, R, T>(&mut self, handler: H) -> &mut Self
    where
        P: Procedure,
        H: Fn(Context<D>, P::Args) -> R + Send + Sync + 'static,
        R: Future<Output = Result<T>> + Send + 'static,
        T: Encode + Send + 'static,
    {
        let rules = access::forbidden(P::INFO);
        self.router.on_encoding::<P, _, _, _>(move |ctx, args| {
            let judged = judge::<P>(&rules, &ctx.session, &args);
            let work = judged.map(|()| handler(ctx, args));
            async move { work?.await }
        });
        self
    }

    /// Says what libvirt's documentation calls the driver of these connections: `QEMU`.
    pub(crate) fn connect_driver(&mut self, name: &'static str) -> &mut Self {
        self.connect_driver = name;
        self
    }

    /// Has the daemon `to` serve a procedure, reached as [`Self::reach`] says.
    pub fn forward(
        &mut self,
        program: &'static Program,
        procedure: &'static ProcedureInfo,
        to: &'static str,
    ) -> &mut Self {
        self.router.forward(program, procedure, to);
        self
    }

    /// How other daemons are reached for a session.
    pub fn reach(
        &mut self,
        reach: impl Fn(Arc<D>, Arc<Session>, &'static str) -> BoxFuture<'static, Result<Far>>
        + Send
        + Sync
        + 'static,
    ) -> &mut Self {
        self.router.reach(reach);
        self
    }

    /// Serves `program` although it may have no handler.
    pub fn serve_program(&mut self, program: &'static Program) -> &mut Self {
        self.router.serve_program(program);
        self
    }
}

/// A handler with what has to be done around it.
struct Guarded<H> {
    handler: H,
    /// What a read-only client may not ask.
    rules: Vec<Forbidden>,
    /// Whether its success opens the connection.
    opens: bool,
}

impl<D, P, H> Handler<D, P> for Guarded<H>
where
    D: Send + Sync + 'static,
    P: Procedure,
    H: Handler<D, P>,
{
    fn call(&self, ctx: Context<D>, args: P::Args) -> impl Future<Output = Result<P::Ret>> + Send + 'static {
        let session = ctx.session.clone();
        let judged = judge::<P>(&self.rules, &session, &args);
        let work = judged.map(|()| self.handler.call(ctx, args));
        let opens = self.opens;
        async move {
            let ret = work?.await?;
            if opens {
                session.state::<Opened>().set();
            }
            Ok(ret)
        }
    }
}

/// Refuses what a client that only looks may not ask.
fn judge<P: Procedure>(rules: &[Forbidden], session: &Session, args: &P::Args) -> Result<()> {
    if rules.is_empty() || !session.read_only() {
        return Ok(());
    }
    let bytes =
        xdr::to_bytes(args).map_err(|failure| Error::new(Code::Rpc, Domain::Rpc, failure.to_string()))?;
    access::judge(P::INFO, rules, &bytes)
}

/// Whether a client wants to hear that its driver's connection ended; kept with the session. A driver here lives as long
/// as the daemon, so there is never anything to tell.
#[derive(Debug, Default)]
struct CloseCallback(AtomicBool);

async fn register_close_callback<D: Driver>(ctx: Context<D>, (): ()) -> Result<()> {
    if ctx
        .session
        .state::<CloseCallback>()
        .0
        .swap(true, Ordering::Relaxed)
    {
        return Err(Error::new(
            Code::OperationInvalid,
            Domain::Rpc,
            "a close callback is already registered",
        ));
    }
    Ok(())
}

async fn unregister_close_callback<D: Driver>(ctx: Context<D>, (): ()) -> Result<()> {
    if !ctx
        .session
        .state::<CloseCallback>()
        .0
        .swap(false, Ordering::Relaxed)
    {
        return Err(Error::new(
            Code::OperationInvalid,
            Domain::Rpc,
            "no close callback is registered",
        ));
    }
    Ok(())
}

async fn supports_feature<D: Driver>(
    ctx: Context<D>,
    args: remote::ConnectSupportsFeatureArgs,
) -> Result<remote::ConnectSupportsFeatureRet> {
    let session = &ctx.session;
    let supported = match handshake::feature_before_open(session, args.feature) {
        Some(supported) => supported,
        None if !session.state::<Opened>().get() => return Err(handshake::not_open()),
        None => match args.feature {
            feature::FD_PASSING => session.passes_fds(),
            feature::REMOTE_EVENT_CALLBACK | feature::REMOTE_CLOSE_CALLBACK => true,
            other => ctx.driver.supports_feature(other),
        },
    };
    Ok(remote::ConnectSupportsFeatureRet {
        supported: i32::from(supported),
    })
}
