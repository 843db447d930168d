//! The connection itself: opening it, and what it says of the hypervisor and of this daemon.

use super::Call;
use crate::Driver;
use crate::flags;
use daemon::Routes;
use error::{Code, Domain, Error, Result};
use protocol::remote;
use protocol::remote::procedure as p;

/// `VIR_CONNECT_RO`.
const READ_ONLY: u32 = 1;
/// `VIR_CONNECT_NO_ALIASES`: a matter of the client.
const NO_ALIASES: u32 = 2;
/// What stock clients send when they may start the daemon themselves: a matter of the client as well.
const AUTOSTART: u32 = 4;

/// The release of libvirt whose protocol and documents this daemon follows, as `major * 1e6 + minor * 1e3 + micro`.
const LIBVIRT_VERSION: u64 = 11_003_000;

pub(super) fn routes(routes: &mut Routes<Driver>) {
    routes.on::<p::ConnectOpen, _>(open);
    routes.on::<p::ConnectClose, _>(close);
    routes.on::<p::ConnectGetType, _>(get_type);
    routes.on::<p::ConnectGetVersion, _>(get_version);
    routes.on::<p::ConnectGetLibVersion, _>(get_lib_version);
    routes.on::<p::ConnectGetHostname, _>(get_hostname);
    routes.on::<p::ConnectGetUri, _>(get_uri);
    routes.on::<p::ConnectIsSecure, _>(is_secure);
    routes.on::<p::ConnectGetMaxVcpus, _>(get_max_vcpus);
    routes.on::<p::ConnectGetSysinfo, _>(get_sysinfo);
    routes.on::<p::ConnectSetIdentity, _>(set_identity);
}

async fn open(call: Call, args: remote::ConnectOpenArgs) -> Result<()> {
    flags::check("virConnectOpen", args.flags, READ_ONLY | NO_ALIASES | AUTOSTART)?;
    let own = call.driver.uri();
    match args.name.as_deref() {
        None | Some("") => {}
        Some(name) if name == own => {}
        Some(name) => return Err(foreign_uri(name, &own)),
    }
    if args.flags & READ_ONLY != 0 {
        call.session.set_read_only();
    }
    Ok(())
}

/// Why this daemon does not serve a URI.
fn foreign_uri(name: &str, own: &str) -> Error {
    match name.strip_prefix("qemu://") {
        Some(rest) if rest.starts_with('/') => Error::new(
            Code::InternalError,
            Domain::Qemu,
            format!("unexpected QEMU URI path '{rest}', this daemon serves {own}"),
        ),
        Some(_) => Error::new(
            Code::InvalidArg,
            Domain::Qemu,
            format!("the URI '{name}' names a host; this daemon serves {own} on its own"),
        ),
        None => Error::new(Code::NoConnect, Domain::None, name.to_owned()),
    }
}

async fn close(_: Call, (): ()) -> Result<()> {
    Ok(())
}

async fn get_type(_: Call, (): ()) -> Result<remote::ConnectGetTypeRet> {
    Ok(remote::ConnectGetTypeRet {
        r#type: "QEMU".to_owned(),
    })
}

async fn get_version(call: Call, (): ()) -> Result<remote::ConnectGetVersionRet> {
    Ok(remote::ConnectGetVersionRet {
        hv_ver: call.driver.default_binary().await?.version.number(),
    })
}

async fn get_lib_version(_: Call, (): ()) -> Result<remote::ConnectGetLibVersionRet> {
    Ok(remote::ConnectGetLibVersionRet {
        lib_ver: LIBVIRT_VERSION,
    })
}

async fn get_hostname(call: Call, (): ()) -> Result<remote::ConnectGetHostnameRet> {
    Ok(remote::ConnectGetHostnameRet {
        hostname: call.driver.host.hostname(),
    })
}

async fn get_uri(call: Call, (): ()) -> Result<remote::ConnectGetUriRet> {
    Ok(remote::ConnectGetUriRet {
        uri: call.driver.uri(),
    })
}

async fn is_secure(_: Call, (): ()) -> Result<remote::ConnectIsSecureRet> {
    // A UNIX socket: nobody but the kernel sees what travels.
    Ok(remote::ConnectIsSecureRet { secure: 1 })
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

/// Keeps the client's own idea of who it is out: only a proxy may speak for others, and there is none yet.
async fn set_identity(_: Call, _: remote::ConnectSetIdentityArgs) -> Result<()> {
    Err(Error::new(
        Code::OperationDenied,
        Domain::Qemu,
        "this connection may not speak for another client",
    ))
}
