//! The server's table: which handler serves which procedure.
//!
//! ```
//! use rpc::{Context, Router};
//! use protocol::remote;
//!
//! struct Driver;
//!
//! async fn hostname(_ctx: Context<Driver>, (): ()) -> error::Result<remote::ConnectGetHostnameRet> {
//!     Ok(remote::ConnectGetHostnameRet { hostname: "h".to_owned() })
//! }
//!
//! let mut router = Router::new();
//! router.on::<remote::procedure::ConnectGetHostname, _>(hostname);
//! ```

use std::marker::PhantomData;
use std::os::fd::OwnedFd;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use error::{Code, Domain, Error, Result};
use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use protocol::net::{Header, MessageType, Status};
use protocol::{Direction, Kind, Procedure, ProcedureInfo, Program};
use xdr::Encode;

use crate::dispatcher::Dispatcher;
use crate::forward::{Far, Reach};
use crate::guard::Guard;
use crate::layer::Layer;
use crate::packet::{Packet, rpc_error};
use crate::session::Session;
use crate::stream::{Side, Stream, StreamState};

/// Serves one procedure. Every `async fn(Context<D>, P::Args) -> error::Result<P::Ret>` is one.
///
/// It is polled once on the connection's own task, and its answer is written at once if it is ready then; else it
/// goes on in a task of its own. So it must not block; and it goes on if its client leaves.
pub trait Handler<D, P: Procedure>: Send + Sync + 'static {
    /// Serves one call.
    fn call(&self, ctx: Context<D>, args: P::Args) -> impl Future<Output = Result<P::Ret>> + Send + 'static;
}

impl<D, P, F, R> Handler<D, P> for F
where
    P: Procedure,
    F: Fn(Context<D>, P::Args) -> R + Send + Sync + 'static,
    R: Future<Output = Result<P::Ret>> + Send + 'static,
{
    fn call(&self, ctx: Context<D>, args: P::Args) -> impl Future<Output = Result<P::Ret>> + Send + 'static {
        self(ctx, args)
    }
}

/// What a handler knows of its call.
pub struct Context<D> {
    /// The state of the program that is served.
    pub driver: Arc<D>,
    /// The client.
    pub session: Arc<Session>,
    call: Arc<Call>,
}

/// One call, shared by its handler and those who answer it.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) header: Header,
    pub(crate) procedure: &'static ProcedureInfo,
    fds: Mutex<Vec<OwnedFd>>,
    reply_fds: Mutex<Vec<OwnedFd>>,
    pub(crate) stream: Mutex<Option<Arc<StreamState>>>,
    pub(crate) layer: Mutex<Option<Layer>>,
    /// The client is not read before it is answered.
    pub(crate) comes_first: AtomicBool,
}

impl Call {
    pub(crate) fn new(header: Header, procedure: &'static ProcedureInfo, fds: Vec<OwnedFd>) -> Arc<Self> {
        Arc::new(Self {
            header,
            procedure,
            fds: Mutex::new(fds),
            reply_fds: Mutex::default(),
            stream: Mutex::default(),
            layer: Mutex::default(),
            comes_first: AtomicBool::new(false),
        })
    }

    /// The header of its reply.
    pub(crate) fn reply(&self) -> Header {
        Header {
            r#type: MessageType::Reply,
            status: Status::Ok,
            ..self.header
        }
    }
}

impl<D> Context<D> {
    pub(crate) fn new(driver: Arc<D>, session: Arc<Session>, call: Arc<Call>) -> Self {
        Self {
            driver,
            session,
            call,
        }
    }

    /// The header of the call's reply.
    pub(crate) fn reply(&self) -> Header {
        self.call.reply()
    }

    /// The procedure that is called.
    pub fn procedure(&self) -> &'static ProcedureInfo {
        self.call.procedure
    }

    /// The descriptors that came with the call; each can be taken once.
    pub fn take_fds(&self) -> Vec<OwnedFd> {
        std::mem::take(&mut *self.call.fds.lock())
    }

    /// Whatever else the client says is read when this call is answered and not before. Only before the handler waits for
    /// anything.
    pub fn answer_first(&self) {
        self.call.comes_first.store(true, Ordering::Relaxed);
        self.session.link().answer_first();
    }

    /// Everything that follows the reply is encrypted, in both directions. The call has to [come first](Self::answer_first).
    pub fn secure(&self, layer: Layer) {
        *self.call.layer.lock() = Some(layer);
    }

    /// Sends a descriptor with the reply.
    ///
    /// # Errors
    /// `VIR_ERR_NO_SUPPORT` where none can pass.
    pub fn push_reply_fd(&self, fd: OwnedFd) -> Result<()> {
        if !self.session.passes_fds() {
            return Err(Error::new(
                Code::NoSupport,
                Domain::Rpc,
                "descriptors cannot be passed over this connection",
            ));
        }
        self.call.reply_fds.lock().push(fd);
        Ok(())
    }

    /// Opens the call's stream. It carries nothing before the call is answered, so it usually moves into a task.
    ///
    /// # Errors
    /// `VIR_ERR_RPC` when the procedure has no stream, the call has opened it already, or the client has too many.
    pub fn open_stream(&self) -> Result<Stream> {
        let name = self.call.procedure.name;
        let declared = self
            .call
            .procedure
            .stream
            .ok_or_else(|| rpc_error(format!("{name} opens no stream")))?;
        let mut slot = self.call.stream.lock();
        let state = StreamState::new(
            &self.call.header,
            Side::Server,
            declared.direction == Direction::Read,
        );
        if slot.is_some() || !self.session.link().add_stream(&state) {
            return Err(rpc_error(format!(
                "{name} cannot open another stream with serial {} on this connection",
                self.call.header.serial
            )));
        }
        *slot = Some(Arc::clone(&state));
        Ok(Stream::new(state, Arc::clone(self.session.link())))
    }
}

