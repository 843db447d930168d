//! virtlockd as this driver speaks to it.

use super::Lease;
use client::Client;
use error::{Code, Domain as ErrorDomain, Error, Result};
use protocol::lock::{self as wire, procedure as call};
use rpc::Transport;
use std::path::Path;
use std::time::Duration;
use tokio::net::UnixStream;

/// How long virtlockd may take to answer a call.
const PATIENCE: Duration = Duration::from_secs(10);

/// A connection to virtlockd that speaks for a guest's process.
#[derive(Debug)]
pub(crate) struct Speaker {
    client: Client,
}

impl Speaker {
    /// Reaches virtlockd and says for whom it speaks.
    ///
    /// # Errors
    /// It cannot be reached, does not answer in time, or refuses.
    pub(crate) async fn connect(socket: &Path, owner: wire::Owner) -> Result<Self> {
        let connected = tokio::time::timeout(PATIENCE, UnixStream::connect(socket)).await;
        let stream = connected
            .unwrap_or_else(|late| Err(late.into()))
            .map_err(|cause| {
                let text = format!("Failed to connect socket to '{}': {cause}", socket.display());
                Error::new(Code::SystemError, ErrorDomain::Locking, text).caused_by(cause)
            })?;
        Self::over(stream, owner).await
    }

    /// The same over a stream that is connected.
    ///
    /// # Errors
    /// As [`Speaker::connect`].
    pub(crate) async fn over(stream: UnixStream, owner: wire::Owner) -> Result<Self> {
        let client = Client::over(Transport::unix(stream)).with_deadline(PATIENCE);
        let args = wire::RegisterArgs { owner, flags: 0 };
        told(client.call::<call::Register>(&args).await)?;
        Ok(Self { client })
    }

    /// Acquires one lease.
    ///
    /// # Errors
    /// [`Code::ResourceBusy`] with who has it, or what else virtlockd says.
    async fn acquire(&self, lease: &Lease) -> Result<()> {
        const SHARED: u32 = 1;
        const AUTOCREATE: u32 = 2;
        if let Some(space) = &lease.space {
            let args = wire::CreateLockSpaceArgs { path: space.clone() };
            told(self.client.call::<call::CreateLockspace>(&args).await)?;
        }
        let args = wire::AcquireResourceArgs {
            path: lease.space.clone().unwrap_or_default(),
            name: lease.name.clone(),
            flags: if lease.shared { SHARED } else { 0 } | if lease.space.is_some() { AUTOCREATE } else { 0 },
        };
        told(self.client.call::<call::AcquireResource>(&args).await)
    }

    /// Gives one lease up.
    ///
    /// # Errors
    /// What virtlockd says.
    pub(crate) async fn release(&self, lease: &Lease) -> Result<()> {
        let args = wire::ReleaseResourceArgs {
            path: lease.space.clone().unwrap_or_default(),
            name: lease.name.clone(),
            flags: 0,
        };
        told(self.client.call::<call::ReleaseResource>(&args).await)
    }

    /// From now on nothing can be done over this connection.
    ///
    /// # Errors
    /// What virtlockd says.
    pub(crate) async fn restrict(&self) -> Result<()> {
        told(
            self.client
                .call::<call::Restrict>(&wire::RestrictArgs { flags: 0 })
                .await,
        )
    }
}

/// Acquires all leases or none.
///
/// # Errors
/// As [`Speaker::acquire`].
pub(crate) async fn acquire_all(speaker: &Speaker, leases: &[Lease]) -> Result<()> {
    for (at, lease) in leases.iter().enumerate() {
        let Err(err) = speaker.acquire(lease).await else {
            continue;
        };
        for acquired in leases.iter().take(at) {
            if let Err(err) = speaker.release(acquired).await {
                tracing::warn!(name = acquired.name, %err, "a lease was not given up");
            }
        }
        return Err(err);
    }
    Ok(())
}

fn told<T>(outcome: Result<T>) -> Result<T> {
    outcome.map_err(|err| err.context("virtlockd"))
}
