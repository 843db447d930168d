//! libvirtd, which is all of them in one process.

use crate::guests::Guest;
use crate::host::{Host, daemon, property, run, systemctl, try_run};

const SERVICE: &str = "libvirtd.service";

/// Where stock clients find libvirtd, and nobody else while it runs.
const URI: &str = "qemu:///system?socket=/run/libvirt/libvirt-sock";

/// The daemons of one driver are back when the value goes.
struct Back;

impl Drop for Back {
    fn drop(&mut self) {
        let sockets = ["libvirtd.socket", "libvirtd-ro.socket", "libvirtd-admin.socket"];
        let stop: Vec<_> = ["stop", SERVICE].into_iter().chain(sockets).collect();
        try_run("systemctl", &stop);
        for daemon in Host::get().daemons() {
            try_run("systemctl", &["start", &daemon.service()]);
        }
    }
}

#[test]
#[ignore = "runs in the guest of cargo xtask testbed"]
fn it_takes_the_place_of_the_others_and_their_guests_and_gives_them_back() {
    let guest = Guest::start("moved");
    let back = Back;
    systemctl(&["start", SERVICE]);
    for name in ["virtqemud", "virtsecretd", "virtproxyd"] {
        assert!(!daemon(name).is_active(), "{name}");
    }
    let told = run(
        "virsh",
        &[
            "-q",
            "-c",
            URI,
            "qemu-monitor-command",
            "moved",
            r#"{"execute":"query-status"}"#,
        ],
    );
    assert!(told.contains(r#""running":true"#), "{told}");
    run("virsh", &["-q", "-c", URI, "secret-list"]);
    assert_eq!(property(SERVICE, "ActiveState"), "active");
    let security = run("systemd-analyze", &["security", "--no-pager", SERVICE]);
    println!("{}", security.lines().last().unwrap_or_default().trim());
    drop(back);
    assert_eq!(property(SERVICE, "ActiveState"), "inactive");
    guest.lives();
}
