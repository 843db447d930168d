//! `<bandwidth>`: that who is on a network sends and receives what the document says, give or take 15 percent.

use crate::host::{daemon, run, try_run, wait_for};
use end_to_end::Network;
use std::fs;
use std::net::UdpSocket;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// How far from its setting a rate may be.
const TOLERANCE: f64 = 0.15;

/// What may come in one go is over before the count begins, and long before it ends.
const BURST: Duration = Duration::from_secs(4);
const COUNTED: Duration = Duration::from_secs(8);

/// Bytes of a packet, without its headers.
const PACKET: usize = 1000;

fn network(arguments: &[&str]) -> String {
    let uri = ["-q", "-c", "network:///system"];
    run("virsh", &[&uri, arguments].concat())
}

/// A network that goes with the value.
struct Started;

impl Started {
    fn with(bandwidth: &str) -> Self {
        daemon("virtnetworkd");
        let file = "/run/limited-network.xml";
        let text = format!(
            "<network><name>limited</name><bridge name='virbr-lim'/><bandwidth>{bandwidth}</bandwidth>\
             <ip address='192.168.232.1' netmask='255.255.255.0'/></network>"
        );
        fs::write(file, text).unwrap();
        network(&["net-create", file]);
        Self
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        try_run(
            "virsh",
            &["-q", "-c", "network:///system", "net-destroy", "limited"],
        );
    }
}

/// Somebody on the network, by the last number of his address, which is that of his card.
struct Guest {
    network: Network,
    address: String,
}

impl Guest {
    fn on(port: &str, number: u8) -> Self {
        let network = Network::new();
        network.connect_to_callers("eth0", port);
        run("ip", &["link", "set", port, "master", "virbr-lim"]);
        let mac = format!("52:54:00:00:00:{number:02x}");
        network.run_well(&["ip", "link", "set", "eth0", "address", &mac]);
        let address = format!("192.168.232.{number}");
        network.run_well(&["ip", "address", "add", &format!("{address}/24"), "dev", "eth0"]);
        wait_for("the port to pass packets on", || {
            run("bridge", &["link", "show", "dev", port])
                .contains("state forwarding")
                .then_some(())
        });
        Self { network, address }
    }

    /// How many bytes have come to his card.
    fn received(&self) -> u64 {
        bytes(&self.network.run_well(&["ip", "-s", "link", "show", "eth0"]))
    }
}

/// The bytes that a link has received.
fn bytes(told: &str) -> u64 {
    let mut lines = told
        .lines()
        .skip_while(|line| !line.trim_start().starts_with("RX:"));
    let numbers = lines.nth(1).unwrap();
    numbers.split_whitespace().next().unwrap().parse().unwrap()
}

