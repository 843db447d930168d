//! Storage pools under stock clients.
#![allow(clippy::unwrap_used, reason = "a test")]

use end_to_end::{Instance, add_pool, pool_folder, python, storage, volumes_of_pool};
use std::fs;
use std::os::unix::fs::PermissionsExt;

fn start() -> Instance {
    Instance::start_all(&["virtstoraged"])
}

#[test]
fn a_pool_lives_from_its_definition_to_its_end() {
    let mut instance = start();
    let folder = pool_folder(&instance, "p");
    let target = folder.display().to_string();
    instance.virsh(&["pool-define-as", "p", "dir", "--target", &format!("/{target}//")]);
    let refusal = instance.virsh_fails(&["pool-start", "p"]);
    assert!(
        refusal.contains(&format!("cannot open directory '{target}': No such file")),
        "{refusal}"
    );
    instance.virsh(&["pool-build", "p"]);
    assert_eq!(
        fs::metadata(&folder).unwrap().permissions().mode() & 0o7777,
        0o711
    );
    instance.virsh(&["pool-start", "p"]);
    instance.virsh(&["pool-autostart", "p"]);
    let refusal = instance.virsh_fails(&["pool-start", "p"]);
    assert!(
        refusal.contains("storage pool 'p' is already active"),
        "{refusal}"
    );

    let config = instance.path("/etc/libvirt/storage");
    assert!(config.join("p.xml").is_file() && config.join("autostart/p.xml").is_symlink());
    let state = fs::read_to_string(instance.path("/run/libvirt/storage/p.xml")).unwrap();
    assert!(state.contains("<poolstate>\n  <pool type='dir'>"), "{state}");
    let info = instance.virsh(&["pool-info", "p", "--bytes"]);
    for line in [
        "State:          running",
        "Persistent:     yes",
        "Autostart:      yes",
    ] {
        assert!(info.contains(line), "{info}");
    }
    let xml = instance.virsh(&["pool-dumpxml", "p"]);
    assert!(
        xml.contains(&format!("<path>{target}</path>")) && xml.contains("<mode>0711</mode>"),
        "{xml}"
    );
    assert!(!xml.contains("<capacity unit='bytes'>0</capacity>"), "{xml}");
    // Its definition is what it is, and told so.
    let definition = instance.virsh(&["pool-dumpxml", "p", "--inactive"]);
    assert!(definition.contains("<mode>0711</mode>"), "{definition}");

    // Files that come from elsewhere are seen by a refresh, and by the next daemon.
    fs::write(folder.join("a.iso"), "x").unwrap();
    assert_eq!(volumes_of_pool(&instance, "p"), [""; 0]);
    instance.virsh(&["pool-refresh", "p"]);
    assert_eq!(volumes_of_pool(&instance, "p"), ["a.iso"]);
    fs::write(folder.join("b.iso"), "x").unwrap();
    instance.kill();
    instance.restart();
    assert_eq!(volumes_of_pool(&instance, "p"), ["a.iso", "b.iso"]);

    for (arguments, words) in [
        (["pool-undefine", "p"], "is still active"),
        (["pool-delete", "p"], "is still active"),
        (["pool-build", "p"], "is already active"),
    ] {
        assert!(instance.virsh_fails(&arguments).contains(words), "{arguments:?}");
    }
    instance.virsh(&["pool-destroy", "p"]);
    // It starts with the host, not with the daemon.
    assert_eq!(instance.stop(), Some(0));
    instance.restart();
    let refusal = instance.virsh_fails(&["vol-list", "p"]);
    assert!(refusal.contains("storage pool 'p' is not active"), "{refusal}");
    let refusal = instance.virsh_fails(&["pool-delete", "p"]);
    assert!(refusal.contains("Directory not empty"), "{refusal}");
    fs::remove_file(folder.join("a.iso")).unwrap();
    fs::remove_file(folder.join("b.iso")).unwrap();
    instance.virsh(&["pool-delete", "p"]);
    assert!(!folder.exists());
    instance.virsh(&["pool-undefine", "p"]);
    let refusal = instance.virsh_fails(&["pool-info", "p"]);
    assert!(
        refusal.contains("Storage pool not found: no storage pool with matching name 'p'"),
        "{refusal}"
    );
    assert!(!config.join("p.xml").exists() && !config.join("autostart/p.xml").is_symlink());
}

#[test]
fn a_pool_without_definition_is_gone_when_it_was_stopped() {
    let mut instance = start();
    let target = pool_folder(&instance, "t").display().to_string();
    instance.virsh(&["pool-create-as", "t", "dir", "--target", &target, "--build"]);
    assert!(instance.virsh(&["pool-info", "t"]).contains("Persistent:     no"));
    let refusal = instance.virsh_fails(&["pool-autostart", "t"]);
    assert!(refusal.contains("has no definition"), "{refusal}");
    instance.kill();
    instance.restart();
    assert!(instance.virsh(&["pool-info", "t"]).contains("running"));
    instance.virsh(&["pool-destroy", "t"]);
    assert_eq!(instance.virsh(&["pool-list", "--all", "--name"]).trim(), "");
    assert!(!instance.path("/run/libvirt/storage/t.xml").exists());
}

