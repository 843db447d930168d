//! Memory: its size, the backend of the guest's main memory, and backends in general.

use super::line::{KeyValues, Line, Props, incomplete, unsupported};
use error::{Code, Domain as ErrorDomain, Error, Result};
use model::CpuSet;
use model::domain::Domain;
use model::domain::cpu::NumaCell;
use model::domain::memory::{AllocationMode, MemoryAccessMode, MemorySourceType};
use model::domain::tune::NumaMode;
use model::domain::vcpu::Placement;

/// The refusal of huge pages that the host does not offer; libvirt blames itself for it.
fn not_mounted(text: String) -> Error {
    Error::new(Code::InternalError, ErrorDomain::Qemu, text)
}

/// Whose memory a backend is.
#[derive(Debug, Default)]
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
    /// The host's nodes, if they are given for this part alone.
    pub(super) nodes: Option<CpuSet>,
    /// Size of the host's pages in KiB, if it is given for this part alone.
    pub(super) page_kib: Option<u64>,
    /// The file of persistent memory.
    pub(super) path: Option<&'a str>,
    /// Its alignment in bytes.
    pub(super) align: Option<u64>,
    /// Whether the file is persistent memory of the host's.
    pub(super) pmem: bool,
    /// Whether the guest gets it bit by bit.
    pub(super) is_virtio_mem: bool,
}

/// Memory is whole multiples of this, in KiB.
pub(super) const GRAIN_KIB: u64 = 1024;

/// Ordinary pages of the host, in KiB.
const PAGE_KIB: u64 = 4;

/// What lies below a backend.
enum Place {
    Anonymous,
    Memfd,
    /// The file, and whether it is of huge pages.
    File(String, bool),
}

/// Where memory of ordinary pages lies that no element gives a path; who else may see it has to find it in a file.
fn ordinary(domain: &Domain, has_access: bool) -> MemorySourceType {
    let source = domain
        .memory_backing
        .as_deref()
        .and_then(|backing| backing.source.as_ref());
    match source.map(|source| source.r#type) {
        Some(MemorySourceType::Memfd) => MemorySourceType::Memfd,
        Some(MemorySourceType::Anonymous) | None if !has_access => MemorySourceType::Anonymous,
        _ => MemorySourceType::File,
    }
}

/// Whether some of the guest's memory may lie in files of [`CommandContext::memory_dir`](super::CommandContext).
pub fn has_memory_in_files(domain: &Domain) -> bool {
    let backing = domain.memory_backing.as_deref();
    let cells = domain.cpu.as_deref().and_then(|cpu| cpu.numa.as_ref());
    let has_access = backing.is_some_and(|backing| backing.access.is_some())
        || cells.is_some_and(|numa| numa.cells.iter().any(|cell| cell.mem_access.is_some()))
        || domain
            .devices
            .memories
            .iter()
            .any(|module| module.access.is_some());
    ordinary(domain, has_access) == MemorySourceType::File
}

/// Whether some of the guest's memory may lie in huge pages.
pub fn has_huge_pages(domain: &Domain) -> bool {
    let everywhere = domain
        .memory_backing
        .as_deref()
        .is_some_and(|backing| backing.huge_pages.is_some());
    let mut modules = domain
        .devices
        .memories
        .iter()
        .filter_map(|module| module.source.as_ref());
    everywhere || modules.any(|source| source.pagesize.is_some())
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
    match machine {
        // Some boards take no backend: their memory is many pieces.
        Some(machine) => Ok(machine.default_ram_id.as_deref().map(str::to_owned)),
        None => Err(unsupported(format!(
            "<type machine='{name}'>: this QEMU has no such machine"
        ))),
    }
}

/// The guest's initial memory in KiB: what its modules add is not part of it.
///
/// One that `comes` from elsewhere has what it had there.
pub(super) fn initial_kib(domain: &Domain, comes: bool) -> Result<u64> {
    if comes && domain.devices.memories.is_empty() {
        return Ok(domain.memory.size.0 / GRAIN_KIB * GRAIN_KIB);
    }
    let cells = domain
        .cpu
        .as_ref()
        .and_then(|cpu| cpu.numa.as_ref())
        .filter(|numa| !numa.cells.is_empty());
    if let Some(numa) = cells {
        let cells = numa
            .cells
            .iter()
            .map(|cell| cell.memory.0.0.next_multiple_of(GRAIN_KIB));
        return Ok(cells.fold(0, u64::saturating_add));
    }
    let modules = domain
        .devices
        .memories
        .iter()
        .fold(0_u64, |total, module| total.saturating_add(module.target.size.0));
    let rest = domain.memory.size.0.checked_sub(modules);
    rest.map(|kib| kib.next_multiple_of(GRAIN_KIB))
        .ok_or_else(|| incomplete("<memory> is less than its modules"))
}

