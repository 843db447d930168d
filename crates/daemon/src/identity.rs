//! Who speaks for whom: `connect_set_identity` as it is written and read.
//!
//! ```text
//!   client ──► virtproxyd, virtqemud ──connect_open, connect_set_identity(client)──► the daemon that serves the call
//! ```
//! Trusted with it are the system's daemons and this daemon's own user, whom the kernel names at the other end of a UNIX
//! socket, and whoever tells the [`SystemToken`]. Nobody else may say who he is, be it the truth.

use crate::{Instance, SystemToken};
use error::{Code, Domain, Error, Result};
use protocol::{Priority, TypedParam, TypedParamValue};
use rpc::{Caller, Identity, Session, TransportKind};
use zeroize::Zeroizing;

/// The fields' names: `VIR_CONNECT_IDENTITY_...` of the public headers, and the one that daemons have among themselves.
mod field {
    pub(super) const USER_NAME: &str = "user-name";
    pub(super) const USER_ID: &str = "unix-user-id";
    pub(super) const GROUP_NAME: &str = "group-name";
    pub(super) const GROUP_ID: &str = "unix-group-id";
    pub(super) const PROCESS_ID: &str = "process-id";
    pub(super) const PROCESS_TIME: &str = "process-time";
    pub(super) const SASL_NAME: &str = "sasl-user-name";
    pub(super) const CERTIFICATE_NAME: &str = "x509-distinguished-name";
    pub(super) const SELINUX_CONTEXT: &str = "selinux-context";
    pub(super) const SYSTEM_TOKEN: &str = "system.token";
}

fn invalid(text: impl std::fmt::Display) -> Error {
    Error::new(Code::InvalidArg, Domain::Identity, text.to_string())
}

/// What one daemon tells another of a client whose calls it passes on. That a client is itself one of the daemons is not
/// passed on: each shows it where it connects.
pub fn params(caller: &Caller) -> Vec<TypedParam> {
    let mut params = Vec::new();
    if let Some(process) = &caller.process {
        params.push(TypedParam::new(field::USER_ID, u64::from(process.uid)));
        params.push(TypedParam::new(field::GROUP_ID, u64::from(process.gid)));
        if let Some(pid) = process.pid {
            params.push(TypedParam::new(field::PROCESS_ID, i64::from(pid)));
            params.extend(
                process
                    .start_time
                    .map(|time| TypedParam::new(field::PROCESS_TIME, time)),
            );
        }
    }
    let names = [
        (field::SASL_NAME, &caller.sasl_name),
        (field::CERTIFICATE_NAME, &caller.certificate_name),
        (field::SELINUX_CONTEXT, &caller.selinux_context),
    ];
    for (field, name) in names {
        params.extend(name.as_ref().map(|name| TypedParam::new(field, name.as_str())));
    }
    params
}

/// What a daemon that calls for itself adds to [`params`].
pub fn proof(token: &SystemToken) -> TypedParam {
    TypedParam::new(field::SYSTEM_TOKEN, token.expose())
}

/// What a peer says of who calls.
#[derive(Debug, Default)]
struct Said {
    user_name: Option<String>,
    user: Option<u32>,
    group_name: Option<String>,
    group: Option<u32>,
    pid: Option<i32>,
    start_time: Option<u64>,
    names: Caller,
    token: Option<Zeroizing<String>>,
}

impl Said {
    /// # Errors
    /// [`Code::InvalidArg`] for a field that is unknown, told twice, of another type or out of range.
    fn read(params: Vec<TypedParam>) -> Result<Self> {
        let mut said = Self::default();
        for TypedParam { field, value } in params {
            match field.as_str() {
                field::USER_NAME => once(&mut said.user_name, &field, text(&field, value)?),
                field::USER_ID => once(&mut said.user, &field, number(&field, &value)?),
                field::GROUP_NAME => once(&mut said.group_name, &field, text(&field, value)?),
                field::GROUP_ID => once(&mut said.group, &field, number(&field, &value)?),
                field::PROCESS_ID => {
                    let pid = match value {
                        TypedParamValue::Llong(pid) => i32::try_from(pid).ok().filter(|pid| *pid > 0),
                        _ => None,
                    };
                    let pid = pid.ok_or_else(|| invalid(format_args!("{field} is no process (llong)")))?;
                    once(&mut said.pid, &field, pid)
                }
                field::PROCESS_TIME => match value {
                    TypedParamValue::Ullong(time) => once(&mut said.start_time, &field, time),
                    _ => Err(invalid(format_args!("{field} is no time (ullong)"))),
                },
                field::SASL_NAME => once(&mut said.names.sasl_name, &field, text(&field, value)?),
                field::CERTIFICATE_NAME => {
                    once(&mut said.names.certificate_name, &field, text(&field, value)?)
                }
                field::SELINUX_CONTEXT => once(&mut said.names.selinux_context, &field, text(&field, value)?),
                field::SYSTEM_TOKEN => once(&mut said.token, &field, Zeroizing::new(text(&field, value)?)),
                unknown => Err(invalid(format_args!(
                    "{unknown:?} is no field of a client's identity"
                ))),
            }?;
        }
        Ok(said)
    }

