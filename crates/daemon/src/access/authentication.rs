//! How a client proves who it is, before anything else is served.
//!
//! | what its socket asks for | `auth_list` answers | then the client calls |
//! |---|---|---|
//! | nothing | `NONE` | |
//! | polkit | `POLKIT` | `auth_polkit` |
//! | SASL | `SASL` | `auth_sasl_init`, `auth_sasl_start`, `auth_sasl_step` until it is complete |
//!
//! Refusals tell a code and not what was wrong; that is in the log, with who it was.

use super::polkit::{Answer, Polkit};
use super::sasl::Sasl;
use error::{Code, Domain, Error, Result};
use protocol::remote;
use rpc::{Context, Session};
use std::sync::{Arc, OnceLock};

/// May look at everything.
const MONITOR: &str = "org.libvirt.unix.monitor";
/// May do everything.
const MANAGE: &str = "org.libvirt.unix.manage";

/// How a client has to prove who it is.
#[derive(Debug, Clone)]
pub(crate) enum Mechanism {
    /// polkit knows its process, or asks its user.
    Polkit(Polkit),
    /// It has a name and a password.
    Sasl(Arc<Sasl>),
}

impl Mechanism {
    fn wire(&self) -> remote::AuthType {
        match self {
            Self::Polkit(_) => remote::AuthType::RemoteAuthPolkit,
            Self::Sasl(_) => remote::AuthType::RemoteAuthSasl,
        }
    }
}

/// What a client is asked for, where it is asked for anything; kept with its session.
#[derive(Debug, Default)]
pub(crate) struct Authentication(OnceLock<Mechanism>);

impl Authentication {
    /// The client of `session` has to prove who it is by `mechanism`. polkit is not asked about root: it may do everything,
    /// and so it may where no polkit runs.
    pub(crate) fn ask(&self, session: &Session, mechanism: Mechanism) {
        let is_root = session.identity().is_some_and(|identity| identity.uid == 0);
        match mechanism {
            Mechanism::Polkit(_) if is_root => session.set_authenticated(),
            // A session comes through one socket.
            mechanism => drop(self.0.set(mechanism)),
        }
    }

    /// SASL, if that is what the client is asked for.
    pub(super) fn sasl(&self) -> Option<&Arc<Sasl>> {
        match self.0.get()? {
            Mechanism::Sasl(sasl) => Some(sasl),
            Mechanism::Polkit(_) => None,
        }
    }
}

/// What a client has to prove.
pub(crate) async fn auth_list<D>(call: Context<D>, (): ()) -> Result<remote::AuthListRet> {
    let authentication = call.session.state::<Authentication>();
    let asked = authentication.0.get().filter(|_| !call.session.authenticated());
    let how = asked.map_or(remote::AuthType::RemoteAuthNone, Mechanism::wire);
    Ok(remote::AuthListRet { types: vec![how] })
}

/// Asks polkit for the client.
pub(crate) async fn auth_polkit<D>(call: Context<D>, (): ()) -> Result<remote::AuthPolkitRet> {
    let session = &call.session;
    let authentication = session.state::<Authentication>();
    let asked = authentication.0.get().filter(|_| !session.authenticated());
    let Some(Mechanism::Polkit(polkit)) = asked else {
        return Err(refused(
            session,
            "polkit is not what it is asked for",
            Code::AuthFailed,
        ));
    };
    let Some(process) = session.identity() else {
        return Err(refused(
            session,
            "polkit knows nobody beyond this host",
            Code::AuthFailed,
        ));
    };
    let action = if session.read_only() { MONITOR } else { MANAGE };
    let answer = polkit.check_with_user(process, action, session.closed()).await;
    let (why, code) = match answer {
        Ok(Answer::Authorized) => {
            tracing::info!(client = session.id(), identity = ?session.identity(), action, "client authenticated");
            session.set_authenticated();
            return Ok(remote::AuthPolkitRet { complete: 1 });
        }
        Ok(Answer::Refused) => ("polkit refuses".to_owned(), Code::AuthFailed),
        Ok(Answer::Dismissed) => ("the user would not authenticate".to_owned(), Code::AuthCancelled),
        // Stock clients take it as a hint to start an agent that asks the user, and try again.
        Ok(Answer::NobodyToAsk) => (
            "polkit finds nobody to ask the user".to_owned(),
            Code::AuthUnavailable,
        ),
        Err(why) => (why, Code::AuthFailed),
    };
    Err(refused(session, &why, code))
}

fn refused(session: &Session, why: &str, code: Code) -> Error {
    tracing::warn!(client = session.id(), identity = ?session.identity(), read_only = session.read_only(), why,
        "client not authenticated");
    let text = match code {
        Code::AuthUnavailable => "nobody can be asked for this user's password",
        Code::AuthCancelled => "the user would not authenticate",
        _ => "this client may not connect",
    };
    Error::new(code, Domain::Polkit, text)
}
