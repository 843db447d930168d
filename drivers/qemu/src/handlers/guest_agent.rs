//! What only the agent in the guest knows or can do: its clock, its name, its users, its system.

use super::Call;
use crate::Driver;
use crate::agent::{self, Connection};
use crate::flags;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use daemon::Routes;
use error::{Code, Domain, Error, Result};
use protocol::remote::procedure as p;
use protocol::{TypedParam, remote};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::json;

pub(super) fn routes(routes: &mut Routes<Driver>) {
    routes.on::<p::DomainGetTime, _>(time);
    routes.on::<p::DomainSetTime, _>(set_time);
    routes.on::<p::DomainGetHostname, _>(hostname);
    routes.on::<p::DomainSetUserPassword, _>(set_user_password);
    routes.on::<p::DomainAgentSetResponseTimeout, _>(set_response_timeout);
    routes.on::<p::DomainGetGuestInfo, _>(info);
}

/// This call's turn with the agent of a domain.
pub(super) async fn connection(call: &Call, dom: &remote::Domain) -> Result<Connection> {
    agent::connect(&call.driver.domains.find(dom)?.state()).await
}

const SECOND: i64 = 1_000_000_000;

async fn time(call: Call, args: remote::DomainGetTimeArgs) -> Result<remote::DomainGetTimeRet> {
    flags::check("virDomainGetTime", args.flags, 0)?;
    let nanoseconds: i64 = connection(&call, &args.dom)
        .await?
        .execute("guest-get-time", ())
        .await?;
    Ok(remote::DomainGetTimeRet {
        seconds: nanoseconds.div_euclid(SECOND),
        nseconds: u32::try_from(nanoseconds.rem_euclid(SECOND)).unwrap_or_default(),
    })
}

