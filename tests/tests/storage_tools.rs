//! Pools whose storage is not here: stand-ins answer what the real programs do, or never.
#![allow(clippy::unwrap_used, reason = "a test")]

use end_to_end::{Instance, add_pool, volumes_of_pool, wait_for};
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// virtstoraged with programs of a test's own before the host's; each is a name and what a shell does.
fn with_programs(programs: &[(&str, &str)]) -> Instance {
    let mut instance = Instance::empty();
    let folder = instance.root().join("programs");
    fs::create_dir(&folder).unwrap();
    for (name, words) in programs {
        let program = folder.join(name);
        let words = format!("#!/bin/sh\ncd '{}'\n{words}\n", instance.root().display());
        fs::write(&program, words).unwrap();
        fs::set_permissions(&program, Permissions::from_mode(0o755)).unwrap();
    }
    let path = format!("PATH={}:{}", folder.display(), std::env::var("PATH").unwrap());
    instance.add_under(vec!["env".to_owned(), path], "virtstoraged");
    instance
}

/// The words of `zfs(8)` that are asked for, over a file a volume.
const ZFS: &str = r#"mkdir -p zvols
case "$1" in
list) for volume in zvols/*; do
          [ -e "$volume" ] && printf 'tank/%s\t%s\tnone\n' "${volume#zvols/}" "$(cat "$volume")"
      done; exit 0;;
create) [ "$2" = -s ] && shift; [ "$2" = -V ] || exit 2
      echo $((${3%K} * 1024)) > "zvols/${4#tank/}";;
set) size=${2#volsize=}; echo $((${size%K} * 1024)) > "zvols/${3#tank/}";;
destroy) rm "zvols/${2#tank/}";;
*) exit 2;;
esac"#;

/// The same of `zpool(8)`.
const ZPOOL: &str = r"case $1 in
list) echo tank;;
get) printf 'tank\thealth\t%s\t-\n' $(cat health 2>/dev/null || echo ONLINE)
     printf 'tank\tsize\t1000000\t-\ntank\tfree\t900000\t-\ntank\tallocated\t100000\t-\n';;
*) exit 2;;
esac";

#[test]
fn volumes_of_zfs_are_made_and_removed_by_its_own_words() {
    let instance = with_programs(&[("zfs", ZFS), ("zpool", ZPOOL)]);
    let found = instance.virsh(&["find-storage-pool-sources-as", "zfs"]);
    assert!(found.contains("<name>tank</name>"), "{found}");
    instance.virsh(&["pool-define-as", "z", "zfs", "--source-name", "tank"]);
    instance.virsh(&["pool-start", "z"]);
    let told = instance.virsh(&["pool-dumpxml", "z"]);
    for part in [
        "<path>/dev/zvol/tank</path>",
        "<capacity unit='bytes'>1000000</capacity>",
        "<available unit='bytes'>900000</available>",
    ] {
        assert!(told.contains(part), "{part}: {told}");
    }
    instance.virsh(&["vol-create-as", "z", "a", "1M"]);
    instance.virsh(&["vol-create-as", "z", "b", "2M", "--allocation", "0"]);
    instance.virsh(&["vol-resize", "--pool", "z", "a", "4M"]);
    assert_eq!(volumes_of_pool(&instance, "z"), ["a", "b"]);
    let told = instance.virsh(&["vol-dumpxml", "--pool", "z", "a"]);
    for part in [
        "<volume type='block'>",
        "<key>tank/a</key>",
        "<path>/dev/zvol/tank/a</path>",
        "<capacity unit='bytes'>4194304</capacity>",
    ] {
        assert!(told.contains(part), "{part}: {told}");
    }
    let complaint = instance.virsh_fails(&["vol-create-as", "z", "a@b", "1M"]);
    assert!(
        complaint.contains("cannot be the name of a ZFS volume"),
        "{complaint}"
    );
    instance.virsh(&["vol-delete", "--pool", "z", "b"]);
    assert_eq!(volumes_of_pool(&instance, "z"), ["a"]);
    instance.virsh(&["pool-destroy", "z"]);
    fs::write(instance.root().join("health"), "FAULTED").unwrap();
    let complaint = instance.virsh_fails(&["pool-start", "z"]);
    assert!(complaint.contains("its health is FAULTED"), "{complaint}");
}

#[test]
fn a_missing_program_is_named() {
    let instance = with_programs(&[]);
    let capabilities = instance.virsh(&["pool-capabilities"]);
    for kind in ["zfs", "vstorage"] {
        let told = format!("<pool type='{kind}' supported='no'");
        assert!(capabilities.contains(&told), "{capabilities}");
    }
    instance.virsh(&["pool-define-as", "z", "zfs", "--source-name", "tank"]);
    let complaint = instance.virsh_fails(&["pool-start", "z"]);
    assert!(complaint.contains("'zpool' is not installed"), "{complaint}");
}

/// A portal with a target of one LUN, which answers nobody any more once the file `hang` is there.
const ISCSI_LS: &str = r"if [ -e hang ]; then echo $$ >> hung; exec sleep 1000; fi
printf 'Target:iqn.t Portal:127.0.0.1:3260,1\nLun:1    Type:DIRECT_ACCESS (Size:1M)\n'";

/// The processes of programs that hung.
fn hung(root: &Path) -> Vec<PathBuf> {
    let told = fs::read_to_string(root.join("hung")).unwrap_or_default();
    told.lines().map(|pid| Path::new("/proc").join(pid)).collect()
}

#[test]
fn a_program_that_never_ends_costs_its_own_pool_only() {
    let instance = with_programs(&[("iscsi-ls", ISCSI_LS), ("iscsi-readcapacity16", "echo 1048576")]);
    add_pool(&instance, "p");
    let source = "<source><host name='127.0.0.1'/><device path='iqn.t'/><initiator><iqn name='iqn.own'/></initiator></source>";
    let pool = instance.file(
        "pool.xml",
        &format!("<pool type='iscsi-direct'><name>i</name>{source}</pool>"),
    );
    instance.virsh(&["pool-define", &pool]);
    instance.virsh(&["pool-start", "i"]);
    assert_eq!(volumes_of_pool(&instance, "i"), ["unit:0:0:1"]);

    fs::write(instance.root().join("hang"), "").unwrap();
    let begin = |arguments: &[&str]| {
        let mut command = Command::new("virsh");
        command.args(["-q", "-c", &instance.uri()]).args(arguments);
        command.env("LC_ALL", "C").stderr(Stdio::piped()).spawn().unwrap()
    };
    let complaint = |child: std::process::Child| {
        let output = child.wait_with_output().unwrap();
        assert!(!output.status.success());
        String::from_utf8(output.stderr).unwrap()
    };
    let sources = instance.file("source.xml", source);
    let search = begin(&["find-storage-pool-sources", "iscsi-direct", &sources]);
    let refresh = begin(&["pool-refresh", "i"]);
    wait_for("both to hang", || {
        (hung(instance.root()).len() == 2).then_some(())
    });
    // What was seen last is told, and others are served.
    assert_eq!(volumes_of_pool(&instance, "i"), ["unit:0:0:1"]);
    instance.virsh(&["vol-create-as", "p", "a", "1M"]);
    // Stopping the pool ends what works on it.
    instance.virsh(&["pool-destroy", "i"]);
    let said = complaint(refresh);
    assert!(said.contains("pool 'i' was stopped meanwhile"), "{said}");
    wait_for("one program to end", || {
        (hung(instance.root()).iter().filter(|path| path.exists()).count() < 2).then_some(())
    });
    // And time ends what nobody stops.
    let said = complaint(search);
    assert!(said.contains("did not answer within"), "{said}");
    wait_for("all programs to end", || {
        hung(instance.root())
            .iter()
            .all(|path| !path.exists())
            .then_some(())
    });
}
