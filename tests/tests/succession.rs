//! A daemon whose program is run anew while clients use it.
#![allow(clippy::unwrap_used, reason = "a test")]

use end_to_end::{
    Daemon, Instance, Outcome, User, console, free_port, idle_domain, mode, tiny_guest, wait_for,
};
use rustix::process::{Pid, Signal, kill_process};
use std::fs;
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// How often a program is run anew while somebody works.
const LIVES: usize = 8;

const UUID: &str = "0a81f5b2-8403-7b23-c8d6-21ccc2f80d6f";

fn ask(pid: u32) {
    kill_process(Pid::from_raw(i32::try_from(pid).unwrap()).unwrap(), Signal::USR2).unwrap();
}

/// How often programs of the daemon have begun to serve.
fn lives(log: &Path) -> usize {
    let said = fs::read_to_string(log).unwrap();
    said.matches("clients are served").count()
}

/// Runs the program anew, and waits until the next one serves.
fn again(daemon: &Daemon) {
    let (pid, before) = (daemon.pid(), lives(&daemon.log()));
    ask(pid);
    wait_for("the next program", || {
        (lives(&daemon.log()) > before).then_some(())
    });
    assert_eq!(daemon.pid(), pid);
}

/// Runs the program anew again and again while `work` is done by as many as there are numbers; every one of them is told
/// when to stop.
fn meanwhile(daemons: &[&Daemon], workers: usize, work: impl Fn(usize, &dyn Fn() -> bool) + Sync) {
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let working: Vec<_> = (0..workers)
            .map(|number| {
                let (work, over) = (&work, &over);
                scope.spawn(move || work(number, &|| !over.load(Ordering::Relaxed)))
            })
            .collect();
        for _ in 0..LIVES {
            daemons.iter().for_each(|daemon| again(daemon));
        }
        over.store(true, Ordering::Relaxed);
        for worker in working {
            worker.join().unwrap();
        }
    });
}

/// What ends whoever writes where nobody reads any more.
const SIGPIPE: i32 = 13;

/// That a client was let go in the middle, and not at the door.
fn is_parting(outcome: &Outcome) -> bool {
    let said = outcome.stderr.to_lowercase();
    let parting = [
        "end of file",
        "connection reset",
        "broken pipe",
        "cannot recv data",
        "cannot write data",
        "connection closed",
        "client socket is closed",
        "no valid connection",
    ];
    // Stock virsh does not keep the signal off that the kernel sends whoever writes to a TCP connection that has ended.
    outcome.status.signal() == Some(SIGPIPE)
        || parting.iter().any(|part| said.contains(part)) && !said.contains("refused")
}

#[test]
fn no_connection_is_refused_and_nothing_acknowledged_is_lost() {
    let instance = Instance::start();
    instance.define("kept", &idle_domain("kept"));
    instance.virsh(&["start", "kept"]);
    instance.virsh(&["autostart", "kept"]);
    let guests = instance.guests();
    let descriptors = || {
        fs::read_dir(format!("/proc/{}/fd", instance.pid()))
            .unwrap()
            .count()
    };
    again(&instance);
    let open = descriptors();
    let acknowledged = AtomicUsize::new(0);
    meanwhile(&[&instance], 3, |worker, go_on| {
        let mut number = 0;
        while go_on() {
            if worker == 0 {
                UnixStream::connect(instance.socket()).unwrap();
                continue;
            }
            number += 1;
            let name = format!("vm-{worker}-{number}");
            let file = instance.file(&format!("{name}.xml"), &idle_domain(&name));
            let outcome = instance.try_virsh(&["define", &file]);
            if outcome.success {
                acknowledged.fetch_add(1, Ordering::Relaxed);
            } else {
                assert!(is_parting(&outcome), "{outcome:?}");
            }
            let known = instance.try_virsh(&["domuuid", &name]);
            assert!(
                known.success || is_parting(&known) || !outcome.success,
                "{known:?}"
            );
        }
    });
    let defined = instance.virsh(&["list", "--all", "--name"]);
    let defined = defined.lines().filter(|name| name.starts_with("vm-")).count();
    assert!(defined >= acknowledged.load(Ordering::Relaxed), "{defined}");
    assert_eq!(instance.guests(), guests, "the guest goes on");
    assert_eq!(instance.virsh(&["domstate", "kept"]).trim(), "running");
    instance.virsh(&["suspend", "kept"]);
    wait_for("descriptors to be closed", || {
        (descriptors() <= open + 2).then_some(())
    });
    // What starts with the host had its turn.
    instance.virsh(&["destroy", "kept"]);
    again(&instance);
    assert_eq!(instance.virsh(&["domstate", "kept"]).trim(), "shut off");
}

