//! What documents name of the host, made in the test's own folder, and documents that name it there.

use end_to_end::{Instance, LoopDevice, guest_kernel, qemu_img_with};
use roxmltree::{Attribute, Document, Node};
use rustix::fs::{CWD, FileType, Mode};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::ops::Range;
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Addresses that documents listen on.
const ADDRESSES: &[&str] = &[
    "1.2.3.4/32",
    "192.168.0.1/32",
    "192.168.10.1/32",
    "2001:1:2:3:4:5:1234:1234/128",
];

/// Bridges that documents name.
const BRIDGES: &[&str] = &["midonet", "virbr0", "br0"];

/// Taps that documents want to be there.
const TAPS: &[&str] = &["mytap0"];

/// How often names and identifiers come among the cases: many are called the same, and only one of a name can be there.
pub(crate) struct Names {
    names: BTreeMap<String, usize>,
    uuids: BTreeMap<String, usize>,
}

impl Names {
    /// Counts them.
    pub(crate) fn of<'a>(documents: impl Iterator<Item = &'a str>) -> Self {
        let (mut names, mut uuids) = (BTreeMap::new(), BTreeMap::new());
        for document in documents {
            let Ok(document) = Document::parse(document) else {
                continue;
            };
            for (tag, counts) in [("name", &mut names), ("uuid", &mut uuids)] {
                if let Some(text) = child(document.root_element(), tag).and_then(|node| node.text()) {
                    *counts.entry(text.trim().to_owned()).or_insert(0) += 1;
                }
            }
        }
        Self { names, uuids }
    }

    /// The document with a name and an identifier that only it has.
    pub(crate) fn own(&self, case: &str, text: &str) -> String {
        static NUMBER: AtomicUsize = AtomicUsize::new(1);
        let document = Document::parse(text).unwrap();
        let root = document.root_element();
        let mut edits = Vec::new();
        let name = child(root, "name").and_then(|node| Some((node.text()?, node.first_child()?.range())));
        if let Some((name, range)) = name
            && self.names.get(name.trim()).is_some_and(|count| *count > 1)
        {
            edits.push((range, case.to_owned()));
        }
        let edited = edit(text, edits);
        match child(root, "uuid").and_then(|node| node.text()) {
            // It may stand in other places too, which have to agree.
            Some(uuid) if self.uuids.get(uuid.trim()).is_some_and(|count| *count > 1) => {
                let number = NUMBER.fetch_add(1, Ordering::Relaxed);
                edited.replace(uuid.trim(), &format!("{number:08x}-aaaa-4000-8000-bbbbbbbbbbbb"))
            }
            _ => edited,
        }
    }
}

/// The place where everything is made.
pub(crate) struct Ground<'a> {
    instance: &'a Instance,
    /// The number of a block device that all documents' block devices are nodes of.
    device: u64,
    kernel: PathBuf,
    /// How many processors the host has.
    processors: usize,
    number: AtomicUsize,
    /// Held by who uses a port that another document may name, too.
    ports: Mutex<()>,
}

/// A document as it is defined here, with what is there as long as it may run.
pub(crate) struct LaidOut<'a> {
    /// The document.
    pub(crate) text: String,
    /// The file that it lies in.
    pub(crate) file: String,
    _listeners: Vec<UnixListener>,
    servers: Vec<Child>,
    _ports: Option<MutexGuard<'a, ()>>,
}

impl Drop for LaidOut<'_> {
    fn drop(&mut self) {
        for server in &mut self.servers {
            let _ = server.kill();
            let _ = server.wait();
        }
    }
}

impl<'a> Ground<'a> {
    /// Makes what all documents share. The disk holds an image, so that it can be opened in both formats.
    pub(crate) fn prepare(instance: &'a Instance, disk: &LoopDevice) -> Self {
        qemu_img_with(instance, &["create", "-q", "-f", "qcow2", &disk.path, "1M"]);
        instance.in_network(&["ip", "link", "set", "lo", "up"]);
        for address in ADDRESSES {
            instance.in_network(&["ip", "address", "add", address, "dev", "lo"]);
        }
        for tap in TAPS {
            instance.in_network(&["ip", "tuntap", "add", tap, "mode", "tap"]);
        }
        for bridge in BRIDGES {
            instance.in_network(&["ip", "link", "add", bridge, "type", "bridge"]);
        }
        Self {
            instance,
            device: fs::metadata(&disk.path).unwrap().rdev(),
            kernel: guest_kernel(),
            processors: std::thread::available_parallelism().map_or(1, usize::from),
            number: AtomicUsize::new(0),
            ports: Mutex::new(()),
        }
    }

