//! What stock daemons make of documents of pools and volumes that no golden case has: gone through `formatstorage.html` element
//! by element, and asked of libvirt 11.3.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

use error::{Code, Domain};
use model::storage::{Pool, PoolKind, Volume};

const HOST: &str = "<host name='h'/>";
const DISK: &str = "<device path='/dev/sda'/>";
const TARGET: &str = "<device path='iqn.2013-06.com.example:p'/>";

fn pool(kind: &str, source: &str, more: &str) -> error::Result<String> {
    let text = format!(
        "<pool type='{kind}' xmlns:fs='http://libvirt.org/schemas/storagepool/fs/1.0' \
         xmlns:rbd='http://libvirt.org/schemas/storagepool/rbd/1.0'><name>p</name><source>{source}</source>{more}\
         <target><path>/p</path></target></pool>"
    );
    Pool::from_xml(&text).map(|pool| pool.to_xml())
}

/// The lines of a document, without what is before them.
fn lines(text: &str) -> Vec<&str> {
    text.lines().map(str::trim).collect()
}

#[test]
fn a_source_keeps_what_means_something_for_its_kind() {
    let parts = [
        ("host", "<host name='h' port='12'/>"),
        ("device", "<device path='/dev/sdb'/>"),
        ("dir", "<dir path='/y'/>"),
        ("adapter", "<adapter type='scsi_host' name='host1'/>"),
        ("name", "<name>n</name>"),
        (
            "initiator",
            "<initiator><iqn name='iqn.2013-06.com.example:i'/></initiator>",
        ),
        ("vendor", "<vendor name='V'/>"),
        ("product", "<product name='P'/>"),
        (
            "auth",
            "<auth type='chap' username='u'><secret usage='s'/></auth>",
        ),
    ];
    for (kind, needed, kept) in [
        ("dir", "", "vendor product auth"),
        ("fs", DISK, "vendor product auth"),
        ("netfs", "<host name='h'/><dir path='/x'/>", "vendor product auth"),
        ("logical", "<name>vg</name>", "device vendor product auth"),
        ("disk", DISK, "vendor product auth"),
        (
            "iscsi",
            "<host name='h'/><device path='iqn.2013-06.com.example:p'/>",
            "initiator vendor product auth",
        ),
        ("scsi", "<adapter name='host0'/>", "vendor product auth"),
        ("mpath", "", "vendor product auth"),
    ] {
        for (part, text) in parts {
            if needed.contains(&format!("<{part} ")) || needed.contains(&format!("<{part}>")) {
                continue;
            }
            let written = pool(kind, &format!("{needed}{text}"), "").unwrap();
            let is_there = written.contains(&format!("<{part} ")) || written.contains("<name>n<");
            let is_there = is_there || part == "initiator" && written.contains("<initiator>");
            assert_eq!(is_there, kept.contains(part), "{kind} {part}: {written}");
        }
    }
}

#[test]
fn what_stands_beside_source_and_target_is_for_some_kinds() {
    let mount = "<fs:mount_opts><fs:option name='sync'/><fs:option name='ro'/></fs:mount_opts>";
    let netfs = format!("{HOST}<dir path='/x'/>");
    for (kind, source, is_kept) in [("netfs", &*netfs, true), ("fs", DISK, true), ("dir", "", false)] {
        let written = pool(kind, source, mount).unwrap();
        assert_eq!(written.contains("<fs:option name='ro'/>"), is_kept, "{written}");
        assert_eq!(written.contains("xmlns:fs="), is_kept, "{written}");
    }
    let written = pool("netfs", &netfs, "<fs:mount_opts/>").unwrap();
    assert!(!written.contains("fs:"), "{written}");
    let config = "<rbd:config_opts><rbd:option name='a' value='b'/></rbd:config_opts>";
    let rbd = format!("{HOST}<name>images</name>");
    assert!(
        pool("rbd", &rbd, config)
            .unwrap()
            .contains("<rbd:option name='a' value='b'/>")
    );
    assert!(!pool("dir", "", config).unwrap().contains("rbd:"));

    for (kind, source) in [("dir", ""), ("fs", DISK)] {
        let written = pool(kind, source, "<features><cow state='no'/></features>").unwrap();
        assert!(lines(&written).contains(&"<cow state='no'/>"), "{written}");
    }
    assert!(!pool("dir", "", "<features/>").unwrap().contains("features"));
    let refresh = |inner: &str| pool("rbd", &rbd, &format!("<refresh>{inner}</refresh>")).unwrap();
    assert!(refresh("<volume allocation='capacity'/>").contains("<volume allocation='capacity'/>"));
    assert!(refresh("<volume allocation='default'/>").contains("<volume allocation='default'/>"));
    for nothing in ["", "<volume/>"] {
        assert!(!refresh(nothing).contains("refresh"));
    }
}

