//! Where everything lies: the folders of one instance of the daemons.
//!
//! An instance is one of three:
//! - the system's, for root: `/etc/libvirt`, `/run/libvirt`, `/var/lib/libvirt`, `/var/cache/libvirt`,
//!   `/var/log/libvirt`;
//! - a user's session: the same names below the folders that XDG gives (`$XDG_CONFIG_HOME`, `$XDG_RUNTIME_DIR`,
//!   `$XDG_CACHE_HOME`);
//! - a private one, complete below one folder: with `FERROVIRT_ROOT=DIR` the system's folders are looked for below
//!   `DIR`, for any user. Tests, the demo, and whoever tries the daemons out use this.
//!
//! Which folders are used says nothing about power: [`Mode`] follows from being root, and the driver serves
//! `.../system` or `.../session` by it.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// The environment variable that names the root of a private instance.
pub const ROOT_VARIABLE: &str = "FERROVIRT_ROOT";

/// For whom an instance works.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// The host's, run by root: it may switch users and touch devices.
    System,
    /// One user's.
    Session,
}

impl Mode {
    /// The path of the URIs that this mode serves, as in `qemu:///system`.
    pub fn name(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::Session => "session",
        }
    }
}

/// The folders of one instance. Nothing is created or looked at here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    mode: Mode,
    root: Option<PathBuf>,
    config: PathBuf,
    run: PathBuf,
    cache: PathBuf,
    /// Where `.pid` files lie.
    pid: PathBuf,
    /// Libraries and logs; in a session they lie below other folders, per driver.
    system: Option<System>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct System {
    lib: PathBuf,
    log: PathBuf,
}

/// Why an instance has no place.
#[derive(Debug, thiserror::Error)]
pub enum LayoutError {
    /// Neither the XDG variable nor `HOME` says where a user's files are.
    #[error("neither {0} nor HOME is set to an absolute path: where do this user's files belong?")]
    Homeless(&'static str),
    /// A relative root would depend on where the daemon was started.
    #[error("{ROOT_VARIABLE}={}: an absolute path is needed", .0.display())]
    RelativeRoot(PathBuf),
}

impl Layout {
    /// The layout of this process, from its environment and its user.
    ///
    /// # Errors
    /// A user without a home, or a relative `FERROVIRT_ROOT`.
    pub fn detect() -> Result<Self, LayoutError> {
        let mode = if rustix::process::geteuid().is_root() {
            Mode::System
        } else {
            Mode::Session
        };
        Self::from_environment(mode, std::env::var_os)
    }

    /// The layout that such an environment asks for.
    ///
    /// # Errors
    /// As [`Self::detect`].
    pub fn from_environment(
        mode: Mode,
        variable: impl Fn(&'static str) -> Option<OsString>,
    ) -> Result<Self, LayoutError> {
        let path = |name| {
            variable(name)
                .map(PathBuf::from)
                .filter(|path| !path.as_os_str().is_empty())
        };
        if let Some(root) = path(ROOT_VARIABLE) {
            if !root.is_absolute() {
                return Err(LayoutError::RelativeRoot(root));
            }
            return Ok(Self::below(mode, &root));
        }
        if mode == Mode::System {
            return Ok(Self::below(mode, Path::new("/")));
        }
        let home = path("HOME").filter(|home| home.is_absolute());
        let below_home = |name: &'static str, folder: &str| {
            path(name)
                .filter(|path| path.is_absolute())
                .or_else(|| home.as_ref().map(|home| home.join(folder)))
                .ok_or(LayoutError::Homeless(name))
        };
        let cache = below_home("XDG_CACHE_HOME", ".cache")?;
        let config = below_home("XDG_CONFIG_HOME", ".config")?;
        let run = path("XDG_RUNTIME_DIR")
            .filter(|path| path.is_absolute())
            .unwrap_or_else(|| cache.clone());
        let run = run.join("libvirt");
        Ok(Self {
            mode,
            root: None,
            config: config.join("libvirt"),
            pid: run.clone(),
            run,
            cache: cache.join("libvirt"),
            system: None,
        })
    }

