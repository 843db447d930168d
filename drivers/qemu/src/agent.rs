//! The way to a guest's agent.
//!
//! A guest has one [`Channel`]; one caller at a time speaks through it, over a connection that is made at its first use
//! and kept. What the agent says comes out of the guest and is believed in nothing.

use crate::domain::{Live, RunState, State};
use crate::lifecycle::{COMMAND_WAIT, monitor_error};
use error::{Code, Domain, Error, Result};
use model::domain::devices::chardev::{ChannelState, ChannelTarget};
use qmp::agent::Agent;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};
use std::time::Duration;
use tokio::sync::{Mutex, OwnedMutexGuard};

/// How long an agent may take to answer unless the caller says otherwise: libvirt's own patience.
pub(crate) const WAIT: Duration = Duration::from_secs(5);

/// How long "for ever" is: an agent that is busy freezing file systems may take minutes, never hours.
const FOR_EVER: Duration = Duration::from_secs(3600);

/// `VIR_DOMAIN_QEMU_AGENT_COMMAND_DEFAULT`.
const DEFAULT: i32 = -1;

/// A client's number for how long it waits: -2 for ever, -1 the default, 0 not at all, else seconds.
///
/// # Errors
/// [`Code::InvalidArg`] for numbers below -2.
pub(crate) fn wait_of(seconds: i32) -> Result<Duration> {
    match seconds {
        -2 => Ok(FOR_EVER),
        DEFAULT => Ok(WAIT),
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

/// Where a guest's agent is reached.
#[derive(Debug)]
pub(crate) struct Channel {
    path: PathBuf,
    /// Held by whoever speaks.
    line: Arc<Mutex<Option<Agent>>>,
    /// How long calls wait that cannot say it themselves.
    patience: AtomicI32,
}

impl Channel {
    /// The channel whose socket lies there.
    pub(crate) fn new(path: PathBuf) -> Arc<Self> {
        Arc::new(Self {
            path,
            line: Arc::default(),
            patience: AtomicI32::new(DEFAULT),
        })
    }

    /// How long calls wait from now on.
    ///
    /// # Errors
    /// As [`wait_of`].
    pub(crate) fn set_patience(&self, seconds: i32) -> Result<()> {
        wait_of(seconds)?;
        self.patience.store(seconds, Ordering::Relaxed);
        Ok(())
    }
}

/// One caller's turn with an agent.
pub(crate) struct Connection {
    /// Full until the connection broke.
    line: OwnedMutexGuard<Option<Agent>>,
    patience: Duration,
}

/// The agent of a running domain, when it is this caller's turn.
///
/// # Errors
/// [`Code::OperationInvalid`] when it does not run, [`Code::ArgumentUnsupported`] when its document has no agent,
/// [`Code::AgentUnresponsive`] when none is there or others keep it busy.
pub(crate) async fn connect(state: &State) -> Result<Connection> {
    let live = state.running()?;
    let channel = channel(live)?;
    if !matches!(state.run, RunState::Running(_)) {
        return Err(crate::lifecycle::not_running());
    }
    if !is_open(live).await? {
        return Err(unresponsive("QEMU guest agent is not connected"));
    }
    let patience = wait_of(channel.patience.load(Ordering::Relaxed))?;
    let turn = tokio::time::timeout(WAIT.max(patience), Arc::clone(&channel.line).lock_owned()).await;
    let mut line = turn.map_err(|_| unresponsive("other calls wait for its answer"))?;
    if line.is_none() {
        let label = format!("agent of {}", state.name);
        *line = Some(Agent::connect(&channel.path, label, WAIT).await.map_err(error)?);
    }
    Ok(Connection { line, patience })
}

/// The channel of a running guest.
///
/// # Errors
/// [`Code::ArgumentUnsupported`] when its document has no agent.
pub(crate) fn channel(live: &Live) -> Result<&Arc<Channel>> {
    live.agent.as_ref().ok_or_else(|| {
        let text = "QEMU guest agent is not configured";
        Error::new(Code::ArgumentUnsupported, Domain::Qemu, text)
    })
}

/// Whether somebody in the guest listens. QEMU tells when that changes; what it told an earlier daemon may be stale.
async fn is_open(live: &Live) -> Result<bool> {
    let model = live.document.parse()?;
    let own = model
        .devices
        .channels
        .iter()
        .filter(|channel| channel.is_guest_agent())
        .find_map(|channel| match &channel.target {
            ChannelTarget::Virtio { state, .. } => Some((*state, channel.info.alias_name()?.to_owned())),
            _ => None,
        });
    let Some((state, alias)) = own else {
        return Ok(true);
    };
    if state == Some(ChannelState::Connected) {
        return Ok(true);
    }
    let all = live
        .reached()
        .await?
        .query_chardev(COMMAND_WAIT)
        .await
        .map_err(monitor_error)?;
    let label = format!("char{alias}");
    Ok(all
        .iter()
        .find(|one| one.label == label)
        .is_none_or(|one| one.frontend_open))
}

fn unresponsive(text: &str) -> Error {
    Error::new(Code::AgentUnresponsive, Domain::Qemu, text)
}

impl Connection {
    fn agent(&self) -> qmp::Result<Agent> {
        self.line
            .clone()
            .ok_or(qmp::Error::Closed(qmp::CloseReason::Dropped))
    }

    fn heard<T>(&mut self, outcome: qmp::Result<T>) -> qmp::Result<T> {
        if outcome.as_ref().is_err_and(qmp::Error::is_closed) {
            *self.line = None;
        }
        outcome
    }

    /// Executes a command; `()` stands for no arguments.
    ///
    /// # Errors
    /// As [`error`].
    pub(crate) async fn execute<T: DeserializeOwned>(
        &mut self,
        command: &str,
        arguments: impl Serialize,
    ) -> Result<T> {
        self.try_execute(command, arguments).await.map_err(error)
    }

    /// The same, for callers that know what to do without an answer.
    ///
    /// # Errors
    /// What the agent's client says.
    pub(crate) async fn try_execute<T: DeserializeOwned>(
        &mut self,
        command: &str,
        arguments: impl Serialize,
    ) -> qmp::Result<T> {
        let outcome = self.agent()?.execute(command, arguments, self.patience).await;
        self.heard(outcome)
    }

    /// Sends a client's own command.
    ///
    /// # Errors
    /// As [`error`].
    pub(crate) async fn execute_raw(&mut self, json: &str, wait: Duration) -> Result<String> {
        let outcome = self.agent().map_err(error)?.execute_raw(json, wait).await;
        self.heard(outcome).map_err(error)
    }

    /// Executes a command that is answered only when it is refused, within `window`.
    ///
    /// # Errors
    /// As [`error`].
    pub(crate) async fn execute_silent(
        &mut self,
        command: &str,
        arguments: impl Serialize,
        window: Duration,
    ) -> Result<()> {
        let agent = self.agent().map_err(error)?;
        let outcome = agent
            .execute_silent(command, arguments, self.patience, window)
            .await;
        self.heard(outcome).map_err(error)
    }
}

/// What a client hears when the agent does not do what it should.
pub(crate) fn error(err: qmp::Error) -> Error {
    let (code, text) = match &err {
        qmp::Error::Command { command, desc, .. } => (
            Code::AgentCommandFailed,
            format!("unable to execute QEMU agent command '{command}': {desc}"),
        ),
        qmp::Error::NotACommand(text) => (Code::InvalidArg, format!("not an agent command: {text}")),
        other => (Code::AgentUnresponsive, other.to_string()),
    };
    Error::new(code, Domain::Qemu, text).caused_by(err)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_long_to_wait() {
        assert_eq!(wait_of(-1).unwrap(), WAIT);
        assert_eq!(wait_of(7).unwrap(), Duration::from_secs(7));
        assert_eq!(wait_of(-3).unwrap_err().code(), Code::InvalidArg);
        let channel = Channel::new(PathBuf::new());
        assert!(channel.set_patience(i32::MIN).is_err());
        channel.set_patience(60).unwrap();
        assert_eq!(channel.patience.load(Ordering::Relaxed), 60);
    }
}