    /// Makes what a document names, and has it name that.
    pub(crate) fn lay_out(&self, text: &str) -> LaidOut<'_> {
        let number = self.number.fetch_add(1, Ordering::Relaxed);
        let folder = self.instance.root().join(format!("c{number}"));
        let document = Document::parse(text).unwrap();
        let mut laid_out = LaidOut {
            text: String::new(),
            file: folder.join("domain.xml").display().to_string(),
            _listeners: Vec::new(),
            servers: Vec::new(),
            _ports: None,
        };
        if names_ports(&document) {
            laid_out._ports = Some(self.ports.lock().unwrap_or_else(PoisonError::into_inner));
        }
        let mut edits = Vec::new();
        for node in document.descendants().filter(Node::is_element) {
            if node == document.root_element()
                && let Some(kind) = node.attribute_node("type").filter(|kind| kind.value() == "kvm")
            {
                edits.push((kind.range_value(), "qemu".to_owned()));
            }
            if let Some(server) = self.server(node) {
                laid_out.servers.push(server);
            }
            for name in ["cpuset", "nodeset"] {
                let Some(set) = node.attribute_node(name).filter(|_| !node.has_tag_name("page")) else {
                    continue;
                };
                if !self.has_all(name, set.value()) {
                    edits.push((set.range_value(), "0".to_owned()));
                }
            }
            if let Some(mask) = node.first_child().filter(|_| node.has_tag_name("nodemask")) {
                edits.push((mask.range(), "0".to_owned()));
            }
            let attributes = node.attributes().map(|attribute| place_of(&attribute));
            let own_text = node.children().find(Node::is_text);
            let words = own_text.and_then(|text| Some((text.range(), text.text()?.trim().to_owned())));
            for (range, path) in attributes.chain(words) {
                if !is_of_the_host(node, &path) {
                    continue;
                }
                let place = folder.join(path.trim_start_matches('/'));
                self.make(node, &place, &mut laid_out);
                edits.push((range, place.display().to_string()));
            }
        }
        laid_out.text = edit(text, edits);
        fs::create_dir_all(&folder).unwrap();
        fs::write(&laid_out.file, &laid_out.text).unwrap();
        laid_out
    }

    /// Whether the host has all processors or nodes of a set.
    fn has_all(&self, name: &str, set: &str) -> bool {
        let last = set
            .split([',', '-', '^'])
            .filter_map(|number| number.parse::<usize>().ok())
            .max();
        let there = if name == "cpuset" { self.processors } else { 1 };
        last.is_none_or(|last| last < there)
    }

    /// Starts who answers a device that connects to a port.
    fn server(&self, node: Node<'_, '_>) -> Option<Child> {
        let connects = node.has_tag_name("source") && node.attribute("mode") == Some("connect");
        let kind = node.parent_element()?.attribute("type");
        let is_client = kind == Some("client");
        if !(connects && matches!(kind, Some("tcp" | "telnet")) || is_client && node.has_tag_name("source")) {
            return None;
        }
        let host = node.attribute("host").or(node.attribute("address"))?;
        let port = node.attribute("service").or(node.attribute("port"))?;
        // Nobody knows other names here.
        if host != "localhost" && host.parse::<std::net::IpAddr>().is_err() {
            return None;
        }
        let mut command = self.instance.network().command(&["nc", "-lk", host, port]);
        let server = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        end_to_end::wait_for("a server", || {
            let listening = self.instance.in_network(&["ss", "-Hltn"]);
            listening.contains(&format!(":{port} ")).then_some(())
        });
        Some(server)
    }

    fn make(&self, node: Node<'_, '_>, place: &Path, laid_out: &mut LaidOut<'_>) {
        fs::create_dir_all(place.parent().unwrap()).unwrap();
        let device = node.ancestors().find(|ancestor| {
            let parent = ancestor.parent_element();
            parent.is_some_and(|parent| parent.has_tag_name("devices"))
        });
        let device_name = device.map_or("", |device| device.tag_name().name());
        match (device_name, node.tag_name().name()) {
            ("filesystem", "source") => fs::create_dir_all(place).unwrap(),
            ("disk", "source" | "mirror") if node.has_attribute("dev") => self.make_node(place),
            ("disk", "source" | "mirror") => self.image(place, format_of(node)),
            ("memory", _) => sparse(place, 4 << 30),
            ("serial" | "parallel" | "console" | "channel" | "redirdev" | "smartcard" | "rng", "source") => {
                let mode = node.attribute("mode").unwrap_or_default();
                match (kind_of(node), mode) {
                    ("pipe", _) => {
                        rustix::fs::mknodat(CWD, place, FileType::Fifo, Mode::from(0o600), 0).unwrap();
                    }
                    ("unix", "connect" | "") if !place.exists() => {
                        laid_out._listeners.push(UnixListener::bind(place).unwrap());
                    }
                    _ => {}
                }
            }
            (_, "kernel") => copy(&self.kernel, place),
            (_, "loader") => copy(Path::new(firmware(place, "CODE")), place),
            (_, "nvram") => copy(Path::new(firmware(place, "VARS")), place),
            (_, "script" | "downscript") => script(place),
            ("pstore", _) => sparse(place, 1 << 20),
            (_, "log" | "target" | "graphics" | "listen") => {}
            _ => sparse(place, 4096),
        }
    }

    fn make_node(&self, place: &Path) {
        if !place.exists() {
            let mode = Mode::from(0o600);
            rustix::fs::mknodat(CWD, place, FileType::BlockDevice, mode, self.device).unwrap();
        }
    }

    fn image(&self, place: &Path, format: &str) {
        match format {
            _ if place.exists() => {}
            "qcow2" | "qcow" | "qed" | "vmdk" | "vdi" | "vpc" | "vhdx" => {
                let place = place.display().to_string();
                qemu_img_with(self.instance, &["create", "-q", "-f", format, &place, "64M"]);
            }
            _ => sparse(place, 64 << 20),
        }
    }
}

