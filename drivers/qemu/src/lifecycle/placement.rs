//! Where on the host a guest runs whose document leaves that to an advisor: numad(8), which knows where there is room.

use super::launch::run_for_words;
use error::{Code, Domain as ErrorDomain, Error, Result};
use host::Host;
use model::CpuSet;
use model::domain::Domain as Model;
use model::domain::vcpu::Placement;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// Where numad may be.
const PLACES: [&str; 2] = ["/usr/bin/numad", "/usr/sbin/numad"];

/// How long it may take: it looks at the host for some seconds before it answers.
const PATIENCE: Duration = Duration::from_secs(30);

/// The nodes that a guest is to run at; `None` where its document does not ask. Blocks, inside the runtime.
///
/// # Errors
/// [`Code::ConfigUnsupported`] without an advisor, [`Code::InternalError`] when it has no advice.
pub(super) fn advise(model: &Model) -> Result<Option<CpuSet>> {
    if !asks_processors(model) && !asks_memory(model) {
        return Ok(None);
    }
    let Some(program) = PLACES.into_iter().find(|path| Path::new(path).exists()) else {
        let text = "<vcpu placement='auto'>: numad is not available on this host";
        return Err(Error::new(Code::ConfigUnsupported, ErrorDomain::Qemu, text));
    };
    let mut command = Command::new(program);
    let memory = model.memory.size.0.div_ceil(1024);
    command.args(["-w", &format!("{}:{memory}", model.vcpu.current())]);
    let said = run_for_words("<vcpu placement='auto'>", "numad", command, PATIENCE)?;
    nodes(&said).map(Some)
}

/// The advice as it is said: a list of nodes.
fn nodes(said: &str) -> Result<CpuSet> {
    let nodes = said
        .trim()
        .parse::<CpuSet>()
        .ok()
        .filter(|nodes| !nodes.is_empty());
    nodes.ok_or_else(|| {
        let text = format!(
            "Failed to query numad for the advisory nodeset: '{}'",
            said.trim()
        );
        Error::new(Code::InternalError, ErrorDomain::Qemu, text)
    })
}

/// The document with the advice in the places of what it leaves open; for what is done at start, not for users.
pub(super) fn placed(model: &Model, advice: Option<&CpuSet>, host: &Host) -> Model {
    let mut placed = model.clone();
    let Some(nodes) = advice else { return placed };
    if asks_processors(model) && placed.vcpu.cpuset.is_none() {
        let cells = host.topology().into_iter().filter(|cell| nodes.contains(cell.id));
        let cpus: CpuSet = cells.flat_map(|cell| cell.cpus).map(|cpu| cpu.id).collect();
        placed.vcpu.cpuset = Some(cpus).filter(|cpus| !cpus.is_empty());
    }
    if asks_memory(model)
        && let Some(memory) = placed
            .numa_tune
            .as_deref_mut()
            .and_then(|tune| tune.memory.as_mut())
    {
        memory.nodeset = Some(nodes.clone());
    }
    placed
}

fn asks_processors(model: &Model) -> bool {
    model.vcpu.placement == Some(Placement::Auto)
}

fn asks_memory(model: &Model) -> bool {
    let memory = model.numa_tune.as_deref().and_then(|tune| tune.memory.as_ref());
    memory.is_some_and(|memory| memory.placement == Some(Placement::Auto))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn advice_fills_what_is_left_open() {
        let text = "<domain type='qemu'><name>a</name><memory>1024</memory><vcpu placement='auto'>2</vcpu>\
            <numatune><memory mode='strict' placement='auto'/></numatune><os><type>hvm</type></os></domain>";
        let model = Model::from_xml(text).unwrap();
        let advice = nodes("0\n").unwrap();
        let placed = placed(&model, Some(&advice), &Host::local());
        assert!(placed.vcpu.cpuset.is_some());
        let memory = placed.numa_tune.unwrap().memory.unwrap();
        assert_eq!(memory.nodeset, Some(advice));
        assert!(nodes("no idea").is_err() && nodes("").is_err());
    }
}
