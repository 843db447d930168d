//! A client's own connection to a guest's display server, handed to QEMU through its monitor.

use super::Call;
use crate::Driver;
use crate::domain::Live;
use crate::flags;
use crate::lifecycle::{COMMAND_WAIT, monitor_error};
use daemon::Routes;
use error::{Code, Domain, Error, Result};
use model::domain::devices::Graphics;
use protocol::remote;
use protocol::remote::procedure as p;
use serde_json::json;
use std::os::fd::OwnedFd;
use std::sync::Arc;

pub(super) fn routes(routes: &mut Routes<Driver>) {
    routes.on::<p::DomainOpenGraphics, _>(open);
    routes.on::<p::DomainOpenGraphicsFd, _>(open_fd);
}

/// `VIR_DOMAIN_OPEN_GRAPHICS_SKIPAUTH`.
const SKIP_AUTH: u32 = 1;

async fn open(call: Call, args: remote::DomainOpenGraphicsArgs) -> Result<()> {
    flags::check("virDomainOpenGraphics", args.flags, SKIP_AUTH)?;
    let (live, protocol) = server(&call, &args.dom, args.idx)?;
    let mut given = call.take_fds().into_iter();
    let (Some(socket), None) = (given.next(), given.next()) else {
        let text = "exactly one socket must come with the call";
        return Err(Error::new(Code::InvalidArg, Domain::Qemu, text));
    };
    // QEMU would take any descriptor and fail at its first use.
    if rustix::net::sockopt::socket_type(&socket).is_err() {
        let text = "the descriptor of the call is no socket";
        return Err(Error::new(Code::InvalidArg, Domain::Qemu, text));
    }
    hand_over(&live, protocol, socket, args.flags).await
}

async fn open_fd(call: Call, args: remote::DomainOpenGraphicsFdArgs) -> Result<()> {
    use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
    flags::check("virDomainOpenGraphicsFD", args.flags, SKIP_AUTH)?;
    let (live, protocol) = server(&call, &args.dom, args.idx)?;
    let pair = socketpair(
        AddressFamily::UNIX,
        SocketType::STREAM,
        SocketFlags::CLOEXEC,
        None,
    );
    let (theirs, qemus) = pair.map_err(|err| {
        let text = format!("cannot make a pair of sockets: {err}");
        Error::new(Code::SystemError, Domain::Qemu, text).caused_by(err)
    })?;
    call.push_reply_fd(theirs)?;
    hand_over(&live, protocol, qemus, args.flags).await
}

/// The running guest and the protocol of its display server of that number.
fn server(call: &Call, dom: &remote::Domain, index: u32) -> Result<(Arc<Live>, &'static str)> {
    let state = call.driver.domains.find(dom)?.state();
    let live = Arc::clone(state.running()?);
    let displays = live.document.parse()?.devices.graphics;
    let at = usize::try_from(index).unwrap_or(usize::MAX);
    let display = displays.get(at).ok_or_else(|| {
        let text = format!("No graphics backend with index {index}");
        Error::new(Code::InternalError, Domain::Qemu, text)
    })?;
    match display {
        Graphics::Vnc(_) => Ok((live, "vnc")),
        Graphics::Spice(_) => Ok((live, "spice")),
        Graphics::Dbus(_) => Ok((live, "@dbus-display")),
        _ => {
            let text =
                format!("Can only open VNC, SPICE or D-Bus p2p graphics backends, and {index} is none");
            Err(Error::new(Code::InternalError, Domain::Qemu, text))
        }
    }
}

async fn hand_over(live: &Live, protocol: &str, socket: OwnedFd, given: u32) -> Result<()> {
    let monitor = live.reached().await?;
    let name = format!("graphics-{}", uuid::Uuid::new_v4());
    monitor
        .getfd(&name, socket, COMMAND_WAIT)
        .await
        .map_err(monitor_error)?;
    let arguments = json!({ "protocol": protocol, "fdname": name, "skipauth": given & SKIP_AUTH != 0 });
    if let Err(err) = monitor.order("add_client", arguments, COMMAND_WAIT).await {
        // A client that QEMU did not take would stay open in it; where it did, the name is gone.
        let _ = monitor.closefd(&name, COMMAND_WAIT).await;
        return Err(monitor_error(err));
    }
    Ok(())
}