#[test]
fn a_pool_starts_with_the_host_and_with_it_only() {
    let mut instance = storage();
    instance.virsh(&["pool-autostart", "p"]);
    instance.virsh(&["pool-destroy", "p"]);
    assert_eq!(instance.stop(), Some(0));
    // As a new start of the host leaves it.
    fs::remove_dir_all(instance.path("/run/libvirt/storage")).unwrap();
    instance.restart();
    assert!(instance.virsh(&["pool-info", "p"]).contains("running"));
}

#[test]
fn a_pool_whose_folder_is_gone_has_stopped() {
    let mut instance = storage();
    add_pool(&instance, "q");
    fs::remove_dir(pool_folder(&instance, "p")).unwrap();
    let refusal = instance.virsh_fails(&["pool-refresh", "p"]);
    assert!(refusal.contains("cannot open directory"), "{refusal}");
    assert!(instance.virsh(&["pool-info", "p"]).contains("inactive"));
    fs::remove_dir(pool_folder(&instance, "q")).unwrap();
    instance.kill();
    instance.restart();
    assert!(instance.virsh(&["pool-info", "q"]).contains("inactive"));
    // What only looks still works.
    assert!(instance.virsh(&["pool-list", "--all"]).contains('q'));
}

#[test]
fn what_cannot_be_a_pool_is_refused_with_libvirts_words() {
    let instance = storage();
    let folder = pool_folder(&instance, "p").display().to_string();
    for (arguments, words) in [
        (
            &["pool-define-as", "x", "foo", "--target", "/x"][..],
            "attribute 'type' in element 'pool': 'foo'",
        ),
        (
            &["pool-define-as", "x", "dir"],
            "XML error: missing storage pool target path",
        ),
        (
            &["pool-define-as", "a/b", "dir", "--target", "/x"],
            "XML error: name a/b cannot contain '/'",
        ),
        (
            &["pool-define-as", "..", "dir", "--target", "/x"],
            "cannot be the name of a pool",
        ),
        (
            &["pool-define-as", "x", "dir", "--target", "x"],
            "is not absolute",
        ),
        (
            &["pool-define-as", "x", "dir", "--target", &folder],
            "Storage source conflict with pool: 'p'",
        ),
        (
            &["pool-define-as", "p", "dir", "--target", "/y"],
            "pool 'p' already exists with uuid",
        ),
        (
            &["pool-define-as", "x", "fs", "--target", "/x"],
            "missing storage pool source device name",
        ),
        (
            &["pool-build", "p", "--overwrite"],
            "storage pool 'p' is already active",
        ),
        (
            &[
                "pool-create-as",
                "x",
                "dir",
                "--target",
                "/x",
                "--build",
                "--overwrite",
                "--no-overwrite",
            ],
            "exclusive",
        ),
        (
            &["find-storage-pool-sources", "dir"],
            "pool type 'dir' does not support source discovery",
        ),
        (
            &["find-storage-pool-sources", "foo"],
            "unknown storage pool type foo",
        ),
    ] {
        let refusal = instance.virsh_fails(arguments);
        assert!(refusal.contains(words), "{arguments:?}: {refusal}");
    }
    let file = instance.file(
        "x.xml",
        "<pool type='dir'><name>x</name><colour/><target><path>/x</path></target></pool>",
    );
    let refusal = instance.virsh_fails(&["pool-define", &file, "--validate"]);
    assert!(refusal.contains("failed to validate against schema"), "{refusal}");
    instance.virsh(&["pool-define", &file]);
    assert_eq!(instance.virsh(&["pool-list", "--inactive", "--name"]).trim(), "x");
}

/// Calls that virsh does not make, and what is heard of pools.
const PYTHON: &str = r#"
import libvirt, sys, threading
libvirt.virEventRegisterDefaultImpl()
libvirt.registerErrorHandler(lambda *_: None, None)
conn = libvirt.open(sys.argv[1])
folder = sys.argv[2]
heard, told = [], threading.Condition()
def hear(*what):
    with told:
        heard.append(what)
        told.notify()
def loop():
    while True:
        libvirt.virEventRunDefaultImpl()
threading.Thread(target=loop, daemon=True).start()
def expect(*what):
    with told:
        assert told.wait_for(lambda: what in heard, 60), (what, heard)
        heard.remove(what)
life = conn.storagePoolEventRegisterAny(None, libvirt.VIR_STORAGE_POOL_EVENT_ID_LIFECYCLE,
    lambda c, pool, event, detail, o: hear('life', pool.name(), event, detail), None)
