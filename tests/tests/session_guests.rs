//! Guests of a user without any power, on a network of the system: he gets one where the administrator lets him, and nothing else.
#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "a test")]

use end_to_end::{Instance, Outcome, Polkit, User, console, idle_domain, users_guest, wait_for};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

const NETWORK: &str = "<network><name>default</name><bridge name='virbr0'/><forward/>\
    <ip address='192.168.122.1' netmask='255.255.255.0'><dhcp><range start='192.168.122.2' end='192.168.122.254'/></dhcp></ip>\
    </network>";

const CARD: &str = "<interface type='network'><mac address='52:54:00:12:34:56'/><source network='default'/>\
    <model type='virtio'/></interface>";

const GROUP: &str = "session_guests = \"group\"\nsession_guests_group = \"nogroup\"\n";

const SESSION: &str = "qemu:///session?mode=direct";

/// The system's daemons with a network, and a user with a daemon of his own.
struct Host {
    system: Instance,
    user: User,
}

impl Host {
    fn new(configuration: &str, polkit: Option<&Polkit>) -> Option<Self> {
        if !rustix::process::geteuid().is_root() {
            eprintln!("not run: a network of its own needs root");
            return None;
        }
        let mut system = Instance::empty_in_own_network();
        let folder = system.path("/etc/libvirt/nwfilter");
        std::fs::create_dir_all(&folder).unwrap();
        let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("../packaging/filters");
        for file in std::fs::read_dir(shipped).unwrap().flatten() {
            std::fs::copy(file.path(), folder.join(file.file_name())).unwrap();
        }
        // Everybody may look, and no polkit is there to ask about that.
        std::fs::write(
            system.path("/etc/libvirt/virtnetworkd.conf"),
            "auth_unix_ro = \"none\"\n",
        )
        .unwrap();
        let host = |system: &Instance| {
            std::fs::write(system.path("/etc/libvirt/network.conf"), configuration).unwrap()
        };
        host(&system);
        let wrapper = polkit.map(Polkit::entrance).unwrap_or_default();
        system.add_under(wrapper, "virtnetworkd");
        system.add("virtnwfilterd");
        let file = system.file("default.xml", NETWORK);
        system.virsh(&["net-define", &file]);
        system.virsh(&["net-start", "default"]);
        let mut user = User::new();
        user.start_beside("virtqemud", &system);
        Some(Self { system, user })
    }

    fn configure(&self, text: &str) {
        std::fs::write(self.system.path("/etc/libvirt/network.conf"), text).unwrap();
    }

    fn start(&self, devices: &str) -> Outcome {
        let document = idle_domain("own").replace("<serial type='pty'/>", devices);
        let file = self.user.file("own.xml", &document);
        self.user.try_virsh(SESSION, &["create", file.to_str().unwrap()])
    }

    fn refused(&self, devices: &str, words: &str) {
        let outcome = self.start(devices);
        assert!(
            !outcome.success && outcome.stderr.contains(words),
            "{words}: {outcome:?}"
        );
        assert_eq!(self.traces(), Vec::<String>::new());
    }

    fn destroy(&self) {
        self.user.virsh(SESSION, &["destroy", "own"]);
    }

    /// What there is of such guests on the host.
    fn traces(&self) -> Vec<String> {
        let lines = |text: String| -> Vec<String> {
            let lines = text.lines().filter(|line| !line.trim().is_empty());
            lines.map(str::to_owned).collect()
        };
        let links = lines(self.system.in_network(&["ip", "-o", "link"]));
        let mut found: Vec<String> = links.into_iter().filter(|line| line.contains("vnet")).collect();
        found.extend(lines(self.system.virsh(&["net-port-list", "default"])));
        found.extend(lines(
            self.system
                .daemon("virtnwfilterd")
                .virsh(&["nwfilter-binding-list"]),
        ));
        let rules = lines(self.system.in_network(&["nft", "list", "ruleset"]));
        found.extend(rules.into_iter().filter(|line| line.contains("vnet")));
        let notes = std::fs::read_dir(self.system.path("/run/libvirt/network-session-ports"));
        found.extend(
            notes
                .into_iter()
                .flatten()
                .flatten()
                .map(|note| note.path().display().to_string()),
        );
        found
    }

