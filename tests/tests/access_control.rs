//! Who may connect and who may make which call, as the real polkit decides, for a user who is not root.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "a test")]

use end_to_end::{Instance, Outcome, Polkit, RawClient, User, idle_domain, wait_for};
use protocol::remote::procedure as p;
use protocol::{Kind, ProcedureInfo, Program, remote};
use rustix::process::{Pid, Signal, geteuid, kill_process};
use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Stdio;
use xdr::Schema;

/// `VIR_ERR_ACCESS_DENIED`.
const DENIED: i32 = 88;

/// `VIR_ERR_NO_NWFILTER_BINDING`.
const NO_BINDING: i32 = 101;

/// `VIR_ERR_NO_DOMAIN`.
const NO_DOMAIN: i32 = 42;

/// What every object of these tests has where a call names it.
const UUID: &str = "01010101-0101-0101-0101-010101010101";
const BYTES: [u8; 16] = [1; 16];

/// Rules that grant the user these permissions, and no others.
fn only(granted: &[&str]) -> String {
    let list: Vec<String> = granted
        .iter()
        .map(|permission| format!("\"org.libvirt.api.{permission}\""))
        .collect();
    format!(
        "polkit.addRule(function(action, subject) {{\n  if (action.id == \"org.libvirt.unix.manage\") {{\n    \
         return polkit.Result.YES;\n  }}\n  \
         return [{}].indexOf(action.id) >= 0 ? polkit.Result.YES : polkit.Result.NO;\n}});\n",
        list.join(", ")
    )
}

/// A host with daemons that anybody may reach, whose polkit is the test's own.
struct Host {
    instance: Instance,
    polkit: Polkit,
    user: User,
}

impl Host {
    /// Nothing where this test cannot be several users; it says so.
    fn new(rules: &str, daemons: &[&str], configuration: &str) -> Option<Self> {
        if !geteuid().is_root() {
            println!("SKIPPED: only root can be another user and have a polkit of its own");
            return None;
        }
        let mut host = Self {
            instance: Instance::empty(),
            polkit: Polkit::start(rules),
            user: User::new(),
        };
        fs::set_permissions(host.instance.root(), fs::Permissions::from_mode(0o755)).unwrap();
        for daemon in daemons {
            let file = host.instance.path(&format!("/etc/libvirt/{daemon}.conf"));
            let lines = if *daemon == "virtproxyd" {
                ""
            } else {
                configuration
            };
            fs::write(file, format!("unix_sock_rw_perms = \"0777\"\n{lines}\n")).unwrap();
            host.instance.add_under(host.polkit.entrance(), daemon);
        }
        Some(host)
    }

    fn virsh(&self, daemon: &str, arguments: &[&str]) -> Outcome {
        self.user
            .try_virsh(&self.instance.daemon(daemon).uri(), arguments)
    }

    fn may(&self, daemon: &str, arguments: &[&str]) -> String {
        let outcome = self.virsh(daemon, arguments);
        assert!(outcome.success, "{arguments:?}: {}", outcome.stderr);
        outcome.stdout.trim().to_owned()
    }

    fn may_not(&self, daemon: &str, arguments: &[&str]) -> String {
        let outcome = self.virsh(daemon, arguments);
        assert!(!outcome.success, "{arguments:?}: {}", outcome.stdout);
        outcome.stderr
    }

    fn said(&self, daemon: &str) -> String {
        fs::read_to_string(self.instance.daemon(daemon).log()).unwrap()
    }
}

const ACCESS: &str = "access_drivers = [ \"polkit\" ]";

#[test]
fn raw_client() {
    end_to_end::raw_client();
}