    /// Asks for the numbers of names that came without; blocks.
    ///
    /// # Errors
    /// [`Code::InvalidArg`] for what says too little, or names nobody.
    fn caller(self) -> Result<Caller> {
        let user = match (self.user, &self.user_name) {
            (None, Some(name)) => {
                let user = uzers::get_user_by_name(name);
                Some(
                    user.ok_or_else(|| invalid(format_args!("there is no user {name:?}")))?
                        .uid(),
                )
            }
            (user, _) => user,
        };
        let group = match (self.group, &self.group_name) {
            (None, Some(name)) => {
                let group = uzers::get_group_by_name(name);
                Some(
                    group
                        .ok_or_else(|| invalid(format_args!("there is no group {name:?}")))?
                        .gid(),
                )
            }
            (group, _) => group,
        };
        let process = match user {
            Some(uid) => Some(Identity {
                uid,
                gid: match group {
                    Some(gid) => gid,
                    None => uzers::get_user_by_uid(uid)
                        .ok_or_else(|| {
                            let id = field::GROUP_ID;
                            invalid(format_args!(
                                "{id} is missing, and user {uid} has no entry that tells it"
                            ))
                        })?
                        .primary_group_id(),
                },
                pid: self.pid,
                start_time: self.start_time,
            }),
            None if group.is_some() || self.pid.is_some() || self.start_time.is_some() => {
                return Err(invalid(format_args!(
                    "{} is missing beside what else is told of a process",
                    field::USER_ID
                )));
            }
            None => None,
        };
        if self.start_time.is_some() && self.pid.is_none() {
            return Err(invalid(format_args!(
                "{} without {} says nothing",
                field::PROCESS_TIME,
                field::PROCESS_ID
            )));
        }
        Ok(Caller {
            process,
            ..self.names
        })
    }
}

fn once<T>(place: &mut Option<T>, field: &str, value: T) -> Result<()> {
    match place.replace(value) {
        None => Ok(()),
        Some(_) => Err(invalid(format_args!("{field} is told twice"))),
    }
}

fn text(field: &str, value: TypedParamValue) -> Result<String> {
    match value {
        TypedParamValue::String(text) if !text.is_empty() => Ok(text),
        _ => Err(invalid(format_args!("{field} is no name (string)"))),
    }
}

/// The number of a user or a group; all bits set means none.
fn number(field: &str, value: &TypedParamValue) -> Result<u32> {
    let number = match value {
        TypedParamValue::Ullong(number) => u32::try_from(*number).ok().filter(|id| *id != u32::MAX),
        _ => None,
    };
    number.ok_or_else(|| invalid(format_args!("{field} is no number of a user or group (ullong)")))
}

/// Whether the kernel says that the peer is one who may speak for others.
fn is_trusted(session: &Session) -> bool {
    let own = rustix::process::geteuid().as_raw();
    session.transport() == TransportKind::Unix
        && session
            .identity()
            .is_some_and(|identity| identity.uid == 0 || identity.uid == own)
}

