//! The admin socket: servers, clients and logging of a daemon.
#![allow(missing_docs, reason = "types and fields are the protocol's own")]

use crate::TypedParam;
use xdr::Xdr;

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct Server {
    pub name: String,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct Client {
    pub srv: Server,
    pub id: u64,
    pub timestamp: i64,
    pub transport: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct ConnectOpenArgs {
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct ConnectGetLibVersionRet {
    pub lib_ver: u64,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct ConnectListServersArgs {
    pub need_results: u32,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct ConnectListServersRet {
    #[xdr(max = limits::SERVER_LIST_MAX)]
    pub servers: Vec<Server>,
    pub ret: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct ConnectLookupServerArgs {
    pub name: String,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct ConnectLookupServerRet {
    pub srv: Server,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct ServerGetThreadpoolParametersArgs {
    pub srv: Server,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct ServerGetThreadpoolParametersRet {
    #[xdr(max = limits::SERVER_THREADPOOL_PARAMETERS_MAX)]
    pub params: Vec<TypedParam>,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct ServerSetThreadpoolParametersArgs {
    pub srv: Server,
    #[xdr(max = limits::SERVER_THREADPOOL_PARAMETERS_MAX)]
    pub params: Vec<TypedParam>,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct ServerListClientsArgs {
    pub srv: Server,
    pub need_results: u32,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct ServerListClientsRet {
    #[xdr(max = limits::CLIENT_LIST_MAX)]
    pub clients: Vec<Client>,
    pub ret: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct ServerLookupClientArgs {
    pub srv: Server,
    pub id: u64,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct ServerLookupClientRet {
    pub clnt: Client,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct ClientGetInfoArgs {
    pub clnt: Client,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct ClientGetInfoRet {
    #[xdr(max = limits::CLIENT_INFO_PARAMETERS_MAX)]
    pub params: Vec<TypedParam>,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct ClientCloseArgs {
    pub clnt: Client,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct ServerGetClientLimitsArgs {
    pub srv: Server,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct ServerGetClientLimitsRet {
    #[xdr(max = limits::SERVER_CLIENT_LIMITS_MAX)]
    pub params: Vec<TypedParam>,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct ServerSetClientLimitsArgs {
    pub srv: Server,
    #[xdr(max = limits::SERVER_CLIENT_LIMITS_MAX)]
    pub params: Vec<TypedParam>,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct ServerUpdateTlsFilesArgs {
    pub srv: Server,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct ConnectGetLoggingOutputsArgs {
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct ConnectGetLoggingOutputsRet {
    pub outputs: String,
    pub noutputs: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct ConnectGetLoggingFiltersArgs {
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct ConnectGetLoggingFiltersRet {
    pub filters: Option<String>,
    pub nfilters: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct ConnectSetLoggingOutputsArgs {
    pub outputs: Option<String>,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct ConnectSetLoggingFiltersArgs {
    pub filters: Option<String>,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct ConnectSetDaemonTimeoutArgs {
    pub timeout: u32,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct ConnectDaemonShutdownArgs {
    pub flags: u32,
}

/// Limits of this program, in elements or bytes.
pub mod limits {
    pub const STRING_MAX: usize = 4194304;
    pub const SERVER_LIST_MAX: usize = 16384;
    pub const SERVER_THREADPOOL_PARAMETERS_MAX: usize = 32;
    pub const CLIENT_LIST_MAX: usize = 16384;
    pub const CLIENT_INFO_PARAMETERS_MAX: usize = 64;
    pub const SERVER_CLIENT_LIMITS_MAX: usize = 32;
}

/// The procedures of this program; see [`crate::remote::procedure`] for the form of a line.
pub mod procedure {
    use super::*;
    use crate::program;

    program! {
        PROGRAM: "admin" = 0x06900690, version 1;

        1 "connect_open" acl[]: call ConnectOpen(ConnectOpenArgs);
        2 "connect_close" acl[]: call ConnectClose();
        3 "connect_get_lib_version" acl[]: call ConnectGetLibVersion() -> ConnectGetLibVersionRet;
        4 "connect_list_servers" acl[]: call ConnectListServers(ConnectListServersArgs) -> ConnectListServersRet;
        5 "connect_lookup_server" acl[]: call ConnectLookupServer(ConnectLookupServerArgs) -> ConnectLookupServerRet;
        6 "server_get_threadpool_parameters" acl[]: call ServerGetThreadpoolParameters(ServerGetThreadpoolParametersArgs) -> ServerGetThreadpoolParametersRet;
        7 "server_set_threadpool_parameters" acl[]: call ServerSetThreadpoolParameters(ServerSetThreadpoolParametersArgs);
        8 "server_list_clients" acl[]: call ServerListClients(ServerListClientsArgs) -> ServerListClientsRet;
        9 "server_lookup_client" acl[]: call ServerLookupClient(ServerLookupClientArgs) -> ServerLookupClientRet;
        10 "client_get_info" acl[]: call ClientGetInfo(ClientGetInfoArgs) -> ClientGetInfoRet;
        11 "client_close" acl[]: call ClientClose(ClientCloseArgs);
        12 "server_get_client_limits" acl[]: call ServerGetClientLimits(ServerGetClientLimitsArgs) -> ServerGetClientLimitsRet;
        13 "server_set_client_limits" acl[]: call ServerSetClientLimits(ServerSetClientLimitsArgs);
        14 "connect_get_logging_outputs" acl[]: call ConnectGetLoggingOutputs(ConnectGetLoggingOutputsArgs) -> ConnectGetLoggingOutputsRet;
        15 "connect_get_logging_filters" acl[]: call ConnectGetLoggingFilters(ConnectGetLoggingFiltersArgs) -> ConnectGetLoggingFiltersRet;
        16 "connect_set_logging_outputs" acl[]: call ConnectSetLoggingOutputs(ConnectSetLoggingOutputsArgs);
        17 "connect_set_logging_filters" acl[]: call ConnectSetLoggingFilters(ConnectSetLoggingFiltersArgs);
        18 "server_update_tls_files" acl[]: call ServerUpdateTlsFiles(ServerUpdateTlsFilesArgs);
        19 "connect_set_daemon_timeout" acl[]: call ConnectSetDaemonTimeout(ConnectSetDaemonTimeoutArgs);
        20 "connect_daemon_shutdown" acl[]: call ConnectDaemonShutdown(ConnectDaemonShutdownArgs);
    }
}

pub use procedure::PROGRAM;