#[test]
fn polkit_says_who_may_manage_and_refusals_tell_no_more_than_their_code() {
    const DEPENDS: &str = r#"polkit.addRule(function(action, subject) {
        if (action.id == "org.libvirt.unix.manage" && subject.user == "nobody") { return polkit.Result.RESULT; }
    });"#;
    let Some(mut host) = Host::new(&DEPENDS.replace("RESULT", "YES"), &["virtqemud"], "") else {
        return;
    };
    host.may("virtqemud", &["list"]);
    host.polkit.rule(&DEPENDS.replace("RESULT", "NO"));
    let refused = host.may_not("virtqemud", &["list"]);
    assert!(refused.contains("authentication failed"), "{refused}");
    assert!(!refused.contains("polkit"), "{refused}");
    let said = host.said("virtqemud");
    assert!(
        said.contains("polkit refuses") && said.contains("uid: 65534"),
        "{said}"
    );
    // Whoever could type a password is told so, and a client may start somebody who asks for it.
    host.polkit.rule("");
    let refused = host.may_not("virtqemud", &["list"]);
    assert!(refused.contains("authentication unavailable"), "{refused}");
    // Looking asks for nothing.
    let uri = host.instance.read_only_uri();
    host.user.virsh(&uri, &["list", "--all"]);
    // Root needs no polkit, and a host without one has root.
    host.polkit.stop();
    host.instance.virsh(&["list"]);
    let refused = host.may_not("virtqemud", &["list"]);
    assert!(refused.contains("authentication failed"), "{refused}");
    assert!(host.said("virtqemud").contains("polkit does not answer"));
}

#[test]
fn who_dismisses_polkits_question_is_told_so_and_why_nobody_else_is() {
    let Some(host) = Host::new("", &["virtqemud", "virtproxyd"], "") else {
        return;
    };
    for daemon in ["virtqemud", "virtproxyd"] {
        let uri = host.instance.daemon(daemon).uri();
        let connects = |answer| host.polkit.connects_with_agent(&host.user, &uri, answer);
        // What libvirt's daemons answer: VIR_ERR_AUTH_CANCELLED and VIR_ERR_AUTH_FAILED, of VIR_FROM_POLKIT.
        let dismissed = connects("Cancelled");
        assert!(
            dismissed.starts_with("79 60 authentication cancelled: "),
            "{dismissed}"
        );
        let failed = connects("Failed");
        assert!(failed.starts_with("45 60 authentication failed: "), "{failed}");
        assert!(!failed.contains("polkit"), "{failed}");
        let said = host.said(daemon);
        let why = said
            .lines()
            .filter(|line| line.contains("client not authenticated"));
        let why: Vec<_> = why.collect();
        let [dismissed, failed] = &why[..] else {
            panic!("{said}")
        };
        assert!(
            dismissed.contains("would not authenticate") && dismissed.contains("uid: 65534"),
            "{dismissed}"
        );
        assert!(failed.contains("polkit refuses"), "{failed}");
    }
}

#[test]
fn who_waits_for_polkit_waits_alone() {
    let Some(mut host) = Host::new(&only(&[]), &["virtqemud"], "") else {
        return;
    };
    let frozen = Pid::from_raw(i32::try_from(host.polkit.pid()).unwrap()).unwrap();
    kill_process(frozen, Signal::STOP).unwrap();
    let mut waiting = host
        .user
        .command(Path::new("virsh"))
        .args(["-c", &host.instance.uri(), "list"])
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    host.instance.virsh(&["list"]);
    host.user.virsh(&host.instance.read_only_uri(), &["list"]);
    assert!(waiting.try_wait().unwrap().is_none());
    kill_process(frozen, Signal::CONT).unwrap();
    assert!(waiting.wait().unwrap().success());
    host.polkit.stop();
}

/// May look, at that domain alone.
const SEEN: &str = r#"polkit.addRule(function(action, subject) {
    if (action.id == "org.libvirt.unix.manage") { return polkit.Result.YES; }
    if (action.id.indexOf("org.libvirt.api.domain.") == 0) {
        var own = action.lookup("connect_driver") == "QEMU" && action.lookup("domain_name") == "seen"
            && action.lookup("domain_uuid") == "01010101-0101-0101-0101-010101010101";
        var looks = ["getattr", "read"].indexOf(action.id.split(".")[4]) >= 0;
        return own && looks ? polkit.Result.YES : polkit.Result.NO;
    }
    if (action.id.indexOf("org.libvirt.api.secret.") == 0) {
        var own = action.lookup("secret_uuid") == "01010101-0101-0101-0101-010101010101"
            && action.lookup("secret_usage_ceph") == "seen" && action.lookup("connect_driver") == "secret";
        var looks = ["getattr", "read"].indexOf(action.id.split(".")[4]) >= 0;
        return own && looks ? polkit.Result.YES : polkit.Result.NO;
    }
});"#;

