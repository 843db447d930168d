//! Programs of the host that do a job and end: nft, dnsmasq, qemu-img, mount, lvcreate.
//!
//! They are started by `setpriv --pdeathsig`, which becomes them: a program must not outlive the daemon that waits for it,
//! or it would go on to do what the next daemon takes for undone or for a left-over, and nothing can be done between fork
//! and exec here. The thread that starts one waits for it. Each is the leader of a process group, which is ended as a whole:
//! `mount` leaves the work to a helper of the file system.
//!
//! Those that change a table which describes storage must not end half-way, whoever waits: they are [unbroken](Tool::unbroken),
//! and have a lock that makes the next daemon wait for them.
//!
//! Signals are as a program expects them, because no thread of a daemon holds any back.

mod cancel;
mod run;

pub use cancel::Cancel;

use error::{Code, Domain, Error, Result};
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;
use zeroize::Zeroizing;

/// How long a program may take that is an interface of the host's kernel or services, such as nft, tc and ovs-vsctl: they ask nobody
/// far away, and what takes longest are tables of ten thousand rules on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A program with its arguments.
#[derive(Clone, PartialEq, Eq)]
pub struct Tool {
    program: &'static str,
    domain: Domain,
    arguments: Vec<OsString>,
    manner: Manner,
    patience: Option<Duration>,
    lock: Option<Lock>,
    /// What nobody but its user may know.
    variables: Vec<(&'static str, Zeroizing<Vec<u8>>)>,
    input: Option<Zeroizing<Vec<u8>>>,
}

/// How long there is something to hear of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Manner {
    /// As long as anybody holds its pipes.
    Heard,
    /// Until it ends; what it leaves behind goes on.
    Leaving,
    /// The same, and nobody ends it.
    Unbroken,
}

/// A lock of a file or device (`flock`) that a program has as long as it runs.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Lock {
    path: OsString,
    how: &'static str,
}

impl fmt::Debug for Tool {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.debug_list()
            .entry(&self.program)
            .entries(&self.arguments)
            .finish()
    }
}

impl Tool {
    /// The program of that name, on the path that root has.
    pub fn new(program: &'static str) -> Self {
        Self {
            program,
            domain: Domain::None,
            arguments: Vec::new(),
            manner: Manner::Heard,
            patience: None,
            lock: None,
            variables: Vec::new(),
            input: None,
        }
    }

    /// The same, whose failures are told as of that domain; without, they are of none, as with libvirt's storage driver.
    #[must_use]
    pub fn of(mut self, domain: Domain) -> Self {
        self.domain = domain;
        self
    }

    /// The same, which nobody ends before it is at its end: neither who waits for it no more, nor its deadline, nor the end of the
    /// daemon. What it says on its standard output is lost.
    #[must_use]
    pub fn unbroken(mut self) -> Self {
        self.manner = Manner::Unbroken;
        self
    }

    /// The same, which leaves something running behind it that is not waited for. What it says on its standard output is
    /// lost.
    #[must_use]
    pub fn leaving_a_server(mut self) -> Self {
        self.manner = Manner::Leaving;
        self
    }

    /// The same with a lock of that path, shared with others who only read if it does not `change` anything. That is how
    /// udev and programs that write tables of partitions keep out of each other's way.
    #[must_use]
    pub fn locking(mut self, path: impl Into<OsString>, change: bool) -> Self {
        let how = if change { "--exclusive" } else { "--shared" };
        let path = path.into();
        self.lock = Some(Lock { path, how });
        self
    }

    /// The same with more arguments.
    #[must_use]
    pub fn with<A: Into<OsString>>(mut self, arguments: impl IntoIterator<Item = A>) -> Self {
        self.arguments.extend(arguments.into_iter().map(Into::into));
        self
    }

    /// The same with one more variable in its environment, which no other user can read.
    #[must_use]
    pub fn with_variable(mut self, name: &'static str, value: impl AsRef<[u8]>) -> Self {
        self.variables
            .push((name, Zeroizing::new(value.as_ref().to_vec())));
        self
    }

    /// The same with that on its standard input; without, there is nothing.
    #[must_use]
    pub fn with_input(mut self, input: impl Into<Vec<u8>>) -> Self {
        self.input = Some(Zeroizing::new(input.into()));
        self
    }

    /// The same, which is ended if it takes longer than that.
    #[must_use]
    pub fn within(mut self, patience: Duration) -> Self {
        self.patience = Some(patience);
        self
    }

    /// Program and arguments, to be looked at.
    pub fn words(&self) -> Vec<String> {
        let arguments = self
            .arguments
            .iter()
            .map(|word| word.to_string_lossy().into_owned());
        std::iter::once(self.program.to_owned())
            .chain(arguments)
            .collect()
    }

    /// What it is called.
    pub fn name(&self) -> &'static str {
        self.program
    }

    /// Its path and its arguments, for whoever has somebody else run it.
    ///
    /// # Errors
    /// [`Code::NoSupport`] where it is not installed.
    pub fn line(&self) -> Result<Vec<OsString>> {
        let mut line = vec![self.path()?.into_os_string()];
        line.extend(self.arguments.iter().cloned());
        Ok(line)
    }

    fn path(&self) -> Result<PathBuf> {
        find(self.program).ok_or_else(|| {
            refused(
                Code::NoSupport,
                format!("the program '{}' is not installed", self.program),
            )
        })
    }

    /// What is run, with the programs that become it.
    fn command(&self, path: PathBuf, is_told: bool) -> Command {
        let mut words: Vec<OsString> = Vec::new();
        if self.manner != Manner::Unbroken {
            words.extend(["setpriv", "--pdeathsig", "KILL", "--"].map(OsString::from));
        }
        if let Some(lock) = &self.lock {
            words.extend(["flock", "--no-fork", lock.how].map(OsString::from));
            words.push(lock.path.clone());
        }
        words.push(path.into());
        let mut command = Command::new(words.remove(0));
        command
            .args(words)
            .args(&self.arguments)
            .env("LC_ALL", "C")
            .envs(
                self.variables
                    .iter()
                    .map(|(name, value)| (name, OsStr::from_bytes(value))),
            )
            .current_dir("/")
            .process_group(0)
            .stdin(if is_told { Stdio::piped() } else { Stdio::null() });
        command
    }
}

/// Where a program lies, on the path that root has.
pub fn find(program: &str) -> Option<PathBuf> {
    let given = std::env::var_os("PATH").unwrap_or_default();
    let folders =
        std::env::split_paths(&given).chain(["/usr/sbin".into(), "/sbin".into(), "/usr/bin".into()]);
    folders
        .map(|folder| folder.join(program))
        .find(|path| path.is_absolute() && path.is_file())
}

/// A failure that is of no driver, as with libvirt: its domain is the one of programs in general.
fn refused(code: Code, text: impl Into<String>) -> Error {
    Error::new(code, Domain::None, text)
}
