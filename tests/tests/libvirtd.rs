//! libvirtd: what it has that the daemons of one driver each have not, and that it and they take each other's place.
#![allow(clippy::unwrap_used, reason = "a test")]

use end_to_end::{Instance, Outcome, User, binary, free_port, idle_domain, mode, python, wait_for};
use rustix::process::{Pid, Signal, kill_process};
use std::fs;
use std::process::Command;

const LIBVIRTD: &str = "libvirtd";
const SECRET: &str = "c0ffee00-0000-4000-8000-000000000001";

fn libvirtd() -> Instance {
    Instance::start_all(&[LIBVIRTD])
}

fn secret(ephemeral: &str) -> String {
    format!("<secret ephemeral='{ephemeral}' private='no'><uuid>{SECRET}</uuid></secret>")
}

/// Runs a daemon that is to refuse; gives what it says.
fn refuses(instance: &Instance, daemon: &str, flags: &[&str]) -> String {
    let mut command = Command::new(binary(daemon));
    let outcome = Outcome::of(command.args(flags).env("FERROVIRT_ROOT", instance.path("/")));
    assert!(!outcome.success, "{daemon} runs");
    outcome.stderr
}

/// Follows secrets and domains over one connection, and says what it heard.
const FOLLOW: &str = r"
import libvirt, sys
libvirt.virEventRegisterDefaultImpl()
conn = libvirt.open(sys.argv[1])
heard = []
conn.domainEventRegisterAny(None, libvirt.VIR_DOMAIN_EVENT_ID_LIFECYCLE, lambda c, d, *rest: heard.append(d.name()), None)
conn.secretEventRegisterAny(None, libvirt.VIR_SECRET_EVENT_ID_LIFECYCLE, lambda c, s, *rest: heard.append(s.UUIDString()), None)
conn.secretDefineXML(sys.argv[2])
conn.defineXML(sys.argv[3])
while len(heard) < 2:
    libvirt.virEventRunDefaultImpl()
print(*heard)
print(libvirt.open(sys.argv[4]).getType(), conn.getType())
";

#[test]
fn one_connection_has_what_several_drivers_do() {
    let instance = libvirtd();
    let of_secrets = instance.uri_of("secret");
    let outcome = python(
        FOLLOW,
        &[&instance.uri(), &secret("no"), &idle_domain("vm"), &of_secrets],
    );
    assert_eq!(
        outcome.stdout,
        format!("{SECRET} vm\nsecret QEMU\n"),
        "{}",
        outcome.stderr
    );

    // A connection to the secret driver is about secrets and nothing else.
    instance.virsh_at(&of_secrets, &["secret-set-value", SECRET, "--base64", "MTIz"]);
    assert_eq!(instance.virsh(&["secret-get-value", SECRET]).trim(), "MTIz");
    let complaint = |uri: &str, arguments: &[&str]| {
        let outcome = Outcome::of(Command::new("virsh").args(["-c", uri]).args(arguments));
        assert!(!outcome.success, "{}", outcome.stdout);
        outcome.stderr
    };
    let said = complaint(&of_secrets, &["list", "--all"]);
    assert!(said.contains("not supported by the connection driver"), "{said}");
    if mode() == "system" {
        let looks = instance.read_only_uri();
        let said = complaint(&looks, &["secret-get-value", SECRET]);
        assert!(said.contains("read only access prevents"), "{said}");
    }

    // What is not part of it, and what it would not serve.
    let said = complaint(&instance.uri_of("nodedev"), &["nodedev-list"]);
    assert!(
        said.contains("no connection driver available for: nodedev:///"),
        "{said}"
    );
    let other = match mode() {
        "system" => instance.uri().replace("/system?", "/session?"),
        _ => instance.uri().replace("/session?", "/system?"),
    };
    let said = complaint(&other, &["uri"]);
    assert!(said.contains("unexpected qemu URI path"), "{said}");
}