async fn set_time(call: Call, args: remote::DomainSetTimeArgs) -> Result<()> {
    /// `VIR_DOMAIN_TIME_SYNC`: the guest takes it from its own hardware clock.
    const SYNC: u32 = 1;
    flags::check("virDomainSetTime", args.flags, SYNC)?;
    let arguments = if args.flags & SYNC != 0 {
        json!({})
    } else {
        let whole = args.seconds.checked_mul(SECOND);
        let time = whole.and_then(|whole| whole.checked_add(args.nseconds.into()));
        let time = time.ok_or_else(|| {
            let text = format!("Time '{}' is too big for guest agent", args.seconds);
            Error::new(Code::Overflow, Domain::Qemu, text)
        })?;
        json!({ "time": time })
    };
    let _: IgnoredAny = connection(&call, &args.dom)
        .await?
        .execute("guest-set-time", arguments)
        .await?;
    Ok(())
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct HostName {
    host_name: String,
}

async fn hostname(call: Call, args: remote::DomainGetHostnameArgs) -> Result<remote::DomainGetHostnameRet> {
    /// `VIR_DOMAIN_GET_HOSTNAME_LEASE`, `..._AGENT`.
    const LEASE: u32 = 1;
    const AGENT: u32 = 2;
    flags::check("virDomainGetHostname", args.flags, LEASE | AGENT)?;
    flags::exclusive(
        "virDomainGetHostname",
        args.flags,
        (LEASE, "VIR_DOMAIN_GET_HOSTNAME_LEASE"),
        (AGENT, "VIR_DOMAIN_GET_HOSTNAME_AGENT"),
    )?;
    if args.flags & LEASE != 0 {
        let state = call.driver.domains.find(&args.dom)?.state();
        let model = state.running()?.document.parse()?;
        let leases = super::guest_interfaces::leases(&call.driver, &model).await?;
        let mut leases = leases.into_iter().flat_map(|(_, leases)| leases);
        if let Some(hostname) = leases.find_map(|lease| lease.hostname) {
            return Ok(remote::DomainGetHostnameRet { hostname });
        }
        let text = format!("no hostname found for domain {}", state.name);
        return Err(Error::new(Code::NoHostname, Domain::Qemu, text));
    }
    let name: HostName = connection(&call, &args.dom)
        .await?
        .execute("guest-get-host-name", ())
        .await?;
    Ok(remote::DomainGetHostnameRet {
        hostname: name.host_name,
    })
}

async fn set_user_password(call: Call, args: remote::DomainSetUserPasswordArgs) -> Result<()> {
    /// `VIR_DOMAIN_PASSWORD_ENCRYPTED`.
    const ENCRYPTED: u32 = 1;
    flags::check("virDomainSetUserPassword", args.flags, ENCRYPTED)?;
    let missing = |what: &str| Error::new(Code::InvalidArg, Domain::Domain, format!("the {what} is missing"));
    let user = args.user.ok_or_else(|| missing("user"))?;
    let password = args.password.ok_or_else(|| missing("password"))?;
    let arguments = json!({
        "username": user,
        // The agent takes bytes as base64 (RFC 4648).
        "password": BASE64_STANDARD.encode(password),
        "crypted": args.flags & ENCRYPTED != 0,
    });
    let mut agent = connection(&call, &args.dom).await?;
    let _: IgnoredAny = agent.execute("guest-set-user-password", arguments).await?;
    Ok(())
}

async fn set_response_timeout(
    call: Call,
    args: remote::DomainAgentSetResponseTimeoutArgs,
) -> Result<remote::DomainAgentSetResponseTimeoutRet> {
    flags::check("virDomainAgentSetResponseTimeout", args.flags, 0)?;
    agent::wait_of(args.timeout)?;
    let state = call.driver.domains.find(&args.dom)?.state();
    agent::channel(state.running()?)?.set_patience(args.timeout)?;
    Ok(remote::DomainAgentSetResponseTimeoutRet { result: 0 })
}

/// `VIR_DOMAIN_GUEST_INFO_*`.
mod kind {
    pub(super) const USERS: u32 = 1;
    pub(super) const OS: u32 = 2;
    pub(super) const TIMEZONE: u32 = 4;
    pub(super) const HOSTNAME: u32 = 8;
    pub(super) const FILESYSTEM: u32 = 16;
    pub(super) const DISKS: u32 = 32;
    pub(super) const INTERFACES: u32 = 64;
    pub(super) const LOAD: u32 = 128;
    pub(super) const ALL: u32 = 255;
}

/// The most that is taken of anything the agent lists.
const MOST: usize = 256;

async fn info(call: Call, args: remote::DomainGetGuestInfoArgs) -> Result<remote::DomainGetGuestInfoRet> {
    flags::check("virDomainGetGuestInfo", args.flags, 0)?;
    // Who names kinds wants all of them answered; who names none takes what there is.
    let (wanted, exact) = match args.types {
        0 => (kind::ALL, false),
        types => (types & kind::ALL, true),
    };
    if args.types & !kind::ALL != 0 {
        let text = format!("unsupported guest information types '0x{:x}'", args.types);
        return Err(Error::new(Code::InvalidArg, Domain::Qemu, text));
    }
    let mut agent = connection(&call, &args.dom).await?;
    let mut params = Vec::new();
    for kind in (0..8).map(|bit| 1 << bit).filter(|kind| wanted & kind != 0) {
        match one_kind(&mut agent, kind).await {
            Ok(found) => params.extend(found),
            Err(err) if exact || err.code() == Code::AgentUnresponsive => return Err(err),
            Err(_) => {}
        }
    }
    params.truncate(remote::limits::DOMAIN_GUEST_INFO_PARAMS_MAX);
    Ok(remote::DomainGetGuestInfoRet { params })
}

async fn one_kind(agent: &mut Connection, kind: u32) -> Result<Vec<TypedParam>> {
    match kind {
        kind::USERS => users(agent).await,
        kind::OS => system(agent).await,
        kind::TIMEZONE => timezone(agent).await,
        kind::HOSTNAME => {
            let name: HostName = agent.execute("guest-get-host-name", ()).await?;
            Ok(vec![TypedParam::new("hostname", name.host_name)])
        }
        kind::FILESYSTEM => super::guest_file_systems::parameters(agent).await,
        kind::DISKS => disks(agent).await,
        kind::INTERFACES => super::guest_interfaces::parameters(agent).await,
        kind::LOAD => load(agent).await,
        _ => Ok(Vec::new()),
    }
}

/// How many there are, as the API tells it.
pub(super) fn count(name: &str, number: usize) -> TypedParam {
    TypedParam::new(name, u32::try_from(number).unwrap_or(u32::MAX))
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct User {
    user: String,
    domain: Option<String>,
    login_time: f64,
}

async fn users(agent: &mut Connection) -> Result<Vec<TypedParam>> {
    let users: Vec<User> = agent.execute("guest-get-users", ()).await?;
    let mut params = vec![count("user.count", users.len().min(MOST))];
    for (at, user) in users.into_iter().take(MOST).enumerate() {
        params.push(TypedParam::new(format!("user.{at}.name"), user.user));
        params.extend(
            user.domain
                .map(|domain| TypedParam::new(format!("user.{at}.domain"), domain)),
        );
        // Seconds with a fraction there, milliseconds here; a cast of nonsense ends at the numbers' limits.
        let login = (user.login_time * 1000.0) as u64;
        params.push(TypedParam::new(format!("user.{at}.login-time"), login));
    }
    Ok(params)
}

async fn system(agent: &mut Connection) -> Result<Vec<TypedParam>> {
    const NAMES: &[&str] = &[
        "id",
        "name",
        "pretty-name",
        "version",
        "version-id",
        "machine",
        "variant",
        "variant-id",
        "kernel-release",
        "kernel-version",
    ];
    let told: serde_json::Map<String, serde_json::Value> = agent.execute("guest-get-osinfo", ()).await?;
    let value = |name: &&str| Some(TypedParam::new(format!("os.{name}"), told.get(*name)?.as_str()?));
    Ok(NAMES.iter().filter_map(value).collect())
}

#[derive(Deserialize)]
struct Timezone {
    zone: Option<String>,
    offset: i32,
}

async fn timezone(agent: &mut Connection) -> Result<Vec<TypedParam>> {
    let told: Timezone = agent.execute("guest-get-timezone", ()).await?;
    let name = told.zone.map(|zone| TypedParam::new("timezone.name", zone));
    Ok(name
        .into_iter()
        .chain([TypedParam::new("timezone.offset", told.offset)])
        .collect())
}

#[derive(Deserialize)]
struct GuestDisk {
    name: String,
    partition: bool,
    #[serde(default)]
    dependencies: Vec<String>,
    alias: Option<String>,
}

async fn disks(agent: &mut Connection) -> Result<Vec<TypedParam>> {
    let disks: Vec<GuestDisk> = agent.execute("guest-get-disks", ()).await?;
    if disks.is_empty() {
        return Ok(Vec::new());
    }
    let mut params = vec![count("disk.count", disks.len().min(MOST))];
    for (at, disk) in disks.into_iter().take(MOST).enumerate() {
        params.push(TypedParam::new(format!("disk.{at}.name"), disk.name));
        params.push(TypedParam::new(format!("disk.{at}.partition"), disk.partition));
        if !disk.dependencies.is_empty() {
            let known = disk.dependencies.len().min(MOST);
            params.push(count(&format!("disk.{at}.dependency.count"), known));
        }
        for (number, name) in disk.dependencies.into_iter().take(MOST).enumerate() {
            params.push(TypedParam::new(
                format!("disk.{at}.dependency.{number}.name"),
                name,
            ));
        }
        params.extend(
            disk.alias
                .map(|alias| TypedParam::new(format!("disk.{at}.guest_alias"), alias)),
        );
    }
    Ok(params)
}

#[derive(Deserialize)]
struct Load {
    load1m: f64,
    load5m: f64,
    load15m: f64,
}

async fn load(agent: &mut Connection) -> Result<Vec<TypedParam>> {
    let load: Load = agent.execute("guest-get-load", ()).await?;
    Ok(vec![
        TypedParam::new("load.1m", load.load1m),
        TypedParam::new("load.5m", load.load5m),
        TypedParam::new("load.15m", load.load15m),
    ])
}