    /// The system's folders below `root`, for a user of that power.
    pub fn below(mode: Mode, root: &Path) -> Self {
        Self {
            mode,
            root: (root != Path::new("/")).then(|| root.to_owned()),
            config: root.join("etc/libvirt"),
            run: root.join("run/libvirt"),
            cache: root.join("var/cache/libvirt"),
            pid: root.join("run"),
            system: Some(System {
                lib: root.join("var/lib/libvirt"),
                log: root.join("var/log/libvirt"),
            }),
        }
    }

    /// For whom this instance works.
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// Whether this instance runs as root.
    pub fn privileged(&self) -> bool {
        self.mode == Mode::System
    }

    /// The folder that a private instance lies below.
    pub fn private_root(&self) -> Option<&Path> {
        self.root.as_deref()
    }

    /// An absolute path of the host as this instance has it: below its root if it is private, else unchanged. For
    /// the daemons' own files only, never for what an administrator wrote into a document or a configuration.
    pub fn own_path(&self, path: &Path) -> PathBuf {
        match &self.root {
            Some(root) => root.join(path.strip_prefix("/").unwrap_or(path)),
            None => path.to_owned(),
        }
    }

    /// The permission bits of folders that everybody who may use the daemon must get through; a session's are its
    /// user's alone.
    pub fn folder_mode(&self) -> u32 {
        match self.mode {
            Mode::System => 0o755,
            Mode::Session => 0o700,
        }
    }

    /// Configuration files and definitions: `/etc/libvirt`.
    pub fn config_dir(&self) -> &Path {
        &self.config
    }

    /// What does not outlive a boot: `/run/libvirt`. The sockets lie here.
    pub fn run_dir(&self) -> &Path {
        &self.run
    }

    /// What can be made again: `/var/cache/libvirt`.
    pub fn cache_dir(&self) -> &Path {
        &self.cache
    }

    /// What outlives a boot: `/var/lib/libvirt`; a session keeps it with its configuration.
    pub fn lib_dir(&self) -> &Path {
        self.system.as_ref().map_or(&self.config, |system| &system.lib)
    }

    /// Logs: `/var/log/libvirt`; a session keeps them in its cache.
    pub fn log_dir(&self) -> &Path {
        self.system.as_ref().map_or(&self.cache, |system| &system.log)
    }

    /// Definitions of one driver: `/etc/libvirt/qemu`.
    pub fn driver_config_dir(&self, driver: &str) -> PathBuf {
        self.config.join(driver)
    }

    /// What runs of one driver: `/run/libvirt/qemu`; in a session `.../libvirt/qemu/run`.
    pub fn driver_run_dir(&self, driver: &str) -> PathBuf {
        self.of_driver(&self.run, driver, "run")
    }

    /// What one driver keeps: `/var/lib/libvirt/qemu`; in a session `.../libvirt/qemu/lib`.
    pub fn driver_lib_dir(&self, driver: &str) -> PathBuf {
        self.of_driver(self.lib_dir(), driver, "lib")
    }

    /// What one driver found out: `/var/cache/libvirt/qemu`; in a session `.../libvirt/qemu/cache`.
    pub fn driver_cache_dir(&self, driver: &str) -> PathBuf {
        self.of_driver(&self.cache, driver, "cache")
    }

    /// What one driver logs: `/var/log/libvirt/qemu`; in a session `.../libvirt/qemu/log`.
    pub fn driver_log_dir(&self, driver: &str) -> PathBuf {
        self.of_driver(self.log_dir(), driver, "log")
    }

    /// The configuration file of a daemon or a driver: `NAME.conf`.
    pub fn config_file(&self, name: &str) -> PathBuf {
        self.config.join(format!("{name}.conf"))
    }

    /// The pid file of a daemon: `/run/NAME.pid`; in a session it lies beside the sockets.
    pub fn pid_file(&self, daemon: &str) -> PathBuf {
        self.pid.join(format!("{daemon}.pid"))
    }