fresh = conn.storagePoolEventRegisterAny(None, libvirt.VIR_STORAGE_POOL_EVENT_ID_REFRESH,
    lambda c, pool, o: hear('refresh', pool.name()), None)
xml = "<pool type='dir'><name>e</name><target><path>%s</path></target></pool>" % folder
pool = conn.storagePoolDefineXML(xml, 0)
expect('life', 'e', libvirt.VIR_STORAGE_POOL_EVENT_DEFINED, 0)
pool.build(0)
expect('life', 'e', libvirt.VIR_STORAGE_POOL_EVENT_CREATED, 0)
pool.create(0)
expect('life', 'e', libvirt.VIR_STORAGE_POOL_EVENT_STARTED, 0)
pool.refresh(0)
expect('refresh', 'e')
assert conn.getType() == 'storage' and conn.isSecure()
assert conn.listStoragePools() == ['e'] and conn.numOfStoragePools() == 1
assert conn.listDefinedStoragePools() == [] and conn.numOfDefinedStoragePools() == 0
assert conn.storagePoolLookupByTargetPath(folder + '//').name() == 'e'
assert conn.storagePoolLookupByUUID(pool.UUID()).name() == 'e'
assert pool.isActive() and pool.isPersistent() and pool.autostart() == 0
flags = libvirt.VIR_CONNECT_LIST_STORAGE_POOLS_DIR | libvirt.VIR_CONNECT_LIST_STORAGE_POOLS_ACTIVE
assert [p.name() for p in conn.listAllStoragePools(flags)] == ['e']
assert conn.listAllStoragePools(libvirt.VIR_CONNECT_LIST_STORAGE_POOLS_LOGICAL) == []
assert conn.listAllStoragePools(libvirt.VIR_CONNECT_LIST_STORAGE_POOLS_AUTOSTART) == []
vol = pool.createXML("<volume><name>v</name><capacity>4096</capacity></volume>", 0)
assert vol.path() == vol.key() == folder + '/v'
assert conn.storageVolLookupByKey(vol.key()).name() == conn.storageVolLookupByPath(vol.path()).name() == 'v'
assert vol.storagePoolLookupByVolume().name() == 'e'
assert pool.listVolumes() == ['v'] and pool.numOfVolumes() == 1 and len(pool.listAllVolumes()) == 1
assert vol.info() == [libvirt.VIR_STORAGE_VOL_FILE, 4096, 4096], vol.info()
for call in (lambda: pool.refresh(64), lambda: pool.XMLDesc(64), lambda: vol.XMLDesc(64), lambda: vol.resize(1, 64),
             lambda: pool.createXML('<volume/>', 64), lambda: vol.wipe(64), lambda: vol.delete(64),
             lambda: vol.infoFlags(64), lambda: conn.listAllStoragePools(1 << 30), lambda: pool.build(1)):
    try:
        call()
        sys.exit('a flag was ignored')
    except libvirt.libvirtError as err:
        assert err.get_error_code() == libvirt.VIR_ERR_INVALID_ARG, err
vol.delete(0)
pool.destroy()
expect('life', 'e', libvirt.VIR_STORAGE_POOL_EVENT_STOPPED, 0)
pool.delete(0)
expect('life', 'e', libvirt.VIR_STORAGE_POOL_EVENT_DELETED, 0)
pool.undefine()
expect('life', 'e', libvirt.VIR_STORAGE_POOL_EVENT_UNDEFINED, 0)
conn.storagePoolEventDeregisterAny(life)
conn.storagePoolEventDeregisterAny(fresh)
assert "<pool type='dir' supported='yes'>" in conn.getStoragePoolCapabilities(0)
"#;

#[test]
fn every_other_call_answers_and_pools_are_heard_of() {
    let instance = start();
    let folder = pool_folder(&instance, "e").display().to_string();
    let outcome = python(PYTHON, &[&instance.uri(), &folder]);
    assert!(outcome.success, "{}", outcome.stderr);
}

#[test]
fn who_only_looks_changes_nothing() {
    let instance = storage();
    let uri = instance.read_only_uri();
    assert!(instance.virsh_at(&uri, &["pool-list"]).contains('p'));
    const TRY: &str = r#"
import libvirt, sys
libvirt.registerErrorHandler(lambda *_: None, None)
conn = libvirt.openReadOnly(sys.argv[1])
pool = conn.storagePoolLookupByName('p')
for call in (pool.refresh, pool.destroy, pool.undefine, lambda: pool.createXML('<volume/>', 0)):
    try:
        call()
        sys.exit('a reader changed something')
    except libvirt.libvirtError as err:
        assert err.get_error_code() == libvirt.VIR_ERR_OPERATION_DENIED, err
"#;
    let outcome = python(TRY, &[&uri]);
    assert!(outcome.success, "{}", outcome.stderr);
}
