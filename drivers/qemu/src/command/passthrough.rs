//! What frames the guest: QEMU's monitor and sandbox, and the arguments that the document adds as they are.

use super::line::{KeyValues, Line};
use crate::paths::monitor_socket;
use model::domain::qemu_namespace::QemuDeprecationBehavior;

impl Line<'_> {
    /// The monitor, on the socket that the daemon listens on already.
    pub(super) fn monitor(&mut self) {
        let socket = KeyValues::new().word("socket").set("id", "charmonitor");
        let socket = match self.context.monitor_fd {
            Some(number) => socket.set("fd", number),
            None => socket.set("path", monitor_socket(&self.context.domain_dir).display()),
        };
        let socket = socket.set("server", "on").set("wait", "off");
        self.option("-chardev", socket.finish());
        let monitor = KeyValues::new()
            .set("chardev", "charmonitor")
            .set("id", "monitor")
            .set("mode", "control");
        self.option("-mon", monitor.finish());
    }

    /// What QEMU does about deprecated things.
    pub(super) fn deprecation(&mut self) {
        let Some(deprecation) = &self.domain.qemu_deprecation else {
            return;
        };
        let (output, input) = match deprecation.behavior {
            QemuDeprecationBehavior::None => return,
            QemuDeprecationBehavior::Omit => ("hide", None),
            QemuDeprecationBehavior::Reject => ("hide", Some("reject")),
            QemuDeprecationBehavior::Crash => ("hide", Some("crash")),
        };
        let props = super::line::Props::new()
            .set("deprecated-output", output)
            .maybe("deprecated-input", input);
        self.option("-compat", props.to_string());
    }

    /// What QEMU denies itself.
    pub(super) fn sandbox(&mut self) {
        let sandbox = KeyValues::new();
        if self.context.sandbox {
            let sandbox = sandbox
                .word("on")
                .set("obsolete", "deny")
                .set("elevateprivileges", "deny")
                .set("spawn", "deny")
                .set("resourcecontrol", "deny");
            self.option("-sandbox", sandbox.finish());
        } else {
            self.option("-sandbox", "off");
        }
    }

    /// Devices that libvirt puts behind the sandbox; clients read the line, so their place is kept.
    pub(super) fn late_devices(&mut self) -> error::Result<()> {
        self.panics()?;
        self.shmems()?;
        self.cryptos()?;
        self.vsock()?;
        self.pstore()
    }

    /// Whether QEMU marks its messages with the time.
    pub(super) fn message_time(&mut self) {
        if self.context.log_timestamp {
            self.option("-msg", "timestamp=on");
        }
    }

    /// Arguments and variables of `<qemu:commandline>`.
    pub(super) fn passthrough(&mut self) {
        let Some(given) = self.domain.qemu_commandline.as_deref() else {
            return;
        };
        for argument in &given.args {
            self.flag(&argument.value);
        }
        for variable in &given.env {
            self.environment(&variable.name, variable.value.as_deref().unwrap_or_default());
        }
    }
}
