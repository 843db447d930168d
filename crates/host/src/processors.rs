//! How many processors there are, how they are arranged, and what they spent their time on.

use crate::{CpuSet, Host};
use error::{Code, Domain, Error, Result};
use std::collections::{BTreeMap, BTreeSet};

/// One tick of `/proc/stat` in nanoseconds: the kernel's user-visible clock runs at 100 Hz everywhere.
const TICK: u64 = 10_000_000;

/// The figures of `virNodeInfo`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeInfo {
    /// The processor's architecture as the kernel names it.
    pub model: String,
    /// Memory in KiB: of all NUMA cells where there are any, else of the host.
    pub memory: u64,
    /// Processors that are online.
    pub cpus: u32,
    /// Clock in MHz, 0 if unknown.
    pub mhz: u32,
    /// NUMA cells with processors; 1 where the arrangement is irregular.
    pub nodes: u32,
    /// Sockets in a cell; 1 where the arrangement is irregular.
    pub sockets: u32,
    /// Cores in a socket; all processors where the arrangement is irregular.
    pub cores: u32,
    /// Threads in a core; 1 where the arrangement is irregular.
    pub threads: u32,
}

/// Time spent since boot, in nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CpuStats {
    /// In the kernel, interrupts included.
    pub kernel: u64,
    /// In programs.
    pub user: u64,
    /// Idle.
    pub idle: u64,
    /// Waiting for devices.
    pub iowait: u64,
}

/// Which processors exist and which of them run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CpuMap {
    /// One more than the highest number present.
    pub count: u32,
    /// Those that run.
    pub online: CpuSet,
}

/// Where one processor sits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    pub(crate) socket: u32,
    pub(crate) die: u32,
    pub(crate) cluster: u32,
    pub(crate) core: u32,
}

impl Host {
    /// The figures of `virNodeInfo`.
    pub fn node_info(&self) -> NodeInfo {
        let online = self.online_cpus();
        let cpus = u32::try_from(online.len()).unwrap_or(u32::MAX);
        let shape = self.regular_shape(&online);
        let (nodes, sockets, cores, threads) = shape.unwrap_or((1, 1, cpus, 1));
        NodeInfo {
            model: self.architecture(),
            memory: self.cells_memory().unwrap_or_else(|| self.memory_stats().total),
            cpus,
            mhz: self.mhz().unwrap_or(0),
            nodes,
            sockets,
            cores,
            threads,
        }
    }

    /// Cells, sockets, cores and threads, if multiplying them gives the number of processors.
    fn regular_shape(&self, online: &CpuSet) -> Option<(u32, u32, u32, u32)> {
        let mut cells: BTreeMap<u32, BTreeMap<u32, BTreeSet<Place>>> = BTreeMap::new();
        let mut threads = 0;
        for (cell, cpus) in self.cpus_of_cells() {
            for cpu in cpus.iter().filter(|&cpu| online.contains(cpu)) {
                let place = self.place(cpu);
                cells
                    .entry(cell)
                    .or_default()
                    .entry(place.socket)
                    .or_default()
                    .insert(place);
                threads = threads.max(self.siblings(cpu).len());
            }
        }
        let nodes = cells.len();
        let sockets = cells.values().map(BTreeMap::len).max()?;
        let cores = cells
            .values()
            .flat_map(BTreeMap::values)
            .map(BTreeSet::len)
            .max()?;
        let product = nodes
            .checked_mul(sockets)?
            .checked_mul(cores)?
            .checked_mul(threads)?;
        let present = self
            .cpuset("sys/devices/system/cpu/present")
            .map_or(online.len(), |set| set.len());
        let narrow = |number: usize| u32::try_from(number).ok();
        if product != online.len() && product != present {
            return None;
        }
        Some((narrow(nodes)?, narrow(sockets)?, narrow(cores)?, narrow(threads)?))
    }

