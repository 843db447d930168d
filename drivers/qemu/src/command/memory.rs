//! Memory: its size, the backend of the guest's main memory, and backends in general.

use super::line::{KeyValues, Line, Props, incomplete, unsupported};
use error::Result;
use model::CpuSet;
use model::domain::Domain;
use model::domain::memory::{AllocationMode, MemoryAccessMode, MemorySourceType};
use model::domain::tune::NumaMode;

/// Whose memory a backend is.
pub(super) struct Backend<'a> {
    /// The backend's name.
    pub(super) id: &'a str,
    /// Bytes.
    pub(super) size: u64,
    /// The guest's node, if it belongs to one.
    pub(super) node: Option<u32>,
    /// Whether others may see it, if this is said of this part alone.
    pub(super) access: Option<MemoryAccessMode>,
    /// Whether its contents are dropped at the end.
    pub(super) discard: Option<bool>,
    /// Whether it is the machine's main memory.
    pub(super) is_main: bool,
}

/// The name of the machine's memory backend; nothing where memory is given to nodes of the guest.
pub(super) fn machine_backend(line: &Line<'_>) -> Result<Option<String>> {
    if line
        .domain
        .cpu
        .as_ref()
        .and_then(|cpu| cpu.numa.as_ref())
        .is_some_and(|numa| !numa.cells.is_empty())
    {
        return Ok(None);
    }
    let name = line.domain.os.r#type.machine.as_deref().unwrap_or_default();
    let machine = line.caps.machine(name);
    match machine.and_then(|machine| machine.default_ram_id.as_deref()) {
        Some(id) => Ok(Some(id.to_owned())),
        None => Err(unsupported(format!(
            "<type machine='{name}'>: this QEMU has no such machine"
        ))),
    }
}

/// The guest's initial memory in KiB: what its modules add is not part of it.
pub(super) fn initial_kib(domain: &Domain) -> Result<u64> {
    let cells = domain
        .cpu
        .as_ref()
        .and_then(|cpu| cpu.numa.as_ref())
        .filter(|numa| !numa.cells.is_empty());
    if let Some(numa) = cells {
        return Ok(numa.total_memory());
    }
    let modules = domain
        .devices
        .memories
        .iter()
        .fold(0_u64, |total, module| total.saturating_add(module.target.size.0));
    domain
        .memory
        .size
        .0
        .checked_sub(modules)
        .ok_or_else(|| incomplete("<memory> is less than its modules"))
}

impl Line<'_> {
    /// `-m` and the machine's memory backend.
    pub(super) fn memory(&mut self) -> Result<()> {
        let size = initial_kib(self.domain)?;
        let mut option = KeyValues::new().set("size", format!("{size}k"));
        if let Some(most) = &self.domain.max_memory {
            option.put("slots", most.slots.unwrap_or(0));
            option.put("maxmem", format!("{}k", most.size.0));
        }
        self.option("-m", option.finish());
        if let Some(id) = machine_backend(self)? {
            let backend = Backend {
                id: &id,
                size: size.saturating_mul(1024),
                node: None,
                access: None,
                discard: None,
                is_main: true,
            };
            self.memory_backend(&backend)?;
        }
        let locked = self
            .domain
            .memory_backing
            .as_deref()
            .is_some_and(|backing| backing.locked);
        self.option(
            "-overcommit",
            KeyValues::new()
                .set("mem-lock", super::line::on_off(locked))
                .finish(),
        );
        Ok(())
    }

    /// `-object memory-backend-*`
    pub(super) fn memory_backend(&mut self, backend: &Backend<'_>) -> Result<()> {
        let backing = self.domain.memory_backing.as_deref();
        if backing.is_some_and(|backing| backing.huge_pages.is_some()) {
            return Err(unsupported(
                "<hugepages>: memory of huge pages is not supported yet",
            ));
        }
        let source = backing
            .and_then(|backing| backing.source.as_ref())
            .map(|source| source.r#type);
        let everywhere = backing
            .and_then(|backing| backing.access.as_ref())
            .map(|access| access.mode);
        let access = backend.access.or(everywhere);
        let kind = match source {
            Some(MemorySourceType::File) => {
                return Err(unsupported(
                    "<source type='file'>: memory in a file is not supported yet",
                ));
            }
            Some(MemorySourceType::Memfd) => "memory-backend-memfd",
            Some(MemorySourceType::Anonymous) | None if access == Some(MemoryAccessMode::Shared) => {
                return Err(unsupported(
                    "<access mode='shared'>: shared memory needs <source type='memfd'/>",
                ));
            }
            Some(MemorySourceType::Anonymous) | None => "memory-backend-ram",
        };
        let mut props = Props::object(kind, backend.id);
        if let Some(access) = access {
            props.put("share", access == MemoryAccessMode::Shared);
        }
        if source == Some(MemorySourceType::Memfd) && backend.is_main {
            props.put("x-use-canonical-path-for-ramblock-id", false);
        }
        let allocation = backing.and_then(|backing| backing.allocation.as_ref());
        let mut context = None;
        if allocation.and_then(|allocation| allocation.mode) == Some(AllocationMode::Immediate) {
            props.put("prealloc", true);
            if let Some(threads) = allocation.and_then(|allocation| allocation.threads) {
                props.put("prealloc-threads", threads);
            }
        }
        props.put("size", backend.size);
        if let Some((nodes, mode)) = self.host_nodes(backend.node)? {
            let list: Vec<u32> = nodes.iter().collect();
            props.put("host-nodes", list.clone());
            props.put(
                "policy",
                match mode {
                    NumaMode::Strict | NumaMode::Restrictive => "bind",
                    NumaMode::Preferred => "preferred",
                    NumaMode::Interleave => "interleave",
                },
            );
            if allocation.and_then(|allocation| allocation.mode) == Some(AllocationMode::Immediate)
                && self.caps.has_device("thread-context")
            {
                let name = format!("tc-{}", backend.id);
                context = Some(Props::object("thread-context", name.clone()).set("node-affinity", list));
                props.put("prealloc-context", name);
            }
        }
        if backing.is_some_and(|backing| backing.discard) || backend.discard == Some(true) {
            return Err(unsupported(
                "<discard>: it is for memory in files, which is not supported yet",
            ));
        }
        if let Some(context) = context {
            self.object(context);
        }
        self.object(props);
        Ok(())
    }

    /// The host's nodes that memory of a guest's node comes from, and how strictly.
    fn host_nodes(&self, node: Option<u32>) -> Result<Option<(CpuSet, NumaMode)>> {
        let Some(tune) = self.domain.numa_tune.as_deref() else {
            return Ok(None);
        };
        let whole = tune.memory.as_ref();
        let own = node.and_then(|node| tune.nodes.iter().find(|own| own.cell_id == node));
        let mode = own
            .and_then(|own| own.mode)
            .or_else(|| whole.and_then(|whole| whole.mode));
        let mode = mode.unwrap_or(NumaMode::Strict);
        if mode == NumaMode::Restrictive {
            return Ok(None);
        }
        let nodes = own
            .map(|own| &own.nodeset)
            .or_else(|| whole.and_then(|whole| whole.nodeset.as_ref()));
        Ok(nodes.map(|nodes| (nodes.clone(), mode)))
    }
}
