//! The connection itself, as every driver answers for it: opening it, and what it is called.

use crate::{COMPATIBLE_VERSION, Driver, Instance, Mode, Routes, call_flags, identity};
use error::{Code, Domain, Error, Result};
use protocol::remote;
use protocol::remote::procedure as p;
use rpc::Context;

/// A driver whose connections have a URI of their own.
pub trait Connection: Driver {
    /// The scheme of its URIs: `qemu` in `qemu:///system`.
    const SCHEME: &'static str;

    /// What `virConnectGetType` tells: `QEMU`.
    const TYPE: &'static str;

    /// The instance it works in.
    fn instance(&self) -> &Instance;

    /// For whom it works.
    fn mode(&self) -> Mode {
        self.instance().layout.mode()
    }

    /// The URI of its connections.
    fn uri(&self) -> String {
        format!("{}:///{}", Self::SCHEME, self.mode().name())
    }
}

/// `VIR_CONNECT_RO`.
const READ_ONLY: u32 = 1;
/// `VIR_CONNECT_NO_ALIASES`: a matter of the client.
const NO_ALIASES: u32 = 2;
/// What stock clients send when they may start the daemon themselves: a matter of the client as well.
const AUTOSTART: u32 = 4;

/// Registers what is the same for all drivers. What a driver is asked beyond this (its version, the host's name, ...)
/// it serves itself, or not at all, as libvirt's driver does.
pub fn routes<D: Connection>(routes: &mut Routes<D>) {
    routes.connect_driver(D::TYPE);
    routes.on::<p::ConnectOpen, _>(open);
    routes.on::<p::ConnectClose, _>(close);
    routes.on::<p::ConnectGetType, _>(get_type);
    routes.on::<p::ConnectGetLibVersion, _>(get_lib_version);
    routes.on::<p::ConnectGetUri, _>(get_uri);
    routes.on::<p::ConnectIsSecure, _>(is_secure);
    routes.on::<p::ConnectSetIdentity, _>(set_identity);
}

async fn open<D: Connection>(call: Context<D>, args: remote::ConnectOpenArgs) -> Result<()> {
    call_flags::check(
        Domain::None,
        "virConnectOpen",
        args.flags,
        READ_ONLY | NO_ALIASES | AUTOSTART,
    )?;
    serves(
        D::SCHEME,
        call.driver.mode(),
        args.name.as_deref().unwrap_or_default(),
    )?;
    if args.flags & READ_ONLY != 0 {
        call.session.set_read_only();
    }
    Ok(())
}

/// Whether a driver serves a URI; an empty one leaves the choice to the daemon.
///
/// # Errors
/// [`Code::NoConnect`] for another driver's, [`Code::InternalError`] for another user's, [`Code::InvalidArg`] for
/// another host's.
fn serves(scheme: &str, mode: Mode, uri: &str) -> Result<()> {
    let own = format!("{scheme}:///{}", mode.name());
    if uri.is_empty() || uri == own {
        return Ok(());
    }
    let rest = uri
        .strip_prefix(scheme)
        .and_then(|rest| rest.strip_prefix(':'))
        .ok_or_else(|| Error::new(Code::NoConnect, Domain::None, uri))?;
    // Parameters are the client's own business.
    let rest = rest.split(['?', '#']).next().unwrap_or_default();
    let (host, path) = match rest.strip_prefix("//") {
        Some(rest) => rest.split_at_checked(rest.find('/').unwrap_or(rest.len())),
        None => Some(("", rest)),
    }
    .unwrap_or_default();
    if !host.is_empty() {
        let text = format!("the URI '{uri}' names a host; this daemon serves {own} on its own");
        return Err(Error::new(Code::InvalidArg, Domain::None, text));
    }
    if path.strip_prefix('/') == Some(mode.name()) {
        return Ok(());
    }
    Err(Error::new(
        Code::InternalError,
        Domain::None,
        format!("unexpected {scheme} URI path '{path}', try {own}"),
    ))
}

async fn close<D: Connection>(_: Context<D>, (): ()) -> Result<()> {
    Ok(())
}

async fn get_type<D: Connection>(_: Context<D>, (): ()) -> Result<remote::ConnectGetTypeRet> {
    Ok(remote::ConnectGetTypeRet {
        r#type: D::TYPE.to_owned(),
    })
}

async fn get_lib_version<D: Connection>(_: Context<D>, (): ()) -> Result<remote::ConnectGetLibVersionRet> {
    Ok(remote::ConnectGetLibVersionRet {
        lib_ver: COMPATIBLE_VERSION,
    })
}

async fn get_uri<D: Connection>(call: Context<D>, (): ()) -> Result<remote::ConnectGetUriRet> {
    Ok(remote::ConnectGetUriRet {
        uri: call.driver.uri(),
    })
}

async fn is_secure<D: Connection>(_: Context<D>, (): ()) -> Result<remote::ConnectIsSecureRet> {
    // A UNIX socket: nobody but the kernel sees what travels.
    Ok(remote::ConnectIsSecureRet { secure: 1 })
}

async fn set_identity<D: Connection>(call: Context<D>, args: remote::ConnectSetIdentityArgs) -> Result<()> {
    call_flags::check(Domain::None, "virConnectSetIdentity", args.flags, 0)?;
    identity::set(call.driver.instance(), &call.session, args.params).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_driver_serves_its_own_uri_and_tells_what_is_wrong_with_another() {
        let answer = |uri| serves("secret", Mode::System, uri).map_err(|err| (err.code(), err.to_string()));
        for good in [
            "",
            "secret:///system",
            "secret:///system?mode=direct",
            "secret:/system",
        ] {
            assert_eq!(answer(good), Ok(()), "{good}");
        }
        for (bad, code, words) in [
            (
                "secret:///session",
                Code::InternalError,
                "path '/session', try secret:///system",
            ),
            ("secret:///", Code::InternalError, "path '/'"),
            ("secret:", Code::InternalError, "path ''"),
            ("secret://", Code::InternalError, "path ''"),
            ("secret://host/system", Code::InvalidArg, "names a host"),
            ("network:///system", Code::NoConnect, "network:///system"),
            ("secretive:///system", Code::NoConnect, "secretive"),
        ] {
            let (given, text) = answer(bad).unwrap_err();
            assert_eq!(given, code, "{bad}");
            assert!(text.contains(words), "{bad}: {text}");
        }
    }
}
