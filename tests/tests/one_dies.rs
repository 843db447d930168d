//! Daemons come when they are called, go when they are idle, and one that dies costs the clients of the others nothing.
//!
//! A new daemon is a line in [`DAEMONS`].
#![allow(clippy::unwrap_used, reason = "a test")]

use end_to_end::{Instance, Outcome, binary, wait_for};
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};

/// A daemon, and what a stock client asks of it.
struct Row {
    name: &'static str,
    /// What its sockets' names begin with.
    begin: &'static str,
    /// What they end with, and the units that systemd knows them by.
    sockets: &'static [(&'static str, &'static str)],
    ask: Ask,
}

/// What stock clients ask.
enum Ask {
    /// virsh, by the URI of this driver, with this call.
    Driver(&'static str, &'static str),
    /// virt-admin, as there is no driver.
    Admin,
    /// virsh, by the first of these drivers whose daemon does not die.
    AnyOf(&'static [(&'static str, &'static str, &'static str)]),
}

/// Sockets for reading and writing, for looking, and for administration.
const THREE: &[(&str, &str)] = &[("sock", ""), ("sock-ro", "-ro"), ("admin-sock", "-admin")];
/// No socket for looking.
const TWO: &[(&str, &str)] = &[("sock", ""), ("admin-sock", "-admin")];

/// Every daemon of one driver, and the proxy, whose clients use whichever of the others lives.
#[rustfmt::skip]
const DAEMONS: &[Row] = &[
    row("virtqemud", "virtqemud", THREE, Ask::Driver("qemu", "list --all")),
    row("virtsecretd", "virtsecretd", THREE, Ask::Driver("secret", "secret-list")),
    row("virtlogd", "virtlogd", TWO, Ask::Admin),
    row("virtlockd", "virtlockd", TWO, Ask::Admin),
    row("virtproxyd", "libvirt", THREE, Ask::AnyOf(&[
        ("virtqemud", "qemu", "list --all"), ("virtsecretd", "secret", "secret-list"),
    ])),
];

/// The daemon of all drivers, with those that stay processes of their own beside it.
#[rustfmt::skip]
const MONOLITH: &[Row] = &[
    row("libvirtd", "libvirt", THREE, Ask::Driver("qemu", "list --all")),
    row("virtlogd", "virtlogd", TWO, Ask::Admin),
    row("virtlockd", "virtlockd", TWO, Ask::Admin),
];

const fn row(
    name: &'static str,
    begin: &'static str,
    sockets: &'static [(&'static str, &'static str)],
    ask: Ask,
) -> Row {
    Row {
        name,
        begin,
        sockets,
        ask,
    }
}

impl Row {
    /// The client's program, its URI and the call, while `dies` may be about to die.
    fn client(&self, instance: &Instance, dies: &str) -> (&'static str, String, String) {
        let at = |scheme: &str, kind: &str| {
            let socket = instance.path(&format!("/run/libvirt/{}-{kind}", self.begin));
            format!("{scheme}+unix:///system?socket={}", socket.display())
        };
        match self.ask {
            Ask::Driver(driver, call) => ("virsh", at(driver, "sock"), call.to_owned()),
            Ask::Admin => ("virt-admin", at(self.name, "admin-sock"), "srv-list".to_owned()),
            Ask::AnyOf(drivers) => {
                let mut living = drivers.iter().filter(|(daemon, ..)| *daemon != dies);
                let (_, driver, call) = living.next().unwrap();
                ("virsh", at(driver, "sock"), (*call).to_owned())
            }
        }
    }
}

/// systemd's place, taken for one daemon.
struct Activated(Child);

impl Activated {
    fn start(row: &Row, instance: &Instance) -> Self {
        let mut command = Command::new("systemd-socket-activate");
        let units: Vec<_> = row
            .sockets
            .iter()
            .map(|(_, unit)| format!("{}{unit}.socket", row.name))
            .collect();
        command.arg(format!("--fdname={}", units.join(":")));
        for (kind, _) in row.sockets {
            let socket = instance.path(&format!("/run/libvirt/{}-{kind}", row.begin));
            std::fs::create_dir_all(socket.parent().unwrap()).unwrap();
            command.arg("-l").arg(socket);
        }
        command
            .args(["-E", &format!("FERROVIRT_ROOT={}", instance.path("").display())])
            .arg(binary(row.name))
            .args(["--timeout", "1"])
            .stderr(File::create(instance.root().join(format!("{}.log", row.name))).unwrap());
        Self(command.spawn().unwrap())
    }
}

