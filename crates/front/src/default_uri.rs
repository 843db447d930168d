//! The URI of clients that name none: the environment's, the configuration's, or that of a hypervisor that is there.

use daemon::config::{ConfigError, Loaded, schema};
use daemon::{Instance, Kind, Layout, Mode, socket_name};
use error::{Code, Domain, Error, Result};
use protocol::Priority;
use rustix::fs::Access;
use std::sync::Arc;

/// What clients without a URI of their own open.
const VARIABLE: &str = "LIBVIRT_DEFAULT_URI";

/// Hypervisors with their daemons, in the order in which they are looked for, and whether users have their own.
const HYPERVISORS: &[(&str, &str, bool)] = &[
    ("xen", "virtxend", false),
    ("qemu", "virtqemud", true),
    ("lxc", "virtlxcd", false),
];

schema! {
    /// The configuration of clients, `libvirt.conf`; for the daemons they open, the proxy is one.
    pub(crate) struct ClientConfig {
        /// Short names of URIs, "name=uri"; clients replace them before they connect.
        uri_aliases: Vec<String> = Vec::new(),
        /// The URI of clients that name none.
        uri_default: Option<String> = None,
        /// How clients find a daemon's socket; the proxy only knows the modular daemons'.
        remote_mode: Option<String> = None,
        /// Which program clients run at the other end of ssh.
        remote_proxy: Option<String> = None,
    }
}

/// The URI of a client that names none: where neither the environment nor the configuration does, that of the hypervisor that
/// `probe` finds, by its scheme. It may block.
///
/// # Errors
/// `VIR_ERR_CONF_SYNTAX` for a configuration that is refused; `VIR_ERR_OPERATION_UNSUPPORTED` where nothing names one and
/// no hypervisor is there.
pub async fn find(
    instance: &Instance,
    probe: impl FnOnce(&Layout) -> Option<&'static str> + Send + 'static,
) -> Result<String> {
    if let Some(uri) = std::env::var(VARIABLE).ok().filter(|uri| !uri.is_empty()) {
        return Ok(uri);
    }
    let layout = Arc::clone(&instance.layout);
    let workers = &instance.workers;
    let found = workers.blocking(Priority::High, move || {
        let probed = || probe(&layout).map(|scheme| format!("{scheme}:///{}", layout.mode().name()));
        configured(&layout).map(|uri| uri.or_else(probed))
    });
    found.await??.ok_or_else(|| {
        let text = "the client named no URI, none is configured (uri_default of libvirt.conf), and there is no hypervisor \
                    here";
        Error::new(Code::OperationUnsupported, Domain::Rpc, text)
    })
}

fn configured(layout: &Layout) -> Result<Option<String>> {
    let refused = |failure: ConfigError| Error::new(Code::ConfSyntax, Domain::Conf, failure.to_string());
    let loaded = Loaded::<ClientConfig>::file(&layout.config_file("libvirt")).map_err(refused)?;
    Ok(loaded.values.uri_default.filter(|uri| !uri.is_empty()))
}

/// The scheme of the first hypervisor whose daemon has a socket; blocks.
pub fn of_daemons(layout: &Layout) -> Option<&'static str> {
    let mode = layout.mode();
    HYPERVISORS
        .iter()
        .filter(|(_, _, of_users)| *of_users || mode == Mode::System)
        .find(|(_, daemon, _)| {
            let socket = layout.run_dir().join(socket_name(daemon, Kind::ReadWrite));
            rustix::fs::access(socket, Access::EXISTS).is_ok()
        })
        .map(|(driver, _, _)| *driver)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn the_configuration_comes_before_what_is_there() {
        let dir = tempfile::tempdir().unwrap();
        let layout = Layout::below(Mode::System, dir.path());
        assert_eq!((configured(&layout).unwrap(), of_daemons(&layout)), (None, None));
        fs::create_dir_all(layout.run_dir()).unwrap();
        for (daemon, scheme) in [("virtlxcd", "lxc"), ("virtqemud", "qemu")] {
            fs::write(layout.run_dir().join(format!("{daemon}-sock")), "").unwrap();
            assert_eq!(of_daemons(&layout), Some(scheme));
        }
        fs::create_dir_all(layout.config_dir()).unwrap();
        let file = layout.config_file("libvirt");
        fs::write(
            &file,
            "uri_default = \"lxc:///system\"\nuri_aliases = [\"a=b:///c\",]",
        )
        .unwrap();
        assert_eq!(configured(&layout).unwrap().as_deref(), Some("lxc:///system"));
        fs::write(&file, "uri_defalt = \"\"").unwrap();
        assert_eq!(configured(&layout).unwrap_err().code(), Code::ConfSyntax);
    }

    #[test]
    fn a_user_has_the_daemons_that_users_may_have() {
        let dir = tempfile::tempdir().unwrap();
        let layout = Layout::below(Mode::Session, dir.path());
        fs::create_dir_all(layout.run_dir()).unwrap();
        fs::write(layout.run_dir().join("virtlxcd-sock"), "").unwrap();
        assert_eq!(of_daemons(&layout), None);
        fs::write(layout.run_dir().join("virtqemud-sock"), "").unwrap();
        assert_eq!(of_daemons(&layout), Some("qemu"));
    }
}
