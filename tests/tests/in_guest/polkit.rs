//! Who may connect, where polkit is asked: the host's own, over the system's bus.

use crate::host::{Daemon, daemon, run, systemctl, try_run};
use end_to_end::Outcome;
use std::fs;

/// A daemon that asks polkit, set up as its documentation says; it no longer does when the value goes.
struct Asks<'a> {
    daemon: &'a Daemon,
    configuration: String,
}

impl<'a> Asks<'a> {
    fn set_up(daemon: &'a Daemon) -> Self {
        let file = Self::file(daemon);
        let configuration = fs::read_to_string(&file).unwrap();
        fs::write(&file, format!("{configuration}\nauth_unix_rw = \"polkit\"\n")).unwrap();
        let asks = Self {
            daemon,
            configuration,
        };
        let [socket, service] = Self::folders(daemon);
        fs::create_dir_all(&socket).unwrap();
        fs::write(format!("{socket}/polkit.conf"), "[Socket]\nSocketMode=0666\n").unwrap();
        fs::create_dir_all(&service).unwrap();
        fs::copy(
            "/usr/share/ferrovirt/polkit.conf",
            format!("{service}/polkit.conf"),
        )
        .unwrap();
        asks.take_in();
        asks
    }

    fn file(daemon: &Daemon) -> String {
        format!("/etc/libvirt/{}.conf", daemon.name)
    }

    fn folders(daemon: &Daemon) -> [String; 2] {
        ["socket", "service"].map(|kind| format!("/etc/systemd/system/{}.{kind}.d", daemon.name))
    }

    fn take_in(&self) {
        let name = &self.daemon.name;
        // The others are bound to this socket.
        let sockets = self.daemon.sockets.iter().filter(|socket| !socket.is_remote());
        let sockets: Vec<_> = sockets.map(|socket| socket.unit.as_str()).collect();
        try_run("systemctl", &["daemon-reload"]);
        try_run(
            "systemctl",
            &["stop", &format!("{name}.service"), &format!("{name}.socket")],
        );
        let start: Vec<_> = ["start"].into_iter().chain(sockets).collect();
        try_run("systemctl", &start);
    }
}

impl Drop for Asks<'_> {
    fn drop(&mut self) {
        let _ = fs::write(Self::file(self.daemon), &self.configuration);
        for folder in Self::folders(self.daemon) {
            let _ = fs::remove_dir_all(folder);
        }
        self.take_in();
    }
}

/// Makes a user of the host.
fn user(name: &str, groups: &str) {
    if !try_run("id", &[name]).success {
        run("useradd", &["--create-home", "--groups", groups, name]);
    }
}

/// Has a user run stock virsh.
fn virsh_of(user: &str, arguments: &[&str]) -> Outcome {
    let all: Vec<_> = ["-u", user, "--", "virsh", "-q"]
        .iter()
        .chain(arguments)
        .copied()
        .collect();
    try_run("runuser", &all)
}

#[test]
#[ignore = "runs in the guest of cargo xtask testbed"]
fn members_of_the_group_may_connect_and_strangers_are_asked_for_a_password() {
    user("stranger", "");
    user("member", "libvirt");
    for name in ["virtqemud", "virtsecretd"] {
        let daemon = daemon(name);
        let uri = daemon.uri().unwrap();
        let asks = Asks::set_up(daemon);
        let outcome = virsh_of("stranger", &["-c", &uri, "uri"]);
        // And there is nobody who could type it.
        assert!(
            !outcome.success && outcome.stderr.contains("authentication unavailable"),
            "{name}: {}",
            outcome.stderr
        );
        let outcome = virsh_of("stranger", &["-r", "-c", &uri, "uri"]);
        assert!(outcome.success, "{name}: {}", outcome.stderr);
        let outcome = virsh_of("member", &["-c", &uri, "uri"]);
        assert!(outcome.success, "{name}: {}", outcome.stderr);
        // A rule of the administrator's counts from then on.
        let rule = "/etc/polkit-1/rules.d/10-testbed.rules";
        let text = "polkit.addRule(function(action, subject) {\n\
                    if (action.id == 'org.libvirt.unix.manage' && subject.user == 'stranger') return polkit.Result.YES;\n\
                    });\n";
        fs::write(rule, text).unwrap();
        systemctl(&["restart", "polkit.service"]);
        let outcome = virsh_of("stranger", &["-c", &uri, "uri"]);
        fs::remove_file(rule).unwrap();
        systemctl(&["restart", "polkit.service"]);
        assert!(outcome.success, "{name}: {}", outcome.stderr);
        drop(asks);
        // By the socket's mode again.
        let outcome = virsh_of("stranger", &["-c", &uri, "uri"]);
        assert!(
            outcome.stderr.contains("Permission denied"),
            "{name}: {}",
            outcome.stderr
        );
    }
}
