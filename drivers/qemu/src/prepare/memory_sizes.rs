//! Memory in the sizes that QEMU has it in: whole MiB, modules in pairs of them. A definition keeps what its user said.

use model::domain::Domain;
use model::scaled::Kibibytes;

/// What memory of the machine comes in.
const GRAIN_KIB: u64 = 1024;

/// What modules come in.
const MODULE_GRAIN_KIB: u64 = 2048;

/// Rounds all sizes of a live document up.
pub(super) fn round(domain: &mut Domain) {
    let grown =
        |size: Kibibytes, grain: u64| Kibibytes(size.0.checked_next_multiple_of(grain).unwrap_or(size.0));
    let modules = |domain: &Domain| {
        let sizes = domain.devices.memories.iter().map(|module| module.target.size.0);
        sizes.fold(0, u64::saturating_add)
    };
    let (total, without) = (
        domain.memory.size.0,
        domain.memory.size.0.checked_sub(modules(domain)),
    );
    // It is refused where its command line is made.
    let Some(without) = without else { return };
    for module in &mut domain.devices.memories {
        module.target.size = grown(module.target.size, MODULE_GRAIN_KIB);
    }
    let mut initial = grown(Kibibytes(without), GRAIN_KIB).0;
    if let Some(numa) = domain.cpu.as_deref_mut().and_then(|cpu| cpu.numa.as_mut())
        && !numa.cells.is_empty()
    {
        initial = 0;
        for cell in &mut numa.cells {
            cell.memory.0 = grown(cell.memory.0, GRAIN_KIB);
            initial = initial.saturating_add(cell.memory.0.0);
        }
    }
    let rounded = Kibibytes(initial.saturating_add(modules(domain)));
    domain.memory.size = rounded;
    if let Some(current) = &mut domain.current_memory
        && current.0 >= total
    {
        *current = rounded;
    }
    if let Some(most) = &mut domain.max_memory {
        most.size = grown(most.size, GRAIN_KIB);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rounded(document: &str) -> Domain {
        let text = format!("<domain type='qemu'><name>a</name>{document}<os><type>hvm</type></os></domain>");
        let mut domain = Domain::from_xml(&text).unwrap();
        round(&mut domain);
        domain
    }

    #[test]
    fn sizes_are_those_of_qemu() {
        let domain = rounded("<memory>219100</memory><currentMemory>219100</currentMemory>");
        assert_eq!(
            (domain.memory.size.0, domain.current_memory.unwrap().0),
            (219_136, 219_136)
        );
        let less = rounded("<memory>219100</memory><currentMemory>100000</currentMemory>");
        assert_eq!(less.current_memory.unwrap().0, 100_000);
    }

    #[test]
    fn nodes_are_rounded_each() {
        let cells = "<cell id='0' cpus='0' memory='600000'/><cell id='1' cpus='1' memory='700000'/>";
        let domain = rounded(&format!(
            "<memory>1300000</memory><vcpu>2</vcpu><cpu><numa>{cells}</numa></cpu>"
        ));
        assert_eq!(domain.memory.size.0, 600_064 + 700_416);
    }
}