#[test]
fn whoever_connects_again_hears_each_event_in_order() {
    const LISTEN: &str = r"
import libvirt, sys, threading
libvirt.virEventRegisterDefaultImpl()
def run():
    while True:
        libvirt.virEventRunDefaultImpl()
threading.Thread(target=run, daemon=True).start()
seen = []
def happened(conn, dom, event, detail, _):
    seen.append((dom.name(), event))
def connect():
    gone = threading.Event()
    conn = libvirt.open(sys.argv[1])
    conn.registerCloseCallback(lambda *_: gone.set(), None)
    conn.domainEventRegisterAny(None, libvirt.VIR_DOMAIN_EVENT_ID_LIFECYCLE, happened, None)
    return conn, gone
for life in range(3):
    conn, gone = connect()
    dom = conn.lookupByName('kept')
    seen.clear()
    dom.suspend(); dom.resume()
    while len(seen) < 2: pass
    print([event for _, event in seen], flush=True)
    if not gone.wait(60):
        sys.exit('the connection stays')
";
    let instance = Instance::start();
    instance.define("kept", &idle_domain("kept"));
    instance.virsh(&["start", "kept"]);
    let mut client = Command::new("/usr/bin/python3")
        .args(["-c", LISTEN, &instance.uri()])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = std::io::BufReader::new(client.stdout.take().unwrap());
    for _ in 0..3 {
        let mut line = String::new();
        std::io::BufRead::read_line(&mut said, &mut line).unwrap();
        assert_eq!(line.trim(), "[3, 4]");
        again(&instance);
    }
    assert!(client.wait().unwrap().success());
}

