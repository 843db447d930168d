//! The way to a guest's agent.

use crate::domain::State;
use error::{Code, Domain, Error, Result};
use qmp::agent::Agent;
use std::time::Duration;

/// How long an agent may take to answer unless the caller says otherwise: libvirt's own patience.
pub(crate) const WAIT: Duration = Duration::from_secs(5);

/// How long "for ever" is: an agent that is busy freezing file systems may take minutes, never hours.
const FOR_EVER: Duration = Duration::from_secs(3600);

/// A client's number for how long it waits: -2 for ever, -1 the default, 0 not at all, else seconds.
///
/// # Errors
/// [`Code::InvalidArg`] for numbers below -2.
pub(crate) fn wait_of(seconds: i32) -> Result<Duration> {
    match seconds {
        -2 => Ok(FOR_EVER),
        -1 => Ok(WAIT),
        // The command is sent, and whoever answers at once is heard.
        0 => Ok(Duration::from_millis(1)),
        _ => u64::try_from(seconds).map(Duration::from_secs).map_err(|_| {
            Error::new(
                Code::InvalidArg,
                Domain::Qemu,
                format!("guest agent timeout '{seconds}' is less than the minimum '-2'"),
            )
        }),
    }
}

/// Connects to the agent of a running domain.
///
/// # Errors
/// [`Code::OperationInvalid`] when it does not run, [`Code::ArgumentUnsupported`] when its document has no agent,
/// [`Code::AgentUnresponsive`] when nobody listens.
pub(crate) async fn connect(state: &State) -> Result<Agent> {
    let live = state.running()?;
    let path = live.agent.as_deref().ok_or_else(|| {
        Error::new(
            Code::ArgumentUnsupported,
            Domain::Qemu,
            "QEMU guest agent is not configured",
        )
    })?;
    Agent::connect(path, format!("agent of {}", state.name), WAIT)
        .await
        .map_err(error)
}

/// What a client hears when the agent does not do what it should.
pub(crate) fn error(err: qmp::Error) -> Error {
    let code = match &err {
        qmp::Error::Command { .. } => Code::InternalError,
        qmp::Error::NotACommand(_) => Code::InvalidArg,
        _ => Code::AgentUnresponsive,
    };
    Error::new(code, Domain::Qemu, format!("Guest agent: {err}")).caused_by(err)
}
