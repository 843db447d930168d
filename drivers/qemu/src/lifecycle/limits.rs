//! What a document asks of the host's control groups and schedulers: none but pins is applied yet, so a guest that
//! counts on it does not start.

use error::Result;
use model::domain::Domain as Model;
use model::domain::memory::MemTune;
use model::domain::tune::{BlkioTune, CpuTune, NumaTune};

/// Refuses limits that would be ignored.
///
/// # Errors
/// [`Code::NoSupport`] with the element's name.
pub(crate) fn check(model: &Model) -> Result<()> {
    let asked = [
        (
            "cputune",
            model.cpu_tune.as_deref().is_some_and(|tune| !only_pins(tune)),
        ),
        (
            "memtune",
            model
                .mem_tune
                .as_deref()
                .is_some_and(|tune| *tune != MemTune::default()),
        ),
        (
            "blkiotune",
            model
                .blkio_tune
                .as_deref()
                .is_some_and(|tune| *tune != BlkioTune::default()),
        ),
        (
            "numatune",
            model
                .numa_tune
                .as_deref()
                .is_some_and(|tune| *tune != NumaTune::default()),
        ),
    ];
    super::refuse_asked(asked, |name| {
        format!("<{name}>: limits of the host's processors and memory are not applied to guests yet")
    })
}

/// Whether it asks for nothing but which of the host's processors threads run on; that is applied.
fn only_pins(tune: &CpuTune) -> bool {
    let rest = CpuTune {
        vcpu_pins: Vec::new(),
        emulator_pin: None,
        iothread_pins: Vec::new(),
        ..tune.clone()
    };
    rest == CpuTune::default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use error::Code;

    #[test]
    fn a_limit_is_not_ignored() {
        let document = |more: &str| {
            let text = format!(
                "<domain type='qemu'><name>a</name><memory>1024</memory>{more}<os><type>hvm</type></os></domain>"
            );
            Model::from_xml(&text).unwrap()
        };
        assert!(check(&document("")).is_ok());
        assert!(check(&document("<cputune><vcpupin vcpu='0' cpuset='0'/></cputune>")).is_ok());
        let error = check(&document("<cputune><shares>2048</shares></cputune>")).unwrap_err();
        assert_eq!(error.code(), Code::NoSupport);
        assert!(
            check(&document(
                "<memtune><hard_limit unit='MiB'>64</hard_limit></memtune>"
            ))
            .is_err()
        );
    }
}
