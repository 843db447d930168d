//! Long jobs on volumes of a pool: side by side, each volume for whom it is held, and the pool for everybody.
#![allow(clippy::unwrap_used, reason = "a test")]

use end_to_end::{files_of_pool, pool_folder, python, storage};
use std::fs::{self, File};
use std::os::unix::fs::FileExt;

/// Uploads that stand still, a clone and everything else that clients do meanwhile. What the uploads brought is there when they
/// go on.
const SIDE_BY_SIDE: &str = r#"
import libvirt, sys, threading
libvirt.registerErrorHandler(lambda *_: None, None)
conn = libvirt.open(sys.argv[1])
pool = conn.storagePoolLookupByName('p')
document = '<volume><name>%s</name><capacity unit="M">%d</capacity><allocation>0</allocation><target><format type="%s"/></target></volume>'
streams = []
for name in 'a', 'b':
    vol = pool.createXML(document % (name, 4, 'raw'), 0)
    stream = conn.newStream(0)
    vol.upload(stream, 0, 1 << 20, 0)
    stream.send(b'x' * 65536)
    streams.append((vol, stream))
assert pool.info()[0] == libvirt.VIR_STORAGE_POOL_RUNNING
for number in range(5):
    pool.refresh()
    assert {'a', 'b', 'base'} <= {vol.name() for vol in pool.listAllVolumes()}
    made = pool.createXML(document % ('c%d' % number, 8, 'qcow2'), 0)
    copy = pool.createXMLFrom(document % ('d%d' % number, 8, 'qcow2'), pool.storageVolLookupByName('base'), 0)
    copy.resize(16 << 20)
    assert copy.info()[1] == 16 << 20 and made.info()[1] == 8 << 20
    made.delete(0)
    copy.delete(0)
for vol, stream in streams:
    # Reads go on; what would change or copy it half filled waits for nobody and is refused.
    assert vol.info()[1] == 4 << 20 and vol.XMLDesc()
    for what in (lambda: vol.delete(0), lambda: vol.wipe(0), lambda: vol.resize(8 << 20),
                 lambda: vol.download(conn.newStream(0), 0, 0, 0), lambda: vol.upload(conn.newStream(0), 0, 0, 0),
                 lambda: pool.createXMLFrom(document % ('e', 4, 'raw'), vol, 0)):
        try:
            what()
        except libvirt.libvirtError as err:
            assert err.get_error_code() == libvirt.VIR_ERR_OPERATION_INVALID, err
            assert "'%s' is still in use" % vol.name() in str(err), err
        else:
            raise AssertionError(vol.name())
# A pool with jobs is not stopped under them.
try:
    pool.destroy()
except libvirt.libvirtError as err:
    assert 'has asynchronous jobs running' in str(err), err
else:
    raise AssertionError('it was stopped')
def rest(stream):
    for _ in range(15):
        stream.send(b'x' * 65536)
    stream.finish()
threads = [threading.Thread(target=rest, args=[stream]) for _, stream in streams]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
for vol, _ in streams:
    # As many read at a time as want to.
    downloads = []
    for _ in range(3):
        stream = conn.newStream(0)
        vol.download(stream, 0, 1 << 20, 0)
        downloads.append(stream)
    for stream in downloads:
        came = b''
        while data := stream.recv(262144):
            came += data
        stream.finish()
        assert came == b'x' * (1 << 20)
    vol.delete(0)
"#;

#[test]
fn jobs_go_on_side_by_side_and_hold_their_volumes_only() {
    let instance = storage();
    instance.virsh(&["vol-create-as", "p", "base", "8M", "--format", "qcow2"]);
    let outcome = python(SIDE_BY_SIDE, &[&instance.uri()]);
    assert!(outcome.success, "{}", outcome.stderr);
    assert_eq!(files_of_pool(&instance, "p"), ["base"]);
}

#[test]
fn a_volume_is_overwritten_in_every_way_there_is() {
    let instance = storage();
    let path = pool_folder(&instance, "p").join("a");
    for algorithm in [
        "zero",
        "nnsa",
        "dod",
        "bsi",
        "gutmann",
        "schneier",
        "pfitzner7",
        "pfitzner33",
        "random",
    ] {
        instance.virsh(&["vol-create-as", "p", "a", "64K"]);
        File::options()
            .write(true)
            .open(&path)
            .unwrap()
            .write_all_at(b"precious", 4096)
            .unwrap();
        instance.virsh(&["vol-wipe", "a", "--pool", "p", "--algorithm", algorithm]);
        let left = fs::read(&path).unwrap();
        assert_eq!(left.len(), 64 << 10, "{algorithm}");
        assert_ne!(&left[4096..4104], b"precious", "{algorithm}");
        if algorithm == "zero" {
            assert!(left.iter().all(|byte| *byte == 0));
        }
        instance.virsh(&["vol-delete", "a", "--pool", "p"]);
    }
    instance.virsh(&["vol-create-as", "p", "a", "64K"]);
    let refusal = instance.virsh_fails(&["vol-wipe", "a", "--pool", "p", "--algorithm", "trim"]);
    assert!(refusal.contains("argument unsupported"), "{refusal}");
}
