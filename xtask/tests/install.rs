//! What `cargo xtask install` installs: units that systemd takes, for every daemon, with the sockets that it serves, and
//! no more of the host's power than it bears.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test"
)]

use private_instance::Instance;
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

/// The exposure that `systemd-analyze security` may tell of a daemon, in tenths; guests inherit what their daemon has.
const EXPOSURE_MAX: u32 = 30;
const EXPOSURE_MAX_WITH_GUESTS: u32 = 80;

/// How often it is looked whether a daemon is as far as it has to be.
const PAUSE: Duration = Duration::from_millis(10);

/// Units that the host or others have, if anybody does.
const FOREIGN: &[&str] = &[
    "apparmor.service",
    "firewalld.service",
    "iscsid.service",
    "libvirt-guests.service",
    "modprobe@dm_snapshot.service",
    "modprobe@dm_thin_pool.service",
    "modprobe@dm_zero.service",
    "multi-user.target",
    "network.target",
    "nftables.service",
    "remote-fs.target",
    "sockets.target",
];

/// Where cargo put the programs.
fn built() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_xtask")).parent().unwrap()
}

/// Everything, below a folder that goes with the value.
struct Installed(tempfile::TempDir);

impl Installed {
    fn with(arguments: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        install(folder.path(), arguments);
        Self(folder)
    }

    fn path(&self, path: &str) -> PathBuf {
        self.0.path().join(path.trim_start_matches('/'))
    }

    /// The units, by name, with their text.
    fn units(&self) -> Vec<(String, String)> {
        let folder = fs::read_dir(self.path("/usr/lib/systemd/system")).unwrap();
        let read = folder.map(|entry| {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            (name, fs::read_to_string(path).unwrap())
        });
        let mut units: Vec<_> = read.collect();
        units.sort();
        units
    }

    /// Runs one of systemd's programs on it.
    fn systemd(&self, program: &str, arguments: &[&str]) -> Output {
        let mut command = Command::new(program);
        command.arg(format!("--root={}", self.0.path().display()));
        command.args(arguments).output().unwrap()
    }
}

/// Installs everything with programs that do nothing; tells what was said.
fn install(destdir: &Path, arguments: &[&str]) -> String {
    let stubs = tempfile::tempdir().unwrap();
    for program in programs() {
        fs::write(stubs.path().join(program), "#!/bin/true\n").unwrap();
    }
    let output = Command::new(env!("CARGO_BIN_EXE_xtask"))
        .args(["install", "--destdir"])
        .arg(destdir)
        .arg("--from")
        .arg(stubs.path())
        .args(arguments)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

/// The names of the folders of `daemons/`, each a program.
fn programs() -> BTreeSet<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../daemons");
    let entries = fs::read_dir(folder).unwrap();
    entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect()
}

/// The daemons among them.
fn daemons() -> Vec<String> {
    programs()
        .into_iter()
        .filter(|name| name.ends_with('d'))
        .collect()
}

/// The real daemon in an instance of its own.
fn real(daemon: &str) -> (Instance, private_instance::Daemon) {
    assert!(
        built().join(daemon).exists(),
        "{daemon} is not built: run cargo build --workspace"
    );
    let instance = Instance::below(Path::new("/tmp"), built()).unwrap();
    let daemon = instance.daemon(daemon);
    (instance, daemon)
}

/// The values of a key in a unit.
fn values<'u>(unit: &'u str, key: &str) -> Vec<&'u str> {
    let lines = unit.lines().filter_map(|line| line.split_once('='));
    lines
        .filter(|(one, _)| *one == key)
        .map(|(_, value)| value)
        .collect()
}

#[test]
fn systemd_takes_every_unit() {
    let installed = Installed::with(&[]);
    let units = installed.units();
    // What the units refer to on every host.
    let host = fs::read_dir("/usr/lib/systemd/system").unwrap();
    for entry in host {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if name.ends_with(".target") && !name.starts_with("virt") {
            fs::copy(&path, installed.path("/usr/lib/systemd/system").join(name)).unwrap();
        }
    }
    fs::create_dir(installed.path("/bin")).unwrap();
    fs::copy("/bin/kill", installed.path("/bin/kill")).unwrap();
    let mut arguments = vec!["verify", "--man=no", "--recursive-errors=yes"];
    arguments.extend(units.iter().map(|(name, _)| name.as_str()));
    let output = installed.systemd("systemd-analyze", &arguments);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.is_empty(), "{said}");
}

