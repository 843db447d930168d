//! Memory that can be plugged: modules, persistent memory, and memory that grows and shrinks.

use super::address::alias;
use super::line::{Line, Props, incomplete, unsupported};
use super::memory::Backend;
use error::Result;
use model::CpuSet;
use model::domain::devices::memory::{MemoryAccess, MemoryModel};
use model::domain::devices::{Address, Memory};
use model::domain::memory::MemoryAccessMode;

/// Modules are whole multiples of this, in KiB.
const GRAIN_KIB: u64 = 2048;

impl Line<'_> {
    pub(super) fn memory_modules(&mut self) -> Result<()> {
        self.domain
            .devices
            .memories
            .iter()
            .try_for_each(|module| self.memory_module(module))
    }

    fn memory_module(&mut self, module: &Memory) -> Result<()> {
        let id = alias(&module.info)?;
        let backend = format!("mem{id}");
        let source = module.source.as_ref();
        let nodes = source.and_then(|source| source.nodemask.as_deref()).map(|mask| {
            mask.parse::<CpuSet>()
                .map_err(|_| unsupported(format!("<nodemask>: '{mask}' is no list of numbers")))
        });
        let persistent = matches!(module.model, MemoryModel::Nvdimm | MemoryModel::VirtioPmem);
        let path = source.and_then(|source| source.path.as_deref());
        if persistent && path.is_none() {
            return Err(incomplete("<memory>: persistent memory needs <path>"));
        }
        self.memory_backend(&Backend {
            id: &backend,
            size: module
                .target
                .size
                .0
                .next_multiple_of(GRAIN_KIB)
                .saturating_mul(1024),
            node: module.target.node,
            access: module.access.map(|access| match access {
                MemoryAccess::Shared => MemoryAccessMode::Shared,
                MemoryAccess::Private => MemoryAccessMode::Private,
            }),
            discard: module.discard.map(|discard| discard.is_yes()),
            is_main: false,
            nodes: nodes.transpose()?,
            page_kib: source.and_then(|source| source.pagesize).map(|size| size.0),
            path: path.filter(|_| persistent),
            align: source
                .and_then(|source| source.alignsize)
                .map(|size| size.bytes()),
            pmem: source.is_some_and(|source| source.pmem),
            is_virtio_mem: module.model == MemoryModel::VirtioMem,
        })?;
        let target = &module.target;
        let driver = match module.model {
            MemoryModel::Dimm => "pc-dimm".to_owned(),
            MemoryModel::Nvdimm => "nvdimm".to_owned(),
            MemoryModel::VirtioMem => self.virtio_driver("virtio-mem", &module.info, None, "<memory>")?,
            MemoryModel::VirtioPmem => self.virtio_driver("virtio-pmem", &module.info, None, "<memory>")?,
            MemoryModel::SgxEpc => return Err(unsupported("<memory model='sgx-epc'> is not supported yet")),
        };
        let mut props = Props::driver(&driver).maybe("node", target.node).maybe(
            "label-size",
            target.label.as_ref().map(|label| label.size.bytes()),
        );
        if target.readonly {
            props.put("unarmed", true);
        }
        props = props
            .maybe("block-size", target.block.map(|block| block.bytes()))
            .maybe("requested-size", target.requested.map(|size| size.bytes()))
            .maybe(
                "uuid",
                module
                    .uuid
                    .filter(|_| module.model == MemoryModel::Nvdimm)
                    .map(|uuid| uuid.to_string()),
            )
            .set("memdev", backend);
        if module.model == MemoryModel::VirtioMem {
            if self.is_preallocated(source.and_then(|source| source.pagesize).map(|size| size.0)) {
                props.put("prealloc", true);
            }
            props = props
                .maybe("memaddr", target.address.as_ref().map(|address| address.base.0))
                .maybe("dynamic-memslots", target.dynamic_memslots.map(|it| it.is_yes()));
        }
        props.put("id", id);
        if let Some(Address::Dimm(dimm)) = &module.info.address {
            props = props
                .maybe("slot", dimm.slot)
                .maybe("addr", dimm.base.map(|base| base.0));
        }
        self.attach(&mut props, &module.info)?;
        self.device(props);
        Ok(())
    }
}