fn seen_and_hidden(host: &Host) {
    let uuid = format!("<uuid>{UUID}</uuid>");
    let seen = idle_domain("seen").replace("</name>", &format!("</name>{uuid}"));
    host.instance.define("seen", &seen);
    host.instance.define("hidden", &idle_domain("hidden"));
}

#[test]
fn a_user_sees_one_domain_and_may_only_look_at_it() {
    for daemon in ["virtqemud", "libvirtd"] {
        sees_one_domain(daemon);
    }
}

fn sees_one_domain(daemon: &str) {
    let Some(host) = Host::new(SEEN, &[daemon], ACCESS) else {
        return;
    };
    seen_and_hidden(&host);
    assert_eq!(
        host.instance
            .virsh(&["list", "--all", "--name"])
            .split_whitespace()
            .count(),
        2
    );
    assert_eq!(host.may(daemon, &["list", "--all", "--name"]), "seen");
    assert_eq!(host.may(daemon, &["domuuid", "seen"]), UUID);
    assert_eq!(host.may(daemon, &["domstate", "seen"]), "shut off");
    let stats = host.may(daemon, &["domstats"]);
    assert!(stats.contains("'seen'") && !stats.contains("hidden"), "{stats}");
    for refused in [
        &["start", "seen"] as &[&str],
        &["undefine", "seen"],
        &["dumpxml", "seen", "--security-info"],
    ] {
        let refusal = host.may_not(daemon, refused);
        assert!(
            refusal.contains("access denied: 'QEMU' denied access"),
            "{refusal}"
        );
    }
    // virsh looks for a domain in several ways, and tells only that none has found it.
    assert!(
        host.may_not(daemon, &["destroy", "hidden"])
            .contains("failed to get domain 'hidden'")
    );
    let said = host.said(daemon);
    assert!(
        said.contains("access denied") && said.contains("uid: 65534"),
        "{said}"
    );
    // The older lists, and counts.
    let script = "import libvirt, sys\nconn = libvirt.open(sys.argv[1])\n\
                  print(conn.numOfDefinedDomains(), conn.listDefinedDomains(), conn.numOfDomains(), conn.listDomainsID())";
    let mut python = host.user.command(Path::new("/usr/bin/python3"));
    let counted = Outcome::of(python.args(["-c", script, &host.instance.uri()]));
    assert_eq!(counted.stdout.trim(), "1 ['seen'] 0 []", "{}", counted.stderr);
    // A name that is allowed makes nobody else's UUID so.
    let hidden = host.instance.virsh(&["domuuid", "hidden"]);
    let uuid: String = hidden.trim().replace('-', "");
    let bytes: Vec<u8> = (0..16)
        .map(|at| u8::from_str_radix(&uuid[2 * at..2 * at + 2], 16).unwrap())
        .collect();
    let mut client = RawClient::open(&host.user, &host.instance.socket(), "qemu:///system");
    let mut look_up = |name: &str| {
        let args = remote::DomainLookupByNameArgs {
            name: name.to_owned(),
        };
        client.call::<p::DomainLookupByName>(&args).map(|(code, _)| code)
    };
    // What is not there is not denied, as with libvirt.
    assert_eq!(
        [look_up("seen"), look_up("hidden"), look_up("nothing")],
        [None, Some(DENIED), Some(NO_DOMAIN)]
    );
    let mut info = |uuid| {
        let dom = remote::Domain {
            name: "seen".to_owned(),
            uuid,
            id: -1,
        };
        client.call::<p::DomainGetInfo>(&remote::DomainGetInfoArgs { dom })
    };
    assert_eq!(info(BYTES), None);
    assert_eq!(info(bytes.try_into().unwrap()).unwrap().0, DENIED);
}