#[test]
fn what_no_pool_can_be_is_refused_with_libvirts_code() {
    let wwn = "wwnn='20000000c9831b4b' wwpn='10000000c9831b4b'";
    let fc = |more: &str| format!("<adapter type='fc_host' {more}/>");
    let auth = |text: &str| format!("{HOST}{TARGET}{text}");
    let secret = "<secret usage='s'/>";
    let netfs = |more: &str| format!("{HOST}<dir path='/x'/>{more}");
    for (kind, source, more, code) in [
        (
            "logical",
            "<name>vg</name>",
            "<features><cow state='no'/></features>",
            Code::NoSupport,
        ),
        ("dir", "", "<features><cow state='x'/></features>", Code::XmlError),
        (
            "rbd",
            "<host name='h'/><name>i</name>",
            "<refresh><volume allocation='x'/></refresh>",
            Code::ConfigUnsupported,
        ),
        ("rbd", HOST, "", Code::XmlError),
        (
            "rbd",
            "<host name='h' port='x'/><name>i</name>",
            "",
            Code::XmlError,
        ),
        (
            "netfs",
            "<host name='h'/><dir path='/x'/>",
            "<fs:mount_opts><fs:option/></fs:mount_opts>",
            Code::XmlError,
        ),
        (
            "iscsi",
            &auth(&format!("<auth username='u'>{secret}</auth>")),
            "",
            Code::ConfigUnsupported,
        ),
        (
            "iscsi",
            &auth(&format!("<auth type='x' username='u'>{secret}</auth>")),
            "",
            Code::ConfigUnsupported,
        ),
        (
            "iscsi",
            &auth(&format!("<auth type='chap'>{secret}</auth>")),
            "",
            Code::XmlError,
        ),
        (
            "iscsi",
            &auth("<auth type='chap' username='u'/>"),
            "",
            Code::XmlError,
        ),
        (
            "iscsi",
            &auth("<auth type='chap' username='u'><secret/></auth>"),
            "",
            Code::XmlError,
        ),
        ("iscsi-direct", &auth(""), "", Code::ConfigUnsupported),
        ("netfs", HOST, "", Code::XmlError),
        ("netfs", &netfs("<format type='x'/>"), "", Code::ConfigUnsupported),
        (
            "netfs",
            &netfs("<format type='cifs'/><protocol ver='3'/>"),
            "",
            Code::ConfigUnsupported,
        ),
        // Options would follow a comma.
        ("netfs", &netfs("<protocol ver='4,exec'/>"), "", Code::XmlError),
        (
            "disk",
            "<device path='/dev/sda' part_separator='x'/>",
            "",
            Code::XmlError,
        ),
        ("scsi", "<adapter/>", "", Code::XmlError),
        ("scsi", "<adapter type='x' name='host0'/>", "", Code::XmlError),
        (
            "scsi",
            "<adapter type='scsi_host' name='x'><parentaddr unique_id='1'><address domain='0' bus='0' slot='0' function='0'/></parentaddr></adapter>",
            "",
            Code::XmlError,
        ),
        (
            "scsi",
            "<adapter type='scsi_host'><parentaddr unique_id='1'/></adapter>",
            "",
            Code::XmlError,
        ),
        ("scsi", &format!("<adapter {wwn}/>"), "", Code::XmlError),
        ("scsi", &fc("wwnn='20000000c9831b4b'"), "", Code::XmlError),
        (
            "scsi",
            &fc(&format!("{wwn} parent_wwnn='20000000c9831b4a'")),
            "",
            Code::XmlError,
        ),
        (
            "scsi",
            &fc("wwnn='x' wwpn='10000000c9831b4b'"),
            "",
            Code::InternalError,
        ),
    ] {
        let outcome = pool(kind, source, more);
        let refusal = outcome.map_err(|err| err.code());
        assert_eq!(refusal, Err(code), "{kind}: {source}{more}");
    }
    assert!(
        pool("netfs", &netfs("<protocol ver='4.2'/>"), "")
            .unwrap()
            .contains("<protocol ver='4.2'/>")
    );
    let written = pool(
        "scsi",
        &fc(&format!("{wwn} parent='scsi_host5' managed='yes'")),
        "",
    )
    .unwrap();
    assert!(written.contains("parent='scsi_host5' managed='yes'"), "{written}");
}

