//! Disks of every kind that virt-install writes, in guests of real QEMU.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test")]

use end_to_end::{Instance, qemu_img, virt_install, wait_for};
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command};

/// Makes a guest with stock virt-install; each disk is what follows `--disk`.
fn install(instance: &Instance, name: &str, machine: &str, disks: &[String]) {
    let mut more = vec!["--machine", machine, "--network", "none", "--graphics", "none"];
    more.extend(disks.iter().flat_map(|disk| ["--disk", disk]));
    virt_install(instance, name, &more);
}

/// A file of the instance as virt-install is told it.
fn file(instance: &Instance, name: &str, format: &str, more: &str) -> String {
    let path = instance.root().join(name);
    if format == "raw" {
        std::fs::write(&path, vec![0; 1_474_560]).unwrap();
    } else {
        qemu_img(instance, &format!("create -f {format} {name} 8M"));
    }
    format!(
        "type=file,source.file={},driver.type={format},{more}",
        path.display()
    )
}

/// Holds the guest's drives against what is expected: the disk's alias in the guest, and what it was opened from.
fn check(instance: &Instance, name: &str, drives: &[(&str, &str, &str)]) {
    let view = instance.virsh(&[
        "qemu-monitor-command",
        name,
        "--pretty",
        r#"{"execute":"query-block"}"#,
    ]);
    let list = instance.virsh(&["domblklist", name]);
    for (target, alias, source) in drives {
        let qdev = view
            .lines()
            .any(|line| line.contains("\"qdev\"") && line.contains(alias));
        assert!(qdev, "no drive {alias}: {view}");
        if source.is_empty() {
            continue;
        }
        assert!(view.contains(source), "nothing is opened from {source}: {view}");
        let listed = list
            .lines()
            .any(|line| line.trim_start().starts_with(target) && line.contains(source));
        assert!(listed, "{target} is not listed with {source}: {list}");
        let traffic = instance.virsh(&["domblkstat", name, target]);
        assert!(traffic.contains("rd_req"), "{traffic}");
    }
    assert_eq!(instance.virsh(&["domstate", name]).trim(), "running");
    instance.virsh(&["destroy", name]);
    instance.virsh(&["undefine", name]);
}

#[test]
fn each_bus_of_an_old_machine_has_its_disks() {
    let instance = Instance::start();
    let disk = |name: &str, format: &str, more: &str| file(&instance, name, format, more);
    let disks = [
        disk("virtio.qcow2", "qcow2", "target.bus=virtio"),
        disk("ide.raw", "raw", "target.bus=ide"),
        disk("cd.iso", "raw", "device=cdrom,target.bus=ide,readonly=on"),
        disk("scsi.qcow2", "qcow2", "target.bus=scsi"),
        disk("usb.raw", "raw", "target.bus=usb"),
        disk("floppy.img", "raw", "device=floppy,target.bus=fdc"),
        "device=cdrom,target.bus=ide".to_owned(),
    ];
    install(&instance, "old", "pc", &disks);
    check(
        &instance,
        "old",
        &[
            ("vda", "virtio-disk0", "virtio.qcow2"),
            ("hda", "ide0-0-0", "ide.raw"),
            ("hdb", "ide0-0-1", "cd.iso"),
            ("hdc", "ide0-1-0", ""),
            ("sda", "scsi0-0-0", "scsi.qcow2"),
            ("sdb", "usb-disk1", "usb.raw"),
            ("fda", "fdc0-0-0", "floppy.img"),
        ],
    );
}

#[test]
fn each_bus_of_a_modern_machine_has_its_disks() {
    let instance = Instance::start();
    let disk = |name: &str, format: &str, more: &str| file(&instance, name, format, more);
    let disks = [
        disk(
            "virtio.qcow2",
            "qcow2",
            "target.bus=virtio,driver.cache=none,driver.discard=unmap",
        ),
        disk("sata.qcow2", "qcow2", "target.bus=sata"),
        disk("cd.iso", "raw", "device=cdrom,target.bus=sata"),
        disk("scsi.raw", "raw", "target.bus=scsi,serial=abc"),
        disk("usb.qcow2", "qcow2", "target.bus=usb,target.removable=on"),
    ];
    install(&instance, "modern", "q35", &disks);
    check(
        &instance,
        "modern",
        &[
            ("vda", "virtio-disk0", "virtio.qcow2"),
            ("sda", "sata0-0-0", "sata.qcow2"),
            ("sdb", "sata0-0-1", "cd.iso"),
            ("sdc", "scsi0-0-2", "scsi.raw"),
            ("sdd", "usb-disk3", "usb.qcow2"),
        ],
    );
}

