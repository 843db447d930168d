//! The host's part of the capabilities document.

use host::catalogue::Catalogue;
use host::{CacheBank as Bank, Cell as HostCell, Host};
use model::capabilities as doc;
use xml::YesNo;

/// How guests are kept apart: what the driver tells of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecurityModel {
    /// Its name, such as `dac`.
    pub name: String,
    /// The label that guests of each domain type start with: (domain type, label).
    pub labels: Vec<(String, String)>,
}

/// The host's processor: what does not change while the host runs.
pub(super) fn cpu(host: &Host, catalogue: Option<&Catalogue>) -> doc::HostCpu {
    let arch = host.architecture();
    let cpuid = host.cpuid();
    let letters = cpuid.vendor();
    let vendor = catalogue
        .zip(letters.as_deref())
        .and_then(|(catalogue, letters)| catalogue.vendor(letters));
    let info = host.node_info();
    let mut cpu = doc::HostCpu {
        arch: Some(arch),
        microcode: host.microcode().map(|version| doc::Microcode { version }),
        signature: cpuid.signature().map(|signature| doc::Signature {
            family: signature.family,
            model: signature.model,
            stepping: signature.stepping,
        }),
        counters: host
            .tsc_frequency()
            .map(|frequency| tsc(host, frequency))
            .into_iter()
            .collect(),
        topology: Some(doc::CpuTopology {
            sockets: info.sockets,
            dies: Some(1),
            clusters: Some(1),
            cores: info.cores,
            threads: info.threads,
        }),
        maxphysaddr: cpuid.physical_address_bits().map(|bits| doc::MaxPhysAddr {
            mode: "emulate".to_owned(),
            bits: Some(bits),
            limit: None,
        }),
        pages: host.page_sizes().into_iter().map(page_size).collect(),
        ..doc::HostCpu::default()
    };
    let Some(catalogue) = catalogue else { return cpu };
    let features = catalogue.of_host(host);
    if let Some(named) = catalogue.name_host(&features, vendor, cpuid.signature()) {
        cpu.model = Some(named.model.to_owned());
        cpu.vendor = vendor.map(str::to_owned);
        cpu.features = named
            .require
            .into_iter()
            .map(|name| doc::Feature {
                name: name.to_owned(),
            })
            .collect();
    }
    cpu
}

fn tsc(host: &Host, frequency: u64) -> doc::Counter {
    doc::Counter {
        name: "tsc".to_owned(),
        frequency,
        scaling: Some(host.scales_tsc().into()),
    }
}

fn page_size(size: u32) -> doc::PageSize {
    doc::PageSize {
        unit: "KiB".to_owned(),
        size,
    }
}

/// Everything of the host. `cpu` is [`cpu`]'s answer.
pub(super) fn document(host: &Host, cpu: doc::HostCpu, security: &[SecurityModel]) -> doc::Host {
    let power = host.power_management();
    let cells = host.topology();
    doc::Host {
        uuid: host.uuid().map(|uuid| uuid::Uuid::from_bytes(uuid).to_string()),
        cpu,
        power_management: Some(doc::PowerManagement {
            suspend_mem: power.suspend_mem,
            suspend_disk: power.suspend_disk,
            suspend_hybrid: power.suspend_hybrid,
        }),
        iommu: Some(doc::Iommu {
            support: host.has_iommu().into(),
        }),
        migration_features: Some(doc::MigrationFeatures {
            live: true,
            uri_transports: Some(doc::UriTransports {
                transports: vec!["tcp".to_owned(), "rdma".to_owned()],
            }),
        }),
        topology: Some(doc::Topology {
            cells: doc::Cells {
                num: u32::try_from(cells.len()).unwrap_or(u32::MAX),
                cells: cells.into_iter().map(cell).collect(),
            },
        }),
        caches: host.caches().into_iter().map(bank).collect(),
        secmodels: security.iter().map(secmodel).collect(),
    }
}

fn cell(cell: HostCell) -> doc::Cell {
    let cpu = |cpu: host::CellCpu| match cpu.place {
        None => doc::CellCpu {
            id: cpu.id,
            ..doc::CellCpu::default()
        },
        Some(place) => doc::CellCpu {
            id: cpu.id,
            socket_id: Some(place.socket),
            die_id: Some(place.die),
            cluster_id: Some(place.cluster),
            core_id: Some(place.core),
            siblings: Some(place.siblings.to_string()),
        },
    };
    let pages = |pool: host::PagePool| doc::CellPages {
        unit: "KiB".to_owned(),
        size: pool.size,
        count: pool.count,
    };
    doc::Cell {
        id: cell.id,
        memory: Some(doc::Amount {
            unit: "KiB".to_owned(),
            amount: cell.memory,
        }),
        pages: cell.pages.into_iter().map(pages).collect(),
        distances: cell
            .distances
            .into_iter()
            .map(|(id, value)| doc::Distance { id, value })
            .collect(),
        cpus: Some(doc::CellCpus {
            num: u32::try_from(cell.cpus.len()).unwrap_or(u32::MAX),
            cpus: cell.cpus.into_iter().map(cpu).collect(),
        }),
    }
}

fn bank(bank: Bank) -> doc::CacheBank {
    let (size, unit) = match bank.size {
        size if size > 0 && size % (1 << 20) == 0 => (size >> 20, "MiB"),
        size => (size >> 10, "KiB"),
    };
    doc::CacheBank {
        id: bank.id,
        level: bank.level,
        kind: bank.kind.as_str().to_owned(),
        size,
        unit: unit.to_owned(),
        cpus: bank.cpus.to_string(),
    }
}

fn secmodel(security: &SecurityModel) -> doc::SecurityModel {
    let label = |(kind, label): &(String, String)| doc::BaseLabel {
        kind: kind.clone(),
        label: label.clone(),
    };
    doc::SecurityModel {
        model: security.name.clone(),
        doi: "0".to_owned(),
        baselabels: security.labels.iter().map(label).collect(),
    }
}

/// Whether a host and its parts say yes.
pub(super) fn yes(value: bool) -> Option<YesNo> {
    value.then_some(YesNo::Yes)
}
