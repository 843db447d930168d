//! Programs that daemons start take every signal as they would anywhere else, whoever started the daemon and whatever it holds
//! back itself.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test")]

use end_to_end::{Instance, add_pool, idle_domain};
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

/// What starts a daemon as somebody might who knows nothing of signals, or too much.
const STARTER: [&str; 3] = [
    "env",
    "--block-signal=HUP,INT,TERM,USR1,USR2,WINCH",
    "--ignore-signal=HUP,INT,QUIT,USR2,ALRM,CHLD,TSTP,TTOU",
];

/// SIGHUP, SIGTERM, SIGUSR2, SIGTSTP, SIGTTOU and SIGWINCH, as the kernel tells sets of signals (proc_pid_status(5)). QEMU holds
/// some others back by itself.
const NOBODYS: u64 = (1 << 0) | (1 << 14) | (1 << 11) | (1 << 19) | (1 << 21) | (1 << 27);

/// Two that the C library keeps for itself: a program that it spawns ignores them until it has threads of its own.
const OF_THE_LIBRARY: u64 = (1 << 31) | (1 << 32);

/// Programs of a test's own before the host's: they note how signals are when they start, and become the host's.
struct Watched(Instance);

impl Watched {
    fn new(instance: Instance) -> Self {
        fs::create_dir(instance.root().join("programs")).unwrap();
        Self(instance)
    }

    fn notes(&self, program: &str) -> PathBuf {
        self.0.root().join(format!("{program}.signals"))
    }

    /// Gives the program's own place.
    fn watch(&self, program: &str) -> PathBuf {
        let place = self.0.root().join("programs").join(program);
        let (notes, folder) = (self.notes(program), place.parent().unwrap().display());
        // A shell that has another program read would hold signals back meanwhile.
        let words = format!(
            "#!/bin/sh\nwhile read -r line; do case \"$line\" in SigBlk:*|SigIgn:*) echo \"$line\";; esac; done \
             < /proc/$$/status >> '{}'\nPATH=\"${{PATH#{folder}:}}:/usr/sbin:/sbin\"\n\
             exec \"$(command -v {program})\" \"$@\"\n",
            notes.display()
        );
        fs::write(&place, words).unwrap();
        fs::set_permissions(&place, Permissions::from_mode(0o755)).unwrap();
        place
    }

    fn start(&mut self, daemon: &str) {
        // What the notes are written by is none of what the daemon needs.
        let file = self.0.path(&format!("/etc/libvirt/{daemon}.conf"));
        fs::write(file, "confinement = 0\n").unwrap();
        let folder = self.0.root().join("programs");
        let path = format!("PATH={}:{}", folder.display(), std::env::var("PATH").unwrap());
        let mut starter = STARTER.map(str::to_owned).to_vec();
        starter.push(path);
        self.0.add_under(starter, daemon);
    }

    /// All that a program noted is what it is with a program that somebody starts in a terminal.
    fn heard_all(&self, program: &str) {
        let noted = fs::read_to_string(self.notes(program)).unwrap();
        assert!(!noted.is_empty(), "{program} was not run");
        for line in noted.lines() {
            let (_, set) = line.split_once(':').unwrap();
            let set = u64::from_str_radix(set.trim(), 16).unwrap();
            assert_eq!(set & !OF_THE_LIBRARY, 0, "{program}: {noted}");
        }
    }
}

#[test]
fn guests_and_programs_of_storage_hear_every_signal() {
    let mut watched = Watched::new(Instance::empty());
    watched.watch("qemu-img");
    let emulator = watched.watch("qemu-system-x86_64");
    watched.start("virtstoraged");
    watched.start("virtqemud");

    let instance = &watched.0;
    let storage = instance.daemon("virtstoraged");
    add_pool(instance, "p");
    storage.virsh(&["vol-create-as", "p", "v", "1M", "--format", "qed"]);
    watched.heard_all("qemu-img");

    let devices = format!("<devices><emulator>{}</emulator>", emulator.display());
    let document = idle_domain("vm").replace("<devices>", &devices);
    let qemu = instance.daemon("virtqemud");
    qemu.virsh(&["define", &instance.file("vm.xml", &document)]);
    qemu.virsh(&["start", "vm"]);
    watched.heard_all("qemu-system-x86_64");
    let [guest] = instance.guests()[..] else {
        panic!("{:?}", instance.guests())
    };
    let status = fs::read_to_string(format!("/proc/{guest}/status")).unwrap();
    for line in status.lines() {
        if let Some((name @ ("SigBlk" | "SigIgn"), set)) = line.split_once(':') {
            let set = u64::from_str_radix(set.trim(), 16).unwrap();
            assert_eq!(set & NOBODYS, 0, "{name} of QEMU: {set:x}");
        }
    }
    qemu.virsh(&["destroy", "vm"]);

    // The daemons hear, too.
    for daemon in ["virtqemud", "virtstoraged"] {
        assert_eq!(watched.0.daemon_mut(daemon).stop(), Some(0));
    }
}

#[test]
fn programs_of_networks_hear_every_signal() {
    if !rustix::process::geteuid().is_root() {
        println!("SKIPPED: only root has networks");
        return;
    }
    let mut watched = Watched::new(Instance::empty_in_own_network());
    watched.watch("nft");
    watched.watch("dnsmasq");
    watched.start("virtnetworkd");
    let network = "<network><name>n</name><forward mode='nat'/><ip address='10.77.0.1' prefix='24'><dhcp>\
                   <range start='10.77.0.2' end='10.77.0.9'/></dhcp></ip></network>";
    let instance = &watched.0;
    instance.virsh(&["net-create", &instance.file("n.xml", network)]);
    watched.heard_all("nft");
    watched.heard_all("dnsmasq");
    instance.virsh(&["net-destroy", "n"]);
}