/// From now on the calls of a session are made on behalf of whom its peer names.
///
/// # Errors
/// [`Code::AccessDenied`] for a peer who may not; [`Code::InvalidArg`] for what is no identity; [`Code::SystemError`] when
/// the system token is needed and cannot be read.
pub(crate) async fn set(instance: &Instance, session: &Session, params: Vec<TypedParam>) -> Result<()> {
    let denied = || {
        tracing::warn!(client = session.id(), identity = ?session.identity(), peer = ?session.peer().address,
            "a client that may not speak for others tried to");
        let text = "this client may not speak for another; only the system's daemons may";
        Error::new(Code::AccessDenied, Domain::Identity, text)
    };
    let token = params.iter().any(|param| param.field == field::SYSTEM_TOKEN);
    if !token && !is_trusted(session) {
        return Err(denied());
    }
    let mut said = Said::read(params)?;
    let mut system = false;
    if let Some(token) = said.token.take() {
        let layout = std::sync::Arc::clone(&instance.layout);
        let known = instance
            .workers
            .blocking(Priority::High, move || SystemToken::of(&layout));
        let known = known
            .await?
            .map_err(|failure| Error::new(Code::SystemError, Domain::Identity, failure.to_string()))?;
        if !known.is(&token) {
            return Err(denied());
        }
        system = true;
    }
    let caller = instance.workers.blocking(Priority::High, || said.caller());
    let caller = Caller {
        system,
        ..caller.await??
    };
    tracing::info!(client = session.id(), ?caller, "the client speaks for another");
    session.set_caller(caller);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(params: Vec<TypedParam>) -> Result<Caller> {
        Said::read(params).and_then(Said::caller)
    }

    #[test]
    fn what_one_daemon_tells_another_understands() {
        let everything = Caller {
            process: Some(Identity {
                uid: 4_000_000_000,
                gid: 12,
                pid: Some(77),
                start_time: Some(u64::MAX),
            }),
            selinux_context: Some("system_u:system_r:x".to_owned()),
            certificate_name: Some("CN=a".to_owned()),
            sasl_name: Some("fred@REALM".to_owned()),
            system: false,
        };
        let without_process = Caller {
            process: None,
            ..everything.clone()
        };
        for caller in [everything, without_process, Caller::default()] {
            assert_eq!(read(params(&caller)).unwrap(), caller);
        }
        // Of a daemon that calls for itself, only the token tells.
        let system = Caller {
            system: true,
            ..Caller::default()
        };
        assert_eq!(params(&system), []);
    }

    #[test]
    fn names_stand_for_numbers_that_are_not_told() {
        let root = read(vec![TypedParam::new(field::USER_NAME, "root")]).unwrap();
        let process = root.process.unwrap();
        assert_eq!((process.uid, process.gid, process.pid), (0, 0, None));
        let both = vec![
            TypedParam::new(field::USER_NAME, "root"),
            TypedParam::new(field::USER_ID, 5u64),
            TypedParam::new(field::GROUP_NAME, "root"),
        ];
        let process = read(both).unwrap().process.unwrap();
        assert_eq!((process.uid, process.gid), (5, 0));
    }

    #[test]
    fn what_is_no_identity_is_refused_by_field() {
        let user = || TypedParam::new(field::USER_ID, 7u64);
        let group = || TypedParam::new(field::GROUP_ID, 7u64);
        for (bad, word) in [
            (vec![TypedParam::new("colour", "red")], "\"colour\""),
            (vec![user(), user(), group()], "told twice"),
            (vec![TypedParam::new(field::USER_ID, 7i32)], "unix-user-id"),
            (
                vec![TypedParam::new(field::USER_ID, u64::from(u32::MAX))],
                "unix-user-id",
            ),
            (
                vec![TypedParam::new(field::GROUP_ID, 1u64 << 32), user()],
                "unix-group-id",
            ),
            (
                vec![user(), group(), TypedParam::new(field::PROCESS_ID, 0i64)],
                "process-id",
            ),
            (
                vec![user(), group(), TypedParam::new(field::PROCESS_ID, -1i64)],
                "process-id",
            ),
            (
                vec![user(), group(), TypedParam::new(field::PROCESS_TIME, 5u64)],
                "process-time",
            ),
            (
                vec![user(), group(), TypedParam::new(field::PROCESS_TIME, 5i32)],
                "process-time",
            ),
            (vec![group()], "unix-user-id is missing"),
            (vec![TypedParam::new(field::SASL_NAME, 1i32)], "sasl-user-name"),
            (vec![TypedParam::new(field::SASL_NAME, "")], "sasl-user-name"),
            (
                vec![TypedParam::new(field::USER_NAME, "no such user")],
                "no such user",
            ),
            (
                vec![TypedParam::new(field::USER_ID, 4_000_000_123u64)],
                "unix-group-id is missing",
            ),
        ] {
            let refusal = read(bad).unwrap_err();
            assert_eq!(refusal.code(), Code::InvalidArg, "{refusal}");
            assert!(refusal.to_string().contains(word), "{refusal}");
        }
    }
}