fn volume(inner: &str) -> error::Result<Volume> {
    Volume::from_xml(&format!("<volume><name>v</name>{inner}</volume>"), PoolKind::Dir)
}

#[test]
fn what_no_volume_can_be_is_refused_with_libvirts_code() {
    let secret = "<secret type='passphrase' usage='s'/>";
    let encryption = |format: &str, inner: &str| {
        format!("<target><encryption format='{format}'>{inner}</encryption></target>")
    };
    for (inner, code, domain) in [
        (
            "<target><format type='zzz'/></target>",
            Code::ConfigUnsupported,
            Domain::Storage,
        ),
        (
            "<target><format type='luks'/></target>",
            Code::ConfigUnsupported,
            Domain::Storage,
        ),
        (
            "<target><format type='none'/></target>",
            Code::ConfigUnsupported,
            Domain::Storage,
        ),
        ("<capacity unit='x'>1</capacity>", Code::InvalidArg, Domain::None),
        ("<capacity>-1</capacity>", Code::XmlError, Domain::Storage),
        (
            "<capacity unit='E'>16</capacity>",
            Code::Overflow,
            Domain::Storage,
        ),
        (
            "<target><compat>1</compat></target>",
            Code::XmlError,
            Domain::Storage,
        ),
        (
            "<target><compat>1.1.1</compat></target>",
            Code::XmlError,
            Domain::Storage,
        ),
        (
            "<target><features><colour/></features></target>",
            Code::ConfigUnsupported,
            Domain::Storage,
        ),
        (
            "<target><clusterSize>x</clusterSize></target>",
            Code::XmlError,
            Domain::Storage,
        ),
        (
            "<target><permissions><mode>8</mode></permissions></target>",
            Code::XmlError,
            Domain::Storage,
        ),
        (&encryption("x", secret), Code::ConfigUnsupported, Domain::Storage),
        (
            &encryption("luks", "<secret type='x' usage='s'/>"),
            Code::ConfigUnsupported,
            Domain::Storage,
        ),
        (
            &encryption("luks", "<secret type='passphrase'/>"),
            Code::XmlError,
            Domain::Storage,
        ),
        (
            &encryption("luks", &format!("{secret}<ivgen name='plain64'/>")),
            Code::XmlError,
            Domain::Storage,
        ),
        (
            &encryption("luks", &format!("{secret}<cipher size='256'/>")),
            Code::XmlError,
            Domain::Xml,
        ),
        (
            &encryption("luks", &format!("{secret}<cipher name='aes' size='x'/>")),
            Code::XmlError,
            Domain::Xml,
        ),
    ] {
        let refusal = volume(inner).map(drop).map_err(|err| (err.code(), err.domain()));
        assert_eq!(refusal, Err((code, domain)), "{inner}");
    }
    let refusal = Volume::from_xml("<volume type='x'><name>v</name></volume>", PoolKind::Dir);
    assert_eq!(refusal.unwrap_err().code(), Code::ConfigUnsupported);
}

#[test]
fn a_pool_says_what_its_volumes_are() {
    for (said, format, written) in [
        ("dir", "raw", "file"),
        ("block", "raw", "file"),
        ("network", "qcow2", "file"),
        ("file", "dir", "dir"),
    ] {
        let text = format!(
            "<volume type='{said}'><name>v</name><target><format type='{format}'/></target></volume>"
        );
        let told = Volume::from_xml(&text, PoolKind::Dir).unwrap().to_xml();
        assert!(told.starts_with(&format!("<volume type='{written}'>")), "{told}");
    }
    let told = volume("<target><features/></target>").unwrap().to_xml();
    for line in [
        "<capacity unit='bytes'>0</capacity>",
        "<allocation unit='bytes'>0</allocation>",
        "<compat>1.1</compat>",
        "<features/>",
    ] {
        assert!(told.contains(line), "{line}: {told}");
    }
    // What the daemon tells is not taken from anybody.
    let told = volume(
        "<physical>5</physical><target><timestamps><atime>1</atime></timestamps></target><backingStore/>",
    );
    let told = told.unwrap().to_xml();
    for word in ["physical", "timestamps", "backingStore"] {
        assert!(!told.contains(word), "{told}");
    }
}
