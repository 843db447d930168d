//! What other daemons serve, used over one connection to virtqemud, as stock clients do.
#![allow(clippy::unwrap_used, reason = "a test")]

use end_to_end::{Instance, Outcome, idle_domain, wait_for};
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// The stock Python client, told line by line what to evaluate: `conn` is its connection.
struct Client {
    process: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

const CLIENT: &str = r"
import libvirt, sys, threading
libvirt.registerErrorHandler(lambda _, error: None, None)
libvirt.virEventRegisterDefaultImpl()
def loop():
    while True:
        libvirt.virEventRunDefaultImpl()
threading.Thread(target=loop, daemon=True).start()
conn = libvirt.open(sys.argv[1])
heard = []
def listen(event):
    def heed(conn, secret, *what):
        heard.append((secret.UUIDString()[:8],) + what[:-1])
    return conn.secretEventRegisterAny(None, event, heed, None)
def apart(work):
    answer = []
    def run():
        try:
            answer.append(str(work()))
        except libvirt.libvirtError as error:
            answer.append('error: ' + str(error))
    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return (thread, answer)
for line in sys.stdin:
    try:
        print(eval(line), flush=True)
    except libvirt.libvirtError as error:
        print('error:', error.get_error_code(), error, flush=True)
";

impl Client {
    fn of(uri: &str) -> Self {
        let mut process = Command::new("/usr/bin/python3")
            .args(["-c", CLIENT, uri])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (input, output) = (
            process.stdin.take().unwrap(),
            BufReader::new(process.stdout.take().unwrap()),
        );
        Self {
            process,
            input,
            output,
        }
    }

