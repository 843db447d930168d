//! An authentication agent: who asks a user for a password when polkit wants one. This one does not, and says why.

use crate::{Polkit, User};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

/// The agent of one process, which answers every question with an error of polkit's.
const AGENT: &str = r#"
import sys
from gi.repository import Gio, GLib
pid, uid, answer = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
bus = Gio.bus_get_sync(Gio.BusType.SYSTEM)
interface = Gio.DBusNodeInfo.new_for_xml("""<node><interface name='org.freedesktop.PolicyKit1.AuthenticationAgent'>
<method name='BeginAuthentication'><arg type='s' direction='in'/><arg type='s' direction='in'/><arg type='s' direction='in'/>
<arg type='a{ss}' direction='in'/><arg type='s' direction='in'/><arg type='a(sa{sv})' direction='in'/></method>
<method name='CancelAuthentication'><arg type='s' direction='in'/></method></interface></node>""").interfaces[0]
bus.register_object("/agent", interface, lambda bus, sender, path, name, method, arguments, call:
    call.return_dbus_error("org.freedesktop.PolicyKit1.Error." + answer, "no password"))
start = GLib.Variant("t", 0)  # polkit looks itself
subject = ("unix-process", {"pid": GLib.Variant("u", pid), "start-time": start, "uid": GLib.Variant("i", uid)})
bus.call_sync("org.freedesktop.PolicyKit1", "/org/freedesktop/PolicyKit1/Authority",
    "org.freedesktop.PolicyKit1.Authority", "RegisterAuthenticationAgent",
    GLib.Variant("((sa{sv})ss)", (subject, "C", "/agent")), None, 0, -1)
print("registered", flush=True)
GLib.MainLoop().run()
"#;

/// A stock client that waits for its agent before it connects, and tells the error's code and domain and its sentence.
const CLIENT: &str = r#"
import libvirt, sys
print("ready", flush=True)
sys.stdin.readline()
libvirt.registerErrorHandler(lambda *rest: None, None)
try:
    libvirt.open(sys.argv[1])
    print("open")
except libvirt.libvirtError as error:
    print(error.get_error_code(), error.get_error_domain(), error.get_error_message())
"#;

impl Polkit {
    /// What a stock client of `user` hears when it connects and has an agent that answers polkit's question with its error `answer`:
    /// the code and the domain of the error, and its sentence.
    ///
    /// # Panics
    /// When client or agent cannot be run.
    pub fn connects_with_agent(&self, user: &User, uri: &str, answer: &str) -> String {
        let mut client = user.command(Path::new("/usr/bin/python3"));
        let client = client.args(["-c", CLIENT, uri]).stdin(Stdio::piped());
        let (mut client, mut words) = start(client, "ready");
        let id = client.id().to_string();
        let mut agent = Command::new("/usr/bin/python3");
        agent
            .args(["-c", AGENT, &id, &user.uid().to_string(), answer])
            .env("DBUS_SYSTEM_BUS_ADDRESS", self.address());
        let (mut agent, _rest) = start(&mut agent, "registered");
        let mut input = client.stdin.take().expect("the client's input");
        input.write_all(b"go\n").expect("the client listens");
        let mut heard = String::new();
        words.read_line(&mut heard).expect("the client's words");
        client.wait().expect("the client ends");
        agent.kill().expect("the agent can be ended");
        agent.wait().expect("the agent ends");
        heard.trim().to_owned()
    }
}

/// Starts a program and waits for its first word.
fn start(command: &mut Command, word: &str) -> (Child, BufReader<ChildStdout>) {
    let mut child = command.stdout(Stdio::piped()).spawn().expect("python runs");
    let mut words = BufReader::new(child.stdout.take().expect("its output"));
    let mut line = String::new();
    words.read_line(&mut line).expect("its words");
    assert_eq!(line.trim(), word);
    (child, words)
}
