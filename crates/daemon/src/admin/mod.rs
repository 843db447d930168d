//! The admin program: what `virt-admin` asks and changes of a running daemon.
//!
//! It looks at the same servers, clients, workers and log as everything else here, so its numbers are the ones in
//! force. Who may open the admin socket may do all of it.

mod clients;
mod limits;

use crate::COMPATIBLE_VERSION;
use crate::logging::Logging;
use crate::server::Server;
use error::{Code, Domain, Error, Result};
use protocol::admin::{self as wire, procedure as call};
use protocol::{Priority, TypedParam, TypedParamValue};
use rpc::{Context, Router, Session};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};

/// `VIR_DAEMON_SHUTDOWN_PRESERVE`.
const SHUTDOWN_PRESERVE: u32 = 1;

/// What the admin program works on.
#[derive(Debug)]
pub(crate) struct Admin {
    /// In the order of their names.
    servers: Vec<Arc<Server>>,
    logging: Logging,
    timeout: watch::Sender<Option<Duration>>,
    /// Takes the session that asks for the end.
    shutdown: mpsc::UnboundedSender<Arc<Session>>,
}

type Call = Context<Admin>;

impl Admin {
    pub(crate) fn new(
        mut servers: Vec<Arc<Server>>,
        logging: Logging,
        timeout: watch::Sender<Option<Duration>>,
        shutdown: mpsc::UnboundedSender<Arc<Session>>,
    ) -> Self {
        servers.sort_by_key(|server| server.name);
        Self {
            servers,
            logging,
            timeout,
            shutdown,
        }
    }

    /// The whole program's table.
    pub(crate) fn router() -> Router<Self> {
        let mut router = Router::new();
        router
            .on::<call::ConnectOpen, _>(open)
            .on::<call::ConnectClose, _>(close)
            .on::<call::ConnectGetLibVersion, _>(get_lib_version)
            .on::<call::ConnectListServers, _>(list_servers)
            .on::<call::ConnectLookupServer, _>(lookup_server)
            .on::<call::ServerGetThreadpoolParameters, _>(limits::get_threadpool)
            .on::<call::ServerSetThreadpoolParameters, _>(limits::set_threadpool)
            .on::<call::ServerGetClientLimits, _>(limits::get_clients)
            .on::<call::ServerSetClientLimits, _>(limits::set_clients)
            .on::<call::ServerListClients, _>(clients::list)
            .on::<call::ServerLookupClient, _>(clients::lookup)
            .on::<call::ClientGetInfo, _>(clients::info)
            .on::<call::ClientClose, _>(clients::close)
            .on::<call::ServerUpdateTlsFiles, _>(update_tls_files)
            .on::<call::ConnectGetLoggingOutputs, _>(get_logging_outputs)
            .on::<call::ConnectGetLoggingFilters, _>(get_logging_filters)
            .on::<call::ConnectSetLoggingOutputs, _>(set_logging_outputs)
            .on::<call::ConnectSetLoggingFilters, _>(set_logging_filters)
            .on::<call::ConnectSetDaemonTimeout, _>(set_daemon_timeout)
            .on::<call::ConnectDaemonShutdown, _>(daemon_shutdown);
        router
    }

    fn server(&self, name: &str) -> Result<&Arc<Server>> {
        self.servers
            .iter()
            .find(|server| server.name == name)
            .ok_or_else(|| Error::new(Code::NoServer, Domain::Rpc, format!("No server named '{name}'")))
    }
}

fn invalid(text: impl Into<String>) -> Error {
    Error::new(Code::InvalidArg, Domain::Admin, text)
}

fn no_flags(flags: u32, known: u32) -> Result<()> {
    match flags & !known {
        0 => Ok(()),
        unknown => Err(invalid(format!("unsupported flags (0x{unknown:x})"))),
    }
}

/// The unsigned values that a client sets, by name; each must be one of `known`, and be there once.
fn unsigned(params: &[TypedParam], known: &[&str]) -> Result<Vec<Option<u32>>> {
    let mut values = vec![None; known.len()];
    for param in params {
        let slot = known
            .iter()
            .position(|name| *name == param.field)
            .and_then(|at| values.get_mut(at));
        let Some(slot) = slot else {
            return Err(invalid(format!("parameter '{}' cannot be set", param.field)));
        };
        let TypedParamValue::Uint(value) = &param.value else {
            return Err(invalid(format!(
                "parameter '{}' must be an unsigned integer",
                param.field
            )));
        };
        if slot.replace(*value).is_some() {
            return Err(invalid(format!("parameter '{}' is there twice", param.field)));
        }
    }
    Ok(values)
}

