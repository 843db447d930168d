//! The daemon is killed at random instants while volumes are made, copied, resized, filled and removed; nothing that was
//! acknowledged may be lost, and nothing may be left.
#![allow(clippy::unwrap_used, reason = "a test")]

use end_to_end::{Instance, LoopDevice, RandomKills, add_pool, files_of_pool, python, storage};
use std::collections::BTreeMap;
use std::process::{Child, Command, Stdio};

/// How often the daemon is killed over files, over devices and over encrypted files.
const KILLS: [u32; 3] = [95, 85, 20];

const _: () = assert!(KILLS[0] + KILLS[1] + KILLS[2] == 200);

/// Works on one volume: it is `absent`, or its capacity in MiB.
const CHOOSE: &str = r#"
def document(size):
    return '<volume><name>%s</name><capacity unit="M">%s</capacity><allocation>0</allocation><target><format type="%s"/></target></volume>' % (
        name, size, name.rsplit('.', 1)[1])
def upload(conn, vol):
    stream = conn.newStream(0)
    vol.upload(stream, 0, 1 << 20, 0)
    for _ in range(16):
        stream.send(b'x' * 65536)
    stream.finish()
def choose(conn, state):
    pool = conn.storagePoolLookupByName('p')
    vol = lambda: pool.storageVolLookupByName(name)
    if state == 'absent':
        size = str(random.randint(64, 96))
        if random.random() < 0.5:
            return size, lambda: pool.createXML(document(size), 0)
        return size, lambda: pool.createXMLFrom(document(size), pool.storageVolLookupByName('base.qcow2'), 0)
    step = random.choice(['resize', 'upload', 'delete', 'delete'])
    if step == 'delete':
        return 'absent', lambda: vol().delete(0)
    if step == 'upload' and name.endswith('.raw'):
        return state, lambda: upload(conn, vol())
    size = str(int(state) + 1)
    return size, lambda: vol().resize(int(size) << 20, 0)
"#;

/// Says the volumes with their capacity, which are the same before and after a refresh.
const TELL: &str = r#"
import libvirt, sys
pool = libvirt.open(sys.argv[1]).storagePoolLookupByName('p')
def tell():
    return sorted('%s %g' % (vol.name(), vol.info()[1] / (1 << 20)) for vol in pool.listAllVolumes())
before = tell()
pool.refresh()
assert before == tell(), (before, tell())
print('\n'.join(before))
"#;

#[test]
fn no_volume_is_lost_and_none_is_left() {
    let mut instance = storage();
    instance.virsh(&["vol-create-as", "p", "base.qcow2", "64M", "--format", "qcow2"]);
    let volumes = ["v0.raw", "v1.qcow2", "v2.qcow2"];
    let work = RandomKills {
        kills: KILLS[0],
        instant: 0..150,
        subjects: volumes
            .iter()
            .map(|name| ((*name).to_owned(), Vec::new()))
            .collect(),
        choose: CHOOSE,
    };
    work.run(&mut instance, |instance| {
        let told = python(TELL, &[&instance.uri()]);
        assert!(told.success, "{}", told.stderr);
        let told: BTreeMap<String, String> = told
            .stdout
            .lines()
            .filter_map(|line| line.split_once(' '))
            .map(|(name, size)| (name.to_owned(), size.to_owned()))
            .collect();
        let files: Vec<String> = told.keys().cloned().collect();
        assert_eq!(files_of_pool(instance, "p"), files, "nothing else is there");
        told
    });
}

/// Works on the first partition of a disk, or a file of a pool that is mounted: it is `absent`, or its capacity in MiB.
const CHOOSE_DEVICE: &str = r#"
pool_name, volume, form = sys.argv[5:8]
def document(size):
    return '<volume><name>%s</name><capacity unit="M">%s</capacity><target><format type="%s"/></target></volume>' % (
        volume, size, form)
def upload(conn, vol):
    stream = conn.newStream(0)
    vol.upload(stream, 0, 1 << 20, 0)
    for _ in range(16):
        stream.send(b'x' * 65536)
    stream.finish()
