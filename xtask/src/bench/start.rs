//! A guest's start beside QEMU's own, and reads while a guest is stuck.

use super::daemons::{Daemon, Kind};
use super::{Values, note};
use anyhow::{Context, Result, ensure};
use rustix::process::{Pid, Signal, kill_process};
use std::fs;
use std::os::unix::net::{UnixListener, UnixStream};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::time::Instant;

/// A guest whose processors stay still: what is measured is its start alone.
const GUEST: &str = "<domain type='qemu'><name>NAME</name><memory unit='MiB'>64</memory><vcpu>1</vcpu>\
    <os><type arch='x86_64' machine='pc'>hvm</type></os><devices><serial type='null'/>\
    <interface type='user'><model type='virtio'/></interface><memballoon model='virtio'/></devices></domain>";

/// Starts and ends a guest some times, and says how long each start took and which arguments it had.
const STARTS: &str = r#"
import libvirt, sys, time
conn = libvirt.open(sys.argv[1])
for _ in range(10):
    start = time.perf_counter()
    dom = conn.createXML(sys.argv[2], libvirt.VIR_DOMAIN_START_PAUSED)
    print(time.perf_counter() - start, flush=True)
    dom.destroy()
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
    let through = python(STARTS, &[&daemon.uri(), &GUEST.replace("NAME", "timed")])?;
    let through = super::median(&through).context("no start was measured")?;

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
    let pid_file = daemon.path("/run/libvirt/qemu/stuck.pid");
    let pid: i32 = fs::read_to_string(pid_file)?.trim().parse()?;
    let arguments = fs::read(format!("/proc/{pid}/cmdline"))?;
    let pid = Pid::from_raw(pid).context("a process id")?;
    let alone = by_hand(&daemon, &arguments)?;
    note(values, "guest_start", through / alone);

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

/// Seconds from the start of QEMU with the same arguments to its monitor's greeting and first answer.
fn by_hand(daemon: &Daemon, arguments: &[u8]) -> Result<f64> {
    use std::io::{BufRead, BufReader, Write};
    let arguments: Vec<String> = arguments
        .split(|byte| *byte == 0)
        .filter(|argument| !argument.is_empty())
        .map(|argument| String::from_utf8_lossy(argument).into_owned())
        .collect();
    let (binary, arguments) = arguments.split_first().context("no arguments")?;
    let mut times = Vec::new();
    for _ in 0..10 {
        let path = daemon.folder().join("by-hand.sock");
        let _ = fs::remove_file(&path);
        let listener = UnixListener::bind(&path)?;
        // The monitor's descriptor has a number of its own; QEMU gets ours as its input, which is number 0.
        let arguments: Vec<String> = arguments
            .iter()
            .map(|argument| {
                if argument.contains("id=charmonitor") {
                    with_fd_zero(argument)
                } else {
                    argument.clone()
                }
            })
            .collect();
        let start = Instant::now();
        let mut qemu = Command::new(binary)
            .args(&arguments)
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
        times.push(start.elapsed().as_secs_f64());
        qemu.kill()?;
        qemu.wait()?;
    }
    super::median(&times).context("nothing was measured")
}

fn with_fd_zero(argument: &str) -> String {
    let parts = argument
        .split(',')
        .map(|part| if part.starts_with("fd=") { "fd=0" } else { part });
    parts.collect::<Vec<_>>().join(",")
}