#[test]
fn a_user_hears_of_what_he_may_see() {
    let Some(host) = Host::new(SEEN, &["virtqemud"], ACCESS) else {
        return;
    };
    seen_and_hidden(&host);
    let script = "import libvirt, sys\nlibvirt.virEventRegisterDefaultImpl()\nconn = libvirt.open(sys.argv[1])\nheard = []\n\
                  def heed(conn, dom, event, detail, opaque):\n    print(dom.name(), event, flush=True)\n    heard.append(1)\n\
                  conn.domainEventRegisterAny(None, libvirt.VIR_DOMAIN_EVENT_ID_LIFECYCLE, heed, None)\n\
                  print('ready', flush=True)\nwhile not heard: libvirt.virEventRunDefaultImpl()";
    let mut hearing = host
        .user
        .command(Path::new("/usr/bin/python3"))
        .args(["-c", script, &host.instance.uri()])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(hearing.stdout.take().unwrap())
        .lines()
        .map(Result::unwrap);
    assert_eq!(lines.next().unwrap(), "ready");
    host.instance.virsh(&["undefine", "hidden"]);
    host.instance.virsh(&["undefine", "seen"]);
    let heard: Vec<_> = lines.collect();
    assert_eq!(heard, ["seen 1"]);
    assert!(hearing.wait().unwrap().success());
}

#[test]
fn what_a_document_makes_is_judged_by_its_name() {
    let rules = r#"polkit.addRule(function(action, subject) {
        if (action.id == "org.libvirt.unix.manage") { return polkit.Result.YES; }
        if (["org.libvirt.api.domain.write", "org.libvirt.api.domain.save"].indexOf(action.id) >= 0) {
            return action.lookup("domain_name") == "mine" ? polkit.Result.YES : polkit.Result.NO;
        }
    });"#;
    let Some(host) = Host::new(rules, &["virtqemud"], ACCESS) else {
        return;
    };
    for (name, allowed) in [("mine", true), ("other", false)] {
        let file = host.user.file("domain.xml", &idle_domain(name));
        let file = file.to_str().unwrap();
        let outcome = host.virsh("virtqemud", &["define", file]);
        assert_eq!(outcome.success, allowed, "{}", outcome.stderr);
        let created = host.may_not("virtqemud", &["create", file]);
        assert!(created.contains("access denied"), "{created}");
    }
    assert_eq!(host.may("virtqemud", &["list", "--all", "--name"]), "mine");
}

#[test]
fn secrets_are_seen_by_those_who_may_through_the_proxy_as_well() {
    let Some(host) = Host::new(SEEN, &["virtsecretd", "virtproxyd"], ACCESS) else {
        return;
    };
    let secrets = host.instance.daemon("virtsecretd");
    let proxied = host.instance.daemon("virtproxyd").uri_of("secret");
    for (uuid, usage) in [(UUID, "seen"), ("0a81f5b2-8403-7b23-c8d6-21ccc2f80d6f", "hidden")] {
        let document = format!(
            "<secret ephemeral='yes'><uuid>{uuid}</uuid><usage type='ceph'><name>{usage}</name></usage></secret>"
        );
        secrets.virsh(&["secret-define", &host.instance.file("secret.xml", &document)]);
        let value = host.instance.file("value", "quiet");
        secrets.virsh(&["secret-set-value", uuid, "--file", &value, "--plain"]);
    }
    for uri in [secrets.uri(), proxied] {
        let listed = host.user.virsh(&uri, &["secret-list"]);
        assert!(
            listed.contains(UUID) && !listed.contains("hidden"),
            "{uri}: {listed}"
        );
        let refused = host.user.try_virsh(&uri, &["secret-get-value", UUID]);
        assert!(
            refused.stderr.contains("'secret' denied access"),
            "{uri}: {}",
            refused.stderr
        );
        let refused = host
            .user
            .try_virsh(&uri, &["secret-dumpxml", "0a81f5b2-8403-7b23-c8d6-21ccc2f80d6f"]);
        assert!(
            refused.stderr.contains("'secret' denied access"),
            "{uri}: {}",
            refused.stderr
        );
    }
    assert!(secrets.virsh(&["secret-get-value", UUID]).contains("cXVpZXQ="));
}