#[test]
fn every_program_is_installed_and_every_daemon_has_its_units() {
    let installed = Installed::with(&["--prefix", "/usr"]);
    let units = installed.units();
    for program in programs() {
        let folder = match program.as_str() {
            name if daemons().iter().any(|daemon| daemon == name) => "sbin",
            "libvirt_leaseshelper" => "lib/libvirt",
            _ => "bin",
        };
        assert!(
            installed.path("/usr").join(folder).join(&program).is_file(),
            "{program}"
        );
    }
    let named: BTreeSet<_> = units.iter().map(|(name, _)| name.as_str()).collect();
    for daemon in daemons() {
        for suffix in [".service", ".socket", "-admin.socket"] {
            assert!(
                named.contains(format!("{daemon}{suffix}").as_str()),
                "{daemon}{suffix}"
            );
        }
        let file = installed.path("/etc/libvirt").join(format!("{daemon}.conf"));
        assert!(file.is_file(), "{}", file.display());
    }
    for (name, unit) in &units {
        let relations = [
            "Wants",
            "BindsTo",
            "After",
            "Before",
            "Conflicts",
            "Also",
            "Service",
            "WantedBy",
        ];
        for other in relations.into_iter().flat_map(|key| values(unit, key)) {
            let foreign = FOREIGN.iter().any(|start| other.starts_with(start));
            assert!(foreign || named.contains(other), "{name} names {other}");
        }
        for command in values(unit, "ExecStart") {
            let program = command.split_whitespace().next().unwrap();
            assert!(installed.path(program).is_file(), "{name} runs {program}");
        }
    }
}

/// The socket units of a daemon: their names and addresses.
fn sockets<'u>(units: &'u [(String, String)], daemon: &str) -> Vec<(&'u str, &'u str)> {
    let service = format!("{daemon}.service");
    let sockets = units
        .iter()
        .filter(|(name, unit)| name.ends_with(".socket") && values(unit, "Service") == [service.as_str()]);
    sockets
        .map(|(name, unit)| (name.as_str(), values(unit, "ListenStream")[0]))
        .collect()
}

#[test]
fn sockets_are_where_the_daemons_have_them() {
    let units = Installed::with(&[]).units();
    let is_root = rustix::process::geteuid().is_root();
    for daemon in daemons() {
        let addresses = sockets(&units, &daemon).into_iter().map(|(_, address)| address);
        let (mut files, ports): (BTreeSet<_>, BTreeSet<_>) =
            addresses.partition(|address| address.starts_with('/'));
        if !is_root {
            files.retain(|path| !path.ends_with("-ro"));
        }
        let (instance, mut process) = real(&daemon);
        process.start().unwrap();
        private_instance::wait_until(&format!("{files:?}"), PAUSE, || {
            Ok(files
                .iter()
                .all(|path| instance.path(path).exists())
                .then_some(()))
        })
        .unwrap();
        let folder = fs::read_dir(instance.path("/run/libvirt")).unwrap();
        let names = folder.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let bound: BTreeSet<_> = names
            .filter(|name| name.contains("-sock"))
            .map(|name| format!("/run/libvirt/{name}"))
            .collect();
        assert_eq!(bound, files.into_iter().map(str::to_owned).collect(), "{daemon}");
        let defaults = daemon::config::NetworkConfig::default();
        let expected = match daemon.as_str() {
            "virtproxyd" | "libvirtd" => {
                vec![defaults.tcp_port.0.to_string(), defaults.tls_port.0.to_string()]
            }
            _ => vec![],
        };
        assert_eq!(ports.into_iter().collect::<Vec<_>>(), expected, "{daemon}");
        process.stop().unwrap();
    }
}