fn kind_of<'a>(source: Node<'a, '_>) -> &'a str {
    let parent = source.parent_element();
    parent
        .and_then(|parent| parent.attribute("type"))
        .unwrap_or_default()
}

/// The format of the image that a `<source>` of a disk or of what it is based on leads to.
fn format_of<'a>(source: Node<'a, '_>) -> &'a str {
    let holder = if source.has_tag_name("mirror") {
        Some(source)
    } else {
        source.parent_element()
    };
    let kind = holder.and_then(|holder| {
        let named = |tag| holder.children().find(|node| node.has_tag_name(tag));
        named("driver").or_else(|| named("format"))
    });
    kind.and_then(|kind| kind.attribute("type")).unwrap_or("raw")
}

/// The firmware of this host that stands for the one that is named.
fn firmware(place: &Path, what: &str) -> &'static str {
    let name = place.display().to_string();
    match (name.contains("seabios"), name.contains("secboot"), what) {
        (true, ..) => "/usr/share/seabios/bios-256k.bin",
        (_, true, "CODE") => "/usr/share/OVMF/OVMF_CODE_4M.secboot.fd",
        (_, true, _) => "/usr/share/OVMF/OVMF_VARS_4M.ms.fd",
        (_, _, "CODE") => "/usr/share/OVMF/OVMF_CODE_4M.fd",
        _ => "/usr/share/OVMF/OVMF_VARS_4M.fd",
    }
}

fn copy(from: &Path, to: &Path) {
    fs::copy(from, to).unwrap_or_else(|err| panic!("{}: {err}", from.display()));
}

fn script(place: &Path) {
    use std::os::unix::fs::PermissionsExt;
    fs::write(place, "#!/bin/sh\n").unwrap();
    fs::set_permissions(place, fs::Permissions::from_mode(0o755)).unwrap();
}

fn sparse(place: &Path, size: u64) {
    if !place.exists() {
        File::create(place).and_then(|file| file.set_len(size)).unwrap();
    }
}

fn place_of(attribute: &Attribute<'_, '_>) -> (Range<usize>, String) {
    (attribute.range_value(), attribute.value().to_owned())
}

/// Whether what an element says is a path of the host that has to be made.
fn is_of_the_host(node: Node<'_, '_>, path: &str) -> bool {
    let stays = [
        "emulator",
        "partition",
        "identity",
        "knownHosts",
        "cmdline",
        "metadata",
        "secret",
    ];
    // A folder's name in the guest; what the address of an object begins with.
    let within = ["target"];
    let device = node
        .parent_element()
        .map_or("", |parent| parent.tag_name().name());
    path.starts_with('/')
        && !path.starts_with("/dev/null")
        // What the host has of firmware has its own paths.
        && (!["loader", "nvram"].contains(&node.tag_name().name()) || !is_chosen_by_features(node))
        && !["/dev/zero", "/dev/random", "/dev/urandom", "/dev/tpm0"].contains(&path)
        && !stays.contains(&node.tag_name().name())
        && (!within.contains(&node.tag_name().name()) || device != "filesystem")
        && !node.ancestors().any(|ancestor| ancestor.has_tag_name("metadata"))
}

/// Whether the firmware is chosen among what the host has.
fn is_chosen_by_features(node: Node<'_, '_>) -> bool {
    node.parent_element()
        .is_some_and(|os| os.has_attribute("firmware"))
}

/// Whether it names a port that others may name, too.
fn names_ports(document: &Document<'_>) -> bool {
    document.descendants().any(|node| {
        let server = node.has_tag_name("graphics")
            && node
                .attribute("port")
                .is_some_and(|port| port != "-1" && port != "0");
        let stream =
            node.has_tag_name("source") && (node.has_attribute("service") || node.has_attribute("port"));
        server || stream
    })
}

fn child<'a, 'i>(node: Node<'a, 'i>, tag: &str) -> Option<Node<'a, 'i>> {
    node.children().find(|child| child.has_tag_name(tag))
}

fn edit(text: &str, mut edits: Vec<(Range<usize>, String)>) -> String {
    let mut text = text.to_owned();
    edits.sort_by_key(|(range, _)| std::cmp::Reverse(range.start));
    for (range, new) in edits {
        let new = new
            .replace('&', "&amp;")
            .replace('<', "&lt;")
            .replace('\'', "&apos;")
            .replace('"', "&quot;");
        text.replace_range(range, &new);
    }
    text
}