def choose(conn, state):
    pool = conn.storagePoolLookupByName(pool_name)
    vol = lambda: pool.storageVolLookupByName(volume)
    if state == 'absent':
        size = str(random.randint(8, 24))
        if random.random() < 0.5:
            return size, lambda: pool.createXML(document(size), 0)
        base = conn.storagePoolLookupByName('p').storageVolLookupByName('base.qcow2')
        return size, lambda: pool.createXMLFrom(document(size), base, 0)
    # What is uploaded is no qcow2.
    step = random.choice(['resize' if form == 'qcow2' else 'upload', 'wipe', 'delete', 'delete'])
    if step == 'delete' or step == 'wipe' and form == 'qcow2':
        return 'absent', lambda: vol().delete(0)
    if step == 'resize':
        size = str(int(state) + 1)
        return size, lambda: vol().resize(int(size) << 20, 0)
    return state, lambda: upload(conn, vol()) if step == 'upload' else vol().wipe(0)
"#;

/// Says every volume with its pool, capacity and how many secrets open it, which are the same before and after a refresh.
const TELL_ALL: &str = r#"
import libvirt, sys
conn = libvirt.open(sys.argv[1])
def tell():
    return sorted('%s %s %g %d' % (pool.name(), vol.name(), vol.info()[1] / (1 << 20), vol.XMLDesc().count('<secret '))
                  for pool in conn.listAllStoragePools() for vol in pool.listAllVolumes())
before = tell()
for pool in conn.listAllStoragePools():
    pool.refresh()
assert before == tell(), (before, tell())
print('\n'.join(before))
"#;

/// What [`TELL_ALL`] says: pool, volume, capacity, secrets.
fn tell_all(instance: &Instance) -> Vec<[String; 4]> {
    let told = python(TELL_ALL, &[&instance.uri()]);
    assert!(told.success, "{}", told.stderr);
    let lines = told.stdout.lines().filter(|line| !line.is_empty());
    let rows = lines.map(|line| {
        let fields: Vec<_> = line.split(' ').map(str::to_owned).collect();
        fields.try_into().unwrap()
    });
    rows.collect()
}

/// A name space of mounts that outlives the daemons in it.
struct Mounts(Child);

impl Mounts {
    fn new() -> Self {
        let mut holder = Command::new("unshare")
            .args([
                "--mount",
                "--propagation",
                "private",
                "sh",
                "-c",
                "echo; exec sleep infinity",
            ])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        // It says when it is there.
        let mut said = [0];
        std::io::Read::read_exact(holder.stdout.as_mut().unwrap(), &mut said).unwrap();
        Self(holder)
    }

    /// What runs a program in it.
    fn entrance(&self) -> Vec<String> {
        let space = format!("--mount=/proc/{}/ns/mnt", self.0.id());
        vec!["nsenter".to_owned(), space, "--".to_owned()]
    }
}

