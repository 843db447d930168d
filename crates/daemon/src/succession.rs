//! SIGUSR2: the same process runs its program anew, perhaps a newer one, and loses nothing that nobody else has. Clients wait
//! in the queues of the listening sockets meanwhile, so none is refused.
//!
//! ```text
//!   a child runs the program as a rehearsal ► clients hold still ► Driver::hand_over
//!      ► notes and descriptors into a socket pair ► exec
//!      main ► the pair is the standard input: it is emptied ► Driver::open, Driver::resumed ► clients go on
//! ```
//! Descriptors travel inside the pair, not as numbers: whatever is not handed over is closed by the exec, and whoever takes
//! them has them as values. The process keeps its number, its parent, its children and its place in systemd's eyes. When
//! any step fails, the old program goes on; so it does when the rehearsal shows that the new one would not start.

use crate::confinement::Confinement;
use crate::flags::Flags;
use crate::sockets::Kind;
use rpc::Caller;
use rustix::fs::MemfdFlags;
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketFlags, SocketType,
};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::ffi::{CString, OsString};
use std::fs::File;
use std::io::{self, IoSlice, IoSliceMut, Read as _, Seek as _, Write as _};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::process::Command;

/// How long a program may take to tell whether it could take over.
const REHEARSAL: Duration = Duration::from_secs(10);

/// How many descriptors one message carries; the kernel takes 253.
const BATCH: usize = 200;
/// Bytes of a rehearsal's words that are listened to.
const SAID_MAX: u64 = 4096;

/// What a driver hands to the next program.
#[derive(Debug, Default)]
pub struct Handover {
    /// What it has to know, in a form that newer versions still read.
    pub notes: String,
    /// Descriptors, in an order that the notes explain.
    pub descriptors: Vec<OwnedFd>,
}

/// What the daemon itself has to know of the program before. The descriptors are, in this order: the pid file, those of the
/// drivers, the listening sockets, those of the network, the clients, the driver's.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Notes {
    /// Where the pid files are of the drivers that it has open.
    #[serde(default)]
    pub(crate) claims: Vec<PathBuf>,
    pub(crate) sockets: Vec<SocketNote>,
    #[serde(default)]
    pub(crate) network: Vec<NetworkNote>,
    pub(crate) clients: Vec<ClientNote>,
    /// What the process has given away for good.
    #[serde(default)]
    pub(crate) confinement: Option<Confinement>,
    /// The driver's own.
    pub(crate) driver: String,
}

/// A listening socket.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct SocketNote {
    pub(crate) kind: Kind,
    /// Its file, where the daemon made it.
    pub(crate) file: Option<PathBuf>,
}

/// A listening socket of a network.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct NetworkNote {
    pub(crate) tls: bool,
}

/// A connected client.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct ClientNote {
    /// Its number.
    pub(crate) id: u64,
    pub(crate) read_only: bool,
    /// On whose behalf it calls; who is connected, the kernel tells.
    #[serde(default)]
    pub(crate) caller: Option<Caller>,
}

/// The program's own file and how it is run anew.
#[derive(Debug)]
pub(crate) struct Program {
    path: PathBuf,
    arguments: Vec<OsString>,
    rehearsal: Vec<OsString>,
}

impl Program {
    /// The running one. To be asked before its file may have been replaced: what is meant is the file at that path.
    pub(crate) fn own(flags: &Flags) -> io::Result<Self> {
        Ok(Self {
            path: std::env::current_exe()?,
            arguments: flags.successor_arguments(),
            rehearsal: flags.rehearsal_arguments(),
        })
    }

    /// Whether another file has taken the place of the one that runs, as an upgrade does it.
    pub(crate) fn was_replaced(&self) -> bool {
        let identity = |path: &std::path::Path| {
            let found = std::fs::metadata(path).ok()?;
            Some((found.dev(), found.ino()))
        };
        let runs = identity("/proc/self/exe".as_ref());
        identity(&self.path).is_some_and(|there| runs.is_some_and(|runs| runs != there))
    }