impl Drop for Activated {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn each_comes_when_it_is_called_and_goes_when_it_is_idle() {
    for row in DAEMONS.iter().chain(MONOLITH.first()) {
        let mut instance = Instance::empty();
        // Who passes clients on needs somebody to pass them to.
        if let Ask::AnyOf([(neighbour, ..), ..]) = row.ask {
            instance.add(neighbour);
        }
        let mut daemon = Activated::start(row, &instance);
        for (kind, _) in row.sockets {
            let socket = instance.path(&format!("/run/libvirt/{}-{kind}", row.begin));
            wait_for("systemd's sockets", || socket.exists().then_some(()));
        }
        let (program, uri, call) = row.client(&instance, "");
        let arguments = call.split(' ');
        let outcome = Outcome::of(Command::new(program).args(["-q", "-c", &uri]).args(arguments));
        assert!(outcome.success, "{}: {}", row.name, outcome.stderr);
        let said = || std::fs::read_to_string(instance.root().join(format!("{}.log", row.name))).unwrap();
        let status = wait_for(&format!("{} to end", row.name), || daemon.0.try_wait().unwrap());
        assert!(status.success(), "{}: {status}\n{}", row.name, said());
        tell(&format!(
            "{:<12} started by its socket, answered, ended when idle",
            row.name
        ));
    }
}

/// Calls that a client makes before and after the death, each.
const CALLS: usize = 50;

/// A stock client that stays connected and makes one call after another.
struct Client {
    child: Child,
    input: ChildStdin,
    output: PathBuf,
    errors: PathBuf,
    call: String,
}

impl Client {
    fn connect(row: &Row, instance: &Instance, dies: &str) -> Self {
        let (program, uri, call) = row.client(instance, dies);
        let file = |kind: &str| {
            instance
                .root()
                .join(format!("{}-while-{dies}-dies.{kind}", row.name))
        };
        let (output, errors) = (file("out"), file("err"));
        let mut child = Command::new(program)
            .args(["-q", "-c", &uri])
            .env("LC_ALL", "C")
            .stdin(Stdio::piped())
            .stdout(File::create(&output).unwrap())
            .stderr(File::create(&errors).unwrap())
            .spawn()
            .unwrap();
        let input = child.stdin.take().unwrap();
        Self {
            child,
            input,
            output,
            errors,
            call,
        }
    }

    /// Has it make its calls, and then say a word.
    fn call(&mut self, word: &str) {
        let calls = format!("{}\n", self.call).repeat(CALLS);
        writeln!(self.input, "{calls}echo --str {word}-is-reached").unwrap();
    }

    /// Waits until it has said the word.
    fn wait(&self, word: &str) {
        let reached = format!("\n{word}-is-reached");
        wait_for(&format!("{word} in {}", self.output.display()), || {
            let said = std::fs::read_to_string(&self.output).unwrap();
            // Prompts and what it was told are there as well.
            said.contains(&reached).then_some(())
        });
    }

    /// Ends it; gives what it complained about.
    fn end(mut self) -> String {
        drop(self.input);
        let status = self.child.wait().unwrap();
        let errors = complaints(&self.errors);
        if status.success() {
            errors
        } else {
            format!("error: {status}: {errors}")
        }
    }

    /// Waits until it has heard that its daemon is gone. What a stock client does then is its own affair.
    fn loses_its_daemon(mut self) {
        wait_for(&format!("complaints in {}", self.errors.display()), || {
            let ended = self.child.try_wait().unwrap().is_some();
            (ended || complaints(&self.errors).contains("error: ")).then_some(())
        });
        let _ = self.child.kill();
        self.child.wait().unwrap();
    }
}

fn complaints(file: &Path) -> String {
    std::fs::read_to_string(file).unwrap()
}

#[test]
fn whichever_dies_the_others_answer_every_call() {
    kill_each(DAEMONS);
}

#[test]
fn libvirtd_dies_alone_as_well() {
    kill_each(MONOLITH);
}

/// Kills each of these daemons in turn, while a client of each makes calls.
fn kill_each(daemons: &[Row]) {
    let names: Vec<_> = daemons.iter().map(|row| row.name).collect();
    let mut instance = Instance::start_all(&names);
    let mut lines = vec![format!(
        "{:<12}{}",
        "killed:",
        names.iter().map(|name| format!("{name:>13}")).collect::<String>()
    )];
    let mut cells: Vec<Vec<String>> = vec![Vec::new(); daemons.len()];
    let mut complaints = Vec::new();
    for dies in &names {
        let connect = |row| Client::connect(row, &instance, dies);
        let mut clients: Vec<_> = daemons.iter().map(connect).collect();
        for client in &mut clients {
            client.call("before");
        }
        for client in &clients {
            client.wait("before");
        }
        // They are at it when it happens, and go on afterwards.
        for client in &mut clients {
            client.call("meanwhile");
        }
        instance.daemon_mut(dies).kill();
        for ((row, mut client), cells) in daemons.iter().zip(clients).zip(&mut cells) {
            if row.name == *dies {
                // Nothing would be shown here if it did not hear of it.
                client.loses_its_daemon();
                cells.push("lost".to_owned());
                continue;
            }
            client.call("after");
            client.wait("after");
            let complained = client.end();
            if complained.contains("error: ") {
                cells.push("FAILED".to_owned());
                complaints.push(format!(
                    "{dies} died, a client of {} heard: {complained}",
                    row.name
                ));
            } else {
                cells.push(format!("{} answered", 3 * CALLS));
            }
        }
        instance.daemon_mut(dies).restart();
    }
    for (row, cells) in daemons.iter().zip(&cells) {
        let cells: String = cells.iter().map(|cell| format!("{cell:>13}")).collect();
        lines.push(format!("{:<12}{cells}", row.name));
    }
    tell(&lines.join("\n"));
    assert!(complaints.is_empty(), "{complaints:#?}");
}

/// Says something even though the test passes.
fn tell(text: &str) {
    writeln!(std::io::stdout().lock(), "{text}").unwrap();
}
