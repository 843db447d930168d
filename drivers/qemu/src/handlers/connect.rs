//! What a connection says of the hypervisor and of the host.

use super::Call;
use crate::Driver;
use crate::flags;
use daemon::Routes;
use error::Result;
use protocol::remote;
use protocol::remote::procedure as p;

pub(super) fn routes(routes: &mut Routes<Driver>) {
    daemon::connection::routes(routes);
    routes.on::<p::ConnectGetVersion, _>(get_version);
    routes.on::<p::ConnectGetHostname, _>(get_hostname);
    routes.on::<p::ConnectGetMaxVcpus, _>(get_max_vcpus);
    routes.on::<p::ConnectGetSysinfo, _>(get_sysinfo);
}

async fn get_version(call: Call, (): ()) -> Result<remote::ConnectGetVersionRet> {
    Ok(remote::ConnectGetVersionRet {
        hv_ver: call.driver.default_binary().await?.version.number(),
    })
}

async fn get_hostname(call: Call, (): ()) -> Result<remote::ConnectGetHostnameRet> {
    Ok(remote::ConnectGetHostnameRet {
        hostname: call.driver.host.hostname(),
    })
}

async fn get_max_vcpus(
    call: Call,
    args: remote::ConnectGetMaxVcpusArgs,
) -> Result<remote::ConnectGetMaxVcpusRet> {
    let most = call.driver.capabilities.max_vcpus(args.r#type.as_deref()).await?;
    Ok(remote::ConnectGetMaxVcpusRet {
        max_vcpus: i32::try_from(most).unwrap_or(i32::MAX),
    })
}

async fn get_sysinfo(
    call: Call,
    args: remote::ConnectGetSysinfoArgs,
) -> Result<remote::ConnectGetSysinfoRet> {
    flags::check("virConnectGetSysinfo", args.flags, 0)?;
    Ok(remote::ConnectGetSysinfoRet {
        sysinfo: crate::capabilities::sysinfo::document(&call.driver.host)?,
    })
}
