//! `netfs` pools on a real NFS server and on a real Samba: this guest's own.

use crate::host::{run, try_run, wait_for};
use crate::pools::{Pool, Units, crash, info, storage, storage_fails, volumes};
use std::fs;
use std::path::Path;

/// What the server exports.
const EXPORT: &str = "/srv/nfs/images";

/// An NFS server with one folder, until the value goes.
struct Nfs(Units);

impl Nfs {
    fn start() -> Self {
        let units = Units::start(&["rpcbind.socket", "rpcbind.service", "nfs-server.service"]);
        fs::create_dir_all(EXPORT).unwrap();
        for entry in fs::read_dir(EXPORT).unwrap() {
            fs::remove_file(entry.unwrap().path()).unwrap();
        }
        let nfs = Self(units);
        nfs.export();
        nfs
    }

    fn export(&self) {
        let export = format!("localhost:{EXPORT}");
        run("exportfs", &["-o", "rw,no_root_squash,no_subtree_check", &export]);
    }

    /// From now on nobody answers its clients.
    fn die(&self) {
        self.0.stop();
    }

    fn come_back(&self) {
        self.0.start_again();
        self.export();
    }
}

impl Drop for Nfs {
    fn drop(&mut self) {
        try_run("exportfs", &["-ua"]);
    }
}

/// Defines a pool of the server's folder, with more arguments, and starts it.
fn start(name: &'static str, more: &[&str]) -> Pool {
    let target = target(name);
    let define = [
        "pool-define-as",
        name,
        "netfs",
        "--source-host",
        "localhost",
        "--target",
        &target,
    ];
    storage(&[&define[..], more].concat());
    let pool = Pool(name);
    storage(&["pool-build", name]);
    storage(&["pool-start", name]);
    pool
}

fn target(name: &str) -> String {
    format!("/srv/pools/{name}")
}

/// How it is mounted, if it is: the kind and its options.
fn mounted(name: &str) -> Option<String> {
    let table = fs::read_to_string("/proc/self/mounts").unwrap();
    let mut lines = table.lines().map(|line| line.split(' '));
    lines.find_map(|mut fields| {
        let (_, folder, kind, options) = (fields.next()?, fields.next()?, fields.next()?, fields.next()?);
        (folder == target(name)).then(|| format!("{kind} {options}"))
    })
}

#[test]
#[ignore = "runs in the guest of cargo xtask testbed"]
fn a_folder_of_a_real_nfs_server_is_found_and_used() {
    let _server = Nfs::start();
    let found = storage(&["find-storage-pool-sources-as", "netfs", "localhost"]);
    assert!(
        found.contains(&format!("<dir path='{EXPORT}'/>")) && found.contains("<host name='localhost'/>"),
        "{found}"
    );
    let source = ["--source-path", EXPORT];
    let pool = start("nfs", &source);
    let how = mounted("nfs").unwrap();
    assert!(how.starts_with("nfs") && how.contains("noexec"), "{how}");
    storage(&["vol-create-as", "nfs", "a.qcow2", "16M", "--format", "qcow2"]);
    storage(&["vol-create-as", "nfs", "b.img", "1M"]);
    storage(&["vol-resize", "--pool", "nfs", "a.qcow2", "32M"]);
    storage(&["vol-clone", "--pool", "nfs", "a.qcow2", "c.qcow2"]);
    storage(&["vol-upload", "--pool", "nfs", "b.img", "/etc/fstab"]);
    storage(&["vol-download", "--pool", "nfs", "b.img", "/tmp/b.img"]);
    let (sent, came) = (fs::read("/etc/fstab").unwrap(), fs::read("/tmp/b.img").unwrap());
    assert!(came.starts_with(&sent) && came.len() == 1 << 20);
    // They are on the server, whole.
    let image = format!("{EXPORT}/c.qcow2");
    let told = run("qemu-img", &["info", &image]);
    assert!(told.contains("32 MiB"), "{told}");

    // What came by another way is seen by a refresh, and by the daemon that comes after a crash.
    fs::write(format!("{EXPORT}/d.img"), "d").unwrap();
    crash();
    let told = storage(&["pool-info", "nfs"]);
    assert_eq!(info(&told, "State"), "running");
    assert_eq!(volumes("nfs"), ["a.qcow2", "b.img", "c.qcow2", "d.img"]);
    storage(&["vol-delete", "--pool", "nfs", "d.img"]);
    assert!(!Path::new(EXPORT).join("d.img").exists());

    storage(&["pool-destroy", "nfs"]);
    assert_eq!(mounted("nfs"), None);
    assert!(Path::new(&image).exists(), "it is the server's");
    storage(&["pool-delete", "nfs"]);
    assert!(!Path::new(&target("nfs")).exists());
    drop(pool);

    // A version of the protocol, and options, as the document has them.
    let document = format!(
        "<pool type='netfs' xmlns:fs='http://libvirt.org/schemas/storagepool/fs/1.0'><name>nfs</name>\
         <source><host name='localhost'/><dir path='{EXPORT}'/><format type='nfs'/><protocol ver='3'/></source>\
         <target><path>{}</path></target>\
         <fs:mount_opts><fs:option name='sync'/></fs:mount_opts></pool>",
        target("nfs")
    );
    fs::write("/tmp/nfs3.xml", document).unwrap();
    let _pool = Pool("nfs");
    storage(&["pool-create", "/tmp/nfs3.xml", "--build"]);
    let how = mounted("nfs").unwrap();
    assert!(
        how.starts_with("nfs ") && how.contains("vers=3") && how.contains("sync"),
        "{how}"
    );
    assert_eq!(volumes("nfs"), ["a.qcow2", "b.img", "c.qcow2"]);
}

