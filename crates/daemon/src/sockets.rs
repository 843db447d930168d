//! The daemon's own sockets: names, access, and binding them without a moment of wrong access.

use crate::config::{Auth, DaemonConfig, Octal};
use crate::{Layout, Mode, durable};
use rustix::fs::Mode as Bits;
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};
use serde::{Deserialize, Serialize};
use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

/// What a socket is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Kind {
    /// Everything.
    ReadWrite,
    /// Looking only; the system's instances have it.
    ReadOnly,
    /// Managing the daemon itself.
    Admin,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 3] = [Self::ReadWrite, Self::ReadOnly, Self::Admin];
}

/// The name of a socket of that kind; what names begin with is the daemon's own, as a rule.
pub fn socket_name(begin: &str, kind: Kind) -> String {
    match kind {
        Kind::ReadWrite => format!("{begin}-sock"),
        Kind::ReadOnly => format!("{begin}-sock-ro"),
        Kind::Admin => format!("{begin}-admin-sock"),
    }
}

/// How clients of a socket prove who they are. Where the configuration does not say and everybody may open it, polkit is
/// asked: a permission of everybody's cannot be meant to be all that is needed to manage a host.
pub(crate) fn authentication(
    config: &DaemonConfig,
    privileged: bool,
    kind: Kind,
    listener: &UnixListener,
) -> Auth {
    match kind {
        Kind::ReadOnly => config.auth_unix_ro,
        Kind::Admin => Auth::None,
        Kind::ReadWrite => config.auth_unix_rw.unwrap_or_else(|| {
            if privileged && is_open_to_all(listener) {
                Auth::Polkit
            } else {
                Auth::None
            }
        }),
    }
}

/// Whether any user of the host may connect, as far as the socket's own file goes; so does one that has no file.
fn is_open_to_all(listener: &UnixListener) -> bool {
    const OTHERS_WRITE: u32 = 0o002;
    let address = listener.local_addr().ok();
    let path = address.as_ref().and_then(|address| address.as_pathname());
    let file = path.and_then(|path| fs::metadata(path).ok());
    file.is_none_or(|file| file.permissions().mode() & OTHERS_WRITE != 0)
}

/// Why a socket cannot be opened.
#[derive(Debug, thiserror::Error)]
#[error("cannot open the socket {}: {reason}", path.display())]
pub(crate) struct SocketError {
    path: PathBuf,
    reason: String,
}

impl SocketError {
    pub(crate) fn new(path: impl Into<PathBuf>, reason: String) -> Self {
        Self {
            path: path.into(),
            reason,
        }
    }
}

/// Where a socket is to be, with which access.
struct Plan {
    kind: Kind,
    path: PathBuf,
    mode: u32,
    queue: u32,
    group: Option<u32>,
}

/// A socket that clients connect to; dropping it removes its file, if the daemon made it.
#[derive(Debug)]
pub(crate) struct Bound {
    kind: Kind,
    listener: UnixListener,
    file: Option<SocketFile>,
}

/// The file of a socket that the daemon made; dropping it removes the file.
#[derive(Debug)]
pub(crate) struct SocketFile(PathBuf);

impl Bound {
    /// A socket that systemd opened and keeps.
    pub(crate) fn activated(kind: Kind, listener: UnixListener) -> Self {
        Self {
            kind,
            listener,
            file: None,
        }
    }

    /// One that the program before in this process had, with its file, if the daemon made it.
    pub(crate) fn inherited(kind: Kind, listener: UnixListener, file: Option<PathBuf>) -> Self {
        Self {
            kind,
            listener,
            file: file.map(SocketFile),
        }
    }

    /// Its purpose, the socket, and its file.
    pub(crate) fn into_parts(self) -> (Kind, UnixListener, Option<SocketFile>) {
        (self.kind, self.listener, self.file)
    }
}

impl SocketFile {
    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        // Without a listener the file says "connection refused" to all; a left-over is replaced.
        let _ = fs::remove_file(&self.0);
    }
}