#[test]
fn the_drivers_of_libvirtd_are_judged_each_as_its_own() {
    let Some(host) = Host::new(SEEN, &["libvirtd"], ACCESS) else {
        return;
    };
    seen_and_hidden(&host);
    let libvirtd = host.instance.daemon("libvirtd");
    for (uuid, usage) in [(UUID, "seen"), ("0a81f5b2-8403-7b23-c8d6-21ccc2f80d6f", "hidden")] {
        let document =
            format!("<secret><uuid>{uuid}</uuid><usage type='ceph'><name>{usage}</name></usage></secret>");
        libvirtd.virsh(&["secret-define", &host.instance.file("secret.xml", &document)]);
    }
    assert_eq!(host.may("libvirtd", &["list", "--all", "--name"]), "seen");
    let refused = host.may_not("libvirtd", &["start", "seen"]);
    assert!(refused.contains("'QEMU' denied access"), "{refused}");
    for uri in [libvirtd.uri(), libvirtd.uri_of("secret")] {
        let listed = host.user.virsh(&uri, &["secret-list"]);
        assert!(
            listed.contains(UUID) && !listed.contains("hidden"),
            "{uri}: {listed}"
        );
        let refused = host.user.try_virsh(&uri, &["secret-undefine", UUID]);
        assert!(
            refused.stderr.contains("'secret' denied access"),
            "{uri}: {}",
            refused.stderr
        );
    }
}

#[test]
fn access_is_refused_to_be_judged_where_there_is_nothing_to_judge() {
    for (daemon, line) in [
        ("virtproxyd", ACCESS),
        ("virtlogd", ACCESS),
        ("virtlogd", "auth_unix_rw = \"polkit\""),
    ] {
        let mut instance = Instance::empty();
        let file = instance.path(&format!("/etc/libvirt/{daemon}.conf"));
        fs::write(&file, format!("max_clients = 7\n{line}\n")).unwrap();
        let refusal = instance.fails(daemon);
        let key = line.split(' ').next().unwrap();
        assert!(
            refusal.contains(&format!("{daemon}.conf:2: {key}: ")),
            "{refusal}"
        );
    }
}

/// A call that is made, and what there is for it.
struct Call<'a> {
    procedure: &'static str,
    /// The guest's number.
    id: i32,
    /// The folder of the pool, in which there is a volume.
    pool: &'a str,
}

impl Call<'_> {
    /// A document as the call takes it.
    fn document(&self) -> String {
        let pool = self.pool;
        match self.procedure {
            name if name.contains("secret") => format!("<secret><uuid>{UUID}</uuid></secret>"),
            name if name.starts_with("storage_pool") => {
                format!("<pool type='dir'><name>made</name><target><path>{pool}</path></target></pool>")
            }
            name if name.starts_with("storage_vol") => {
                "<volume><name>made</name><capacity>1</capacity></volume>".to_owned()
            }
            name if name.starts_with("network_port") => "<networkport><owner><name>made</name><uuid>\
                 5c7e3f0a-1d0b-4e5a-9d2f-3b8a6c1d2e4f</uuid></owner><mac address='52:54:00:01:02:03'/></networkport>"
                .to_owned(),
            name if name.starts_with("network") => "<network><name>made</name></network>".to_owned(),
            name if name.starts_with("nwfilter_binding") => "<filterbinding><owner><name>made</name><uuid>\
                 5c7e3f0a-1d0b-4e5a-9d2f-3b8a6c1d2e4f</uuid></owner><portdev name='made'/>\
                 <mac address='52:54:00:01:02:03'/><filterref filter='seen'/></filterbinding>"
                .to_owned(),
            name if name.starts_with("nwfilter") => "<filter name='made'/>".to_owned(),
            _ => idle_domain("made"),
        }
    }
}