#[test]
fn a_guest_that_goes_with_its_client_keeps_the_program() {
    const START: &str = r"
import libvirt, sys
conn = libvirt.open(sys.argv[1])
conn.lookupByName('bound').createWithFlags(libvirt.VIR_DOMAIN_START_AUTODESTROY)
print('started', flush=True)
sys.stdin.read()
";
    let instance = Instance::start();
    instance.define("bound", &idle_domain("bound"));
    let mut client = Command::new("/usr/bin/python3")
        .args(["-c", START, &instance.uri()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = [0; 7];
    std::io::Read::read_exact(client.stdout.as_mut().unwrap(), &mut said).unwrap();
    let before = lives(&instance.log());
    ask(instance.pid());
    wait_for("the refusal", || {
        let said = fs::read_to_string(instance.log()).unwrap();
        (said.contains("domain 'bound' ends with its client's connection")
            && said.contains("this one goes on"))
        .then_some(())
    });
    assert_eq!(instance.virsh(&["domstate", "bound"]).trim(), "running");
    assert_eq!(lives(&instance.log()), before);
    drop(client.stdin.take());
    client.wait().unwrap();
    wait_for("the guest to end", || instance.guests().is_empty().then_some(()));
    again(&instance);
}

#[test]
fn a_console_in_use_is_cut_and_can_be_opened_again() {
    let instance = Instance::start();
    instance.define("vm", &tiny_guest(&instance, "vm"));
    instance.virsh(&["start", "vm"]);
    let opened = "import libvirt, sys\n\
                  conn = libvirt.open(sys.argv[1])\n\
                  stream = conn.newStream(0)\n\
                  conn.lookupByName('vm').openConsole(None, stream, 0)\n\
                  print('open', flush=True)\n\
                  try:\n    while stream.recv(4096): pass\n\
                  except libvirt.libvirtError as e:\n    print(e, flush=True)\n";
    let mut client = Command::new("/usr/bin/python3")
        .args(["-c", opened, &instance.uri()])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = std::io::BufReader::new(client.stdout.take().unwrap());
    let mut line = String::new();
    std::io::BufRead::read_line(&mut said, &mut line).unwrap();
    assert_eq!(line.trim(), "open");
    again(&instance);
    // It hears of it at once, and not by waiting for ever.
    client.wait().unwrap();
    let shown = console(&instance.uri(), "vm", "echo answer-$((20+3))", "answer-23");
    assert!(shown.contains("answer-23"), "{shown}");
}

#[test]
fn ephemeral_secrets_go_on() {
    let instance = Instance::start_all(&["virtsecretd"]);
    let documents = [
        (UUID, "ephemeral='yes'"),
        ("0a81f5b2-8403-7b23-c8d6-21ccc2f80d60", ""),
    ];
    for (uuid, attributes) in documents {
        let text = format!("<secret {attributes}><uuid>{uuid}</uuid></secret>");
        let file = instance.file("secret.xml", &text);
        instance.virsh(&["secret-define", &file]);
        instance.virsh(&["secret-set-value", uuid, "--base64", "MTIz"]);
    }
    let last = AtomicUsize::new(0);
    meanwhile(&[&instance], 3, |worker, go_on| {
        let mut number = 100;
        while go_on() {
            if worker == 0 {
                UnixStream::connect(instance.socket()).unwrap();
            } else if worker == 1 {
                let told = instance.try_virsh(&["secret-get-value", documents[1].0, "--plain"]);
                assert!(told.stdout.trim() == "123" || is_parting(&told), "{told:?}");
            } else {
                number += 1;
                let file = instance.file("value", &number.to_string());
                let set = instance.try_virsh(&["secret-set-value", UUID, "--file", &file, "--plain"]);
                if set.success {
                    last.store(number, Ordering::Relaxed);
                } else {
                    assert!(is_parting(&set), "{set:?}");
                }
                let told = instance.try_virsh(&["secret-get-value", UUID, "--plain"]);
                assert!(told.success || is_parting(&told), "{told:?}");
            }
        }
    });
    let told: usize = instance
        .virsh(&["secret-get-value", UUID, "--plain"])
        .trim()
        .parse()
        .unwrap();
    assert!(told >= last.load(Ordering::Relaxed));
    let stored = fs::read_dir(instance.path("/etc/libvirt/secrets")).unwrap();
    assert_eq!(stored.count(), 2, "what is ephemeral is on no disk");
}

#[test]
fn clients_of_the_proxy_are_not_refused_from_near_or_afar() {
    let mut instance = Instance::start_all(&["virtqemud"]);
    let port = free_port();
    let text =
        format!("listen_tcp = 1\nlisten_addr = \"127.0.0.1\"\ntcp_port = \"{port}\"\nauth_tcp = \"none\"\n");
    fs::write(instance.path("/etc/libvirt/virtproxyd.conf"), text).unwrap();
    instance.add("virtproxyd");
    instance.define("vm", &idle_domain("vm"));
    let (qemu, proxy) = (instance.daemon("virtqemud"), instance.daemon("virtproxyd"));
    let mode = mode();
    let remote = format!("qemu+tcp://127.0.0.1:{port}/{mode}");
    meanwhile(&[proxy, qemu], 4, |worker, go_on| {
        let ask = || {
            let uri = if worker == 2 { proxy.uri() } else { remote.clone() };
            let mut virsh = Command::new("virsh");
            virsh.args(["-q", "-c", &uri, "dominfo", "vm"]).env("LC_ALL", "C");
            Outcome::of(&mut virsh)
        };
        while go_on() {
            match worker {
                0 => drop(UnixStream::connect(proxy.socket()).unwrap()),
                1 => drop(TcpStream::connect(("127.0.0.1", port)).unwrap()),
                _ => {
                    let outcome = ask();
                    assert!(outcome.success || is_parting(&outcome), "{outcome:?}");
                }
            }
        }
        if worker > 1 {
            // On a busy machine each of those before may have met a new program.
            let last = ask();
            assert!(last.success, "{last:?}");
        }
    });
}

#[test]
fn logs_and_leases_go_on_with_their_clients() {
    let mut instance = Instance::start_all(&["virtlogd", "virtlockd"]);
    let conf = instance.path("/etc/libvirt/qemu.conf");
    let text = fs::read_to_string(&conf).unwrap();
    fs::write(
        &conf,
        format!("{text}\nstdio_handler = \"logd\"\nlock_manager = \"lockd\"\n"),
    )
    .unwrap();
    instance.add("virtqemud");
    let (qemu, log, lock) = (
        instance.daemon("virtqemud"),
        instance.daemon("virtlogd"),
        instance.daemon("virtlockd"),
    );
    let disk = end_to_end::disk(&instance, "disk.qcow2");
    let with_disk = |name: &str| {
        idle_domain(name).replace(
            "<devices>",
            &format!(
                "<devices><disk type='file' device='disk'><driver name='qemu' type='qcow2'/>\
                 <source file='{disk}'/><target dev='vda' bus='virtio'/></disk>"
            ),
        )
    };
    for name in ["first", "second"] {
        let file = instance.file(&format!("{name}.xml"), &with_disk(name));
        qemu.virsh(&["define", &file]);
    }
    qemu.virsh(&["start", "first"]);
    for _ in 0..3 {
        again(log);
        again(lock);
        again(qemu);
        assert!(qemu.virsh_fails(&["start", "second"]).contains("lock"));
        assert_eq!(qemu.virsh(&["domstate", "first"]).trim(), "running");
    }
    qemu.virsh(&["destroy", "first"]);
    qemu.virsh(&["start", "second"]);
}

#[test]
fn a_users_daemons_do_it_too() {
    let mut user = User::new();
    user.start("virtsecretd");
    user.start("virtqemud");
    let secret = user.file(
        "secret.xml",
        &format!("<secret ephemeral='yes'><uuid>{UUID}</uuid></secret>"),
    );
    let document = user.file("vm.xml", &idle_domain("vm"));
    user.virsh("secret:///session", &["secret-define", secret.to_str().unwrap()]);
    user.virsh(
        "secret:///session",
        &["secret-set-value", UUID, "--base64", "MTIz"],
    );
    user.virsh("qemu:///session", &["create", document.to_str().unwrap()]);
    let id = user.virsh("qemu:///session", &["domid", "vm"]);
    for daemon in ["virtsecretd", "virtqemud"] {
        let pid = fs::read_to_string(user.home().join(format!("run/libvirt/{daemon}.pid"))).unwrap();
        let pid: u32 = pid.trim().parse().unwrap();
        ask(pid);
        wait_for("the next program", || {
            let arguments = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
            String::from_utf8_lossy(&arguments)
                .contains("--successor")
                .then_some(())
        });
    }
    let told = user.virsh("secret:///session", &["secret-get-value", UUID, "--plain"]);
    assert_eq!(told.trim(), "123");
    assert_eq!(user.virsh("qemu:///session", &["domid", "vm"]), id);
    user.virsh("qemu:///session", &["destroy", "vm"]);
}
