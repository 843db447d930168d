//! Drivers that pass devices on are modules of the kernel that nothing loads by itself. The daemon has given away what it takes
//! to load one, since its guests would inherit it: systemd does it.

use super::pci;
use super::refused;
use error::{Code, Result};
use host::Host;
use std::time::{Duration, Instant};

/// How long loading one may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// How often it is looked whether it is there.
const PAUSE: Duration = Duration::from_millis(20);

/// The longest name of a module (`MODULE_NAME_LEN` of the kernel).
const LONGEST_NAME: usize = 56;

/// Whether a document's word can be the name of a module.
fn is_name(word: &str) -> bool {
    let letters = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '_' | '-');
    !word.is_empty() && word.len() <= LONGEST_NAME && word.chars().all(letters) && !word.starts_with('-')
}

/// Refuses a driver that a document names and that cannot be one.
///
/// # Errors
/// [`Code::ConfigUnsupported`].
pub(super) fn check(driver: &str) -> Result<()> {
    if is_name(driver) {
        return Ok(());
    }
    let text = format!("<driver model='{driver}'>: that is not the name of a driver");
    Err(refused(Code::ConfigUnsupported, text))
}

/// Has the module of a driver loaded, where the host does not have the driver and this daemon is the host's.
///
/// # Errors
/// [`Code::InternalError`] when there is no such driver.
pub(super) async fn load(host: &Host, driver: &str, is_of_host: bool) -> Result<()> {
    if pci::has_driver(host, driver) {
        return Ok(());
    }
    let failure = if is_of_host {
        match tokio::time::timeout(PATIENCE, start(host, driver)).await {
            Ok(Ok(true)) => return Ok(()),
            Ok(Ok(false)) => "systemd's modprobe did not load it".to_owned(),
            Ok(Err(failure)) => failure.to_string(),
            Err(_) => format!("no answer of systemd's within {} s", PATIENCE.as_secs()),
        }
    } else {
        "the host's administrator has to load it".to_owned()
    };
    let text = format!("Failed to load PCI driver module {driver}: {failure}");
    Err(refused(Code::InternalError, text))
}

/// Starts systemd's unit for it and waits until the driver is there.
async fn start(host: &Host, driver: &str) -> zbus::Result<bool> {
    let bus = zbus::connection::Builder::system().build().await?;
    // What is a dash in a unit's name stands for a slash.
    let unit = format!("modprobe@{}.service", driver.replace('-', "_"));
    bus.call_method(
        Some("org.freedesktop.systemd1"),
        "/org/freedesktop/systemd1",
        Some("org.freedesktop.systemd1.Manager"),
        "StartUnit",
        &(unit, "replace"),
    )
    .await?;
    let start = Instant::now();
    while !pci::has_driver(host, driver) {
        if start.elapsed() > PATIENCE / 2 {
            return Ok(false);
        }
        tokio::time::sleep(PAUSE).await;
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::super::made_up::MadeUp;
    use super::*;

    #[test]
    fn only_names_go_to_systemd() {
        for good in ["vfio-pci", "mlx5_vfio_pci", "nvgrace-gpu-vfio-pci"] {
            check(good).unwrap();
        }
        for bad in ["", "-f", "a b", "a/b", "a.service", "vfio\n", &"x".repeat(60)] {
            assert_eq!(check(bad).unwrap_err().code(), Code::ConfigUnsupported, "{bad}");
        }
    }

    #[tokio::test]
    async fn a_driver_that_nobody_loads_is_missing() {
        let made_up = MadeUp::new();
        load(&made_up.host(), "vfio-pci", false).await.unwrap();
        let err = load(&made_up.host(), "none-vfio-pci", false).await.unwrap_err();
        assert_eq!(err.code(), Code::InternalError);
    }
}
