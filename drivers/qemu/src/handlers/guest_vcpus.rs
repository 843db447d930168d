//! Virtual processors as the guest's system sees them: its agent takes them out of use and back in.

use super::Call;
use super::guest_agent::connection;
use crate::Driver;
use crate::agent::Connection;
use crate::flags;
use daemon::Routes;
use error::{Code, Domain, Error, Result};
use model::CpuSet;
use protocol::remote::procedure as p;
use protocol::{TypedParam, remote};
use serde::{Deserialize, Serialize};

pub(super) fn routes(routes: &mut Routes<Driver>) {
    routes.on::<p::DomainGetGuestVcpus, _>(get);
    routes.on::<p::DomainSetGuestVcpus, _>(set);
}

/// One processor.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Vcpu {
    logical_id: u32,
    online: bool,
    #[serde(default)]
    can_offline: bool,
}

/// What a processor is to become.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
struct Change {
    logical_id: u32,
    online: bool,
}

fn invalid(text: String) -> Error {
    Error::new(Code::InvalidArg, Domain::Qemu, text)
}

async fn known(agent: &mut Connection) -> Result<Vec<Vcpu>> {
    agent.execute("guest-get-vcpus", ()).await
}

fn numbers(vcpus: &[Vcpu], wanted: impl Fn(&Vcpu) -> bool) -> CpuSet {
    let wanted = vcpus.iter().filter(|vcpu| wanted(vcpu));
    wanted
        .map(|vcpu| vcpu.logical_id)
        .filter(|number| *number < CpuSet::LIMIT)
        .collect()
}

async fn get(call: Call, args: remote::DomainGetGuestVcpusArgs) -> Result<remote::DomainGetGuestVcpusRet> {
    flags::check("virDomainGetGuestVcpus", args.flags, 0)?;
    let vcpus = known(&mut connection(&call, &args.dom).await?).await?;
    let set = |name: &str, set: CpuSet| TypedParam::new(name, set.to_string());
    Ok(remote::DomainGetGuestVcpusRet {
        params: vec![
            set("vcpus", numbers(&vcpus, |_| true)),
            set("online", numbers(&vcpus, |vcpu| vcpu.online)),
            set("offlinable", numbers(&vcpus, |vcpu| vcpu.can_offline)),
        ],
    })
}

async fn set(call: Call, args: remote::DomainSetGuestVcpusArgs) -> Result<()> {
    flags::check("virDomainSetGuestVcpus", args.flags, 0)?;
    let online = match args.state {
        0 => false,
        1 => true,
        other => {
            return Err(invalid(format!(
                "unsupported state of a guest's processors: {other}"
            )));
        }
    };
    let wanted: CpuSet = args
        .cpumap
        .parse()
        .map_err(|_| invalid(format!("'{}' is no list of processors", args.cpumap)))?;
    if wanted.is_empty() {
        return Err(invalid("the list of processors is empty".to_owned()));
    }
    let mut agent = connection(&call, &args.dom).await?;
    let changes = changes(&known(&mut agent).await?, &wanted, online)?;
    apply(&mut agent, changes).await
}

/// What has to be asked for so that all of `wanted` are in use or are not.
fn changes(vcpus: &[Vcpu], wanted: &CpuSet, online: bool) -> Result<Vec<Change>> {
    let mut missing = wanted.clone();
    let mut changes = Vec::new();
    for vcpu in vcpus.iter().filter(|vcpu| wanted.contains(vcpu.logical_id)) {
        missing.remove(vcpu.logical_id);
        if !online && !vcpu.can_offline {
            let text = format!("vCPU '{}' is not offlinable", vcpu.logical_id);
            return Err(Error::new(Code::OperationUnsupported, Domain::Qemu, text));
        }
        if vcpu.online != online {
            changes.push(Change {
                logical_id: vcpu.logical_id,
                online,
            });
        }
    }
    if !missing.is_empty() {
        return Err(invalid(format!("guest is missing vCPUs '{missing}'")));
    }
    Ok(changes)
}

