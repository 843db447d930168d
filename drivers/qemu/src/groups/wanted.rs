//! What a document wants of control groups: whether the host has it.

use super::Groups;
use cgroup::Controller;
use error::{Code, Domain as ErrorDomain, Error, Result};
use host::Host;
use kernel::scheduling::MemoryPolicy;
use model::CpuSet;
use model::domain::Domain as Model;
use model::domain::memory::MemTune;
use model::domain::tune::{BlkioTune, CpuTune, NumaMode};

/// Refuses a document whose limits cannot be held here.
///
/// # Errors
/// [`Code::ConfigUnsupported`] with what is missing.
pub(crate) fn check(model: &Model, groups: &Groups) -> Result<()> {
    let unsupported = |text: String| Err(Error::new(Code::ConfigUnsupported, ErrorDomain::Qemu, text));
    let wanted = [
        (
            "CPU tuning",
            Controller::Cpu,
            model.cpu_tune.as_deref().is_some_and(limits_time),
        ),
        (
            "Memory tuning",
            Controller::Memory,
            model
                .mem_tune
                .as_deref()
                .is_some_and(|tune| *tune != MemTune::default()),
        ),
        (
            "Block I/O tuning",
            Controller::Block,
            model
                .blkio_tune
                .as_deref()
                .is_some_and(|tune| *tune != BlkioTune::default()),
        ),
        (
            "NUMA tuning with mode='restrictive'",
            Controller::CpuSet,
            mode_and_nodes(model).is_some_and(|(mode, _)| mode == NumaMode::Restrictive),
        ),
    ];
    for (what, controller, _) in wanted.into_iter().filter(|(.., wanted)| *wanted) {
        if groups.is_session() {
            return unsupported(format!("{what} is not available in session mode"));
        }
        if !groups.has(controller) {
            return unsupported(format!(
                "{what} is not available on this host: there is no '{controller}' controller of control groups"
            ));
        }
    }
    let shares_caches = |tune: &CpuTune| !tune.cache_tunes.is_empty() || !tune.memory_tunes.is_empty();
    if model.cpu_tune.as_deref().is_some_and(shares_caches) {
        return unsupported("<cputune>: dividing caches and memory bandwidth is not supported".to_owned());
    }
    Ok(())
}

/// Refuses nodes of memory that the host does not have.
///
/// # Errors
/// [`Code::ConfigUnsupported`] that names the node.
pub(crate) fn check_nodes(model: &Model, host: &Host) -> Result<()> {
    let Some(tune) = model.numa_tune.as_deref() else {
        return Ok(());
    };
    let whole = tune.memory.iter().filter_map(|memory| memory.nodeset.as_ref());
    let wanted = whole.chain(tune.nodes.iter().map(|node| &node.nodeset));
    available(host, wanted.flat_map(CpuSet::iter))
}

/// Refuses the first node that the host does not have.
///
/// # Errors
/// [`Code::ConfigUnsupported`] that names it.
pub(crate) fn available(host: &Host, mut nodes: impl Iterator<Item = u32>) -> Result<()> {
    let mut there = host.cells();
    if there.is_empty() {
        // A kernel that knows no nodes has everything in the first.
        there.push(0);
    }
    match nodes.find(|node| !there.contains(node)) {
        None => Ok(()),
        Some(missing) => {
            let text = format!("NUMA node {missing} is unavailable");
            Err(Error::new(Code::ConfigUnsupported, ErrorDomain::Qemu, text))
        }
    }
}

/// Whether it limits the time of threads.
fn limits_time(tune: &CpuTune) -> bool {
    tune.shares.is_some()
        || tune.period.is_some()
        || tune.quota.is_some()
        || tune.global_period.is_some()
        || tune.global_quota.is_some()
        || tune.emulator_period.is_some()
        || tune.emulator_quota.is_some()
        || tune.iothread_period.is_some()
        || tune.iothread_quota.is_some()
}