#[test]
#[ignore = "runs in the guest of cargo xtask testbed"]
fn a_dead_nfs_server_costs_its_own_pool_only() {
    let server = Nfs::start();
    let pool = start("dying", &["--source-path", EXPORT]);
    storage(&["vol-create-as", "dying", "a.img", "1M"]);
    let other = Pool("living");
    fs::create_dir_all(target("living")).unwrap();
    let target = target("living");
    storage(&["pool-create-as", "living", "dir", "--target", &target]);

    server.die();
    let complaint = storage_fails(&["pool-refresh", "dying"]);
    assert!(
        complaint.contains("the storage of pool 'dying' did not answer within"),
        "{complaint}"
    );
    // What was seen last is told, with a word that says so.
    assert_eq!(info(&storage(&["pool-info", "dying"]), "State"), "inaccessible");
    assert_eq!(volumes("dying"), ["a.img"]);
    storage(&["vol-create-as", "living", "b.img", "1M"]);
    storage(&["pool-refresh", "living"]);
    storage(&["vol-delete", "--pool", "living", "b.img"]);

    // So does the daemon that comes after a crash: it does not wait for the server.
    crash();
    storage(&["vol-create-as", "living", "b.img", "1M"]);
    assert!(storage(&["pool-list", "--name"]).contains("dying"));
    storage(&["pool-destroy", "dying"]);
    assert_eq!(mounted("dying"), None);
    assert_eq!(storage(&["pool-list", "--name"]).trim(), "living");

    server.come_back();
    wait_for("the server to take clients again", || {
        let started = try_run("virsh", &["-q", "-c", "storage:///system", "pool-start", "dying"]);
        started.success.then_some(())
    });
    assert_eq!(volumes("dying"), ["a.img"]);
    drop((pool, other));
}

#[test]
#[ignore = "runs in the guest of cargo xtask testbed"]
fn a_pool_whose_server_died_unnoticed_is_stopped() {
    let server = Nfs::start();
    let _pool = start("unnoticed", &["--source-path", EXPORT]);
    server.die();
    storage(&["pool-destroy", "unnoticed"]);
    assert_eq!(mounted("unnoticed"), None);
    server.come_back();
}

#[test]
#[ignore = "runs in the guest of cargo xtask testbed"]
fn a_share_of_a_real_samba_is_mounted() {
    const SHARE: &str = "/srv/samba";
    fs::create_dir_all(SHARE).unwrap();
    fs::write(
        "/etc/samba/smb.conf",
        format!(
            "[global]\nserver role = standalone server\nmap to guest = Bad User\nguest account = root\n\
             interfaces = lo\nload printers = no\n[images]\npath = {SHARE}\nguest ok = yes\nread only = no\n"
        ),
    )
    .unwrap();
    let _samba = Units::start(&["smbd.service"]);
    // QEMU's locks keep QEMU itself out there, unless they stay on this machine.
    let document = format!(
        "<pool type='netfs' xmlns:fs='http://libvirt.org/schemas/storagepool/fs/1.0'><name>cifs</name>\
         <source><host name='localhost'/><dir path='images'/><format type='cifs'/></source>\
         <target><path>{}</path></target>\
         <fs:mount_opts><fs:option name='nobrl'/></fs:mount_opts></pool>",
        target("cifs")
    );
    fs::write("/tmp/cifs.xml", document).unwrap();
    let _pool = Pool("cifs");
    storage(&["pool-create", "/tmp/cifs.xml", "--build"]);
    let how = mounted("cifs").unwrap();
    assert!(how.starts_with("cifs ") && how.contains("nosuid"), "{how}");
    storage(&["vol-create-as", "cifs", "a.qcow2", "16M", "--format", "qcow2"]);
    assert!(Path::new(SHARE).join("a.qcow2").exists());
    storage(&["vol-delete", "--pool", "cifs", "a.qcow2"]);
    assert_eq!(fs::read_dir(SHARE).unwrap().count(), 0);
    storage(&["pool-destroy", "cifs"]);
    assert_eq!(mounted("cifs"), None);
}