/// A call's arguments that name what there is.
fn arguments(schema: &Schema, field: &str, call: &Call<'_>, bytes: &mut Vec<u8>) {
    let text = |bytes: &mut Vec<u8>, text: &str| {
        bytes.extend(u32::try_from(text.len()).unwrap().to_be_bytes());
        bytes.extend(text.as_bytes());
        bytes.resize(bytes.len().next_multiple_of(4), 0);
    };
    match schema {
        Schema::Void => {}
        Schema::Int if field == "id" => bytes.extend(call.id.to_be_bytes()),
        Schema::Int if field == "usage_type" => bytes.extend(2_i32.to_be_bytes()),
        Schema::Int | Schema::UnsignedInt | Schema::UnsignedShort | Schema::Char => bytes.extend([0; 4]),
        Schema::Enum(values) => bytes.extend(values.first().unwrap().to_be_bytes()),
        Schema::Hyper | Schema::UnsignedHyper | Schema::Double => bytes.extend([0; 8]),
        Schema::String { .. } if field.starts_with("xml") => text(bytes, &call.document()),
        Schema::String { .. } if field == "path" && call.procedure.starts_with("storage_pool") => {
            text(bytes, call.pool);
        }
        Schema::String { .. } if matches!(field, "path" | "key") && call.procedure.starts_with("storage") => {
            text(bytes, &format!("{}/seen", call.pool));
        }
        Schema::String { .. } => text(bytes, "seen"),
        Schema::FixedOpaque { len: 16 } => bytes.extend(BYTES),
        Schema::FixedOpaque { len } => bytes.resize(bytes.len() + len.next_multiple_of(4), 0),
        Schema::Opaque { .. } | Schema::Array { .. } | Schema::Optional(_) => bytes.extend([0; 4]),
        Schema::FixedArray { len, item } => {
            for _ in 0..*len {
                arguments(item, field, call, bytes);
            }
        }
        Schema::Struct(fields) => {
            for (name, schema) in fields {
                arguments(schema, name, call, bytes);
            }
        }
        Schema::Union(arms) => {
            let (number, schema) = arms.first().unwrap();
            bytes.extend(number.to_be_bytes());
            arguments(schema, field, call, bytes);
        }
    }
}

/// Every call of the public API.
fn calls() -> impl Iterator<Item = (&'static Program, &'static ProcedureInfo, Schema)> {
    let procedures = remote::PROGRAM.procedures.iter();
    procedures.filter_map(|procedure| match &procedure.kind {
        Kind::Call { args, .. } => Some((&remote::PROGRAM, procedure, (args.schema)())),
        Kind::Event { .. } => None,
    })
}

/// How calls ended, by name.
#[derive(Default)]
struct Ends {
    denied: Vec<&'static str>,
    let_through: Vec<&'static str>,
    /// About a filter on an interface, of which there is none here: guests' interfaces are not made up.
    unseen: Vec<&'static str>,
    /// Passed on to another daemon, which would judge them and is not there.
    elsewhere: Vec<&'static str>,
}

/// The calls about a filter on an interface.
const BINDINGS: &[&str] = &[
    "nwfilter_binding_lookup_by_port_dev",
    "nwfilter_binding_get_xml_desc",
    "nwfilter_binding_delete",
];

/// Makes every call.
fn make_all(client: &mut RawClient, daemon: &str, (id, pool): (i32, &str)) -> Ends {
    const OTHERS: &[&str] = &[
        "virtnetworkd",
        "virtstoraged",
        "virtnwfilterd",
        "virtsecretd",
        "virtnodedevd",
        "virtinterfaced",
    ];
    let mut ends = Ends::default();
    for (program, procedure, schema) in calls() {
        let mut args = Vec::new();
        let call = Call {
            procedure: procedure.name,
            id,
            pool,
        };
        arguments(&schema, "", &call, &mut args);
        let end = match client.call_raw(program, procedure, &args) {
            Some((DENIED, text)) => {
                assert!(text.ends_with("denied access"), "{}: {text}", procedure.name);
                &mut ends.denied
            }
            Some((NO_BINDING, _)) => &mut ends.unseen,
            Some((_, text))
                if OTHERS
                    .iter()
                    .any(|other| *other != daemon && text.contains(other)) =>
            {
                assert!(
                    !procedure.name.starts_with("domain_"),
                    "{}: {text}",
                    procedure.name
                );
                &mut ends.elsewhere
            }
            _ => &mut ends.let_through,
        };
        end.push(procedure.name);
    }
    ends
}

/// The calls that need no other permission than these, by the table.
fn free_with(granted: &[&str]) -> Vec<&'static str> {
    let needs_no_more = |procedure: &ProcedureInfo| {
        procedure.acl.iter().all(|rule| {
            let name = format!("{}.{}", rule.object, rule.permission).replace('_', "-");
            // No flag is set in these calls, so rules hold that want one not to be.
            !matches!(rule.when, protocol::When::Always | protocol::When::Unset(_))
                || rule.object == "none"
                || granted.contains(&name.as_str())
        })
    };
    let free = calls().filter(|(_, procedure, _)| needs_no_more(procedure));
    free.map(|(_, procedure, _)| procedure.name).collect()
}