    fn wait_until_nothing_is_left(&self) {
        wait_for("all traces to be gone", || self.traces().is_empty().then_some(()));
    }
}

#[test]
fn a_users_guest_is_on_a_network_of_the_system_and_says_who_it_is() {
    let Some(mut host) = Host::new(GROUP, None) else {
        return;
    };
    let document = users_guest(&host.user, "tiny", CARD);
    let file = host.user.file("tiny.xml", &document);
    let virsh = |host: &Host, arguments: &[&str]| host.user.virsh(SESSION, arguments);
    virsh(&host, &["create", file.to_str().unwrap()]);
    let live = virsh(&host, &["dumpxml", "tiny"]);
    for part in [
        "<source network='default' portid='",
        "bridge='virbr0'/>",
        "<target dev='vnetu0'/>",
    ] {
        assert!(live.contains(part), "{part}: {live}");
    }
    let link = host.system.in_network(&["ip", "-o", "link", "show", "vnetu0"]);
    assert!(
        link.contains("master virbr0") && link.contains("fe:54:00:12:34:56"),
        "{link}"
    );
    let bindings = host
        .system
        .daemon("virtnwfilterd")
        .virsh(&["nwfilter-binding-list"]);
    assert!(
        bindings.contains("vnetu0") && bindings.contains("clean-traffic"),
        "{bindings}"
    );

    // It has what it was leased, and no address of others.
    let lease = "ip link set eth0 up; udhcpc -i eth0 -n -q -t 20 -T 1 -s /etc/leased >/dev/null 2>&1";
    let honest = "for i in 1 2 3 4 5 6 7 8 9; do ping -c 1 -W 2 192.168.122.1 >/dev/null && break; done && echo honest-$((20+3))";
    let lies = "ip address add 192.168.122.77/24 dev eth0; ping -I 192.168.122.77 -c 2 -W 2 192.168.122.1 >/dev/null || echo refused-$((20+3))";
    let way = format!("{lease} && {honest}; {lies}; echo all-$((20+3))");
    let socket = host.user.socket("virtqemud");
    let uri = format!("qemu+unix:///session?socket={}", socket.display());
    let seen = console(&uri, "tiny", &way, "all-23");
    assert!(
        seen.contains("honest-23") && seen.contains("refused-23"),
        "{seen}"
    );
    let told = virsh(&host, &["domifaddr", "tiny", "--source", "lease"]);
    assert!(told.contains("192.168.122."), "{told}");

    // Whichever daemon is killed meanwhile.
    host.user.kill();
    let user = &mut host.user;
    user.start_beside("virtqemud", &host.system);
    host.system.daemon_mut("virtnetworkd").kill();
    host.system.daemon_mut("virtnetworkd").restart();
    host.system.daemon_mut("virtnwfilterd").kill();
    host.system.daemon_mut("virtnwfilterd").restart();
    let seen = console(&uri, "tiny", &format!("{honest}; echo more-$((20+3))"), "more-23");
    assert!(seen.contains("honest-23"), "{seen}");
    virsh(&host, &["destroy", "tiny"]);
    host.wait_until_nothing_is_left();
}