#[test]
fn its_administration_goes_by_its_name() {
    let instance = libvirtd();
    let words = |arguments: &[&str]| {
        let said = instance.virt_admin(arguments);
        said.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    assert_eq!(words(&["server-list"]), "0 admin 1 libvirtd");
    instance.virt_admin(&["server-clients-set", LIBVIRTD, "--max-clients", "4321"]);
    let limits = words(&["server-clients-info", LIBVIRTD]);
    assert!(limits.contains("nclients_max : 4321"), "{limits}");
}

fn tcp(port: u16, arguments: &[&str]) -> Outcome {
    let uri = format!("qemu+tcp://127.0.0.1:{port}/{}", mode());
    Outcome::of(Command::new("virsh").args(["-q", "-c", &uri]).args(arguments))
}

#[test]
fn it_listens_when_it_is_asked_to() {
    let mut instance = Instance::empty();
    let (plain, tls) = (free_port(), free_port());
    let file = instance.path("/etc/libvirt/libvirtd.conf");
    let ports = format!(
        "listen_addr = \"127.0.0.1\"\ntcp_port = \"{plain}\"\ntls_port = \"{tls}\"\nauth_tcp = \"none\"\nlisten_tcp = 1\n"
    );
    fs::write(&file, &ports).unwrap();
    instance.add(LIBVIRTD);
    let refused = tcp(plain, &["list"]);
    assert!(refused.stderr.contains("Connection refused"), "{refused:?}");
    instance.stop();

    // TLS is meant unless its file says otherwise.
    let said = refuses(&instance, LIBVIRTD, &["--listen"]);
    assert!(said.contains("/etc/pki/CA/cacert.pem"), "{said}");
    fs::write(&file, format!("{ports}listen_tls = 0\n")).unwrap();
    instance.add_with(LIBVIRTD, &["--listen"]);
    let document = instance.file("vm.xml", &idle_domain("vm"));
    for arguments in [&["define", &document][..], &["start", "vm"], &["destroy", "vm"]] {
        let outcome = tcp(plain, arguments);
        assert!(outcome.success, "{}", outcome.stderr);
    }
}

#[test]
fn systemds_sockets_stand_in_the_place_of_listening() {
    let instance = Instance::empty();
    let port = free_port();
    let file = instance.path("/etc/libvirt/libvirtd.conf");
    fs::write(file, "auth_tcp = \"none\"\nlisten_tls = 0\n").unwrap();
    let activated = |flags: &[&str]| {
        let mut command = Command::new("systemd-socket-activate");
        command
            .args(["--fdname=libvirtd-tcp.socket", "-l", &format!("127.0.0.1:{port}")])
            .args(["-E", &format!("FERROVIRT_ROOT={}", instance.path("").display())])
            .arg(binary(LIBVIRTD))
            .args(flags);
        command
    };
    let log = instance.root().join("refused.log");
    let mut refused = activated(&["--listen"])
        .stderr(fs::File::create(&log).unwrap())
        .spawn()
        .unwrap();
    wait_for("somebody to be let in", || {
        std::net::TcpStream::connect(("127.0.0.1", port)).ok()
    });
    assert!(!refused.wait().unwrap().success());
    let said = fs::read_to_string(&log).unwrap();
    assert!(
        said.contains("start libvirtd-tls.socket or libvirtd-tcp.socket"),
        "{said}"
    );

    let mut daemon = activated(&["--timeout", "1"]).spawn().unwrap();
    wait_for("libvirtd to serve", || tcp(port, &["list"]).success.then_some(()));
    assert!(daemon.wait().unwrap().success());
}

#[test]
fn it_ends_when_no_driver_has_anything_to_do() {
    let mut instance = Instance::empty();
    instance.add_with(LIBVIRTD, &["--timeout", "1"]);
    // One keeps it for its guest, and then the other for a secret in memory.
    instance.define("vm", &idle_domain("vm"));
    instance.virsh(&["start", "vm"]);
    let mut other = Instance::empty();
    other.add_with(LIBVIRTD, &["--timeout", "1"]);
    // What makes this one end would have ended the first before.
    assert_eq!(other.wait_for_end(), Some(0));
    let file = instance.file("secret.xml", &secret("yes"));
    instance.virsh(&["secret-define", &file]);
    instance.virsh(&["destroy", "vm"]);
    other.restart();
    assert_eq!(other.wait_for_end(), Some(0));
    instance.virsh(&["secret-undefine", SECRET]);
    assert_eq!(instance.wait_for_end(), Some(0));
}

#[test]
fn guests_outlive_whichever_daemon_they_have() {
    let mut instance = libvirtd();
    let file = instance.file("secret.xml", &secret("no"));
    instance.virsh(&["secret-define", &file]);
    instance.define("vm", &idle_domain("vm"));
    instance.virsh(&["start", "vm"]);
    let guests = instance.guests();
    assert_eq!(guests.len(), 1);

    // A second daemon for the same guests, secrets or sockets hears who is there.
    let named = format!("libvirtd (process {})", instance.pid());
    for (daemon, held) in [
        ("virtqemud", "qemu/driver.pid"),
        ("virtsecretd", "secrets/driver.pid"),
    ] {
        let said = refuses(&instance, daemon, &[]);
        assert!(said.contains(held) && said.contains(&named), "{said}");
    }
    let said = refuses(&instance, "virtproxyd", &[]);
    assert!(said.contains("libvirt-sock: another daemon"), "{said}");

    // It finds its guests again, and so do the others, back and forth.
    instance.kill();
    instance.restart();
    assert_eq!(instance.virsh(&["domstate", "vm"]).trim(), "running");
    assert_eq!(instance.stop(), Some(0));
    for name in ["virtqemud", "virtsecretd", "virtproxyd"] {
        instance.add(name);
    }
    let virtqemud = instance.daemon("virtqemud");
    assert_eq!(virtqemud.virsh(&["domstate", "vm"]).trim(), "running");
    virtqemud.virsh(&["suspend", "vm"]);
    let secrets = instance.daemon("virtsecretd");
    assert!(secrets.virsh(&["secret-list"]).contains(SECRET));
    let named = format!("virtqemud (process {})", virtqemud.pid());
    let said = refuses(&instance, LIBVIRTD, &[]);
    assert!(said.contains("libvirt-sock: another daemon"), "{said}");
    assert_eq!(instance.daemon_mut("virtproxyd").stop(), Some(0));
    assert_eq!(instance.daemon_mut("virtsecretd").stop(), Some(0));
    let said = refuses(&instance, LIBVIRTD, &[]);
    assert!(
        said.contains("qemu/driver.pid") && said.contains(&named),
        "{said}"
    );
    instance.daemon_mut("virtqemud").kill();
    instance.restart();
    assert_eq!(instance.virsh(&["domstate", "vm"]).trim(), "paused");
    instance.virsh(&["resume", "vm"]);
    assert_eq!(instance.guests(), guests);
    instance.virsh(&["destroy", "vm"]);
    assert_eq!(instance.left_overs(), Vec::<String>::new());
}

#[test]
fn a_newer_program_goes_on_with_all_drivers() {
    let instance = libvirtd();
    instance.define("vm", &idle_domain("vm"));
    instance.virsh(&["start", "vm"]);
    let file = instance.file("secret.xml", &secret("yes"));
    instance.virsh(&["secret-define", &file]);
    instance.virsh(&["secret-set-value", SECRET, "--base64", "MTIz"]);
    let lives = || {
        let said = fs::read_to_string(instance.log()).unwrap();
        said.matches("clients are served").count()
    };
    let pid = Pid::from_raw(i32::try_from(instance.pid()).unwrap()).unwrap();
    kill_process(pid, Signal::USR2).unwrap();
    wait_for("the next program", || (lives() > 1).then_some(()));
    assert_eq!(instance.virsh(&["domstate", "vm"]).trim(), "running");
    assert_eq!(instance.virsh(&["secret-get-value", SECRET]).trim(), "MTIz");
    let said = refuses(&instance, "virtqemud", &[]);
    assert!(said.contains("libvirtd (process"), "{said}");
    instance.virsh(&["destroy", "vm"]);
}

#[test]
fn a_user_has_one_of_his_own() {
    let mut user = User::new();
    user.start(LIBVIRTD);
    let virsh =
        |driver: &str, arguments: &[&str]| user.virsh(&format!("{driver}:///session?mode=legacy"), arguments);
    assert!(virsh("qemu", &["uri"]).starts_with("qemu:///session"));
    let document = user.file("vm.xml", &idle_domain("own"));
    virsh("qemu", &["define", document.to_str().unwrap()]);
    virsh("qemu", &["start", "own"]);
    assert_eq!(virsh("qemu", &["domstate", "own"]).trim(), "running");
    virsh("qemu", &["destroy", "own"]);
    let document = user.file("secret.xml", &secret("no"));
    virsh("secret", &["secret-define", document.to_str().unwrap()]);
    assert!(virsh("qemu", &["secret-list"]).contains(SECRET));
    assert!(user.home().join("run/libvirt/qemu/run/driver.pid").exists());
}