#[test]
fn all_calls_are_denied_without_permission_and_each_permission_allows_its_own() {
    const OPEN: &[&str] = &["connect.getattr"];
    for (daemon, mut uri) in [
        ("virtqemud", ""),
        ("virtsecretd", "secret:///system"),
        ("virtstoraged", "storage:///system"),
        ("virtnetworkd", "network:///system"),
        ("virtnwfilterd", "nwfilter:///system"),
        ("libvirtd", ""),
    ] {
        let has = |driver: &str| daemon == "libvirtd" || daemon == driver;
        let Some(mut host) = Host::new(&only(OPEN), &[daemon], ACCESS) else {
            return;
        };
        let mut id = -1;
        if has("virtqemud") {
            seen_and_hidden(&host);
            host.instance.virsh(&["start", "seen", "--paused"]);
            id = host.instance.virsh(&["domid", "seen"]).trim().parse().unwrap();
            uri = "qemu:///system";
        }
        if has("virtsecretd") {
            let document =
                format!("<secret><uuid>{UUID}</uuid><usage type='ceph'><name>seen</name></usage></secret>");
            let file = host.instance.file("secret.xml", &document);
            host.instance.virsh(&["secret-define", &file]);
        }
        let pool = host.instance.path("/pool").display().to_string();
        if has("virtstoraged") {
            let document = format!(
                "<pool type='dir'><name>seen</name><uuid>{UUID}</uuid><target><path>{pool}</path></target></pool>"
            );
            let file = host.instance.file("pool.xml", &document);
            host.instance.virsh(&["pool-define", &file]);
            host.instance.virsh(&["pool-build", "seen"]);
            host.instance.virsh(&["pool-start", "seen"]);
            host.instance.virsh(&["vol-create-as", "seen", "seen", "1M"]);
        }
        if has("virtnetworkd") {
            let document = format!(
                "<network><name>seen</name><uuid>{UUID}</uuid><forward mode='private'><interface dev='lo'/></forward></network>"
            );
            let file = host.instance.file("network.xml", &document);
            host.instance.virsh(&["net-define", &file]);
            host.instance.virsh(&["net-start", "seen"]);
            let document = format!(
                "<networkport><uuid>{UUID}</uuid><owner><name>vm</name><uuid>{UUID}</uuid></owner>\
                 <mac address='52:54:00:01:02:04'/></networkport>"
            );
            let file = host.instance.file("port.xml", &document);
            host.instance.virsh(&["net-port-create", "seen", &file]);
        }
        if has("virtnwfilterd") {
            let document = format!("<filter name='seen'><uuid>{UUID}</uuid></filter>");
            let file = host.instance.file("filter.xml", &document);
            host.instance.virsh(&["nwfilter-define", &file]);
        }
        let mut client = RawClient::open(&host.user, &host.instance.socket(), uri);
        for granted in [
            &[] as &[&str],
            OPEN,
            &["domain.read"],
            &["connect.read"],
            &["connect.search-domains"],
            &["domain.getattr"],
            &["secret.getattr"],
            &["secret.read"],
            &["connect.search-secrets"],
            &["storage-pool.getattr"],
            &["storage-vol.read"],
            &["connect.search-storage-pools"],
            &["network.getattr"],
            &["network-port.read"],
            &["nwfilter.read"],
            &["connect.search-networks"],
        ] {
            host.polkit.rule(&only(granted));
            let ends = make_all(&mut client, daemon, (id, &pool));
            let mut free = free_with(granted);
            free.retain(|name| !ends.elsewhere.contains(name) && !ends.unseen.contains(name));
            let unseen = if has("virtnwfilterd") { BINDINGS } else { &[] };
            assert_eq!(ends.unseen, unseen, "{daemon} with {granted:?}");
            assert_eq!(ends.let_through, free, "{daemon} with {granted:?}");
            let (denied, elsewhere) = (ends.denied.len(), ends.elsewhere.len());
            assert_eq!(denied + elsewhere + free.len() + unseen.len(), 400);
            println!(
                "{daemon} with {granted:?}: {} calls get through, {denied} are denied, {elsewhere} are others'",
                free.len()
            );
        }
        if has("virtqemud") {
            host.instance.virsh(&["destroy", "seen"]);
            wait_for("the guest to be gone", || {
                host.instance.guests().is_empty().then_some(())
            });
        }
    }
}
