//! `qmp-standin`: takes QEMU's command line and answers as its monitor would, as the script says.
//!
//! The script is the file `QMP_STANDIN_SCRIPT` names, or else `PROGRAM.script` beside the program as it was called;
//! without either it behaves well.

use qmp_standin::{Channel, CommandLine, Ending, MonitorAt, Script, World};
use rustix::process::{PidfdFlags, PidfdGetfdFlags, getpid, pidfd_getfd, pidfd_open};
use std::ffi::OsString;
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

fn main() -> ExitCode {
    match run() {
        Ok(Ending::Connection) => ExitCode::SUCCESS,
        Ok(Ending::Exit(code)) => ExitCode::from(u8::try_from(code).unwrap_or(1)),
        Ok(Ending::Crash) => std::process::abort(),
        Err(err) => {
            let _ = writeln!(io::stderr(), "qmp-standin: {err}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> io::Result<Ending> {
    let program = std::env::args_os().next().unwrap_or_default();
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    let texts: Vec<_> = arguments
        .iter()
        .map(|argument| argument.to_string_lossy())
        .collect();
    let line = CommandLine::parse(texts.iter().map(|text| text.as_ref()));
    let script = script(&program)?;
    if line.wants_version {
        writeln!(io::stdout(), "QEMU emulator version 10.0.2 (stand-in)")?;
        return Ok(Ending::Exit(0));
    }
    if let Some(real) = script
        .probe_with()
        .filter(|_| line.machine.split(',').next() == Some("none"))
    {
        return Err(std::process::Command::new(real).args(&arguments).exec());
    }
    if let Some(path) = &line.pid_file {
        std::fs::write(path, format!("{}\n", std::process::id()))?;
    }
    let mut monitors = line.monitors.clone().into_iter();
    let world = Arc::new(World::new(line, script));
    let Some(first) = monitors.next() else {
        return Err(io::Error::other("no monitor on the command line"));
    };
    for other in monitors {
        let world = Arc::clone(&world);
        let thread = std::thread::Builder::new().stack_size(128 << 10);
        thread.spawn(move || match attend(&world, other) {
            Ok(Ending::Connection) | Err(_) => {}
            Ok(Ending::Exit(code)) => std::process::exit(code),
            Ok(Ending::Crash) => std::process::abort(),
        })?;
    }
    let ending = attend(&world, first)?;
    if ending == Ending::Connection {
        // QEMU outlives a monitor that cannot be had again.
        loop {
            std::thread::park();
        }
    }
    Ok(ending)
}

fn script(program: &OsString) -> io::Result<Script> {
    let path = std::env::var_os("QMP_STANDIN_SCRIPT").map(PathBuf::from);
    let (path, required) = match path {
        Some(path) => (path, true),
        None => {
            let mut beside = program.clone();
            beside.push(".script");
            (PathBuf::from(beside), false)
        }
    };
    match std::fs::read_to_string(&path) {
        Ok(text) => {
            Script::parse(&text).map_err(|err| io::Error::other(format!("{}: {err}", path.display())))
        }
        Err(err) if err.kind() == io::ErrorKind::NotFound && !required => Ok(Script::default()),
        Err(err) => Err(io::Error::other(format!("{}: {err}", path.display()))),
    }
}

/// Serves one monitor until the process shall end, or until it cannot be connected again.
fn attend(world: &World, at: MonitorAt) -> io::Result<Ending> {
    let listener = match at {
        MonitorAt::Stdio => {
            // QEMU ends neither when its standard input does, but its tests expect a probing process to go.
            return Ok(match world.serve(&Channel::Stdio) {
                Ending::Connection => Ending::Exit(0),
                ending => ending,
            });
        }
        MonitorAt::Connect(path) => return Ok(world.serve(&Channel::Socket(UnixStream::connect(path)?))),
        MonitorAt::ConnectedFd(fd) => return Ok(world.serve(&Channel::Socket(inherited(fd)?.into()))),
        MonitorAt::ListenFd(fd) => UnixListener::from(inherited(fd)?),
        MonitorAt::Listen(path) => {
            let _ = std::fs::remove_file(&path);
            UnixListener::bind(path)?
        }
    };
    loop {
        let (stream, _) = listener.accept()?;
        let ending = world.serve(&Channel::Socket(stream));
        if ending != Ending::Connection {
            return Ok(ending);
        }
    }
}

/// A descriptor given by its number. It is duplicated through the process's own pidfd, which is the one safe way to
/// name a descriptor that nobody owns.
fn inherited(fd: i32) -> io::Result<OwnedFd> {
    let own = pidfd_open(getpid(), PidfdFlags::empty())?;
    Ok(pidfd_getfd(&own, fd, PidfdGetfdFlags::empty())?)
}
