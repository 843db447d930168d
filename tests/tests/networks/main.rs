//! Virtual networks under stock clients, in networks of the test's own: whoever is on one gets an address, names and a way out, and
//! nobody gets in.
#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "a test")]

mod bad_input;
mod changes;
mod documents;
mod guests;
mod kills;
mod limits;
mod ports;
mod takeover;
mod ways;
mod zones;

use end_to_end::Instance;

/// A virtnetworkd in a network of its own, where that can be had.
fn networkd() -> Option<Instance> {
    with(&["virtnetworkd"])
}

/// The same with these daemons.
fn with(names: &[&str]) -> Option<Instance> {
    if !rustix::process::geteuid().is_root() {
        eprintln!("not run: a network of its own needs root");
        return None;
    }
    Some(Instance::start_all_in_own_network(names))
}

/// Defines and starts a network.
fn start(instance: &Instance, name: &str, document: &str) {
    let file = instance.file(&format!("{name}.xml"), document);
    instance.virsh(&["net-define", &file]);
    instance.virsh(&["net-start", name]);
}

/// What is left of networks: links, rules, servers, notes of what runs.
fn left_overs(instance: &Instance) -> Vec<String> {
    let links = instance.in_network(&["ip", "-o", "link"]);
    let links = links.lines().filter(|line| line.contains("virbr"));
    let mut left: Vec<String> = links.map(str::to_owned).collect();
    let rules = instance.in_network(&["nft", "list", "ruleset"]);
    left.extend(
        rules
            .lines()
            .filter(|line| line.contains("libvirt"))
            .map(str::to_owned),
    );
    let root = instance.root().display().to_string();
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    left.extend(processes.filter_map(|entry| {
        let line = std::fs::read(entry.path().join("cmdline")).ok()?;
        let line = String::from_utf8_lossy(&line).replace('\0', " ");
        (line.contains("dnsmasq") && line.contains(&root)).then_some(line)
    }));
    let notes = std::fs::read_dir(instance.path("/run/libvirt/network"))
        .unwrap()
        .flatten();
    let notes = notes.map(|entry| entry.file_name().to_string_lossy().into_owned());
    left.extend(notes.filter(|name| !matches!(name.as_str(), "driver.pid" | "autostarted")));
    left
}
