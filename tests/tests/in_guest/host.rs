//! The guest as a host of the daemons.

use end_to_end::Outcome;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// What is installed, as `cargo xtask install --destdir` put it.
pub(crate) const INSTALLED: &str = "/payload/root";

/// Where it puts units.
const UNITS: &str = "/usr/lib/systemd/system";

/// The daemons on it.
#[derive(Debug)]
pub(crate) struct Host {
    daemons: Vec<Daemon>,
}

/// A daemon that was installed.
#[derive(Debug)]
pub(crate) struct Daemon {
    /// Its name, which is its service's.
    pub(crate) name: String,
    /// Its sockets' units.
    pub(crate) sockets: Vec<Socket>,
}

/// A unit of a socket.
#[derive(Debug)]
pub(crate) struct Socket {
    /// Its name, such as `virtqemud-ro.socket`.
    pub(crate) unit: String,
    /// What it listens on: a path, or a port.
    pub(crate) address: String,
}

impl Host {
    /// The daemons, installed and enabled as README.md says, which is done once.
    ///
    /// # Panics
    /// When this is not the guest that was booted for it.
    pub(crate) fn get() -> &'static Self {
        static HOST: OnceLock<Host> = OnceLock::new();
        HOST.get_or_init(|| {
            let told = fs::read_to_string("/proc/cmdline").unwrap();
            assert!(
                told.split_whitespace().any(|word| word == "ferrovirt.testbed"),
                "this changes the whole system: run `cargo xtask testbed`"
            );
            let host = Self { daemons: daemons() };
            run("cp", &["-rT", "--remove-destination", INSTALLED, "/"]);
            let profiles = format!("{INSTALLED}/etc/apparmor.d");
            if Path::new(&profiles).exists() {
                for profile in entries(&profiles) {
                    run(
                        "apparmor_parser",
                        &["--replace", &format!("/etc/apparmor.d/{profile}")],
                    );
                }
            }
            run("systemd-sysusers", &[]);
            run("systemd-tmpfiles", &["--create", "ferrovirt.conf"]);
            // Tests start daemons more often within seconds than anybody does, and systemd would refuse it.
            fs::create_dir_all("/etc/systemd/system/service.d").unwrap();
            fs::write(
                "/etc/systemd/system/service.d/testbed.conf",
                "[Unit]\nStartLimitIntervalSec=0\n",
            )
            .unwrap();
            systemctl(&["daemon-reload"]);
            let names = host.daemons.iter().map(|daemon| daemon.name.as_str());
            let enable: Vec<_> = ["enable", "--now"].into_iter().chain(names).collect();
            systemctl(&enable);
            host
        })
    }

    /// All of them.
    pub(crate) fn daemons(&self) -> &[Daemon] {
        &self.daemons
    }
}

/// What is installed says which daemons there are.
///
/// libvirtd is all of them in one process, in whose place the others are.
fn daemons() -> Vec<Daemon> {
    let programs = entries(&format!("{INSTALLED}/usr/sbin"));
    let units = entries(&format!("{INSTALLED}{UNITS}"));
    let sockets = |name: &str| {
        let own = units.iter().filter(|unit| {
            let rest = unit
                .strip_prefix(name)
                .and_then(|rest| rest.strip_suffix(".socket"));
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
        });
        own.map(|unit| Socket {
            unit: unit.clone(),
            address: listens(&format!("{INSTALLED}{UNITS}/{unit}")),
        })
        .collect()
    };
    let daemons = programs.iter().filter(|name| *name != "libvirtd");
    daemons
        .map(|name| Daemon {
            name: name.clone(),
            sockets: sockets(name),
        })
        .collect()
}

fn listens(unit: &str) -> String {
    let text = fs::read_to_string(unit).unwrap();
    let address = text.lines().find_map(|line| line.strip_prefix("ListenStream="));
    address.unwrap().to_owned()
}

fn entries(folder: &str) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<_> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

impl Daemon {
    /// Its service.
    pub(crate) fn service(&self) -> String {
        format!("{}.service", self.name)
    }

    /// Where stock virt-admin finds it.
    pub(crate) fn admin_uri(&self) -> String {
        // At the socket that was libvirtd's.
        let name = if self.name == "virtproxyd" {
            "libvirtd"
        } else {
            &self.name
        };
        format!("{name}:///system")
    }

    /// Where stock virsh finds it; none if it has no driver.
    pub(crate) fn uri(&self) -> Option<String> {
        match self.name.as_str() {
            "virtlogd" | "virtlockd" => None,
            // What it serves are others' drivers.
            "virtproxyd" => Some("qemu:///system?socket=/run/libvirt/libvirt-sock".to_owned()),
            name => Some(format!(
                "{}:///system",
                name.trim_start_matches("virt").trim_end_matches('d')
            )),
        }
    }

    /// Whether it ends when it is idle.
    pub(crate) fn ends_when_idle(&self) -> bool {
        // They would lose what others rely on.
        !matches!(self.name.as_str(), "virtlogd" | "virtlockd")
    }