    /// A session's folders are shared by what the system keeps apart.
    fn of_driver(&self, base: &Path, driver: &str, kind: &str) -> PathBuf {
        match self.system {
            Some(_) => base.join(driver),
            None => base.join(driver).join(kind),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout(mode: Mode, variables: &'static [(&'static str, &'static str)]) -> Result<Layout, LayoutError> {
        Layout::from_environment(mode, |name| {
            variables
                .iter()
                .find(|(known, _)| *known == name)
                .map(|(_, value)| OsString::from(value))
        })
    }

    #[test]
    fn root_has_the_places_every_administrator_knows() {
        let layout = layout(
            Mode::System,
            &[("HOME", "/root"), ("XDG_RUNTIME_DIR", "/run/user/0")],
        )
        .unwrap();
        assert_eq!(
            layout.config_file("virtqemud"),
            Path::new("/etc/libvirt/virtqemud.conf")
        );
        assert_eq!(layout.run_dir(), Path::new("/run/libvirt"));
        assert_eq!(layout.pid_file("virtqemud"), Path::new("/run/virtqemud.pid"));
        assert_eq!(layout.driver_lib_dir("qemu"), Path::new("/var/lib/libvirt/qemu"));
        assert_eq!(layout.driver_log_dir("qemu"), Path::new("/var/log/libvirt/qemu"));
        assert_eq!(
            layout.own_path(Path::new("/etc/machine-id")),
            Path::new("/etc/machine-id")
        );
    }

    #[test]
    fn a_session_lies_in_the_users_folders() {
        let variables = &[
            ("HOME", "/home/a"),
            ("XDG_RUNTIME_DIR", "/run/user/7"),
            ("XDG_CONFIG_HOME", "relative"),
        ];
        let layout = layout(Mode::Session, variables).unwrap();
        assert_eq!(layout.config_dir(), Path::new("/home/a/.config/libvirt"));
        assert_eq!(
            layout.pid_file("virtqemud"),
            Path::new("/run/user/7/libvirt/virtqemud.pid")
        );
        assert_eq!(
            layout.driver_run_dir("qemu"),
            Path::new("/run/user/7/libvirt/qemu/run")
        );
        assert_eq!(
            layout.driver_lib_dir("qemu"),
            Path::new("/home/a/.config/libvirt/qemu/lib")
        );
        assert_eq!(
            layout.driver_cache_dir("qemu"),
            Path::new("/home/a/.cache/libvirt/qemu/cache")
        );
        assert_eq!(
            layout.driver_log_dir("qemu"),
            Path::new("/home/a/.cache/libvirt/qemu/log")
        );
    }

    #[test]
    fn without_a_runtime_folder_a_session_runs_in_its_cache() {
        let layout = layout(Mode::Session, &[("HOME", "/home/a")]).unwrap();
        assert_eq!(layout.run_dir(), Path::new("/home/a/.cache/libvirt"));
        assert!(matches!(
            self::layout(Mode::Session, &[]),
            Err(LayoutError::Homeless("XDG_CACHE_HOME"))
        ));
    }

    #[test]
    fn a_private_instance_is_complete_below_its_root() {
        for mode in [Mode::System, Mode::Session] {
            let layout = layout(mode, &[(ROOT_VARIABLE, "/tmp/x")]).unwrap();
            assert_eq!(layout.mode(), mode);
            let places = [
                layout.config_dir().to_owned(),
                layout.run_dir().to_owned(),
                layout.lib_dir().to_owned(),
                layout.cache_dir().to_owned(),
                layout.log_dir().to_owned(),
                layout.pid_file("d"),
                layout.own_path(Path::new("/etc/machine-id")),
            ];
            for place in places {
                assert!(place.starts_with("/tmp/x"), "{}", place.display());
            }
        }
        assert!(matches!(
            layout(Mode::System, &[(ROOT_VARIABLE, "x")]),
            Err(LayoutError::RelativeRoot(_))
        ));
    }
}