/// Opens every socket of the instance. The pid file's lock must be held: of this daemon there is then no other; but its
/// sockets may be those of another daemon whose place it takes.
///
/// Must be called while the process has one thread, because access is narrowed by the process's umask.
pub(crate) fn bind_all(
    begin: &str,
    kinds: &[Kind],
    layout: &Layout,
    config: &DaemonConfig,
) -> Result<Vec<Bound>, SocketError> {
    let mut plans = plans(begin, layout, config)?;
    plans.retain(|plan| kinds.contains(&plan.kind));
    for folder in plans.iter().filter_map(|plan| plan.path.parent()) {
        let created = durable::create_folder(folder, layout.folder_mode());
        created.map_err(|failure| SocketError {
            path: folder.to_owned(),
            reason: failure.to_string(),
        })?;
    }
    plans.into_iter().map(bind).collect()
}

fn plans(begin: &str, layout: &Layout, config: &DaemonConfig) -> Result<Vec<Plan>, SocketError> {
    let folder = config
        .unix_sock_dir
        .as_ref()
        .map_or_else(|| layout.run_dir().to_owned(), PathBuf::from);
    let group = match &config.unix_sock_group {
        Some(name) if layout.privileged() => Some(group_id(name).ok_or_else(|| SocketError {
            path: folder.join(socket_name(begin, Kind::ReadWrite)),
            reason: format!("unix_sock_group: there is no group '{name}'"),
        })?),
        _ => None,
    };
    let plan = |kind, Octal(mode), queue, group| Plan {
        kind,
        path: folder.join(socket_name(begin, kind)),
        // A session's sockets are its user's, whatever the system's configuration would allow.
        mode: if layout.mode() == Mode::System {
            mode
        } else {
            mode & 0o700
        },
        queue,
        group,
    };
    let queue = config.max_queued_clients;
    let mut plans = vec![plan(Kind::ReadWrite, config.unix_sock_rw_perms, queue, group)];
    if layout.mode() == Mode::System {
        plans.push(plan(Kind::ReadOnly, config.unix_sock_ro_perms, queue, group));
    }
    plans.push(plan(
        Kind::Admin,
        config.unix_sock_admin_perms,
        config.admin_max_queued_clients,
        None,
    ));
    Ok(plans)
}

fn group_id(name: &str) -> Option<u32> {
    name.parse()
        .ok()
        .or_else(|| uzers::get_group_by_name(name).map(|group| group.gid()))
}

fn bind(plan: Plan) -> Result<Bound, SocketError> {
    let Plan {
        kind,
        path,
        mode,
        queue,
        group,
    } = plan;
    match listen(&path, mode, queue, group) {
        Ok(listener) => Ok(Bound {
            kind,
            listener,
            file: Some(SocketFile(path)),
        }),
        Err(failure) => Err(SocketError {
            path,
            reason: failure.to_string(),
        }),
    }
}

fn listen(path: &Path, mode: u32, queue: u32, group: Option<u32>) -> io::Result<UnixListener> {
    remove_left_over(path)?;
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket: OwnedFd = rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    let before = rustix::process::umask(Bits::from_raw_mode(0o177));
    let bound = rustix::net::bind(&socket, &SocketAddrUnix::new(path)?);
    rustix::process::umask(before);
    bound?;
    if group.is_some() {
        std::os::unix::fs::lchown(path, None, group)?;
    }
    fs::set_permissions(path, fs::Permissions::from_mode(mode))?;
    // Nobody can connect before this.
    rustix::net::listen(&socket, i32::try_from(queue).unwrap_or(i32::MAX))?;
    Ok(UnixListener::from(socket))
}

/// Removes the socket of a daemon that is gone; one that somebody listens on stays, and anything that is not a socket is
/// somebody's file.
fn remove_left_over(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Ok(there) if there.file_type().is_socket() => {
            if is_in_use(path)? {
                let text = "another daemon, or systemd for it, listens there; stop that first";
                return Err(io::Error::new(io::ErrorKind::AddrInUse, text));
            }
            fs::remove_file(path)
        }
        Ok(_) => Err(io::Error::new(
            io::ErrorKind::AlreadyExists,
            "a file that is no socket is in the way",
        )),
        Err(failure) if failure.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(failure) => Err(failure),
    }
}

