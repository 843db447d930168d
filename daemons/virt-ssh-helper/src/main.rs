//! virt-ssh-helper: what stock clients run at the other end of ssh. It connects standard input and output with the socket
//! of the daemon that serves a URI, and understands nothing of what passes.

use clap::{ArgAction, Parser};
use client::{Mode, Uri};
use daemon::Layout;
use neighbours::Neighbour;
use std::error::Error;
use std::fs::File;
use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::os::fd::BorrowedFd;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::ExitCode;
use std::thread;

/// Scripts read the first line as they do libvirt's.
const VERSION: &str = concat!("(libvirt) 11.3.0\nFerrovirt ", env!("CARGO_PKG_VERSION"));

/// How many bytes are passed on at a time.
const BUFFER: usize = 64 << 10;

/// Connects a remote client with the daemon that serves its URI; clients run it themselves.
#[derive(Debug, Parser)]
#[command(name = "virt-ssh-helper", version = VERSION, disable_version_flag = true)]
struct Arguments {
    /// The URI, as the client would open it on this host
    uri: String,

    /// Only look
    #[arg(short, long)]
    readonly: bool,

    /// Display version information
    #[arg(short = 'V', long, action = ArgAction::Version)]
    version: Option<bool>,
}

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(other) => {
            // Whoever cannot read it has no use for it either.
            let _ = other.print();
            return if other.use_stderr() {
                ExitCode::FAILURE
            } else {
                ExitCode::SUCCESS
            };
        }
    };
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            let _ = writeln!(io::stderr(), "virt-ssh-helper: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let uri = Uri::parse(&arguments.uri)?;
    let (socket, advice) = socket(&uri, &Layout::detect()?, arguments.readonly)?;
    let mut daemon = UnixStream::connect(&socket)
        .map_err(|failure| format!("cannot connect to '{}': {failure}{advice}", socket.display()))?;
    let mut to_daemon = daemon.try_clone()?;
    let mut from_client = own(rustix::stdio::stdin())?;
    let mut to_client = own(rustix::stdio::stdout())?;
    thread::spawn(move || {
        // However it ends, the client has no more to say; the daemon then ends the other direction.
        let _ = pass(&mut from_client, &mut to_daemon);
        let _ = to_daemon.shutdown(Shutdown::Write);
    });
    pass(&mut daemon, &mut to_client)?;
    Ok(())
}

/// Passes on what comes, at once, until nothing more does. The standard library's way lets the kernel splice pipes, which
/// may wait for more than a packet.
fn pass(from: &mut impl Read, to: &mut impl Write) -> io::Result<()> {
    let mut buffer = vec![0; BUFFER];
    loop {
        match from.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(count) => to.write_all(buffer.get(..count).unwrap_or_default())?,
            Err(failure) if failure.kind() == io::ErrorKind::Interrupted => {}
            Err(failure) => return Err(failure),
        }
    }
}

/// A descriptor without the buffer that the standard library puts before it.
fn own(descriptor: BorrowedFd<'_>) -> io::Result<File> {
    Ok(File::from(descriptor.try_clone_to_owned()?))
}

/// The socket to connect to, and what to tell where nobody listens there.
fn socket(uri: &Uri, layout: &Layout, read_only: bool) -> error::Result<(PathBuf, String)> {
    if let Some(socket) = uri.named_socket() {
        return Ok((socket.to_owned(), String::new()));
    }
    let proxy = Neighbour::proxy(uri, layout, read_only)?;
    let neighbour = match (uri.mode(), Neighbour::of(uri, layout, read_only)) {
        (Mode::Legacy, _) => proxy,
        (Mode::Direct, own) => own?,
        (Mode::Auto, Ok(own)) if own.socket().exists() || !proxy.socket().exists() => own,
        (Mode::Auto, _) => proxy,
    };
    Ok((neighbour.socket().to_owned(), format!(": {}", neighbour.advice())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn the_drivers_own_daemon_comes_first_and_the_proxy_serves_the_rest() {
        let dir = tempfile::tempdir().unwrap();
        let layout = Layout::below(daemon::Mode::System, dir.path());
        let folder = layout.run_dir().to_owned();
        fs::create_dir_all(&folder).unwrap();
        let check = |uri: &str, read_only, expected: &str| {
            let (socket, _) = socket(&Uri::parse(uri).unwrap(), &layout, read_only).unwrap();
            assert_eq!(socket, folder.join(expected), "{uri}");
        };
        check("qemu:///system", false, "virtqemud-sock");
        check("qemu:///system?mode=legacy", true, "libvirt-sock-ro");
        fs::write(folder.join("libvirt-sock"), "").unwrap();
        check("qemu:///system", false, "libvirt-sock");
        check("qemu:///system?mode=direct", false, "virtqemud-sock");
        check("esx:///system", false, "libvirt-sock");
        fs::write(folder.join("virtqemud-sock"), "").unwrap();
        check("qemu:///system", false, "virtqemud-sock");
        check("qemu:///system?socket=/a/b", false, "/a/b");
    }
}
