//! `iscsi` pools on a real target: tgt's, on this guest.

use crate::guests::Guest;
use crate::host::{run, systemctl, try_run, virsh, wait_for};
use crate::pools::{Pool, Units, crash, info, storage, storage_fails, volumes};
use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

const TARGET: &str = "iqn.2013-06.com.example:iscsi-pool";

/// As whom a pool may log in.
const INITIATOR: &str = "iqn.2013-06.com.example:initiator";

/// A portal with one target, whose LUNs are files, until the value goes.
struct Target(#[allow(dead_code, reason = "its end is what counts")] Units);

fn tgtadm(arguments: &str) {
    let words: Vec<_> = arguments.split(' ').collect();
    run("tgtadm", &[&["--lld", "iscsi"], &words[..]].concat());
}

impl Target {
    fn start() -> Self {
        let target = Self(Units::start(&["tgt.service"]));
        tgtadm(&format!("--mode target --op new --tid 1 --targetname {TARGET}"));
        target.add(1, 16);
        target.add(2, 32);
        target
    }

    /// Adds a LUN of so many MiB.
    fn add(&self, number: u32, size: u64) {
        let file = format!("/srv/lun-{number}.img");
        File::create(&file).unwrap().set_len(size << 20).unwrap();
        tgtadm(&format!(
            "--mode logicalunit --op new --tid 1 --lun {number} --backing-store {file}"
        ));
    }

    /// From now on nobody answers, though connections are taken: its machine hangs.
    fn hang(&self) {
        systemctl(&["kill", "--signal=STOP", "tgt.service"]);
    }

    fn come_back(&self) {
        systemctl(&["kill", "--signal=CONT", "tgt.service"]);
    }

    fn let_everybody_in(&self) {
        tgtadm("--mode target --op bind --tid 1 --initiator-address ALL");
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        self.come_back();
        // It ends only when nobody is at its targets.
        try_run(
            "tgtadm",
            &[
                "--lld", "iscsi", "--mode", "target", "--op", "delete", "--tid", "1", "--force",
            ],
        );
    }
}

/// Defines a pool of the target with more arguments.
fn define(name: &'static str, more: &[&str]) -> Pool {
    let define = [
        "pool-define-as",
        name,
        "iscsi",
        "--source-host",
        "127.0.0.1",
        "--source-dev",
        TARGET,
        "--target",
        "/dev/disk/by-path",
    ];
    storage(&[&define[..], more].concat());
    Pool(name)
}

/// The sessions that this machine has with targets.
fn sessions() -> usize {
    fs::read_dir("/sys/class/iscsi_session").map_or(0, Iterator::count)
}

/// The records of the target that iscsiadm has.
fn records() -> usize {
    fs::read_dir(Path::new("/etc/iscsi/nodes").join(TARGET)).map_or(0, Iterator::count)
}

fn key(pool: &str, volume: &str) -> String {
    storage(&["vol-key", "--pool", pool, volume]).trim().to_owned()
}

#[test]
#[ignore = "runs in the guest of cargo xtask testbed"]
fn luns_of_a_real_target_are_volumes() {
    let target = Target::start();
    target.let_everybody_in();
    let found = storage(&["find-storage-pool-sources-as", "iscsi", "127.0.0.1"]);
    assert!(
        found.contains("<host name='127.0.0.1' port='3260'/>")
            && found.contains(&format!("<device path='{TARGET}'/>")),
        "{found}"
    );
    let pool = define("iscsi", &[]);
    storage(&["pool-start", "iscsi"]);
    assert_eq!(volumes("iscsi"), ["unit:0:0:1", "unit:0:0:2"]);
    let told = storage(&["pool-info", "--bytes", "iscsi"]);
    assert_eq!(info(&told, "Capacity"), (48 << 20).to_string());
    assert_eq!(info(&told, "Available"), "0");
    let path = storage(&["vol-path", "--pool", "iscsi", "unit:0:0:2"]);
    let stable = format!("/dev/disk/by-path/ip-127.0.0.1:3260-iscsi-{TARGET}-lun-2");
    assert_eq!(path.trim(), stable);
    let xml = storage(&["vol-dumpxml", "--pool", "iscsi", "unit:0:0:2"]);
    assert!(
        xml.contains("<volume type='block'>") && xml.contains("<format type='unknown'/>"),
        "{xml}"
    );
    // A key is the disk's own, and finds it.
    let identity = key("iscsi", "unit:0:0:2");
    assert_ne!(identity, stable);
    for name in [identity.as_str(), &stable] {
        assert_eq!(storage(&["vol-name", name]).trim(), "unit:0:0:2");
        assert_eq!(storage(&["vol-pool", name]).trim(), "iscsi");
    }

    fs::write("/tmp/up.img", vec![0x5a; 1 << 20]).unwrap();
    storage(&["vol-upload", "--pool", "iscsi", "unit:0:0:2", "/tmp/up.img"]);
    storage(&["vol-download", "--pool", "iscsi", "unit:0:0:2", "/tmp/down.img"]);
    let came = fs::read("/tmp/down.img").unwrap();
    assert_eq!(came.len(), 32 << 20);
    assert!(came.iter().take(1 << 20).all(|byte| *byte == 0x5a) && came.ends_with(&[0; 64]));
    storage(&["vol-wipe", "--pool", "iscsi", "unit:0:0:2"]);
    for refused in [
        &["vol-create-as", "iscsi", "c", "1M"][..],
        &["vol-delete", "--pool", "iscsi", "unit:0:0:1"],
        &["vol-resize", "--pool", "iscsi", "unit:0:0:1", "64M"],
    ] {
        let complaint = storage_fails(refused);
        assert!(complaint.contains("does not support"), "{complaint}");
    }

    // A guest has one through the device, or by QEMU's own initiator.
    for mode in ["host", "direct"] {
        let domain = end_to_end::idle_domain("lun").replace(
            "<devices>",
            &format!(
                "<devices><disk type='volume' device='disk'><driver name='qemu' type='raw'/>\
                 <source pool='iscsi' volume='unit:0:0:1' mode='{mode}'/><target dev='vda' bus='virtio'/></disk>"
            ),
        );
        let guest = Guest::from("lun", &domain);
        guest.lives();
        let arguments = fs::read_to_string(format!("/proc/{}/cmdline", guest.pid)).unwrap();
        let opened = match mode {
            "host" => "\"driver\":\"host_device\"",
            _ => "\"driver\":\"iscsi\"",
        };
        assert!(arguments.contains(opened), "{arguments}");
    }

    // What comes later is found by a refresh; the session outlives the daemon.
    target.add(3, 8);
    storage(&["pool-refresh", "iscsi"]);
    assert_eq!(volumes("iscsi").len(), 3);
    crash();
    assert_eq!(info(&storage(&["pool-info", "iscsi"]), "State"), "running");
    assert_eq!(volumes("iscsi").len(), 3);
    assert_eq!(key("iscsi", "unit:0:0:2"), identity);

    storage(&["pool-destroy", "iscsi"]);
    assert_eq!((sessions(), records()), (0, 0));
    storage(&["pool-start", "iscsi"]);
    assert_eq!(key("iscsi", "unit:0:0:2"), identity);
    drop(pool);
    assert_eq!(sessions(), 0);
}

#[test]
#[ignore = "runs in the guest of cargo xtask testbed"]
fn a_target_is_told_who_logs_in() {
    let _target = Target::start();
    tgtadm(&format!(
        "--mode target --op bind --tid 1 --initiator-name {INITIATOR}"
    ));
    tgtadm("--mode account --op new --user pool --password open-sesame");
    tgtadm("--mode account --op bind --tid 1 --user pool");
    let secret = |arguments: &[&str]| run("virsh", &[&["-q", "-c", "secret:///system"], arguments].concat());
    fs::write(
        "/tmp/chap.xml",
        "<secret ephemeral='no' private='yes'><uuid>2ec115d7-3a88-3ceb-bc12-0ac909a6fd87</uuid>\
         <usage type='iscsi'><target>the-pool</target></usage></secret>",
    )
    .unwrap();
    secret(&["secret-define", "/tmp/chap.xml"]);
    let set = |value: &str| {
        fs::write("/tmp/chap", value).unwrap();
        let id = "2ec115d7-3a88-3ceb-bc12-0ac909a6fd87";
        secret(&["secret-set-value", id, "--file", "/tmp/chap", "--plain"]);
    };
    let initiator = ["--source-initiator", INITIATOR];
    let auth = [
        "--auth-type",
        "chap",
        "--auth-username",
        "pool",
        "--secret-usage",
        "the-pool",
    ];

    // As everybody, and without a password, nobody gets in, and nothing stays of it.
    let _everybody = define("everybody", &auth);
    set("open-sesame");
    storage_fails(&["pool-start", "everybody"]);
    let nameless = define("nameless", &initiator);
    storage_fails(&["pool-start", "nameless"]);
    drop(nameless);
    let _pool = define("own", &[&initiator[..], &auth].concat());
    set("wrong");
    let complaint = storage_fails(&["pool-start", "own"]);
    assert!(complaint.contains("authorization failure"), "{complaint}");
    assert_eq!((sessions(), records()), (0, 0));

    set("open-sesame");
    storage(&["pool-start", "own"]);
    assert_eq!(records(), 1);
    assert_eq!(volumes("own"), ["unit:0:0:1", "unit:0:0:2"]);
    let told = run("iscsiadm", &["--mode", "session", "--print", "3"]);
    assert!(
        told.contains(&format!("Iface Initiatorname: {INITIATOR}")),
        "{told}"
    );
    // Whoever may read the record may read the password.
    for record in walk(&Path::new("/etc/iscsi/nodes").join(TARGET)) {
        let mode = record.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{}", record.display());
    }
    crash();
    assert_eq!(info(&storage(&["pool-info", "own"]), "State"), "running");
    storage(&["pool-destroy", "own"]);
    assert_eq!((sessions(), records()), (0, 0));
    tgtadm("--mode account --op delete --user pool");
}

/// The files below a folder.
fn walk(folder: &Path) -> Vec<std::path::PathBuf> {
    let entries = fs::read_dir(folder).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    paths
        .flat_map(|path| if path.is_dir() { walk(&path) } else { vec![path] })
        .collect()
}

/// The network between this machine and all portals is dead as long as the value is there.
struct DeadNetwork;

impl DeadNetwork {
    fn new() -> Self {
        let rules = "table inet dead {\nchain out {\ntype filter hook output priority 0\ntcp dport 3260 drop\n\
                     tcp sport 3260 drop\n}\n}\n";
        fs::write("/tmp/dead.nft", rules).unwrap();
        run("nft", &["--file", "/tmp/dead.nft"]);
        Self
    }
}

impl Drop for DeadNetwork {
    fn drop(&mut self) {
        try_run("nft", &["delete", "table", "inet", "dead"]);
    }
}

/// Whether the kernel has noticed that a target does not answer.
fn is_noticed() -> bool {
    let sessions = fs::read_dir("/sys/class/iscsi_session").unwrap();
    let states = sessions.map(|session| fs::read_to_string(session.unwrap().path().join("state")));
    states
        .into_iter()
        .any(|state| state.is_ok_and(|state| state != "LOGGED_IN\n"))
}

/// A pool of a folder, which all of this does not concern.
fn living() -> Pool {
    fs::create_dir_all("/srv/pools/living").unwrap();
    storage(&["pool-create-as", "living", "dir", "--target", "/srv/pools/living"]);
    Pool("living")
}

fn lives() {
    storage(&["vol-create-as", "living", "b.img", "1M"]);
    storage(&["pool-refresh", "living"]);
    assert_eq!(volumes("living"), ["b.img"]);
    storage(&["vol-delete", "--pool", "living", "b.img"]);
}

#[test]
#[ignore = "runs in the guest of cargo xtask testbed"]
fn a_target_that_hangs_costs_its_own_pool_only() {
    let target = Target::start();
    target.let_everybody_in();
    let pool = define("hanging", &[]);
    storage(&["pool-start", "hanging"]);
    let other = living();
    let all = ["unit:0:0:1", "unit:0:0:2"];

    target.hang();
    let complaint = storage_fails(&["pool-refresh", "hanging"]);
    assert!(complaint.contains("not answer"), "{complaint}");
    assert_eq!(info(&storage(&["pool-info", "hanging"]), "State"), "inaccessible");
    // What was seen last is told.
    assert_eq!(volumes("hanging"), all);
    lives();
    // What would wait for minutes is refused at once, as soon as the kernel has noticed.
    wait_for("the kernel to notice", || is_noticed().then_some(()));
    let read = ["vol-download", "--pool", "hanging", "unit:0:0:1", "/tmp/down.img"];
    let complaint = storage_fails(&read);
    assert!(complaint.contains("not answer"), "{complaint}");
    lives();

    // The daemon that comes after a crash has not seen the pool, says so, and sees it when the target is back.
    crash();
    lives();
    assert_eq!(info(&storage(&["pool-info", "hanging"]), "State"), "inaccessible");
    let complaint = storage_fails(&["vol-list", "hanging"]);
    assert!(
        complaint.contains("has not answered since the daemon started"),
        "{complaint}"
    );
    target.come_back();
    wait_for("the pool to be seen", || {
        let told = storage(&["pool-info", "hanging"]);
        (info(&told, "State") == "running").then_some(())
    });
    assert_eq!(volumes("hanging"), all);
    storage(&["vol-download", "--pool", "hanging", "unit:0:0:1", "/tmp/down.img"]);

    // Whoever is tired of waiting stops it.
    target.hang();
    storage_fails(&["pool-refresh", "hanging"]);
    storage(&["pool-destroy", "hanging"]);
    assert_eq!(sessions(), 0);
    lives();
    target.come_back();
    storage(&["pool-start", "hanging"]);
    assert_eq!(volumes("hanging"), all);
    drop((pool, other));
}

#[test]
#[ignore = "runs in the guest of cargo xtask testbed"]
fn a_pool_whose_network_died_is_stopped() {
    let target = Target::start();
    target.let_everybody_in();
    let pool = define("cut-off", &[]);
    storage(&["pool-start", "cut-off"]);
    let other = living();
    let network = DeadNetwork::new();
    // Nobody has noticed.
    storage(&["pool-destroy", "cut-off"]);
    assert_eq!(sessions(), 0);
    lives();
    let complaint = storage_fails(&["pool-start", "cut-off"]);
    assert!(
        complaint.contains("cut-off") || complaint.contains("iscsiadm"),
        "{complaint}"
    );
    assert_eq!((sessions(), records()), (0, 0));
    drop(network);
    storage(&["pool-start", "cut-off"]);
    assert_eq!(volumes("cut-off"), ["unit:0:0:1", "unit:0:0:2"]);
    drop((pool, other));
}

#[test]
#[ignore = "runs in the guest of cargo xtask testbed"]
fn luns_are_found_without_logging_in_on_this_machine() {
    let target = Target::start();
    target.let_everybody_in();
    let source = format!(
        "<source><host name='127.0.0.1'/><device path='{TARGET}'/><initiator><iqn name='{INITIATOR}'/></initiator></source>"
    );
    fs::write("/tmp/source.xml", &source).unwrap();
    let found = storage(&["find-storage-pool-sources", "iscsi-direct", "/tmp/source.xml"]);
    assert!(found.contains(&format!("<device path='{TARGET}'/>")), "{found}");
    let pool = format!("<pool type='iscsi-direct'><name>direct</name>{source}</pool>");
    fs::write("/tmp/direct.xml", pool).unwrap();
    storage(&["pool-define", "/tmp/direct.xml", "--validate"]);
    let _pool = Pool("direct");
    storage(&["pool-start", "direct"]);
    assert_eq!(volumes("direct"), ["unit:0:0:1", "unit:0:0:2"]);
    let path = storage(&["vol-path", "--pool", "direct", "unit:0:0:2"]);
    assert_eq!(path.trim(), format!("ip-127.0.0.1:3260-iscsi-{TARGET}-lun-2"));
    let told = storage(&["pool-info", "--bytes", "direct"]);
    assert_eq!(info(&told, "Capacity"), (48 << 20).to_string());
    assert_eq!(sessions(), 0);
    // QEMU does so for guests.
    let domain = end_to_end::idle_domain("direct").replace(
        "<devices>",
        "<devices><disk type='volume' device='disk'><driver name='qemu' type='raw'/>\
         <source pool='direct' volume='unit:0:0:1'/><target dev='vda' bus='virtio'/></disk>",
    );
    let guest = Guest::from("direct", &domain);
    guest.lives();
    let document = virsh(&["dumpxml", "direct"]);
    assert!(
        document.contains("<source pool='direct' volume='unit:0:0:1'"),
        "{document}"
    );
}