/// Where the memory of the whole guest comes from, if its document says.
pub(super) fn mode_and_nodes(model: &Model) -> Option<(NumaMode, &CpuSet)> {
    let memory = model.numa_tune.as_deref()?.memory.as_ref()?;
    Some((memory.mode.unwrap_or(NumaMode::Strict), memory.nodeset.as_ref()?))
}

/// The nodes that control groups hold a guest to: with modes that allow no others.
pub(super) fn held_nodes(model: &Model) -> Option<String> {
    let (mode, nodes) = mode_and_nodes(model)?;
    matches!(mode, NumaMode::Strict | NumaMode::Restrictive).then(|| nodes.to_string())
}

/// What the kernel is told of a guest's memory before there is a guest: what control groups do not hold it to.
pub(crate) fn memory_policy(model: &Model, groups: &Groups) -> Option<(MemoryPolicy, Vec<u32>)> {
    let (mode, nodes) = mode_and_nodes(model)?;
    let policy = match mode {
        NumaMode::Strict if groups.has(Controller::CpuSet) => return None,
        NumaMode::Strict => MemoryPolicy::Strict,
        NumaMode::Preferred => MemoryPolicy::Preferred,
        NumaMode::Interleave => MemoryPolicy::Interleave,
        NumaMode::Restrictive => return None,
    };
    Some((policy, nodes.iter().collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn groups(session: bool) -> Groups {
        Groups {
            session,
            ..Groups::none()
        }
    }

    fn document(more: &str) -> Model {
        let text = format!(
            "<domain type='qemu'><name>a</name><memory>1024</memory>{more}<os><type>hvm</type></os></domain>"
        );
        Model::from_xml(&text).unwrap()
    }

    #[test]
    fn a_limit_is_not_ignored() {
        let check = |more: &str| check(&document(more), &groups(false));
        assert!(check("").is_ok());
        assert!(check("<cputune><vcpupin vcpu='0' cpuset='0'/></cputune>").is_ok());
        assert!(check("<numatune><memory mode='strict' nodeset='0'/></numatune>").is_ok());
        for limit in [
            "<cputune><shares>2048</shares></cputune>",
            "<memtune><hard_limit unit='MiB'>64</hard_limit></memtune>",
            "<blkiotune><weight>500</weight></blkiotune>",
            "<numatune><memory mode='restrictive' nodeset='0'/></numatune>",
            "<cputune><cachetune vcpus='0'><cache id='0' level='3' type='both' size='3' unit='MiB'/></cachetune></cputune>",
        ] {
            assert_eq!(
                check(limit).unwrap_err().code(),
                Code::ConfigUnsupported,
                "{limit}"
            );
        }
        let shares = document("<cputune><shares>2048</shares></cputune>");
        let refused = super::check(&shares, &groups(true)).unwrap_err();
        assert!(refused.detail().contains("session mode"));
    }

    #[test]
    fn nodes_that_are_not_there_are_refused() {
        let tune = |node: u32| format!("<numatune><memory mode='strict' nodeset='{node}'/></numatune>");
        assert!(check_nodes(&document(&tune(0)), &Host::local()).is_ok());
        let refused = check_nodes(&document(&tune(500)), &Host::local()).unwrap_err();
        assert_eq!(refused.detail(), "NUMA node 500 is unavailable");
    }

    #[test]
    fn memory_that_no_group_holds_has_a_policy() {
        let policy = |mode: &str| {
            let tune = format!("<numatune><memory mode='{mode}' nodeset='0-1'/></numatune>");
            memory_policy(&document(&tune), &groups(false))
        };
        assert_eq!(policy("strict"), Some((MemoryPolicy::Strict, vec![0, 1])));
        assert_eq!(policy("interleave"), Some((MemoryPolicy::Interleave, vec![0, 1])));
        assert_eq!(policy("restrictive"), None);
    }
}