/// A server of one image.
struct Nbd(Child);

impl Nbd {
    fn serve(instance: &Instance, image: &str, socket: &str) -> Self {
        let server = Command::new("qemu-nbd")
            .args([
                "--persistent",
                "--format=raw",
                "--export-name=disk",
                "--socket",
                socket,
            ])
            .arg(instance.root().join(image))
            .spawn();
        let server = Self(server.unwrap());
        wait_for("the server of the image", || {
            Path::new(socket).exists().then_some(())
        });
        server
    }
}

impl Drop for Nbd {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Serves `content` for whatever is asked for, by HTTP with ranges; gives the port.
fn serve_http(content: Vec<u8>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let content = content.clone();
            std::thread::spawn(move || answer_http(&client, &content));
        }
    });
    port
}

/// Answers one client until it goes.
fn answer_http(client: &TcpStream, content: &[u8]) {
    let mut lines = BufReader::new(client).lines().map_while(Result::ok);
    while let Some(request) = lines.next() {
        let mut range = 0..content.len();
        let mut partial = false;
        for header in lines.by_ref().take_while(|line| !line.is_empty()) {
            let header = header.to_ascii_lowercase();
            if let Some((start, end)) = header
                .strip_prefix("range: bytes=")
                .and_then(|it| it.split_once('-'))
            {
                let end = end.parse().map_or(content.len(), |end: usize| end + 1);
                range = start.parse().unwrap()..end.min(content.len());
                partial = true;
            }
        }
        let status = if partial { "206 Partial Content" } else { "200 OK" };
        let head = format!(
            "HTTP/1.1 {status}\r\nAccept-Ranges: bytes\r\nContent-Length: {}\r\nContent-Range: bytes {}-{}/{}\r\n\r\n",
            range.len(),
            range.start,
            range.end.saturating_sub(1),
            content.len()
        );
        let mut client = client;
        let body = if request.starts_with("HEAD") {
            &[][..]
        } else {
            &content[range]
        };
        if client
            .write_all(head.as_bytes())
            .and_then(|()| client.write_all(body))
            .is_err()
        {
            return;
        }
    }
}

#[test]
fn disks_come_over_the_network() {
    let instance = Instance::start();
    std::fs::write(instance.root().join("far.raw"), vec![0; 1 << 20]).unwrap();
    let socket = instance.root().join("nbd").display().to_string();
    let _server = Nbd::serve(&instance, "far.raw", &socket);
    let port = serve_http(vec![0; 1 << 20]);
    let disks = [
        format!(
            "type=network,source.protocol=nbd,source.name=disk,source.host0.transport=unix,source.host0.socket={socket},\
             driver.type=raw,target.bus=virtio"
        ),
        format!(
            "type=network,source.protocol=http,source.name=images/cd.iso,source.host0.name=127.0.0.1,\
             source.host0.port={port},driver.type=raw,device=cdrom,target.bus=sata,readonly=on"
        ),
    ];
    install(&instance, "far", "q35", &disks);
    // The sizes are the server's word.
    let info = instance.virsh(&["domblkinfo", "far", "vda"]);
    assert!(info.lines().next().unwrap().ends_with(" 1048576"), "{info}");
    let view = instance.virsh(&["qemu-monitor-command", "far", r#"{"execute":"query-block"}"#]);
    assert!(
        view.contains(&format!("http://127.0.0.1:{port}/images/cd.iso")),
        "{view}"
    );
    check(
        &instance,
        "far",
        &[
            ("vda", "virtio-disk0", "disk"),
            ("sda", "sata0-0-0", "images/cd.iso"),
        ],
    );
}
