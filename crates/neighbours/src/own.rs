//! What a daemon asks of another for itself.

use crate::{Family, Neighbour};
use client::{Client, OpenOptions, Uri};
use daemon::{Instance, SystemToken, identity};
use error::{Code, Domain, Error, Result};
use protocol::Priority;
use protocol::remote::ConnectSetIdentityArgs;
use protocol::remote::procedure::ConnectSetIdentity;
use rpc::{Caller, Identity, Keepalive, Transport};
use std::sync::Arc;
use std::time::Duration;

/// How long one answer may take, the first of a daemon that has to start included.
const PATIENCE: Duration = Duration::from_secs(30);

/// Connects to the daemon that serves a family, and shows it that one of its own calls: for a few calls, with a deadline for each.
///
/// # Errors
/// As [`Neighbour::connect`], what the daemon answers, or `VIR_ERR_SYSTEM_ERROR` where there is no system token.
pub async fn connect(instance: &Instance, family: Family) -> Result<Client> {
    let layout = Arc::clone(&instance.layout);
    let token = instance
        .workers
        .blocking(Priority::High, move || SystemToken::of(&layout));
    let token = token.await?.map_err(|failure| {
        Error::new(Code::SystemError, Domain::Identity, failure.to_string()).caused_by(failure)
    })?;
    let mode = instance.layout.mode();
    let neighbour = Neighbour::serving(family, &instance.layout, false);
    let stream = tokio::time::timeout(PATIENCE, neighbour.connect(instance));
    let stream = stream.await.map_err(|_| {
        let text = format!("{} takes no connections", family.daemon());
        Error::new(Code::OperationTimeout, Domain::Rpc, text)
    })??;
    let client = Client::over(Transport::unix(stream)).with_deadline(PATIENCE);
    let options = OpenOptions {
        keepalive: Keepalive::OFF,
        ..OpenOptions::default()
    };
    let uri = format!("{}:///{}", family.scheme(), mode.name());
    client.open_driver(Some(uri), options).await?;
    let own = Caller {
        process: Some(Identity::own()),
        ..Caller::default()
    };
    let mut params = identity::params(&own);
    params.push(identity::proof(&token));
    client
        .call::<ConnectSetIdentity>(&ConnectSetIdentityArgs { params, flags: 0 })
        .await?;
    Ok(client)
}

/// Connects to the system's daemon that serves a family, from a daemon of a user's own, as any of his clients that looks only.
///
/// # Errors
/// As [`Neighbour::connect`], or what the daemon answers.
pub async fn connect_to_system(instance: &Instance, family: Family) -> Result<Client> {
    let text = format!("{}:///system", family.scheme());
    let uri = Uri::parse(&text)?;
    let neighbour = Neighbour::of(&uri, &instance.layout, true)?;
    let stream = tokio::time::timeout(PATIENCE, neighbour.connect(instance));
    let stream = stream.await.map_err(|_| {
        let text = format!("the system's {} takes no connections", family.daemon());
        Error::new(Code::OperationTimeout, Domain::Rpc, text)
    })??;
    let client = Client::over(Transport::unix(stream)).with_deadline(PATIENCE);
    let options = OpenOptions {
        read_only: true,
        keepalive: Keepalive::OFF,
    };
    client.open_driver(Some(text), options).await?;
    Ok(client)
}