/// Sends more than anybody may have, until told to stop: some 2 MB a second.
fn flood(address: &str, stop: &AtomicBool) {
    let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
    while !stop.load(Ordering::Relaxed) {
        for _ in 0..20 {
            // What does not fit is lost, and may be.
            let _ = socket.send_to(&[7; PACKET], (address, 9));
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Bytes a second by which these counters grow while somebody floods.
fn rates<const N: usize>(counters: [&dyn Fn() -> u64; N]) -> [f64; N] {
    // The time is the point of the test: rates are bytes in it.
    std::thread::sleep(BURST);
    let begun = Instant::now();
    let before = counters.map(|counter| counter());
    std::thread::sleep(COUNTED);
    let seconds = begun.elapsed().as_secs_f64();
    let mut before = before.into_iter();
    counters.map(|counter| {
        let grown = counter() - before.next().unwrap_or_default();
        f64::from(u32::try_from(grown).unwrap()) / seconds
    })
}

#[allow(clippy::print_stdout, reason = "how near is worth knowing")]
fn is_near(what: &str, rate: f64, kilobytes: f64) {
    let off = rate / (kilobytes * 1000.0) - 1.0;
    println!("{what}: {rate:.0} bytes/s, {:+.1} % of the setting", off * 100.0);
    assert!(
        off.abs() <= TOLERANCE,
        "{what}: {rate:.0} bytes/s instead of {kilobytes} kB/s"
    );
}

#[test]
#[ignore = "runs in the guest of cargo xtask testbed"]
fn a_network_receives_and_sends_what_it_may() {
    let _network = Started::with("<inbound average='400' burst='64'/><outbound average='300' burst='128'/>");
    let guest = Guest::on("limited0", 11);
    let stop = Arc::new(AtomicBool::new(false));
    let (here, there) = (Arc::clone(&stop), Arc::clone(&stop));
    let address = guest.address.clone();
    let to_guest = std::thread::spawn(move || flood(&address, &here));
    let from_guest = guest.network.within(move || flood("192.168.232.1", &there));
    // The bridge counts what it is given before anything is dropped; what it passed on to the host is what was received there.
    let host = UdpSocket::bind("192.168.232.1:9").unwrap();
    let heard = Arc::new(std::sync::atomic::AtomicU64::new(0));
    let (count, until) = (Arc::clone(&heard), Arc::clone(&stop));
    host.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
    let hearing = std::thread::spawn(move || {
        /// Of Ethernet, IP and UDP.
        const HEADERS: u64 = 14 + 20 + 8;
        let mut packet = [0; 2 * PACKET];
        while !until.load(Ordering::Relaxed) {
            if let Ok((length, _)) = host.recv_from(&mut packet) {
                count.fetch_add(length as u64 + HEADERS, Ordering::Relaxed);
            }
        }
    });
    let [inbound, outbound] = rates([&|| guest.received(), &|| heard.load(Ordering::Relaxed)]);
    stop.store(true, Ordering::Relaxed);
    for thread in [to_guest, from_guest, hearing] {
        thread.join().unwrap();
    }
    is_near("inbound average='400'", inbound, 400.0);
    is_near("outbound average='300'", outbound, 300.0);
}

#[test]
#[ignore = "runs in the guest of cargo xtask testbed"]
fn a_guest_with_a_floor_has_it_whatever_others_want() {
    let _network = Started::with("<inbound average='400'/>");
    let port = "<networkport><uuid>0a81f5b2-8403-4b23-88d6-21ccc2f80d21</uuid><owner><name>g</name>\
                <uuid>06578fc1-c686-46fa-bc2c-220893b466a6</uuid></owner><mac address='52:54:00:00:00:15'/>\
                <bandwidth><inbound floor='300'/></bandwidth></networkport>";
    fs::write("/run/limited-port.xml", port).unwrap();
    network(&["net-port-create", "limited", "/run/limited-port.xml"]);
    let (sure, other) = (Guest::on("limited0", 21), Guest::on("limited1", 22));
    let stop = Arc::new(AtomicBool::new(false));
    let floods: Vec<_> = [&sure, &other]
        .map(|guest| (guest.address.clone(), Arc::clone(&stop)))
        .into_iter()
        .map(|(address, stop)| std::thread::spawn(move || flood(&address, &stop)))
        .collect();
    let [kept, rest] = rates([&|| sure.received(), &|| other.received()]);
    stop.store(true, Ordering::Relaxed);
    for flood in floods {
        flood.join().unwrap();
    }
    is_near("inbound floor='300'", kept, 300.0);
    is_near("inbound average='400' of both", kept + rest, 400.0);
}

#[test]
#[ignore = "runs in the guest of cargo xtask testbed"]
fn replies_of_dhcp_have_their_checksums_computed_on_the_bridge() {
    daemon("virtnetworkd");
    let file = "/run/leasing-network.xml";
    let text = "<network><name>leasing</name><bridge name='virbr-lea'/><ip address='192.168.233.1' netmask='255.255.255.0'>\
                <dhcp><range start='192.168.233.2' end='192.168.233.9'/></dhcp></ip></network>";
    fs::write(file, text).unwrap();
    network(&["net-create", file]);
    let filters = run("tc", &["filter", "show", "dev", "virbr-lea"]);
    network(&["net-destroy", "leasing"]);
    assert!(filters.contains("csum"), "{filters}");
}

#[test]
#[ignore = "runs in the guest of cargo xtask testbed"]
fn names_of_guests_are_asked_of_the_network_where_it_registers() {
    let unit = "systemd-resolved.service";
    run("systemctl", &["unmask", unit]);
    run("systemctl", &["start", unit]);
    daemon("virtnetworkd");
    let file = "/run/named-network.xml";
    let text = "<network><name>named</name><bridge name='virbr-nam'/><domain name='vm.test' localOnly='yes' register='yes'/>\
                <ip address='192.168.234.1' netmask='255.255.255.0'/></network>";
    fs::write(file, text).unwrap();
    network(&["net-create", file]);
    let told = run("resolvectl", &["status", "virbr-nam"]);
    network(&["net-destroy", "named"]);
    run("systemctl", &["stop", unit]);
    run("systemctl", &["mask", unit]);
    assert!(
        told.contains("192.168.234.1") && told.contains("~vm.test"),
        "{told}"
    );
}
