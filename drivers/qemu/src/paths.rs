//! Where the driver keeps its files: libvirt's places, so that a host can be switched over and back.

use crate::domain::Mark;
use std::path::{Path, PathBuf};

/// The driver's folders.
#[derive(Debug, Clone)]
pub(crate) struct Paths {
    /// Definitions: `NAME.xml`, and `autostart/` with links to those that start with the daemon.
    pub config: PathBuf,
    /// Of running guests: `NAME.pid`, `NAME.xml` (status), `channel/`.
    pub run: PathBuf,
    /// `domain-ID-NAME/` with the monitor socket, `save/`, `nvram/`, `channel/`.
    pub lib: PathBuf,
    /// What QEMU says: `NAME.log`.
    pub log: PathBuf,
    /// What binaries can do, asked once.
    pub cache: PathBuf,
}

/// How much of a name goes into the name of a folder: a socket's path below it must stay under 108 bytes.
const SHORT_NAME: usize = 20;

impl Paths {
    /// The definition of a persistent domain.
    pub(crate) fn definition(&self, name: &str) -> PathBuf {
        self.config.join(format!("{name}.xml"))
    }

    /// The link that marks a domain for starting with the daemon.
    pub(crate) fn autostart(&self, name: &str, mark: Mark) -> PathBuf {
        let end = match mark {
            Mark::Always => "xml",
            Mark::Once => "xml.once",
        };
        self.autostart_dir().join(format!("{name}.{end}"))
    }

    /// The folder of those links.
    pub(crate) fn autostart_dir(&self) -> PathBuf {
        self.config.join("autostart")
    }

    /// What the next daemon needs to adopt a running guest.
    pub(crate) fn status(&self, name: &str) -> PathBuf {
        self.run.join(format!("{name}.xml"))
    }

    /// The process id of a running guest.
    pub(crate) fn pid_file(&self, name: &str) -> PathBuf {
        // "driver.pid" is the driver's own, which a guest of that name must neither write nor remove.
        let ending = if name == "driver" { "guest-pid" } else { "pid" };
        self.run.join(format!("{name}.{ending}"))
    }

    /// QEMU's own words.
    pub(crate) fn log_file(&self, name: &str) -> PathBuf {
        self.log.join(format!("{name}.log"))
    }

    /// The same with what virtlogd has rolled over, as many files as are there.
    pub(crate) fn log_files(&self, name: &str) -> Vec<PathBuf> {
        let backups = (0_u32..).map(|number| self.log.join(format!("{name}.log.{number}")));
        let mut files = vec![self.log_file(name)];
        files.extend(backups.take_while(|file| file.exists()));
        files
    }

    /// The managed save image.
    pub(crate) fn managed_save(&self, name: &str) -> PathBuf {
        self.lib.join("save").join(format!("{name}.save"))
    }

    /// The folder of UEFI variables of domains that name no file for them.
    pub(crate) fn nvram_dir(&self) -> PathBuf {
        self.lib.join("nvram")
    }

    /// The folder of one run of a domain.
    pub(crate) fn domain_dir(&self, id: i32, name: &str) -> PathBuf {
        self.lib.join(format!("domain-{}", short_name(id, name)))
    }

    /// Channel sockets of one run of a domain.
    pub(crate) fn channel_dir(&self, id: i32, name: &str) -> PathBuf {
        self.run.join("channel").join(short_name(id, name))
    }

    /// Memory of one run of a domain that lies in files; `base` is the folder for it that the configuration names.
    pub(crate) fn memory_dir(&self, base: Option<&str>, id: i32, name: &str) -> PathBuf {
        let folder = match base {
            // Others may keep theirs there too.
            Some(base) => Path::new(base).join("libvirt/qemu"),
            None => self.lib.join("ram"),
        };
        folder.join(short_name(id, name))
    }

    /// What the TPM of a domain keeps from run to run.
    pub(crate) fn tpm_state(&self, uuid: uuid::Uuid) -> PathBuf {
        self.lib.with_file_name("swtpm").join(uuid.to_string())
    }

    /// What swtpm says.
    pub(crate) fn tpm_log(&self, name: &str) -> PathBuf {
        self.log.join(format!("{name}-swtpm.log"))
    }

    /// The folders that must exist before anything else, with the mode each has.
    pub(crate) fn folders(&self) -> Vec<(PathBuf, u32)> {
        let sub = |base: &Path, name: &str| base.join(name);
        vec![
            (self.config.clone(), 0o700),
            (self.autostart_dir(), 0o700),
            (self.run.clone(), 0o755),
            (sub(&self.run, "channel"), 0o755),
            (self.lib.clone(), 0o751),
            (sub(&self.lib, "save"), 0o750),
            (sub(&self.lib, "nvram"), 0o755),
            (self.lib.with_file_name("swtpm"), 0o711),
            (self.log.clone(), 0o755),
            (self.cache.clone(), 0o750),
        ]
    }
}

/// What folders of one run of a domain are called.
pub(crate) fn short_name(id: i32, name: &str) -> String {
    let short: String = name.chars().take(SHORT_NAME).collect();
    format!("{id}-{short}")
}

/// The monitor socket in a domain's folder.
pub(crate) fn monitor_socket(domain_dir: &Path) -> PathBuf {
    domain_dir.join("monitor.sock")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths() -> Paths {
        let dir = PathBuf::from("/var/lib/libvirt/qemu");
        Paths {
            config: dir.clone(),
            run: dir.clone(),
            lib: dir.clone(),
            log: dir.clone(),
            cache: dir,
        }
    }

    #[test]
    fn no_guest_has_the_drivers_own_pid_file() {
        let names = ["driver", "a"].map(|name| paths().pid_file(name).file_name().map(ToOwned::to_owned));
        assert_eq!(names, [Some("driver.guest-pid".into()), Some("a.pid".into())]);
    }

    #[test]
    fn a_socket_path_stays_short_whatever_the_name() {
        let paths = paths();
        let socket = monitor_socket(&paths.domain_dir(i32::MAX, &"x".repeat(200)));
        assert!(socket.as_os_str().len() < 108, "{}", socket.display());
    }
}