async fn open(_: Call, args: wire::ConnectOpenArgs) -> Result<()> {
    no_flags(args.flags, 0)
}

async fn close(_: Call, (): ()) -> Result<()> {
    Ok(())
}

async fn get_lib_version(_: Call, (): ()) -> Result<wire::ConnectGetLibVersionRet> {
    Ok(wire::ConnectGetLibVersionRet {
        lib_ver: COMPATIBLE_VERSION,
    })
}

async fn list_servers(ctx: Call, args: wire::ConnectListServersArgs) -> Result<wire::ConnectListServersRet> {
    no_flags(args.flags, 0)?;
    let names = ctx.driver.servers.iter().map(|server| wire::Server {
        name: server.name.to_owned(),
    });
    let servers: Vec<_> = names.collect();
    let ret = u32::try_from(servers.len()).unwrap_or(u32::MAX);
    Ok(wire::ConnectListServersRet {
        servers: if args.need_results == 0 {
            Vec::new()
        } else {
            servers
        },
        ret,
    })
}

async fn lookup_server(
    ctx: Call,
    args: wire::ConnectLookupServerArgs,
) -> Result<wire::ConnectLookupServerRet> {
    no_flags(args.flags, 0)?;
    let name = ctx.driver.server(&args.name)?.name.to_owned();
    Ok(wire::ConnectLookupServerRet {
        srv: wire::Server { name },
    })
}

async fn update_tls_files(ctx: Call, args: wire::ServerUpdateTlsFilesArgs) -> Result<()> {
    no_flags(args.flags, 0)?;
    let server = ctx.driver.server(&args.srv.name)?;
    let entrance = server.entrance().cloned().ok_or_else(|| {
        Error::new(
            Code::InternalError,
            Domain::Rpc,
            "no tls service found, unable to update tls files",
        )
    })?;
    // Files may lie on a disk that does not answer.
    server
        .workers
        .blocking(Priority::High, move || entrance.reload())
        .await?
}

async fn get_logging_outputs(
    ctx: Call,
    args: wire::ConnectGetLoggingOutputsArgs,
) -> Result<wire::ConnectGetLoggingOutputsRet> {
    no_flags(args.flags, 0)?;
    let (outputs, count) = ctx.driver.logging.outputs();
    Ok(wire::ConnectGetLoggingOutputsRet {
        outputs,
        noutputs: u32::try_from(count).unwrap_or(u32::MAX),
    })
}

async fn get_logging_filters(
    ctx: Call,
    args: wire::ConnectGetLoggingFiltersArgs,
) -> Result<wire::ConnectGetLoggingFiltersRet> {
    no_flags(args.flags, 0)?;
    let (filters, count) = ctx.driver.logging.filters();
    let filters = (count > 0).then_some(filters);
    Ok(wire::ConnectGetLoggingFiltersRet {
        filters,
        nfilters: u32::try_from(count).unwrap_or(u32::MAX),
    })
}

async fn set_logging_outputs(ctx: Call, args: wire::ConnectSetLoggingOutputsArgs) -> Result<()> {
    no_flags(args.flags, 0)?;
    let (logging, outputs) = (ctx.driver.logging.clone(), args.outputs.unwrap_or_default());
    // Opening files and sockets may wait.
    let workers = &ctx.driver.server("admin")?.workers;
    workers
        .blocking(Priority::Low, move || logging.set_outputs(&outputs))
        .await?
}

async fn set_logging_filters(ctx: Call, args: wire::ConnectSetLoggingFiltersArgs) -> Result<()> {
    no_flags(args.flags, 0)?;
    ctx.driver
        .logging
        .set_filters(args.filters.as_deref().unwrap_or_default())
}

async fn set_daemon_timeout(ctx: Call, args: wire::ConnectSetDaemonTimeoutArgs) -> Result<()> {
    no_flags(args.flags, 0)?;
    let timeout = (args.timeout > 0).then(|| Duration::from_secs(args.timeout.into()));
    ctx.driver.timeout.send_replace(timeout);
    Ok(())
}

async fn daemon_shutdown(ctx: Call, args: wire::ConnectDaemonShutdownArgs) -> Result<()> {
    no_flags(args.flags, SHUTDOWN_PRESERVE)?;
    if args.flags & SHUTDOWN_PRESERVE != 0 {
        let text = "preserving the state of guests at the end of the daemon is not built into this version";
        return Err(Error::new(Code::NoSupport, Domain::Admin, text));
    }
    // If nobody takes it, the daemon is ending already.
    let _ = ctx.driver.shutdown.send(ctx.session);
    Ok(())
}