impl<D> Clone for Context<D> {
    fn clone(&self) -> Self {
        Self {
            driver: Arc::clone(&self.driver),
            session: Arc::clone(&self.session),
            call: Arc::clone(&self.call),
        }
    }
}

impl<D> std::fmt::Debug for Context<D> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Context")
            .field("session", &self.session)
            .field("call", &self.call)
            .finish_non_exhaustive()
    }
}

/// A call being served; gives the reply.
pub(crate) type Work = Pin<Box<dyn Future<Output = Result<Packet>> + Send>>;

/// A handler without its types.
pub(crate) trait Serve<D>: Send + Sync {
    fn start(&self, ctx: Context<D>, body: &[u8]) -> Result<Work>;
}

struct Typed<P, H>(H, PhantomData<fn() -> P>);

fn arguments<P: Procedure>(body: &[u8]) -> Result<P::Args> {
    xdr::from_bytes::<P::Args>(body).map_err(|cause| {
        let name = P::INFO.name;
        rpc_error(format!("the arguments of {name} are malformed: {cause}"))
    })
}

impl<D: Send + Sync + 'static, P: Procedure, H: Handler<D, P>> Serve<D> for Typed<P, H> {
    fn start(&self, ctx: Context<D>, body: &[u8]) -> Result<Work> {
        let args = arguments::<P>(body)?;
        let call = Arc::clone(&ctx.call);
        let work = self.0.call(ctx, args);
        Ok(Box::pin(async move {
            let ret = work.await?;
            let fds = std::mem::take(&mut *call.reply_fds.lock());
            Packet::with_fds(call.reply(), &ret, fds)
        }))
    }
}

/// A handler whose reply is no value of the procedure's type.
struct Encoding<P, H>(H, PhantomData<fn() -> P>);

impl<D, P, H, R, T> Serve<D> for Encoding<P, H>
where
    D: Send + Sync + 'static,
    P: Procedure,
    H: Fn(Context<D>, P::Args) -> R + Send + Sync + 'static,
    R: Future<Output = Result<T>> + Send + 'static,
    T: Encode + Send,
{
    fn start(&self, ctx: Context<D>, body: &[u8]) -> Result<Work> {
        let args = arguments::<P>(body)?;
        let call = Arc::clone(&ctx.call);
        let work = self.0(ctx, args);
        Ok(Box::pin(async move { Packet::new(call.reply(), &work.await?) }))
    }
}

/// Says who serves a call, and with which arguments.
struct Chosen<P, H>(H, PhantomData<fn() -> P>);

impl<D, P, H, R> Serve<D> for Chosen<P, H>
where
    D: Send + Sync + 'static,
    P: Procedure,
    H: Fn(Context<D>, P::Args) -> R + Send + Sync + 'static,
    R: Future<Output = Result<(Dispatcher, P::Args)>> + Send + 'static,
{
    fn start(&self, ctx: Context<D>, body: &[u8]) -> Result<Work> {
        let args = arguments::<P>(body)?;
        let (session, call) = (Arc::clone(&ctx.session), Arc::clone(&ctx.call));
        let chosen = self.0(ctx, args);
        Ok(Box::pin(async move {
            let (dispatcher, args) = chosen.await?;
            let body = xdr::to_bytes(&args).map_err(|cause| rpc_error(cause.to_string()))?;
            let reply = dispatcher.start(&session, &call, &body)?.await?;
            session.hand_over(dispatcher);
            Ok(reply)
        }))
    }
}

/// Decides whether a call may be made at all, before anything of it is looked at.
pub type Gate =
    dyn Fn(&Session, &'static Program, &'static ProcedureInfo) -> Result<()> + Send + Sync + 'static;

/// Who serves a procedure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// Nobody: it is not supported.
    Nowhere,
    /// A handler.
    Here,
    /// The server of that name.
    At(&'static str),
}

