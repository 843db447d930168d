//! A private instance of the daemons under test.

use crate::copy_program;
use crate::daemon::Daemon;
use crate::network::Network;
use std::fs;
use std::ops::{Deref, DerefMut};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

/// How many instances this process has made, in tens.
static NUMBER: AtomicU32 = AtomicU32::new(0);

/// Daemons with all their files below one folder.
///
/// Most tests are about one daemon: an instance stands for the first of its own in everything that a [`Daemon`] can do.
#[derive(Debug)]
pub struct Instance {
    /// These end before the folder goes.
    daemons: Vec<Daemon>,
    place: private_instance::Instance,
    /// Where its daemons run, if not in the host's network.
    network: Option<Network>,
}

impl Instance {
    /// Starts virtqemud and waits until it serves.
    ///
    /// # Panics
    /// When it does not.
    pub fn start() -> Self {
        Self::start_all(&["virtqemud"])
    }

    /// The same in a network name space of its own, which only root can make: nothing is done to the host's.
    ///
    /// # Panics
    /// When it does not serve.
    pub fn start_in_own_network() -> Self {
        Self::start_all_in_own_network(&["virtqemud"])
    }

    /// The same with these daemons, all in one network.
    ///
    /// # Panics
    /// When one does not serve.
    pub fn start_all_in_own_network(names: &[&str]) -> Self {
        let mut instance = Self::empty_in_own_network();
        for name in names {
            instance.add(name);
        }
        instance
    }

    /// A folder with configuration, a network, and nothing running.
    ///
    /// # Panics
    /// When they cannot be made.
    pub fn empty_in_own_network() -> Self {
        let mut instance = Self::empty();
        instance.network = Some(Network::new());
        instance
    }

    /// Starts these daemons, one after the other, and waits until each serves.
    ///
    /// # Panics
    /// When one does not.
    pub fn start_all(names: &[&str]) -> Self {
        let mut instance = Self::empty();
        for name in names {
            instance.add(name);
        }
        instance
    }

    /// A folder with configuration, and nothing running.
    ///
    /// # Panics
    /// When it cannot be made.
    pub fn empty() -> Self {
        let place =
            private_instance::Instance::below(Path::new("/tmp"), &programs()).expect("an instance's folder");
        // Two daemons that look for a free port at the same moment may both find the same.
        let first = 6000 + (std::process::id() % 400) * 100 + NUMBER.fetch_add(10, Ordering::Relaxed) % 100;
        let text = format!(
            "remote_display_port_min = {first}\nremote_display_port_max = {}\n",
            first + 9
        );
        place.configure("qemu.conf", &text).expect("the configuration");
        Self {
            daemons: Vec::new(),
            place,
            network: None,
        }
    }

    /// Starts one more daemon and waits until it serves.
    ///
    /// # Panics
    /// When it does not.
    pub fn add(&mut self, name: &str) -> &mut Daemon {
        self.add_with(name, &[])
    }

    /// The same with more flags.
    ///
    /// # Panics
    /// When it does not serve.
    pub fn add_with(&mut self, name: &str, flags: &[&str]) -> &mut Daemon {
        // Says whether it is built before it is needed.
        binary(name);
        let mut daemon = self.place.daemon(name).with(["--verbose"]).with(flags);
        if let Some(network) = &self.network {
            daemon = daemon.under(network.entrance());
        }
        self.daemons.push(Daemon::new(daemon));
        let daemon = self.daemons.last_mut().expect("it was added");
        daemon.restart();
        daemon
    }

    /// Starts one more daemon that the command `wrapper` runs, in the instance's network if it has one, and waits until it serves.
    ///
    /// # Panics
    /// When it does not.
    pub fn add_under(&mut self, wrapper: Vec<String>, name: &str) -> &mut Daemon {
        binary(name);
        let mut under = self.network.as_ref().map(Network::entrance).unwrap_or_default();
        under.extend(wrapper);
        let daemon = self.place.daemon(name).with(["--verbose"]).under(under);
        self.daemons.push(Daemon::new(daemon));
        let daemon = self.daemons.last_mut().expect("it was added");
        daemon.restart();
        daemon
    }

    /// Starts a daemon that has to end instead of serving; gives what it said.
    ///
    /// # Panics
    /// When it goes on.
    pub fn fails(&mut self, name: &str) -> String {
        binary(name);
        let mut daemon = self.place.daemon(name);
        daemon.spawn().expect("the daemon can be started");
        let ended = daemon.wait_for_end().expect("it ends");
        assert!(!ended.success(), "{name} ends with success");
        daemon.said()
    }

    /// Starts a virtqemud that the command `wrapper` runs, with lines added to its `qemu.conf`; `{root}` in either stands for
    /// the instance's folder.
    ///
    /// # Panics
    /// When it does not serve.
    pub fn wrapped(wrapper: &[&str], configuration: &str) -> Self {
        let mut instance = Self::empty();
        let here = |text: &str| text.replace("{root}", &instance.root().display().to_string());
        let file = instance.path("/etc/libvirt/qemu.conf");
        let text = fs::read_to_string(&file).expect("the configuration");
        fs::write(file, format!("{text}\n{}\n", here(configuration))).expect("the configuration");
        let wrapper: Vec<String> = wrapper.iter().map(|word| here(word)).collect();
        let daemon = instance
            .place
            .daemon("virtqemud")
            .with(["--verbose"])
            .under(wrapper);
        instance.daemons.push(Daemon::new(daemon));
        instance.restart();
        instance
    }