#[test]
fn daemons_know_their_sockets_by_the_names_of_their_units() {
    let units = Installed::with(&[]).units();
    for daemon in daemons() {
        let sockets = sockets(&units, &daemon).into_iter();
        let names: Vec<_> = sockets
            .filter(|(_, address)| address.starts_with('/'))
            .map(|(name, _)| name)
            .collect();
        let (instance, process) = real(&daemon);
        // Places that say nothing.
        let place = |index: usize| instance.folder().join(index.to_string());
        let mut activation = vec![
            "systemd-socket-activate".to_owned(),
            format!("--setenv=FERROVIRT_ROOT={}", instance.path("/").display()),
            format!("--fdname={}", names.join(":")),
        ];
        activation.extend((0..names.len()).map(|index| format!("--listen={}", place(index).display())));
        let mut process = process.with(["--verbose"]).under(activation);
        process.spawn().unwrap();
        let client = private_instance::wait_until(&daemon, PAUSE, || Ok(UnixStream::connect(place(0)).ok()));
        private_instance::wait_until(&format!("{daemon} to serve {names:?}"), PAUSE, || {
            let said = process.said();
            assert!(!said.contains("activated socket"), "{said}");
            Ok(said.contains("clients are served").then_some(()))
        })
        .unwrap();
        drop(client.unwrap());
        process.stop().unwrap();
    }
}

#[test]
fn daemons_are_confined() {
    let installed = Installed::with(&[]);
    for daemon in daemons() {
        let unit = format!("{daemon}.service");
        let output = installed.systemd("systemd-analyze", &["security", "--offline=true", &unit]);
        let said = String::from_utf8_lossy(&output.stdout);
        // "→ Overall exposure level for virtlogd.service: 1.7 OK"
        let figure = said.lines().last().and_then(|line| line.rsplit_once(": "));
        let figure = figure.and_then(|(_, figure)| figure.split_whitespace().next());
        let figure = figure.unwrap_or_else(|| panic!("{said}{}", String::from_utf8_lossy(&output.stderr)));
        println!("exposure of {daemon}: {figure}");
        let tenths: u32 = figure.replace('.', "").parse().unwrap();
        let max = match daemon.as_str() {
            "virtqemud" | "libvirtd" => EXPOSURE_MAX_WITH_GUESTS,
            _ => EXPOSURE_MAX,
        };
        assert!(tenths <= max, "{daemon}: {said}");
    }
}

#[test]
fn apparmor_takes_every_profile() {
    for prefix in ["/usr", "/usr/local"] {
        let installed = Installed::with(&["--prefix", prefix]);
        for daemon in daemons() {
            let file = format!("{prefix}/sbin/{daemon}").replace('/', ".");
            let profile = installed
                .path("/etc/apparmor.d")
                .join(file.trim_start_matches('.'));
            let text = fs::read_to_string(&profile).unwrap();
            assert!(text.contains(&format!(" {prefix}/sbin/{daemon} ")), "{text}");
            let output = Command::new("apparmor_parser")
                .args(["--skip-kernel-load", "--skip-cache", "--base=/etc/apparmor.d"])
                .arg(&profile)
                .output()
                .unwrap();
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{daemon}: {said}");
        }
    }
}

#[test]
fn users_are_made_as_the_units_name_them() {
    let installed = Installed::with(&[]);
    let output = installed.systemd("systemd-sysusers", &["--dry-run"]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let file = fs::read_to_string(installed.path("/usr/lib/sysusers.d/ferrovirt.conf")).unwrap();
    for (name, unit) in installed.units() {
        for group in values(&unit, "SocketGroup") {
            assert!(
                file.contains(&format!("\ng {group} ")),
                "{name} names the group {group}"
            );
        }
    }
}

#[test]
fn units_run_what_lies_below_the_prefix_and_configuration_stays() {
    let installed = Installed::with(&["--prefix", "/usr/local"]);
    let unit = installed.path("/usr/local/lib/systemd/system/virtlogd.service");
    let unit = fs::read_to_string(unit).unwrap();
    assert_eq!(
        values(&unit, "ExecStart"),
        ["/usr/local/sbin/virtlogd $VIRTLOGD_ARGS"]
    );
    assert!(installed.path("/usr/local/bin/virt-ssh-helper").is_file());
    let file = installed.path("/etc/libvirt/qemu.conf");
    fs::write(&file, "user = \"+7\"\n").unwrap();
    let said = install(installed.0.path(), &[]);
    assert!(said.contains("qemu.conf is there already"), "{said}");
    assert_eq!(fs::read_to_string(&file).unwrap(), "user = \"+7\"\n");
    let refused = Command::new(env!("CARGO_BIN_EXE_xtask"))
        .args(["install", "--destdir"])
        .arg(installed.0.path())
        .args(["--from", "/", "--prefix", "/a b"])
        .output()
        .unwrap();
    assert!(!refused.status.success());
}
