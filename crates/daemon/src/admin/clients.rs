//! Clients: who is connected, and out with them.

use super::{Call, no_flags};
use crate::server::Server;
use error::{Code, Domain, Error, Result};
use protocol::TypedParam;
use protocol::admin as wire;
use rpc::Session;
use std::sync::Arc;
use std::time::UNIX_EPOCH;

fn told(server: &Server, session: &Session) -> wire::Client {
    let since = session
        .connected_at()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    wire::Client {
        srv: wire::Server {
            name: server.name.to_owned(),
        },
        id: session.id(),
        timestamp: i64::try_from(since.as_secs()).unwrap_or(i64::MAX),
        transport: session.transport() as u32,
    }
}

fn find(server: &Server, id: u64) -> Result<Arc<Session>> {
    server.session(id).ok_or_else(|| {
        Error::new(
            Code::NoClient,
            Domain::Rpc,
            format!("No client with matching ID '{id}'"),
        )
    })
}

pub(super) async fn list(ctx: Call, args: wire::ServerListClientsArgs) -> Result<wire::ServerListClientsRet> {
    no_flags(args.flags, 0)?;
    let server = ctx.driver.server(&args.srv.name)?;
    let clients: Vec<_> = server
        .sessions()
        .iter()
        .map(|session| told(server, session))
        .collect();
    let ret = u32::try_from(clients.len()).unwrap_or(u32::MAX);
    Ok(wire::ServerListClientsRet {
        clients: if args.need_results == 0 {
            Vec::new()
        } else {
            clients
        },
        ret,
    })
}

pub(super) async fn lookup(
    ctx: Call,
    args: wire::ServerLookupClientArgs,
) -> Result<wire::ServerLookupClientRet> {
    no_flags(args.flags, 0)?;
    let server = ctx.driver.server(&args.srv.name)?;
    Ok(wire::ServerLookupClientRet {
        clnt: told(server, &*find(server, args.id)?),
    })
}

pub(super) async fn info(ctx: Call, args: wire::ClientGetInfoArgs) -> Result<wire::ClientGetInfoRet> {
    no_flags(args.flags, 0)?;
    let session = find(ctx.driver.server(&args.clnt.srv.name)?, args.clnt.id)?;
    let mut params = vec![TypedParam::new("readonly", session.read_only())];
    if let Some(identity) = session.identity() {
        // The protocol's numbers are signed; ids beyond them keep their bits, as C's do.
        params.push(TypedParam::new("unix_user_id", identity.uid.cast_signed()));
        if let Some(name) = identity.user_name().await {
            params.push(TypedParam::new("unix_user_name", name));
        }
        params.push(TypedParam::new("unix_group_id", identity.gid.cast_signed()));
        if let Some(name) = identity.group_name().await {
            params.push(TypedParam::new("unix_group_name", name));
        }
        if let Some(pid) = identity.pid {
            params.push(TypedParam::new("unix_process_id", pid));
        }
    }
    let peer = session.peer();
    if let Some(address) = peer.address {
        params.push(TypedParam::new("sock_addr", address.to_string()));
    }
    if let Some(name) = &peer.certificate_name {
        params.push(TypedParam::new("tls_x509_dname", name.clone()));
    }
    if let Some(name) = &session.caller().sasl_name {
        params.push(TypedParam::new("sasl_user_name", name.clone()));
    }
    Ok(wire::ClientGetInfoRet { params })
}

pub(super) async fn close(ctx: Call, args: wire::ClientCloseArgs) -> Result<()> {
    no_flags(args.flags, 0)?;
    find(ctx.driver.server(&args.clnt.srv.name)?, args.clnt.id)?.close();
    Ok(())
}
