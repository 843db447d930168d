//! Streams to a guest's consoles and channels.

use super::Call;
use crate::Driver;
use crate::console::{self, Device};
use crate::flags;
use daemon::Routes;
use error::{Code, Domain, Error, Result};
use model::domain::devices::{CharSource, Devices};
use protocol::remote;
use protocol::remote::procedure as p;

pub(super) fn routes(routes: &mut Routes<Driver>) {
    routes.on::<p::DomainOpenConsole, _>(open_console);
    routes.on::<p::DomainOpenChannel, _>(open_channel);
}

/// `VIR_DOMAIN_CONSOLE_FORCE` and `VIR_DOMAIN_CHANNEL_FORCE`.
const FORCE: u32 = 1;
/// `VIR_DOMAIN_CONSOLE_SAFE`: only if others are kept off too, which is always so here.
const SAFE: u32 = 2;

async fn open_console(call: Call, args: remote::DomainOpenConsoleArgs) -> Result<()> {
    flags::check("virDomainOpenConsole", args.flags, FORCE | SAFE)?;
    let devices = live_devices(&call, &args.dom)?;
    let source = match args.dev_name.as_deref() {
        Some(name) => by_alias(&devices, name),
        None => first(&devices),
    };
    let source = source.ok_or_else(|| {
        let text = match args.dev_name.as_deref() {
            Some(name) => format!("cannot find console device '{name}'"),
            None => "the domain has no console".to_owned(),
        };
        Error::new(Code::InternalError, Domain::Qemu, text)
    })?;
    serve(&call, &source, args.flags & FORCE != 0).await
}

async fn open_channel(call: Call, args: remote::DomainOpenChannelArgs) -> Result<()> {
    flags::check("virDomainOpenChannel", args.flags, FORCE)?;
    let devices = live_devices(&call, &args.dom)?;
    let channel = devices
        .channels
        .iter()
        .find(|channel| match args.name.as_deref() {
            Some(name) => channel.name() == Some(name) || channel.info.alias_name() == Some(name),
            None => true,
        });
    let channel = channel.ok_or_else(|| {
        let text = format!(
            "cannot find channel '{}'",
            args.name.as_deref().unwrap_or_default()
        );
        Error::new(Code::InternalError, Domain::Qemu, text)
    })?;
    serve(&call, &channel.source, args.flags & FORCE != 0).await
}

fn live_devices(call: &Call, dom: &remote::Domain) -> Result<Devices> {
    let state = call.driver.domains.find(dom)?.state();
    Ok(state.running()?.document.parse()?.devices)
}

/// The first console, else serial port, else parallel port.
fn first(devices: &Devices) -> Option<CharSource> {
    let consoles = devices.consoles.first().map(|one| &one.source);
    let serials = || devices.serials.first().map(|one| &one.source);
    let parallels = || devices.parallels.first().map(|one| &one.source);
    consoles.or_else(serials).or_else(parallels).cloned()
}

fn by_alias(devices: &Devices, name: &str) -> Option<CharSource> {
    let consoles = devices.consoles.iter().map(|one| (&one.info, &one.source));
    let serials = devices.serials.iter().map(|one| (&one.info, &one.source));
    let parallels = devices.parallels.iter().map(|one| (&one.info, &one.source));
    let mut all = consoles.chain(serials).chain(parallels);
    all.find(|(info, _)| info.alias_name() == Some(name))
        .map(|(_, source)| source.clone())
}

async fn serve(call: &Call, source: &CharSource, force: bool) -> Result<()> {
    let path = source.path().unwrap_or_default();
    let hold = call.driver.consoles.take(path, force)?;
    let device = Device::open(source).await?;
    let stream = call.open_stream()?;
    tokio::spawn(console::connect(stream, device, hold));
    Ok(())
}