    /// Runs a command in the daemons' own network, which must succeed; gives what it said.
    ///
    /// # Panics
    /// When it fails, or they are in the host's network.
    pub fn in_network(&self, command: &[&str]) -> String {
        self.network().run_well(command)
    }

    /// The daemons' own network.
    ///
    /// # Panics
    /// When they are in the host's.
    pub fn network(&self) -> &Network {
        self.network.as_ref().expect("a network of its own")
    }

    /// The daemon of that name.
    ///
    /// # Panics
    /// When the instance has none.
    pub fn daemon(&self, name: &str) -> &Daemon {
        let mut daemons = self.daemons.iter();
        daemons
            .find(|daemon| daemon.name() == name)
            .expect("a daemon that was started")
    }

    /// The same, to end it or to start it again.
    ///
    /// # Panics
    /// When the instance has none.
    pub fn daemon_mut(&mut self, name: &str) -> &mut Daemon {
        let mut daemons = self.daemons.iter_mut();
        daemons
            .find(|daemon| daemon.name() == name)
            .expect("a daemon that was started")
    }

    /// The folder that everything lies below.
    pub fn root(&self) -> &Path {
        self.place.folder()
    }

    /// A file of the instance, by its absolute path on a host.
    pub fn path(&self, path: &str) -> PathBuf {
        self.place.path(path)
    }

    /// Writes a file into the instance's folder and gives its path.
    ///
    /// # Panics
    /// When it cannot be written.
    pub fn file(&self, name: &str, content: &str) -> String {
        let path = self.root().join(name);
        fs::write(&path, content).expect("a file of the test");
        path.display().to_string()
    }

    /// Puts a stand-in for QEMU's monitor into the instance's folder, to be a domain's `<emulator>`; gives its path. What
    /// QEMU can do it has the real one say. `script` is in the words of crate `qmp-standin`.
    ///
    /// # Panics
    /// When it is not built or cannot be copied.
    pub fn stand_in(&self, script: &str) -> String {
        let program = self.root().join("standin");
        copy_program(&binary("qmp-standin"), &program);
        self.file(
            "standin.script",
            &format!("probe-with /usr/bin/qemu-system-x86_64\n{script}\n"),
        );
        program.display().to_string()
    }

    /// What is left of runs that are over: status documents, pid files, folders and processes.
    pub fn left_overs(&self) -> Vec<String> {
        let entries = |path: &str| fs::read_dir(self.path(path)).into_iter().flatten().flatten();
        let files = entries("/run/libvirt/qemu").filter(|entry| {
            let path = entry.path();
            // The driver's own is there as long as a daemon is.
            path.extension()
                .is_some_and(|kind| kind == "xml" || kind == "pid")
                && !path.ends_with("driver.pid")
        });
        let folders = entries("/var/lib/libvirt/qemu")
            .filter(|entry| entry.file_name().to_string_lossy().starts_with("domain-"));
        let folders = folders.chain(entries("/run/libvirt/qemu/channel"));
        let paths = files
            .chain(folders)
            .map(|entry| entry.path().display().to_string());
        let guests = self.guests().into_iter().map(|pid| format!("process {pid}"));
        paths.chain(guests).collect()
    }

    /// Defines a domain.
    ///
    /// # Panics
    /// When it is refused.
    pub fn define(&self, name: &str, document: &str) {
        let file = self.file(&format!("{name}.xml"), document);
        self.virsh(&["define", &file]);
    }

    /// The QEMU processes of this instance's guests.
    pub fn guests(&self) -> Vec<u32> {
        self.place.guests()
    }
}

impl Deref for Instance {
    type Target = Daemon;

    fn deref(&self) -> &Daemon {
        self.daemons.first().expect("a daemon that was started")
    }
}

impl DerefMut for Instance {
    fn deref_mut(&mut self) -> &mut Daemon {
        self.daemons.first_mut().expect("a daemon that was started")
    }
}

/// The binary of a program of the workspace.
///
/// # Panics
/// When it is not built.
pub fn binary(name: &str) -> PathBuf {
    let binary = programs().join(name);
    assert!(
        binary.exists(),
        "{} is not built: run cargo build --workspace",
        binary.display()
    );
    binary
}

/// Where cargo builds the workspace's programs: beside the tests' own folder.
fn programs() -> PathBuf {
    let own = std::env::current_exe().expect("the test's own path");
    let folder = own.parent().and_then(Path::parent).expect("a target folder");
    folder.to_owned()
}

/// Which of a driver's two URIs reaches the daemons of a test: `qemu:///system` for root, `qemu:///session` for others.
pub fn mode() -> &'static str {
    if rustix::process::geteuid().is_root() {
        "system"
    } else {
        "session"
    }
}