    pub(crate) fn place(&self, cpu: u32) -> Place {
        let topology = |file: &str| {
            let path = format!("sys/devices/system/cpu/cpu{cpu}/topology/{file}");
            self.value::<i64>(path)
                .and_then(|id| u32::try_from(id).ok())
                .unwrap_or(0)
        };
        Place {
            socket: topology("physical_package_id"),
            die: topology("die_id"),
            cluster: topology("cluster_id"),
            core: topology("core_id"),
        }
    }

    /// The processors that share a core with `cpu`, itself among them.
    pub(crate) fn siblings(&self, cpu: u32) -> CpuSet {
        self.cpuset(format!(
            "sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list"
        ))
        .filter(|set| !set.is_empty())
        .unwrap_or_else(|| [cpu].into_iter().collect())
    }

    /// The processors that run.
    pub fn online_cpus(&self) -> CpuSet {
        if let Some(online) = self
            .cpuset("sys/devices/system/cpu/online")
            .filter(|set| !set.is_empty())
        {
            return online;
        }
        let stat = self.text("proc/stat").unwrap_or_default();
        stat.lines()
            .filter_map(|line| line.split(' ').next()?.strip_prefix("cpu")?.parse().ok())
            .collect()
    }

    /// Which processors exist and which of them run.
    pub fn cpu_map(&self) -> CpuMap {
        let online = self.online_cpus();
        let present = self.cpuset("sys/devices/system/cpu/present");
        let last = present.as_ref().and_then(CpuSet::last).max(online.last());
        CpuMap {
            count: last.map_or(0, |last| last + 1),
            online,
        }
    }

    /// Time spent by processor `cpu`, or by all together.
    ///
    /// # Errors
    /// [`Code::InvalidArg`] when there is no such processor.
    pub fn cpu_stats(&self, cpu: Option<u32>) -> Result<CpuStats> {
        let stat = self
            .text("proc/stat")
            .ok_or_else(|| Error::new(Code::SystemError, Domain::None, "cannot read '/proc/stat'"))?;
        let name = cpu.map_or_else(|| "cpu".to_owned(), |cpu| format!("cpu{cpu}"));
        let line = stat
            .lines()
            .find_map(|line| line.strip_prefix(name.as_str())?.strip_prefix(' '));
        let Some(line) = line else {
            let detail = format!("processor {} does not exist or is offline", cpu.unwrap_or(0));
            return Err(Error::new(Code::InvalidArg, Domain::None, detail));
        };
        let ticks: Vec<u64> = line
            .split_whitespace()
            .map_while(|field| field.parse().ok())
            .collect();
        let time = |columns: &[usize]| {
            let sum = columns
                .iter()
                .filter_map(|&at| ticks.get(at))
                .fold(0_u64, |sum, &t| sum.saturating_add(t));
            sum.saturating_mul(TICK)
        };
        // Columns: user nice system idle iowait irq softirq.
        Ok(CpuStats {
            kernel: time(&[2, 5, 6]),
            user: time(&[0, 1]),
            idle: time(&[3]),
            iowait: time(&[4]),
        })
    }

    /// The architecture as the kernel names it, such as `x86_64`.
    pub fn architecture(&self) -> String {
        rustix::system::uname().machine().to_string_lossy().into_owned()
    }

    fn mhz(&self) -> Option<u32> {
        let mhz: f64 = self.cpuinfo("cpu MHz")?.parse().ok()?;
        // Beyond any clock the text is nonsense; the cast below then cannot surprise.
        (0.0..1e6).contains(&mhz).then_some(mhz as u32)
    }