    /// Whether it runs guests, which inherit what it is confined to.
    pub(crate) fn runs_guests(&self) -> bool {
        matches!(self.name.as_str(), "virtqemud" | "virtlxcd" | "virtxend")
    }

    /// Whether it runs the host's tools, which may need more of the kernel than it does itself.
    pub(crate) fn runs_tools(&self) -> bool {
        matches!(
            self.name.as_str(),
            "virtstoraged" | "virtnetworkd" | "virtnwfilterd"
        )
    }

    /// Its main process; zero if it does not run.
    pub(crate) fn pid(&self) -> u32 {
        property(&self.service(), "MainPID").parse().unwrap()
    }

    /// Whether it runs and is ready.
    pub(crate) fn is_active(&self) -> bool {
        property(&self.service(), "ActiveState") == "active"
    }

    /// Ends it, with its sockets open for whoever comes next.
    pub(crate) fn stop(&self) {
        systemctl(&["stop", &self.service()]);
        // Processes are dear where each instruction is emulated: one is asked about all units.
        let local = self.sockets.iter().filter(|socket| !socket.is_remote());
        let service = self.service();
        let units = [service.as_str()]
            .into_iter()
            .chain(local.map(|socket| socket.unit.as_str()));
        let show: Vec<_> = ["show", "--value", "--property=SubState"]
            .into_iter()
            .chain(units)
            .collect();
        let told = systemctl(&show);
        let mut states = told.lines().filter(|line| !line.is_empty());
        assert_eq!(states.next(), Some("dead"), "{}", self.name);
        assert!(states.all(|state| state == "listening"), "{}: {told}", self.name);
    }

    /// Ends it, if it runs, and starts it anew.
    pub(crate) fn restart(&self) {
        systemctl(&["restart", &self.service()]);
    }

    /// Has it end when it has been idle for so many seconds, until the value goes; it is stopped, to be started so.
    pub(crate) fn with_timeout(&self, seconds: u32) -> Timeout<'_> {
        let name = self.name.to_uppercase();
        fs::write(self.defaults(), format!("{name}_ARGS=\"--timeout {seconds}\"\n")).unwrap();
        self.stop();
        Timeout(self)
    }

    /// Where its flags are set.
    fn defaults(&self) -> String {
        format!("/etc/default/{}", self.name)
    }

    /// Waits until it has ended.
    pub(crate) fn wait_for_end(&self) {
        wait_for(&format!("{} to end", self.name), || {
            (property(&self.service(), "ActiveState") == "inactive").then_some(())
        });
    }
}

/// A daemon that ends sooner than it does as installed.
pub(crate) struct Timeout<'a>(&'a Daemon);

impl Drop for Timeout<'_> {
    fn drop(&mut self) {
        let _ = fs::remove_file(self.0.defaults());
        try_run("systemctl", &["try-restart", &self.0.service()]);
    }
}

impl Socket {
    /// Whether clients reach it from other hosts.
    pub(crate) fn is_remote(&self) -> bool {
        !Path::new(&self.address).is_absolute()
    }
}

/// The daemon of that name.
pub(crate) fn daemon(name: &str) -> &'static Daemon {
    let mut daemons = Host::get().daemons().iter();
    daemons.find(|daemon| daemon.name == name).unwrap()
}

/// Runs a command, which must succeed; gives what it said.
pub(crate) fn run(program: &str, arguments: &[&str]) -> String {
    let outcome = try_run(program, arguments);
    assert!(
        outcome.success,
        "{program} {arguments:?}: {}{}\n--- the journal's end\n{}",
        outcome.stdout,
        outcome.stderr,
        try_run("journalctl", &["-n", "40", "--no-pager", "--no-hostname"]).stdout
    );
    outcome.stdout
}

/// Runs a command to its end.
pub(crate) fn try_run(program: &str, arguments: &[&str]) -> Outcome {
    Outcome::of(Command::new(program).args(arguments).env("LC_ALL", "C"))
}

/// Runs systemctl, which must succeed.
pub(crate) fn systemctl(arguments: &[&str]) -> String {
    run("systemctl", arguments)
}

/// A property of a unit, as systemd has it.
pub(crate) fn property(unit: &str, name: &str) -> String {
    let value = systemctl(&["show", "--value", "--property", name, unit]);
    value.trim().to_owned()
}

/// Runs stock virsh against QEMU's daemon, which must succeed.
pub(crate) fn virsh(arguments: &[&str]) -> String {
    let all: Vec<_> = ["-q", "-c", "qemu:///system"]
        .iter()
        .chain(arguments)
        .copied()
        .collect();
    run("virsh", &all)
}

/// How long anything may take that is waited for: where QEMU emulates each instruction, on a busy host, that is long.
const PATIENCE: Duration = Duration::from_secs(10 * 60);

/// Waits until `what` is there.
pub(crate) fn wait_for<T>(name: &str, mut what: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = what() {
            return found;
        }
        assert!(start.elapsed() < PATIENCE, "waited in vain for {name}");
        // Each look is a process, mostly.
        std::thread::sleep(Duration::from_millis(100));
    }
}