enum Entry<D> {
    Nowhere,
    Here(Box<dyn Serve<D>>),
    At(&'static str),
}

impl<D> Entry<D> {
    fn place(&self) -> Place {
        match self {
            Self::Nowhere => Place::Nowhere,
            Self::Here(_) => Place::Here,
            Self::At(server) => Place::At(server),
        }
    }
}

struct Served<D> {
    program: &'static Program,
    /// By number, from 1.
    entries: Vec<Entry<D>>,
}

/// The server's table.
pub struct Router<D> {
    programs: Vec<Served<D>>,
    gate: Option<Box<Gate>>,
    guard: Option<Box<dyn Guard<D>>>,
    reach: Option<Box<Reach<D>>>,
}

impl<D: Send + Sync + 'static> Router<D> {
    /// A table without programs.
    pub fn new() -> Self {
        Self {
            programs: Vec::new(),
            gate: None,
            guard: None,
            reach: None,
        }
    }

    /// Serves `P` with `handler`; a later handler replaces an earlier one. The whole program counts as served then: its
    /// other procedures answer `VIR_ERR_NO_SUPPORT`.
    pub fn on<P: Procedure, H: Handler<D, P>>(&mut self, handler: H) -> &mut Self {
        self.serve::<P>(Box::new(Typed::<P, H>(handler, PhantomData)))
    }

    /// Serves `P` with a handler whose reply writes itself as a `P::Ret` would be written, which is for the handler to see to: for
    /// long lists, of which nobody else has to have every part as a value of its own. Descriptors do not travel with it.
    pub fn on_encoding<P, H, R, T>(&mut self, handler: H) -> &mut Self
    where
        P: Procedure,
        H: Fn(Context<D>, P::Args) -> R + Send + Sync + 'static,
        R: Future<Output = Result<T>> + Send + 'static,
        T: Encode + Send + 'static,
    {
        self.serve::<P>(Box::new(Encoding::<P, H>(handler, PhantomData)))
    }

    /// Has `P` served by the table that `choose` gives, with the arguments that it gives; and once that has succeeded, that table
    /// serves everything of the session.
    pub fn hand_over<P, H, R>(&mut self, choose: H) -> &mut Self
    where
        P: Procedure,
        H: Fn(Context<D>, P::Args) -> R + Send + Sync + 'static,
        R: Future<Output = Result<(Dispatcher, P::Args)>> + Send + 'static,
    {
        self.serve::<P>(Box::new(Chosen::<P, H>(choose, PhantomData)))
    }

    fn serve<P: Procedure>(&mut self, handler: Box<dyn Serve<D>>) -> &mut Self {
        self.enter(P::PROGRAM, P::INFO, Entry::Here(handler))
    }

    /// Has the server `to` serve a procedure, for sessions that [`Router::reach`] connects to it. What it may, that server
    /// decides; only the gate is asked here.
    pub fn forward(
        &mut self,
        program: &'static Program,
        procedure: &'static ProcedureInfo,
        to: &'static str,
    ) -> &mut Self {
        self.enter(program, procedure, Entry::At(to))
    }

    /// How servers are reached that calls are passed on to.
    pub fn reach(
        &mut self,
        reach: impl Fn(Arc<D>, Arc<Session>, &'static str) -> BoxFuture<'static, Result<Far>>
        + Send
        + Sync
        + 'static,
    ) -> &mut Self {
        self.reach = Some(Box::new(reach));
        self
    }

    pub(crate) fn reach_for(
        &self,
        driver: &Arc<D>,
        session: &Arc<Session>,
        to: &'static str,
    ) -> BoxFuture<'static, Result<Far>> {
        match &self.reach {
            Some(reach) => reach(Arc::clone(driver), Arc::clone(session), to),
            None => Box::pin(std::future::ready(Err(rpc_error(format!(
                "this server knows no way to {to}"
            ))))),
        }
    }

    fn enter(
        &mut self,
        program: &'static Program,
        procedure: &'static ProcedureInfo,
        entry: Entry<D>,
    ) -> &mut Self {
        let served = self.program(program);
        let index = usize::try_from(procedure.number - 1).ok();
        if let Some(slot) = index.and_then(|index| served.entries.get_mut(index)) {
            *slot = entry;
        }
        self
    }

    /// Every call of the served programs, and who serves it.
    pub fn calls(&self) -> impl Iterator<Item = (&'static Program, &'static ProcedureInfo, Place)> {
        self.programs.iter().flat_map(|served| {
            let known = served.program.procedures.iter().zip(&served.entries);
            known
                .filter(|(procedure, _)| matches!(procedure.kind, protocol::Kind::Call { .. }))
                .map(|(procedure, entry)| (served.program, procedure, entry.place()))
        })
    }