    /// What comes of an expression.
    fn ask(&mut self, expression: &str) -> String {
        writeln!(self.input, "{expression}").unwrap();
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn secret(uuid: &str, usage: &str, attributes: &str) -> String {
    format!(
        "<secret {attributes}><uuid>{uuid}</uuid><usage type='volume'><volume>{usage}</volume></usage></secret>"
    )
}

const UUID: &str = "11111111-2222-3333-4444-555555555555";

#[test]
fn secrets_are_kept_through_any_of_the_daemons() {
    let modular = Instance::start_all(&["virtsecretd", "virtqemud", "virtproxyd"]);
    let uris = ["virtqemud", "virtproxyd"].map(|name| modular.daemon(name).uri());
    keeps_secrets(modular, &uris, "virtqemud");
    let monolith = Instance::start_all(&["libvirtd"]);
    let uri = monolith.uri();
    keeps_secrets(monolith, &[uri], "libvirtd");
}

fn keeps_secrets(mut instance: Instance, uris: &[String], hypervisor: &str) {
    let file = instance.file("secret.xml", &secret(UUID, "/disk", "ephemeral='no'"));
    let hidden = "99999999-2222-3333-4444-555555555555";
    let private = instance.file("private.xml", &secret(hidden, "/other", "private='yes'"));
    for uri in uris {
        let qemud = instance.daemon(hypervisor);
        let mut client = Client::of(uri);
        assert_eq!(client.ask("(listen(0), listen(1))"), "(0, 1)");
        qemud.virsh_at(uri, &["secret-define", &file]);
        qemud.virsh_at(uri, &["secret-set-value", UUID, "--base64", "aGVsbG8="]);
        assert_eq!(
            qemud.virsh_at(uri, &["secret-get-value", UUID]).trim(),
            "aGVsbG8="
        );
        assert!(qemud.virsh_at(uri, &["secret-list"]).contains(UUID));
        assert!(qemud.virsh_at(uri, &["secret-dumpxml", UUID]).contains("/disk"));
        qemud.virsh_at(uri, &["secret-undefine", UUID]);
        wait_for("the events", || {
            (client.ask("heard") == "[('11111111', 0, 0), ('11111111',), ('11111111', 1, 0)]").then_some(())
        });
        assert_eq!(client.ask("conn.secretEventDeregisterAny(0)"), "None");

        // What is private is told to nobody.
        qemud.virsh_at(uri, &["secret-define", &private]);
        qemud.virsh_at(uri, &["secret-set-value", hidden, "--base64", "aGVsbG8="]);
        let told = client.ask(&format!("conn.secretLookupByUUIDString('{hidden}').value()"));
        assert!(told.contains("secret is private"), "{told}");
        qemud.virsh_at(uri, &["secret-undefine", hidden]);

        // Looking only.
        let list = Outcome::of(Command::new("virsh").args(["-r", "-c", uri, "secret-list"]));
        assert!(list.success, "{}", list.stderr);
        let define = Outcome::of(Command::new("virsh").args(["-r", "-c", uri, "secret-define", &file]));
        assert!(
            !define.success && define.stderr.contains("read only"),
            "{}",
            define.stderr
        );
    }
    assert_eq!(instance.daemon_mut(hypervisor).stop(), Some(0));
}

#[test]
fn a_daemon_may_die_under_the_feet_of_anothers_clients() {
    let mut instance = Instance::start_all(&["virtqemud", "virtsecretd", "virtproxyd"]);
    let mut clients = [
        Client::of(&instance.uri()),
        Client::of(&instance.daemon("virtproxyd").uri()),
    ];
    for client in &mut clients {
        assert_eq!(client.ask("conn.numOfSecrets()"), "0");
        assert_eq!(client.ask("listen(0)"), "0");
    }
    instance.daemon_mut("virtsecretd").kill();
    for client in &mut clients {
        let error = wait_for("the error that names the daemon", || {
            let error = client.ask("conn.numOfSecrets()");
            // Until the connection's end is noticed.
            (!error.contains("ended before it answered")).then_some(error)
        });
        for word in [
            "error: 38",
            "virtsecretd-sock",
            "systemctl start virtsecretd.socket",
        ] {
            assert!(error.contains(word), "{error}");
        }
        assert_eq!(client.ask("conn.numOfDomains()"), "0");
    }
    instance.daemon_mut("virtsecretd").restart();
    for client in &mut clients {
        assert_eq!(client.ask("conn.numOfSecrets()"), "0");
        // Its callbacks were the former daemon's.
        assert_eq!(client.ask("heard.clear() or listen(1)"), "1");
    }
    let file = instance.file("secret.xml", &secret(UUID, "/disk", ""));
    instance.virsh(&["secret-define", &file]);
    instance.virsh(&["secret-set-value", UUID, "--base64", "aGVsbG8="]);
    for client in &mut clients {
        wait_for("the event", || {
            (client.ask("heard") == "[('11111111',)]").then_some(())
        });
    }
}

#[test]
fn a_daemon_that_the_host_does_not_have_costs_its_calls_only() {
    let instance = Instance::start();
    instance.define("vm", &idle_domain("vm"));
    let mut client = Client::of(&instance.uri());
    for (call, daemon) in [
        ("conn.numOfNetworks()", "virtnetworkd"),
        ("conn.listAllStoragePools()", "virtstoraged"),
        ("conn.listAllInterfaces()", "virtinterfaced"),
        ("conn.numOfDevices(None)", "virtnodedevd"),
        ("conn.listNWFilters()", "virtnwfilterd"),
        ("conn.listAllNWFilterBindings()", "virtnwfilterd"),
        ("conn.numOfSecrets()", "virtsecretd"),
        ("conn.networkLookupByName('default')", "virtnetworkd"),
    ] {
        let error = client.ask(call);
        let advice = format!("systemctl start {daemon}.socket");
        assert!(
            error.starts_with("error: 3 ") && error.contains(&advice),
            "{call}: {error}"
        );
        assert_eq!(client.ask("conn.lookupByName('vm').isActive()"), "0");
    }
    let complaint = instance.virsh_fails(&["net-list"]);
    assert!(
        complaint.contains("systemctl start virtnetworkd.socket"),
        "{complaint}"
    );
}

#[test]
fn a_daemon_that_hangs_costs_its_calls_only() {
    let instance = Instance::start_all(&["virtqemud", "virtsecretd"]);
    instance.define("vm", &idle_domain("vm"));
    let pid = rustix::process::Pid::from_raw(instance.daemon("virtsecretd").pid().cast_signed()).unwrap();
    let signal = |signal| rustix::process::kill_process(pid, signal).unwrap();
    // One whose connection to it is open, and one that has to connect first.
    let mut clients = [Client::of(&instance.uri()), Client::of(&instance.uri())];
    assert_eq!(clients[0].ask("conn.numOfSecrets()"), "0");
    signal(rustix::process::Signal::STOP);
    for client in &mut clients {
        for _ in 0..3 {
            client.ask("heard.append(apart(conn.numOfSecrets))");
        }
        assert_eq!(client.ask("conn.lookupByName('vm').isActive()"), "0");
        assert_eq!(client.ask("conn.numOfDefinedDomains()"), "1");
        assert_eq!(client.ask("[answer for _, answer in heard]"), "[[], [], []]");
    }
    assert_eq!(instance.virsh(&["domstate", "vm"]).trim(), "shut off");
    signal(rustix::process::Signal::CONT);
    for client in &mut clients {
        let answers = client.ask("[(thread.join(), answer)[1] for thread, answer in heard]");
        assert_eq!(answers, "[['0'], ['0'], ['0']]");
    }
}