impl Line<'_> {
    /// `-m` and the machine's memory backend.
    pub(super) fn memory(&mut self) -> Result<()> {
        let size = initial_kib(self.domain, self.context.found.incoming.is_some())?;
        let mut option = KeyValues::new().set("size", format!("{size}k"));
        if let Some(most) = &self.domain.max_memory {
            option = option.maybe("slots", most.slots);
            option.put("maxmem", format!("{}k", most.size.0));
        }
        self.option("-m", option.finish());
        if let Some(id) = machine_backend(self)? {
            let size = size.saturating_mul(1024);
            let backend = Backend {
                id: &id,
                size,
                is_main: true,
                ..Backend::default()
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

    /// Whether the memory of the guest's nodes needs no backends: old machine types have none, and a guest that began without goes
    /// on without.
    pub(super) fn has_plain_nodes(&self, cells: &[(u32, &NumaCell)]) -> Result<bool> {
        let name = self.domain.os.r#type.machine.as_deref().unwrap_or_default();
        if !self
            .caps
            .machine(name)
            .is_some_and(|machine| machine.numa_mem_supported)
        {
            return Ok(false);
        }
        let backing = self.domain.memory_backing.as_deref();
        let everywhere = backing.and_then(|backing| backing.access.as_ref());
        for (id, cell) in cells {
            let access = cell.mem_access.or(everywhere.map(|access| access.mode));
            let backend = Backend {
                node: Some(*id),
                ..Backend::default()
            };
            let plain = matches!(self.place(&backend, access)?, Place::Anonymous)
                && self.host_nodes(Some(*id))?.is_none();
            if !plain {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// `-object memory-backend-*`
    pub(super) fn memory_backend(&mut self, backend: &Backend<'_>) -> Result<()> {
        let backing = self.domain.memory_backing.as_deref();
        let everywhere = backing
            .and_then(|backing| backing.access.as_ref())
            .map(|access| access.mode);
        let persistent = backend.path.is_some();
        let numa = self.domain.cpu.as_ref().and_then(|cpu| cpu.numa.as_ref());
        let cell = numa.zip(backend.node).and_then(|(numa, node)| {
            let index = usize::try_from(node).ok()?;
            let named = numa.cells.iter().find(|cell| cell.id == Some(node));
            named.or_else(|| numa.cells.get(index).filter(|cell| cell.id.is_none()))
        });
        let access = backend
            .access
            .or(cell.and_then(|cell| cell.mem_access))
            .or(everywhere);
        let place = self.place(backend, access)?;
        let mut props = match &place {
            Place::Anonymous => Props::object("memory-backend-ram", backend.id),
            Place::Memfd => Props::object("memory-backend-memfd", backend.id),
            Place::File(path, _) => {
                Props::object("memory-backend-file", backend.id).set("mem-path", path.as_str())
            }
        };
        if !matches!(place, Place::Anonymous) {
            let discard = backend
                .discard
                .or(backing.filter(|backing| backing.discard).map(|_| true));
            if matches!(place, Place::File(..)) {
                props = props.maybe("discard-data", discard);
            }
            props = props.maybe("share", access.map(|access| access == MemoryAccessMode::Shared));
            if backend.is_main {
                props.put("x-use-canonical-path-for-ramblock-id", false);
            }
        }
        let allocation = backing.and_then(|backing| backing.allocation.as_ref());
        let immediate = allocation.and_then(|allocation| allocation.mode) == Some(AllocationMode::Immediate);
        let huge = matches!(place, Place::File(_, true));
        // Persistent memory of the host is there already; what grows bit by bit is taken by the device.
        let prealloc = (immediate || huge || persistent && !backend.pmem) && !backend.is_virtio_mem;
        if prealloc {
            props.put("prealloc", true);
            if let Some(threads) = allocation.and_then(|allocation| allocation.threads) {
                props.put("prealloc-threads", threads);
            }
        }
        if backend.is_virtio_mem {
            props.put("reserve", false);
        }
        props.put("size", backend.size);
        props = props.maybe("align", backend.align);
        if backend.pmem {
            props.put("pmem", true);
        }
        let mut context = None;
        let own = backend.nodes.clone().map(|nodes| (nodes, NumaMode::Strict));
        let nodes = match own {
            Some(own) => Some(own),
            None => self.host_nodes(backend.node)?,
        };
        if let Some((nodes, mode)) = nodes.filter(|_| !persistent) {
            let list: Vec<u32> = nodes.iter().collect();
            props.put("host-nodes", list.clone());
            let policy = match mode {
                NumaMode::Strict | NumaMode::Restrictive => "bind",
                NumaMode::Preferred => "preferred",
                NumaMode::Interleave => "interleave",
            };
            props.put("policy", policy);
            if prealloc && self.caps.has_device("thread-context") {
                let name = format!("tc-{}", backend.id);
                context = Some(Props::object("thread-context", name.clone()).set("node-affinity", list));
                props.put("prealloc-context", name);
            }
        }
        if let Some(context) = context {
            self.object(context);
        }
        self.object(props);
        Ok(())
    }

    /// Whether memory of pages of that size (KiB) is taken from the host at once.
    pub(super) fn is_preallocated(&self, page_kib: Option<u64>) -> bool {
        let backing = self.domain.memory_backing.as_deref();
        let allocation = backing.and_then(|backing| backing.allocation.as_ref());
        page_kib.is_some_and(|kib| kib != PAGE_KIB)
            || allocation.and_then(|allocation| allocation.mode) == Some(AllocationMode::Immediate)
    }

    fn place(&self, backend: &Backend<'_>, access: Option<MemoryAccessMode>) -> Result<Place> {
        if let Some(path) = backend.path {
            return Ok(Place::File(path.to_owned(), false));
        }
        if let Some(size) = self.page_kib(backend)? {
            let found = self
                .context
                .huge_pages
                .iter()
                .find(|pages| pages.page_kib == size);
            let pages = found.ok_or_else(|| {
                not_mounted(format!(
                    "<hugepages>: the host has no file system of pages of {size} KiB mounted"
                ))
            })?;
            return Ok(Place::File(pages.folder.display().to_string(), true));
        }
        Ok(match ordinary(self.domain, access.is_some()) {
            MemorySourceType::Memfd => Place::Memfd,
            MemorySourceType::Anonymous => Place::Anonymous,
            MemorySourceType::File => Place::File(
                self.context.memory_dir.join(backend.id).display().to_string(),
                false,
            ),
        })
    }

    /// The size of huge pages for this part, in KiB.
    fn page_kib(&self, backend: &Backend<'_>) -> Result<Option<u64>> {
        if let Some(size) = backend.page_kib {
            return Ok((size != PAGE_KIB).then_some(size));
        }
        let backing = self.domain.memory_backing.as_deref();
        let Some(huge) = backing.and_then(|backing| backing.huge_pages.as_ref()) else {
            return Ok(None);
        };
        let for_node = |node: u32| {
            huge.pages
                .iter()
                .find(|page| page.nodeset.as_ref().is_some_and(|nodes| nodes.contains(node)))
        };
        let page = match backend.node {
            Some(node) => for_node(node),
            None => for_node(0),
        };
        let page = page.or_else(|| huge.pages.iter().find(|page| page.nodeset.is_none()));
        match page {
            Some(page) => Ok((page.size.0 != PAGE_KIB).then_some(page.size.0)),
            None if huge.pages.is_empty() => {
                let first = self.context.huge_pages.first();
                let first = first.ok_or_else(|| {
                    not_mounted("<hugepages>: the host has no file system of huge pages mounted".to_owned())
                })?;
                Ok(Some(first.page_kib))
            }
            None => Ok(None),
        }
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
            .or_else(|| whole.and_then(|whole| whole.nodeset.as_ref()))
            .or_else(|| {
                let auto = whole.is_some_and(|whole| whole.placement == Some(Placement::Auto));
                self.context.found.numa_nodes.as_ref().filter(|_| auto)
            });
        Ok(nodes.map(|nodes| (nodes.clone(), mode)))
    }
}