    /// Has the program tell whether it would start with these notes, the driver's apart.
    ///
    /// # Errors
    /// Why not, in its own words where it has any.
    pub(crate) async fn rehearse(&self, notes: &Notes) -> Result<(), String> {
        let asked = async {
            let mut child = Command::new(&self.path)
                .args(&self.rehearsal)
                .stdin(Stdio::from(OwnedFd::from(written(notes)?)))
                .stdout(Stdio::null())
                .stderr(Stdio::piped())
                .kill_on_drop(true)
                .spawn()?;
            let mut said = Vec::new();
            if let Some(stderr) = child.stderr.take() {
                stderr.take(SAID_MAX).read_to_end(&mut said).await?;
            }
            Ok::<_, io::Error>((child.wait().await?, said))
        };
        match tokio::time::timeout(REHEARSAL, asked).await {
            Ok(Ok((status, _))) if status.success() => Ok(()),
            Ok(Ok((status, said))) => Err(format!("{status}: {}", String::from_utf8_lossy(&said).trim_end())),
            Ok(Err(failure)) => Err(format!("cannot run it: {failure}")),
            Err(_) => Err(format!("it gave no answer within {REHEARSAL:?}")),
        }
    }

    /// Runs it in place of the running one. Comes back only when that fails; then nothing has changed.
    pub(crate) fn succeed(&self, notes: &Notes, descriptors: &[BorrowedFd<'_>]) -> io::Error {
        match self.try_succeed(notes, descriptors) {
            Ok(never) => match never {},
            Err(failure) => failure,
        }
    }

    fn try_succeed(
        &self,
        notes: &Notes,
        descriptors: &[BorrowedFd<'_>],
    ) -> io::Result<std::convert::Infallible> {
        let text = |text: OsString| CString::new(text.into_vec()).map_err(io::Error::from);
        let path = text(self.path.clone().into_os_string())?;
        let own_name = std::env::args_os()
            .next()
            .unwrap_or_else(|| self.path.clone().into_os_string());
        let arguments = std::iter::once(own_name)
            .chain(self.arguments.iter().cloned())
            .map(text)
            .collect::<io::Result<Vec<_>>>()?;
        // The sockets that systemd once gave are handed on with the others.
        let environment = std::env::vars_os()
            .filter(|(name, _)| !name.to_string_lossy().starts_with("LISTEN_"))
            .map(|(mut name, value)| {
                name.push("=");
                name.push(value);
                text(name)
            })
            .collect::<io::Result<Vec<_>>>()?;
        let luggage = pack(notes, descriptors)?;
        let before = rustix::stdio::stdin().try_clone_to_owned()?;
        rustix::stdio::dup2_stdin(&luggage)?;
        let failure = nix::unistd::execve(&path, &arguments, &environment);
        rustix::stdio::dup2_stdin(&before)?;
        failure.map_err(Into::into)
    }
}

/// The notes in a file, to be read from its beginning.
fn written(notes: &Notes) -> io::Result<File> {
    let mut text = File::from(rustix::fs::memfd_create("succession", MemfdFlags::CLOEXEC)?);
    text.write_all(&serde_json::to_vec(notes)?)?;
    text.rewind()?;
    Ok(text)
}

/// The notes on the standard input of a rehearsal.
pub(crate) fn rehearsed_notes() -> io::Result<Notes> {
    Ok(serde_json::from_reader(io::stdin().lock())?)
}

/// Everything in one socket.
fn pack(notes: &Notes, descriptors: &[BorrowedFd<'_>]) -> io::Result<OwnedFd> {
    let text = written(notes)?;
    let (sender, receiver) = rustix::net::socketpair(
        AddressFamily::UNIX,
        SocketType::SEQPACKET,
        SocketFlags::CLOEXEC,
        None,
    )?;
    let all: Vec<_> = std::iter::once(text.as_fd())
        .chain(descriptors.iter().copied())
        .collect();
    for batch in all.chunks(BATCH) {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(BATCH))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        control.push(SendAncillaryMessage::ScmRights(batch));
        let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
        rustix::net::sendmsg(&sender, &[IoSlice::new(&[0])], &mut control, flags)?;
    }
    Ok(receiver)
}

/// What the program before handed over.
#[derive(Debug)]
pub(crate) struct Luggage {
    pub(crate) notes: Notes,
    descriptors: VecDeque<OwnedFd>,
}

impl Luggage {
    /// Takes it from the standard input, which nobody reads afterwards.
    pub(crate) fn take() -> io::Result<Self> {
        let luggage = unpack(rustix::stdio::stdin())?;
        rustix::stdio::dup2_stdin(File::open("/dev/null")?)?;
        Ok(luggage)
    }

    /// The next descriptor.
    pub(crate) fn descriptor(&mut self) -> io::Result<OwnedFd> {
        self.descriptors
            .pop_front()
            .ok_or_else(|| io::Error::other("fewer descriptors were handed over than the notes speak of"))
    }

    /// What is left is the driver's.
    pub(crate) fn into_handover(self) -> Handover {
        Handover {
            notes: self.notes.driver,
            descriptors: self.descriptors.into(),
        }
    }
}

fn unpack(receiver: BorrowedFd<'_>) -> io::Result<Luggage> {
    let mut descriptors = VecDeque::new();
    loop {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(BATCH))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let mut byte = [0];
        let flags = RecvFlags::CMSG_CLOEXEC;
        let got = rustix::net::recvmsg(receiver, &mut [IoSliceMut::new(&mut byte)], &mut control, flags)?;
        for message in control.drain() {
            if let RecvAncillaryMessage::ScmRights(fds) = message {
                descriptors.extend(fds);
            }
        }
        if got.bytes == 0 {
            break;
        }
    }
    let text = descriptors
        .pop_front()
        .ok_or_else(|| io::Error::other("nothing was handed over"))?;
    let mut notes = Vec::new();
    File::from(text).read_to_end(&mut notes)?;
    Ok(Luggage {
        notes: serde_json::from_slice(&notes)?,
        descriptors,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_packed_is_unpacked_in_order_however_much_it_is() {
        let files: Vec<File> = (0..450)
            .map(|number| {
                let mut file = tempfile::tempfile().unwrap();
                write!(file, "{number}").unwrap();
                file.rewind().unwrap();
                file
            })
            .collect();
        let notes = Notes {
            sockets: vec![SocketNote {
                kind: Kind::Admin,
                file: None,
            }],
            clients: vec![ClientNote {
                id: 7,
                read_only: false,
                caller: Some(Caller {
                    sasl_name: Some("fred".to_owned()),
                    ..Caller::default()
                }),
            }],
            driver: "x".repeat(1 << 20),
            ..Notes::default()
        };
        let borrowed: Vec<_> = files.iter().map(AsFd::as_fd).collect();
        let luggage = pack(&notes, &borrowed).unwrap();
        drop(files);
        let luggage = unpack(luggage.as_fd()).unwrap();
        let client = &luggage.notes.clients[0];
        assert_eq!(client.id, 7);
        let caller = client.caller.as_ref().unwrap();
        assert_eq!(caller.sasl_name.as_deref(), Some("fred"));
        let handover = luggage.into_handover();
        assert_eq!(handover.notes.len(), 1 << 20);
        assert_eq!(handover.descriptors.len(), 450);
        for (number, descriptor) in handover.descriptors.into_iter().enumerate() {
            let mut text = String::new();
            File::from(descriptor).read_to_string(&mut text).unwrap();
            assert_eq!(text, number.to_string());
        }
    }
}