impl Drop for Mounts {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn no_partition_and_no_file_of_a_mount_is_lost_and_none_is_left() {
    let mut instance = Instance::empty();
    let mounts = Mounts::new();
    let mut disks = Vec::new();
    for name in ["gpt", "dos", "fs"] {
        let Some(disk) = LoopDevice::new(instance.root(), &format!("{name}.img"), 128 << 20) else {
            return;
        };
        disks.push(disk);
    }
    instance.add_under(mounts.entrance(), "virtstoraged");
    add_pool(&instance, "p");
    instance.virsh(&["vol-create-as", "p", "base.qcow2", "8M", "--format", "qcow2"]);
    for (disk, format) in disks.iter().zip(["gpt", "dos"]) {
        let source = ["--source-dev", &disk.path, "--source-format", format];
        instance.virsh(
            &[
                &["pool-define-as", format, "disk", "--target", "/dev"],
                &source[..],
            ]
            .concat(),
        );
        instance.virsh(&["pool-build", format]);
        instance.virsh(&["pool-start", format]);
    }
    let target = instance.root().join("fs").display().to_string();
    let source = ["--source-dev", &disks[2].path, "--source-format", "ext4"];
    instance.virsh(&[&["pool-define-as", "fs", "fs", "--target", &target], &source[..]].concat());
    instance.virsh(&["pool-build", "fs", "--overwrite"]);
    instance.virsh(&["pool-start", "fs"]);
    let first = |disk: &LoopDevice| format!("{}p1", disk.name());
    let subject = |pool: &str, volume: String, form: &str| {
        let told = vec![pool.to_owned(), volume, form.to_owned()];
        (format!("{pool}-{form}"), told)
    };
    let work = RandomKills {
        kills: KILLS[1],
        instant: 0..250,
        subjects: vec![
            subject("gpt", first(&disks[0]), "none"),
            subject("dos", first(&disks[1]), "linux"),
            subject("fs", "a.raw".to_owned(), "raw"),
            subject("fs", "a.qcow2".to_owned(), "qcow2"),
        ],
        choose: CHOOSE_DEVICE,
    };
    work.run(&mut instance, |instance| {
        let told = tell_all(instance);
        for (disk, pool) in disks.iter().zip(["gpt", "dos"]) {
            let print = ["--script", "--machine", &disk.path, "print"];
            let table = Command::new("parted").args(print).output().unwrap();
            assert!(table.status.success(), "{table:?}");
            let partitions = String::from_utf8_lossy(&table.stdout).lines().count() - 2;
            let volumes = told.iter().filter(|row| row[0] == pool).count();
            assert_eq!(partitions, volumes, "nothing else is on {pool}: {told:?}");
        }
        let subjects = told.into_iter().filter_map(|[pool, volume, capacity, _]| {
            let form = match pool.as_str() {
                "gpt" => "none",
                "dos" => "linux",
                "fs" => volume.strip_prefix("a.")?,
                _ => return None,
            };
            Some((format!("{pool}-{form}"), capacity))
        });
        subjects.collect()
    });
    for pool in ["gpt", "dos", "fs"] {
        instance.virsh(&["pool-destroy", pool]);
    }
}

/// Works on one encrypted volume: it is `absent`, or its capacity in MiB.
const CHOOSE_ENCRYPTED: &str = r#"
def document(size):
    return ('<volume><name>%s</name><capacity unit="M">%s</capacity><target><format type="%s"/><encryption format="luks">'
            '<secret type="passphrase" uuid="%s"/></encryption></target></volume>' % (
            name, size, name.rsplit('.', 1)[1], sys.argv[5]))
def choose(conn, state):
    pool = conn.storagePoolLookupByName('p')
    vol = lambda: pool.storageVolLookupByName(name)
    if state == 'absent':
        size = str(random.randint(4, 8))
        return size, lambda: pool.createXML(document(size), 0)
    if random.random() < 0.3:
        return 'absent', lambda: vol().delete(0)
    size = str(int(state) + 1)
    return size, lambda: vol().resize(int(size) << 20, 0)
"#;

#[test]
fn no_encrypted_volume_is_lost_nor_what_opens_it() {
    const UUID: &str = "11111111-2222-3333-4444-555555555555";
    let mut instance = Instance::start_all(&["virtstoraged", "virtsecretd"]);
    add_pool(&instance, "p");
    let secret =
        format!("<secret><uuid>{UUID}</uuid><usage type='volume'><volume>x</volume></usage></secret>");
    let file = instance.file("secret.xml", &secret);
    let secrets = instance.daemon("virtsecretd");
    secrets.virsh(&["secret-define", &file]);
    secrets.virsh(&["secret-set-value", UUID, "--base64", "b3BlbiBzZXNhbWU="]);
    // To make one takes seconds, or many on a busy machine: what is done to those that are there is tried before.
    for name in ["a.raw", "b.qcow2"] {
        let form = name.rsplit('.').next().unwrap();
        let document = format!(
            "<volume><name>{name}</name><capacity unit='M'>4</capacity><target><format type='{form}'/><encryption format='luks'>\
             <secret type='passphrase' uuid='{UUID}'/></encryption></target></volume>"
        );
        instance.virsh(&["vol-create", "p", &instance.file("volume.xml", &document)]);
        RandomKills::begin_with(&instance, name, "4");
    }
    let work = RandomKills {
        kills: KILLS[2],
        // Half of a creation is to find out how often its password is to be hashed, which takes seconds.
        instant: 0..6000,
        subjects: ["a.raw", "b.qcow2"]
            .map(|name| (name.to_owned(), vec![UUID.to_owned()]))
            .into(),
        choose: CHOOSE_ENCRYPTED,
    };
    work.run(&mut instance, |instance| {
        let told = tell_all(instance);
        let named: Vec<_> = told.iter().map(|row| row[1].clone()).collect();
        assert_eq!(files_of_pool(instance, "p"), named, "nothing else is there");
        for row in &told {
            assert_eq!(row[3], "1", "it is known what opens {row:?}");
        }
        told.into_iter()
            .map(|[_, name, capacity, _]| (name, capacity))
            .collect()
    });
}