    /// The first processor's entry called `key` in `/proc/cpuinfo`.
    pub fn cpuinfo(&self, key: &str) -> Option<String> {
        let text = self.text("proc/cpuinfo")?;
        text.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            (name.trim() == key).then(|| value.trim().to_owned())
        })
    }

    /// Whether the first processor's entry called `key` in `/proc/cpuinfo` lists `flag`.
    pub fn cpuinfo_lists(&self, key: &str, flag: &str) -> bool {
        self.cpuinfo(key)
            .is_some_and(|list| list.split(' ').any(|word| word == flag))
    }

    /// The microcode's version, if the kernel tells it.
    pub fn microcode(&self) -> Option<u32> {
        let text = self.cpuinfo("microcode")?;
        match text.strip_prefix("0x") {
            Some(hex) => u32::from_str_radix(hex, 16).ok(),
            None => text.parse().ok(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::Tree;

    fn machine(nodes: u32, sockets: u32, cores: u32, threads: u32) -> Tree {
        let tree = Tree::new(&[("proc/cpuinfo", "cpu MHz\t\t: 2445.402\nmicrocode : 0x10\n")]);
        let mut cpu = 0;
        for node in 0..nodes {
            let first = cpu;
            for socket in 0..sockets {
                for core in 0..cores {
                    let siblings = format!("{}-{}", cpu, cpu + threads - 1);
                    for _ in 0..threads {
                        let folder = format!("sys/devices/system/cpu/cpu{cpu}/topology");
                        let package = node * sockets + socket;
                        tree.put(
                            &format!("{folder}/physical_package_id"),
                            package.to_string().as_bytes(),
                        );
                        tree.put(&format!("{folder}/core_id"), core.to_string().as_bytes());
                        tree.put(&format!("{folder}/thread_siblings_list"), siblings.as_bytes());
                        cpu += 1;
                    }
                }
            }
            let folder = format!("sys/devices/system/node/node{node}");
            tree.put(
                &format!("{folder}/cpulist"),
                format!("{first}-{}", cpu - 1).as_bytes(),
            );
            tree.put(
                &format!("{folder}/meminfo"),
                format!("Node {node} MemTotal: 1000 kB\n").as_bytes(),
            );
        }
        tree.put(
            "sys/devices/system/cpu/online",
            format!("0-{}", cpu - 1).as_bytes(),
        );
        tree.put(
            "sys/devices/system/cpu/present",
            format!("0-{}", cpu - 1).as_bytes(),
        );
        tree
    }

    #[test]
    fn a_regular_machine_is_told_by_its_four_numbers() {
        let info = machine(2, 2, 4, 2).host().node_info();
        assert_eq!((info.nodes, info.sockets, info.cores, info.threads), (2, 2, 4, 2));
        assert_eq!((info.cpus, info.memory, info.mhz), (32, 2000, 2445));
    }

    #[test]
    fn an_irregular_machine_is_one_socket_of_single_threads() {
        let tree = machine(2, 1, 2, 2);
        tree.put("sys/devices/system/cpu/cpu7/topology/physical_package_id", b"9");
        let info = tree.host().node_info();
        assert_eq!((info.nodes, info.sockets, info.cores, info.threads), (1, 1, 8, 1));
    }

    #[test]
    fn a_host_that_tells_nothing_has_no_shape_but_an_answer() {
        let info = Tree::new(&[]).host().node_info();
        assert_eq!((info.cpus, info.memory, info.nodes, info.sockets), (0, 0, 1, 1));
    }

    #[test]
    fn times_are_nanoseconds_and_interrupts_count_as_kernel() {
        let tree = Tree::new(&[(
            "proc/stat",
            "cpu  36 1 23 315 34 2 9 3 0 0\ncpu1 1 0 2 3\nintr 1\n",
        )]);
        let host = tree.host();
        let all = host.cpu_stats(None).unwrap();
        assert_eq!(
            (all.user, all.kernel, all.idle, all.iowait),
            (37 * TICK, 34 * TICK, 315 * TICK, 34 * TICK)
        );
        assert_eq!(host.cpu_stats(Some(1)).unwrap().iowait, 0);
        assert_eq!(host.cpu_stats(Some(2)).unwrap_err().code(), Code::InvalidArg);
        assert_eq!(host.online_cpus().to_string(), "1");
    }

    #[test]
    fn the_map_counts_processors_that_are_off() {
        let files = [
            ("sys/devices/system/cpu/online", "0-1"),
            ("sys/devices/system/cpu/present", "0-3"),
        ];
        let map = Tree::new(&files).host().cpu_map();
        assert_eq!((map.count, map.online.len()), (4, 2));
    }
}