#[test]
fn he_gets_what_he_may_have_and_nothing_else() {
    let Some(host) = Host::new("", None) else { return };
    host.refused(CARD, "session_guests in network.conf is \"none\"");
    host.configure("session_guests = \"group\"\n");
    host.refused(CARD, "names none");
    host.configure("session_guests = \"group\"\nsession_guests_group = \"daemon\"\n");
    host.refused(CARD, "is not in the group");
    host.configure(&format!("{GROUP}session_guests_networks = [ \"other\" ]\n"));
    host.refused(CARD, "not among session_guests_networks");
    host.configure(&format!("{GROUP}session_guests_max = 0\n"));
    host.refused(CARD, "may not have more");

    host.configure(GROUP);
    let with = |more: &str| CARD.replace("</interface>", &format!("{more}</interface>"));
    host.refused(
        &with("<filterref filter='no-such'/>"),
        "not among session_guests_filters",
    );
    let lie = "<filterref filter='clean-traffic'><parameter name='IP' value='192.168.122.1'/></filterref>";
    host.refused(&with(lie), "does not say itself what IP is");
    host.refused(&with("<mtu size='9000'/>"), "<mtu> is not supported");

    // The second of two that say they are the same.
    let started = host.start(CARD);
    assert!(started.success, "{started:?}");
    let second = idle_domain("second").replace("<serial type='pty'/>", CARD);
    let file = host.user.file("second.xml", &second);
    let outcome = host.user.try_virsh(SESSION, &["create", file.to_str().unwrap()]);
    assert!(outcome.stderr.contains("that of another guest"), "{outcome:?}");
    host.destroy();
    host.wait_until_nothing_is_left();

    // What else there is of the system stays closed: he may look, as everybody may.
    std::fs::set_permissions(host.system.root(), std::fs::Permissions::from_mode(0o755)).unwrap();
    for (socket, words) in [("sock", "Permission denied"), ("sock-ro", "read only access")] {
        let socket = host.system.path(&format!("/run/libvirt/virtnetworkd-{socket}"));
        let uri = format!("network+unix:///system?socket={}", socket.display());
        for call in [["net-destroy", "default"], ["net-undefine", "default"]] {
            let outcome = host.user.try_virsh(&uri, &call);
            assert!(
                !outcome.success && outcome.stderr.contains(words),
                "{call:?}: {outcome:?}"
            );
        }
    }
    assert!(host.system.virsh(&["net-list"]).contains("default"));
}

#[test]
fn whatever_is_killed_nothing_of_a_guest_that_has_ended_is_left() {
    let Some(mut host) = Host::new(GROUP, None) else {
        return;
    };
    for killed in ["virtnetworkd", "virtnwfilterd", "user"] {
        let started = host.start(CARD);
        assert!(started.success, "{killed}: {started:?}");
        assert!(!host.traces().is_empty());
        match killed {
            "user" => host.user.kill(),
            daemon => host.system.daemon_mut(daemon).kill(),
        }
        // QEMU ends while that daemon is away.
        let tap = host.system.in_network(&["ip", "-o", "link", "show", "vnetu0"]);
        assert!(tap.contains("vnetu0"), "{tap}");
        end_guests_of(&host.user);
        match killed {
            "user" => host.user.start_beside("virtqemud", &host.system),
            daemon => host.system.daemon_mut(daemon).restart(),
        }
        host.wait_until_nothing_is_left();
        wait_for("the guest's end to be known", || {
            host.user
                .virsh(SESSION, &["list", "--name"])
                .trim()
                .is_empty()
                .then_some(())
        });
    }
}

/// Ends the QEMU processes whose home is a user's.
fn end_guests_of(user: &User) {
    let home = format!("HOME={}", user.home().display());
    let read = |entry: &std::fs::DirEntry, file: &str| {
        let read = std::fs::read(entry.path().join(file)).unwrap_or_default();
        String::from_utf8_lossy(&read).into_owned()
    };
    let mut ended = 0;
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let is_qemu =
            read(&entry, "cmdline").contains("qemu-system") && read(&entry, "environ").contains(&home);
        let pid = entry.file_name().to_str().and_then(|name| name.parse().ok());
        if let (true, Some(pid)) = (is_qemu, pid) {
            let pid = rustix::process::Pid::from_raw(pid).unwrap();
            rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
            ended += 1;
        }
    }
    assert_eq!(ended, 1, "a guest of the user's runs");
}

#[test]
fn polkit_decides_by_the_networks_name() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("not run: polkit on a bus of its own needs root");
        return;
    }
    let rules = "polkit.addRule(function(action, subject) {\
                 if (action.id == 'org.ferrovirt.network.connect-session-guest' && subject.user == 'nobody'\
                 && action.lookup('network_name') == 'default') return polkit.Result.YES; });";
    let mut polkit = Polkit::start(rules);
    let Some(host) = Host::new("session_guests = \"polkit\"\n", Some(&polkit)) else {
        return;
    };
    let started = host.start(CARD);
    assert!(started.success, "{started:?}");
    host.destroy();
    host.wait_until_nothing_is_left();
    polkit.rule("");
    host.refused(CARD, "polkit does not let user");
}
