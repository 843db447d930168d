//! A guest's start beside QEMU's own, and reads while a guest is stuck.

use super::daemons::{Daemon, Kind};
use super::{Values, note};
use anyhow::{Context, Result, ensure};
use rustix::process::{Pid, Signal, kill_process};
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::time::Instant;

/// A guest whose processors stay still: what is measured is its start alone.
const GUEST: &str = "<domain type='qemu'><name>NAME</name><memory unit='MiB'>64</memory><vcpu>1</vcpu>\
    <os><type arch='x86_64' machine='pc'>hvm</type></os><devices><serial type='null'/>\
    <interface type='user'><model type='virtio'/></interface><memballoon model='virtio'/></devices></domain>";

/// How often the guest is started each way, in turn: QEMU's own start differs more from one minute to the next than the
/// two ways differ.
const ROUNDS: usize = 20;

/// Starts and ends a guest for each two lines that it is told, and says how long the start took.
const STARTS: &str = r#"
import libvirt, sys, time
conn = libvirt.open(sys.argv[1])
for _ in sys.stdin:
    start = time.perf_counter()
    dom = conn.createXML(sys.argv[2], libvirt.VIR_DOMAIN_START_PAUSED)
    print(time.perf_counter() - start, flush=True)
    sys.stdin.readline()
    dom.destroy()
    print("ended", flush=True)
"#;

/// Reads over and over while a guest is stuck, and says how long each took.
const READS: &str = r#"
import libvirt, sys, time
conn = libvirt.open(sys.argv[1])
dom = conn.lookupByName('stuck')
for _ in range(200):
    for call in (conn.listAllDomains, dom.info, dom.XMLDesc, lambda: conn.getAllDomainStats(0, 0)):
        start = time.perf_counter()
        call()
        print(time.perf_counter() - start)
"#;

fn python(script: &str, arguments: &[&str]) -> Result<Vec<f64>> {
    let output = Command::new("/usr/bin/python3")
        .arg("-c")
        .arg(script)
        .args(arguments)
        .output()?;
    ensure!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let lines = String::from_utf8_lossy(&output.stdout);
    let mut times: Vec<f64> = lines.lines().filter_map(|line| line.parse().ok()).collect();
    times.sort_by(f64::total_cmp);
    Ok(times)
}

/// Measures both at this project's daemon.
pub(super) fn measure(values: &mut Values) -> Result<()> {
    let mut daemon = Daemon::prepare(Kind::Ours)?;
    daemon.start()?;
    drop(daemon.connect()?);
    note(values, "guest_start", starts(&daemon)?);

    let stuck = GUEST.replace("NAME", "stuck");
    let output = Command::new("/usr/bin/python3")
        .args([
            "-c",
            "import libvirt, sys; libvirt.open(sys.argv[1]).createXML(sys.argv[2], 0)",
            &daemon.uri(),
            &stuck,
        ])
        .output()?;
    ensure!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let pid = Pid::from_raw(pid_of(&daemon, "stuck")?).context("a process id")?;
    kill_process(pid, Signal::STOP)?;
    let reads = python(READS, &[&daemon.uri()]);
    kill_process(pid, Signal::KILL)?;
    let reads = reads?;
    let p99 = reads
        .get(reads.len() * 99 / 100)
        .copied()
        .context("no read was measured")?;
    note(values, "stuck_p99", p99);
    daemon.stop()
}

/// QEMU's process of a guest.
fn pid_of(daemon: &Daemon, guest: &str) -> Result<i32> {
    let pid_file = daemon.path(&format!("/run/libvirt/qemu/{guest}.pid"));
    Ok(fs::read_to_string(pid_file)?.trim().parse()?)
}

/// How long starts through the daemon take, in times of QEMU's own.
fn starts(daemon: &Daemon) -> Result<f64> {
    let mut client = Command::new("/usr/bin/python3")
        .args(["-c", STARTS, &daemon.uri(), &GUEST.replace("NAME", "timed")])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let (mut tell, said) = (client.stdin.take(), client.stdout.take());
    let tell = tell.as_mut().context("the client's input")?;
    let mut said = BufReader::new(said.context("the client's output")?).lines();
    let mut next = || -> Result<String> {
        writeln!(tell)?;
        Ok(said.next().context("the client ended")??)
    };
    let (mut through, mut alone) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        through.push(next()?.parse()?);
        let arguments = fs::read(format!("/proc/{}/cmdline", pid_of(daemon, "timed")?))?;
        next()?;
        alone.push(by_hand(daemon, &arguments)?);
    }
    drop(client.stdin.take());
    client.kill()?;
    client.wait()?;
    let median = |times: &[f64]| super::median(times).context("nothing was measured");
    Ok(median(&through)? / median(&alone)?)
}

/// Seconds from the start of QEMU with the same arguments to its monitor's greeting and first answer.
fn by_hand(daemon: &Daemon, arguments: &[u8]) -> Result<f64> {
    let arguments: Vec<String> = arguments
        .split(|byte| *byte == 0)
        .filter(|argument| !argument.is_empty())
        .map(|argument| String::from_utf8_lossy(argument).into_owned())
        .collect();
    let (binary, arguments) = arguments.split_first().context("no arguments")?;
    let path = daemon.path("by-hand.sock");
    let _ = fs::remove_file(&path);
    let listener = UnixListener::bind(&path)?;
    // The monitor's descriptor has a number of its own; QEMU gets ours as its input, which is number 0.
    let arguments = arguments.iter().map(|argument| {
        if argument.contains("id=charmonitor") {
            with_fd_zero(argument)
        } else {
            argument.clone()
        }
    });
    let start = Instant::now();
    let mut qemu = Command::new(binary)
        .args(arguments)
        .stdin(Stdio::from(std::os::fd::OwnedFd::from(listener)))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()?;
    let mut stream = UnixStream::connect(&path)?;
    let mut lines = BufReader::new(stream.try_clone()?);
    let mut line = String::new();
    lines.read_line(&mut line)?;
    stream.write_all(b"{\"execute\":\"qmp_capabilities\"}\n")?;
    lines.read_line(&mut line)?;
    let time = start.elapsed().as_secs_f64();
    qemu.kill()?;
    qemu.wait()?;
    Ok(time)
}

fn with_fd_zero(argument: &str) -> String {
    let parts = argument
        .split(',')
        .map(|part| if part.starts_with("fd=") { "fd=0" } else { part });
    parts.collect::<Vec<_>>().join(",")
}