/// The agent does as many as it can at a time and says how many it was.
async fn apply(agent: &mut Connection, changes: Vec<Change>) -> Result<()> {
    let mut left = changes.as_slice();
    while !left.is_empty() {
        let done: usize = agent
            .execute("guest-set-vcpus", serde_json::json!({ "vcpus": left }))
            .await?;
        left = match left.get(done..) {
            Some(rest) if done > 0 => rest,
            _ => {
                let text = format!("the guest changed {done} of {} processors", left.len());
                return Err(Error::new(Code::AgentCommandFailed, Domain::Qemu, text));
            }
        };
    }
    Ok(())
}

/// How many processors the guest uses, or, `all`, has.
///
/// # Errors
/// As every call to the agent.
pub(super) async fn count(call: &Call, dom: &remote::Domain, all: bool) -> Result<usize> {
    let vcpus = known(&mut connection(call, dom).await?).await?;
    Ok(vcpus.iter().filter(|vcpu| all || vcpu.online).count())
}

/// Has the guest use that many of its processors: the first ones, and those that it cannot do without.
///
/// # Errors
/// [`Code::InvalidArg`] for more than it has or fewer than it can do with; as every call to the agent.
pub(super) async fn set_count(call: &Call, dom: &remote::Domain, wanted: u32) -> Result<()> {
    let mut agent = connection(call, dom).await?;
    let changes = to_count(&known(&mut agent).await?, wanted as usize)?;
    apply(&mut agent, changes).await
}

fn to_count(vcpus: &[Vcpu], wanted: usize) -> Result<Vec<Change>> {
    if wanted > vcpus.len() {
        return Err(invalid(format!(
            "requested vcpu count is greater than the count of enabled vcpus in the domain: {wanted} > {}",
            vcpus.len()
        )));
    }
    let now = vcpus.iter().filter(|vcpu| vcpu.online).count();
    let change = |vcpu: &Vcpu| Change {
        logical_id: vcpu.logical_id,
        online: !vcpu.online,
    };
    let changes: Vec<Change> = if wanted >= now {
        let off = vcpus.iter().filter(|vcpu| !vcpu.online);
        off.map(change).take(wanted - now).collect()
    } else {
        let on = vcpus.iter().rev().filter(|vcpu| vcpu.online && vcpu.can_offline);
        on.map(change).take(now - wanted).collect()
    };
    if changes.len() != wanted.abs_diff(now) {
        let text = format!(
            "the guest cannot do with {wanted} processors: {} of its {now} cannot be taken out of use",
            now - changes.len()
        );
        return Err(invalid(text));
    }
    Ok(changes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn three() -> Vec<Vcpu> {
        serde_json::from_str(
            r#"[{"logical-id":0,"online":true,"can-offline":false},{"logical-id":1,"online":true,"can-offline":true},
                {"logical-id":2,"online":false,"can-offline":true}]"#,
        )
        .unwrap()
    }

    #[test]
    fn only_what_differs_is_changed() {
        let set = |text: &str| text.parse::<CpuSet>().unwrap();
        let numbers = |changes: Vec<Change>| changes.iter().map(|one| one.logical_id).collect::<Vec<_>>();
        assert_eq!(numbers(changes(&three(), &set("0-2"), true).unwrap()), [2]);
        assert_eq!(numbers(changes(&three(), &set("1-2"), false).unwrap()), [1]);
        let refused = |text: &str, online| changes(&three(), &set(text), online).unwrap_err().code();
        assert_eq!(refused("0", false), Code::OperationUnsupported);
        assert_eq!(refused("1,7", true), Code::InvalidArg);
    }

    #[test]
    fn a_number_of_processors_is_reached_from_either_side() {
        let numbers = |wanted| {
            let changes = to_count(&three(), wanted)?;
            Ok(changes
                .iter()
                .map(|one| (one.logical_id, one.online))
                .collect::<Vec<_>>())
        };
        assert_eq!(numbers(3).unwrap(), [(2, true)]);
        assert_eq!(numbers(2).unwrap(), []);
        assert_eq!(numbers(1).unwrap(), [(1, false)]);
        let refused: Result<_> = numbers(0);
        assert_eq!(refused.unwrap_err().code(), Code::InvalidArg);
        assert_eq!(numbers(4).unwrap_err().code(), Code::InvalidArg);
    }
}