/// Whether somebody listens on a socket: a full queue is as good as a free place in it.
fn is_in_use(path: &Path) -> io::Result<bool> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    match rustix::net::connect(&socket, &SocketAddrUnix::new(path)?) {
        Err(Errno::CONNREFUSED) => Ok(false),
        Ok(()) | Err(Errno::AGAIN) => Ok(true),
        Err(failure) => Err(failure.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixStream;

    fn names(mode: Mode, root: &Path) -> Vec<(String, u32)> {
        let layout = Layout::below(mode, root);
        bind_all("virtqemud", &Kind::ALL, &layout, &DaemonConfig::default())
            .unwrap()
            .iter()
            .map(|bound| {
                let path = &bound.file.as_ref().unwrap().0;
                UnixStream::connect(path).unwrap();
                let mode = fs::metadata(path).unwrap().permissions().mode() & 0o777;
                (path.file_name().unwrap().to_string_lossy().into_owned(), mode)
            })
            .collect()
    }

    #[test]
    fn sockets_have_libvirts_names_and_access() {
        let dir = tempfile::tempdir().unwrap();
        let named = |list: &[(&str, u32)]| {
            list.iter()
                .map(|(name, mode)| ((*name).to_owned(), *mode))
                .collect::<Vec<_>>()
        };
        let system = [
            ("virtqemud-sock", 0o700),
            ("virtqemud-sock-ro", 0o777),
            ("virtqemud-admin-sock", 0o700),
        ];
        assert_eq!(names(Mode::System, dir.path()), named(&system));
        assert_eq!(
            fs::read_dir(dir.path().join("run/libvirt")).unwrap().count(),
            0,
            "they go with their owner"
        );
        let session = [("virtqemud-sock", 0o700), ("virtqemud-admin-sock", 0o700)];
        assert_eq!(names(Mode::Session, dir.path()), named(&session));
    }

    #[test]
    fn polkit_is_asked_where_everybody_may_open_the_socket() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("sock");
        let listener = UnixListener::bind(&path).unwrap();
        let default = DaemonConfig::default();
        let asked = |config: &DaemonConfig, kind| authentication(config, true, kind, &listener);
        for (mode, auth) in [(0o600, Auth::None), (0o660, Auth::None), (0o666, Auth::Polkit)] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(asked(&default, Kind::ReadWrite), auth, "{mode:o}");
            assert_eq!(asked(&default, Kind::ReadOnly), Auth::None, "{mode:o}");
            assert_eq!(asked(&default, Kind::Admin), Auth::None, "{mode:o}");
        }
        let user = authentication(&default, false, Kind::ReadWrite, &listener);
        assert_eq!(user, Auth::None, "a user's own daemon has no other users");
        let mut said = default;
        said.auth_unix_rw = Some(Auth::None);
        assert_eq!(
            asked(&said, Kind::ReadWrite),
            Auth::None,
            "the administrator says so"
        );
        fs::remove_file(&path).unwrap();
        said.auth_unix_rw = None;
        assert_eq!(
            asked(&said, Kind::ReadWrite),
            Auth::Polkit,
            "a socket that cannot be looked at"
        );
    }

    #[test]
    fn a_left_over_socket_is_replaced_and_a_live_one_or_a_file_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("sock");
        drop(UnixListener::bind(&path).unwrap());
        let listener = listen(&path, 0o700, 1, None).unwrap();
        let failure = listen(&path, 0o700, 1, None).unwrap_err();
        assert!(failure.to_string().contains("stop that first"), "{failure}");
        drop(listener);
        fs::remove_file(&path).unwrap();
        fs::write(&path, "precious").unwrap();
        let failure = listen(&path, 0o700, 1, None).unwrap_err();
        assert!(failure.to_string().contains("in the way"), "{failure}");
        assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
    }
}
