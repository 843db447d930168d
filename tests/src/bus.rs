//! A system bus of a test's own.

use crate::wait_for;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// It lets everybody do everything; whoever is on it decides whom he answers.
const BUS: &str = "<!DOCTYPE busconfig PUBLIC \"-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN\" \
                   \"http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd\">\
                   <busconfig><type>system</type><listen>unix:path={socket}</listen><auth>EXTERNAL</auth>\
                   <policy context=\"default\"><allow user=\"*\"/><allow own=\"*\"/><allow send_destination=\"*\"/>\
                   <allow receive_sender=\"*\"/></policy></busconfig>";

/// A bus that lives as long as this value.
#[derive(Debug)]
pub struct Bus {
    process: Child,
    socket: PathBuf,
}

impl Bus {
    /// A bus whose socket is in a folder.
    ///
    /// # Panics
    /// When it does not start.
    pub fn start(folder: &Path) -> Self {
        let socket = folder.join("bus");
        let configuration = folder.join("bus.conf");
        fs::write(
            &configuration,
            BUS.replace("{socket}", &socket.display().to_string()),
        )
        .expect("the bus's configuration");
        let process = Command::new("dbus-daemon")
            .arg(format!("--config-file={}", configuration.display()))
            .args(["--nofork", "--nopidfile"])
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("dbus-daemon can be run");
        wait_for("the bus", || socket.exists().then_some(()));
        Self { process, socket }
    }

    /// Its socket.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// How programs are told of it.
    pub fn address(&self) -> String {
        format!("unix:path={}", self.socket.display())
    }

    /// What starts a program that takes it for the system's.
    pub fn entrance(&self) -> Vec<String> {
        vec![
            "env".to_owned(),
            format!("DBUS_SYSTEM_BUS_ADDRESS={}", self.address()),
        ]
    }
}

impl Drop for Bus {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
