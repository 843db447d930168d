//! What is asked of every call before it is looked into: authentication first, then an open connection, then whether a
//! read-only client may make it at all.

use super::read_only::{denied, read_only};
use crate::handshake::not_open;
use error::{Code, Domain, Error, Result};
use protocol::remote::procedure as remote;
use protocol::{Procedure, ProcedureInfo, Program};
use rpc::Session;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::Notify;

/// Whether a session has opened its connection; kept with the session.
#[derive(Debug, Default)]
pub(crate) struct Opened {
    open: AtomicBool,
    changed: Notify,
}

impl Opened {
    pub(crate) fn set(&self) {
        self.open.store(true, Ordering::Release);
        self.changed.notify_waiters();
    }

    pub(crate) fn get(&self) -> bool {
        self.open.load(Ordering::Acquire)
    }

    /// Waits until it is open.
    pub(crate) async fn wait(&self) {
        let changed = self.changed.notified();
        tokio::pin!(changed);
        changed.as_mut().enable();
        if !self.get() {
            changed.await;
        }
    }
}

/// Whether a session may call a procedure at all.
///
/// # Errors
/// What it has to do before, or that it never may.
pub(crate) fn gate(
    session: &Session,
    program: &'static Program,
    procedure: &'static ProcedureInfo,
) -> Result<()> {
    let handshake = program.number == protocol::remote::PROGRAM.number && procedure.name.starts_with("auth_");
    if handshake {
        return Ok(());
    }
    if !session.authenticated() {
        return Err(Error::new(Code::Rpc, Domain::Rpc, "authentication required"));
    }
    if session.read_only() && !read_only(procedure) && !names_caller(program, procedure) {
        return Err(denied(
            procedure,
            format_args!("read only access prevents {}", procedure.function()),
        ));
    }
    if !before_open(program, procedure) && !session.state::<Opened>().get() {
        return Err(not_open());
    }
    Ok(())
}

/// Whether a session may call anything of a daemon that serves its own user only.
///
/// # Errors
/// It is somebody else's.
pub(crate) fn gate_of_own_user(
    session: &Session,
    _: &'static Program,
    procedure: &'static ProcedureInfo,
) -> Result<()> {
    let own = rustix::process::geteuid().as_raw();
    match session.identity() {
        Some(identity) if identity.uid == own => Ok(()),
        identity => {
            tracing::warn!(
                ?identity,
                procedure = procedure.name,
                "a client of another user is refused"
            );
            let text = format!("{}: only the user {own} may do this", procedure.name);
            Err(Error::new(Code::AccessDenied, Domain::Rpc, text))
        }
    }
}

/// What may be asked before the connection is open, beside authentication.
fn before_open(program: &Program, procedure: &ProcedureInfo) -> bool {
    program.number == protocol::remote::PROGRAM.number
        && [
            remote::ConnectOpen::INFO.number,
            remote::ConnectClose::INFO.number,
            remote::ConnectSupportsFeature::INFO.number,
        ]
        .contains(&procedure.number)
}

/// Whether a procedure says on whose behalf calls are made: who may say that is not a matter of what the calls may do.
fn names_caller(program: &Program, procedure: &ProcedureInfo) -> bool {
    program.number == protocol::remote::PROGRAM.number
        && procedure.number == remote::ConnectSetIdentity::INFO.number
}