    /// Serves `program` although it may have no handler.
    pub fn serve_program(&mut self, program: &'static Program) -> &mut Self {
        self.program(program);
        self
    }

    /// Asks `gate` before each call: for authentication, read-only clients and access control.
    pub fn gate(
        &mut self,
        gate: impl Fn(&Session, &'static Program, &'static ProcedureInfo) -> Result<()> + Send + Sync + 'static,
    ) -> &mut Self {
        self.gate = Some(Box::new(gate));
        self
    }

    /// Puts `guard` around each call that the gate has let through.
    pub fn guard(&mut self, guard: impl Guard<D>) -> &mut Self {
        self.guard = Some(Box::new(guard));
        self
    }

    /// What stands around each call, if anything does.
    pub(crate) fn guarded(&self) -> Option<&dyn Guard<D>> {
        self.guard.as_deref()
    }

    /// The programs that are served.
    pub fn programs(&self) -> impl Iterator<Item = &'static Program> + '_ {
        self.programs.iter().map(|served| served.program)
    }

    /// Whether a handler serves the procedure.
    pub fn has(&self, program: &Program, number: i32) -> bool {
        self.programs
            .iter()
            .find(|served| served.program.number == program.number)
            .is_some_and(|served| served.handler(number).is_some())
    }

    fn program(&mut self, program: &'static Program) -> &mut Served<D> {
        let at = self
            .programs
            .iter()
            .position(|served| served.program.number == program.number);
        let at = at.unwrap_or_else(|| {
            let entries = program.procedures.iter().map(|_| Entry::Nowhere).collect();
            self.programs.push(Served { program, entries });
            self.programs.len() - 1
        });
        #[expect(clippy::indexing_slicing, reason = "the index was found or made above")]
        &mut self.programs[at]
    }

    /// The procedure that `header` calls.
    pub(crate) fn find(&self, header: &Header) -> Result<Route<'_, D>> {
        let served = self
            .programs
            .iter()
            .find(|served| served.program.number == header.prog)
            .ok_or_else(|| rpc_error(format!("unknown program 0x{:x}", header.prog)))?;
        let program = served.program;
        if program.version != header.vers {
            return Err(rpc_error(format!(
                "unknown version {} of program {}, expected {}",
                header.vers, program.name, program.version
            )));
        }
        let procedure = program
            .procedure(header.proc)
            .filter(|procedure| matches!(procedure.kind, Kind::Call { .. }))
            .ok_or_else(|| {
                rpc_error(format!(
                    "unknown procedure {} of program {}",
                    header.proc, program.name
                ))
            })?;
        Ok(Route {
            program,
            procedure,
            place: served.entry(header.proc).map_or(Place::Nowhere, Entry::place),
            handler: served.handler(header.proc),
        })
    }

    /// Has the handler of a procedure begin.
    ///
    /// # Errors
    /// `VIR_ERR_NO_SUPPORT` where there is none, `VIR_ERR_RPC` for arguments that are not the procedure's.
    pub(crate) fn start(
        &self,
        program: &Program,
        procedure: &'static ProcedureInfo,
        ctx: Context<D>,
        body: &[u8],
    ) -> Result<Work> {
        let served = self
            .programs
            .iter()
            .find(|served| served.program.number == program.number);
        match served.and_then(|served| served.handler(procedure.number)) {
            Some(handler) => handler.start(ctx, body),
            None => Err(unsupported(procedure)),
        }
    }

    pub(crate) fn check(&self, session: &Session, route: &Route<'_, D>) -> Result<()> {
        self.gate
            .as_ref()
            .map_or(Ok(()), |gate| gate(session, route.program, route.procedure))
    }
}

impl<D> Served<D> {
    fn entry(&self, number: i32) -> Option<&Entry<D>> {
        let index = usize::try_from(number).ok()?.checked_sub(1)?;
        self.entries.get(index)
    }

    fn handler(&self, number: i32) -> Option<&dyn Serve<D>> {
        match self.entry(number) {
            Some(Entry::Here(handler)) => Some(handler.as_ref()),
            _ => None,
        }
    }
}

/// What a call is told that nobody serves.
pub(crate) fn unsupported(procedure: &ProcedureInfo) -> Error {
    Error::new(Code::NoSupport, procedure.subject(), procedure.function())
}

/// Where a call goes.
pub(crate) struct Route<'a, D> {
    pub(crate) program: &'static Program,
    pub(crate) procedure: &'static ProcedureInfo,
    pub(crate) place: Place,
    pub(crate) handler: Option<&'a dyn Serve<D>>,
}

impl<D: Send + Sync + 'static> Default for Router<D> {
    fn default() -> Self {
        Self::new()
    }
}

impl<D> std::fmt::Debug for Router<D> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list()
            .entries(self.programs.iter().map(|served| served.program.name))
            .finish()
    }
}
