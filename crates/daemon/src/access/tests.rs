//! The whole table against a policy that grants one permission at a time.

use super::encoded::Encoded;
use super::guard::Rules;
use super::plan::{EventPlan, Form, Place, Plan};
use super::policy::{Policy, Question};
use super::{By, Kind, Object, condition};
use crate::{Driver, Info, Instance, Routes};
use error::{Code, Result};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use protocol::{Kind as Sent, ProcedureInfo, Program, When};
use rpc::Caller;
use std::collections::BTreeSet;
use std::sync::Arc;
use uuid::Uuid;
use xdr::Schema;

/// A driver that has every object that anybody may ask for.
struct Everything;

impl Driver for Everything {
    const INFO: Info = Info {
        daemon: "virttestd",
        about: "a daemon for tests",
        driver: "test",
    };

    async fn open(_: Instance) -> Result<Arc<Self>> {
        Ok(Arc::new(Self))
    }

    fn routes(_: &mut Routes<Self>) {}

    async fn describe(&self, kind: Kind, _: By<'_>) -> Result<Object> {
        Ok(described(kind))
    }

    fn busy(&self) -> bool {
        false
    }

    async fn reload(&self) -> Result<()> {
        Ok(())
    }

    async fn shutdown(&self) {}
}

const UUID: Uuid = Uuid::from_bytes([1; 16]);

/// Every object of [`Everything`]; nothing of it is what calls say.
fn described(kind: Kind) -> Object {
    match kind {
        Kind::Connect => Object::default(),
        Kind::Domain => Object::domain("own", UUID),
        Kind::Interface => Object::interface("own", "52:54:00:00:00:01"),
        Kind::Network => Object::network("own", UUID),
        Kind::NetworkPort => Object::network_port("own", UUID, UUID),
        Kind::NodeDevice => Object::node_device("own"),
        Kind::Nwfilter => Object::nwfilter("own", UUID),
        Kind::NwfilterBinding => Object::nwfilter_binding("own"),
        Kind::Secret => Object::secret(UUID, 2, "own"),
        Kind::StoragePool => Object::storage_pool("own", UUID),
        Kind::StorageVol => Object::storage_vol("own", UUID, "own", "own"),
    }
}

/// Grants these permissions, and remembers what it was asked.
#[derive(Debug, Default)]
struct Granting {
    granted: BTreeSet<(&'static str, &'static str)>,
    asked: Mutex<Vec<Question>>,
}

impl Policy for Granting {
    fn allows(&self, question: Question) -> BoxFuture<'_, Result<bool>> {
        let granted = self
            .granted
            .contains(&(question.kind.name(), question.permission));
        self.asked.lock().push(question);
        async move { Ok(granted) }.boxed()
    }
}

fn granting(granted: impl IntoIterator<Item = (&'static str, &'static str)>) -> (Rules, Arc<Granting>) {
    let policy = Arc::new(Granting {
        granted: granted.into_iter().collect(),
        ..Granting::default()
    });
    let programs = [
        &protocol::remote::PROGRAM,
        &protocol::qemu::PROGRAM,
        &protocol::lxc::PROGRAM,
    ];
    let asked: Arc<dyn Policy> = Arc::clone(&policy) as _;
    (Rules::new(programs.into_iter(), "QEMU", asked), policy)
}

/// A value of that schema, with `flags` and everything that may be missing.
fn sample(schema: &Schema, flags: &[(&str, u32)], name: &str, bytes: &mut Vec<u8>) {
    let word = |bytes: &mut Vec<u8>, word: u32| bytes.extend(word.to_be_bytes());
    match schema {
        Schema::Void => {}
        Schema::Int | Schema::UnsignedInt | Schema::UnsignedShort | Schema::Char => {
            let flag = flags.iter().find(|(known, _)| *known == name);
            word(bytes, flag.map_or(0, |(_, value)| *value));
        }
        Schema::Enum(values) => word(bytes, values[0].cast_unsigned()),
        Schema::Hyper | Schema::UnsignedHyper | Schema::Double => bytes.extend([0; 8]),
        Schema::String { .. } => bytes.extend([0, 0, 0, 4, b'c', b'l', b'i', b'm']),
        Schema::Opaque { .. } | Schema::Array { .. } => word(bytes, 0),
        Schema::FixedOpaque { len } => bytes.extend(vec![9; len.next_multiple_of(4)]),
        Schema::FixedArray { len, item } => (0..*len).for_each(|_| sample(item, flags, name, bytes)),
        Schema::Optional(inner) => {
            word(bytes, 1);
            sample(inner, flags, name, bytes);
        }
        Schema::Struct(fields) => fields
            .iter()
            .for_each(|(name, schema)| sample(schema, flags, name, bytes)),
        Schema::Union(arms) => {
            word(bytes, arms[0].0.cast_unsigned());
            sample(&arms[0].1, flags, name, bytes);
        }
    }
}

fn calls() -> impl Iterator<Item = (&'static Program, &'static ProcedureInfo)> {
    [
        &protocol::remote::PROGRAM,
        &protocol::qemu::PROGRAM,
        &protocol::lxc::PROGRAM,
    ]
    .into_iter()
    .flat_map(|program| {
        program
            .procedures
            .iter()
            .map(move |procedure| (program, procedure))
    })
    .filter(|(_, procedure)| matches!(procedure.kind, Sent::Call { .. }))
}

/// Every way in which a procedure's rules can hold: with no flag, and with each that a rule speaks of.
fn variants(procedure: &ProcedureInfo) -> Vec<Vec<(&'static str, u32)>> {
    let mut variants = vec![Vec::new()];
    for rule in procedure.acl {
        let (field, names) = match rule.when {
            When::Always => continue,
            When::Set(names) | When::Unset(names) => ("flags", names),
            When::Field(field, names) => (field, names),
        };
        for name in names.split('|') {
            variants.push(vec![(field, condition::value(name).unwrap())]);
        }
    }
    variants
}

/// What a call with those flags needs, as the table says.
fn needed(procedure: &ProcedureInfo, flags: &[(&str, u32)]) -> BTreeSet<(&'static str, &'static str)> {
    let given = |field| {
        flags
            .iter()
            .find(|(name, _)| *name == field)
            .map_or(0, |(_, value)| *value)
    };
    let rules = procedure.acl.iter().filter(|rule| match rule.when {
        When::Always => !rule.permission.is_empty(),
        When::Set(flag) => given("flags") & condition::value(flag).unwrap() != 0,
        When::Unset(flags) => given("flags") & condition::value(flags).unwrap() == 0,
        When::Field(field, wanted) => given(field) == condition::value(wanted).unwrap(),
    });
    rules.map(|rule| (rule.object, rule.permission)).collect()
}

/// Whether a call of a driver that serves everything gets through.
fn passes(rules: &Rules, program: &Program, procedure: &ProcedureInfo, flags: &[(&str, u32)]) -> bool {
    let plan = rules.plan(program, procedure).unwrap();
    let (mut bytes, mut reply) = (Vec::new(), Vec::new());
    sample(&plan.arguments, flags, "", &mut bytes);
    sample(&plan.reply, &[], "", &mut reply);
    let arguments = Encoded::new(&plan.arguments, &bytes).unwrap();
    let caller = Arc::new(Caller::default());
    let judged = async {
        rules.before(&Everything, &caller, plan, &arguments).await?;
        rules.after(&Everything, &caller, plan, &arguments, &reply).await
    };
    match judged.now_or_never().unwrap() {
        Ok(()) => true,
        Err(refusal) => {
            assert_eq!(
                refusal.code(),
                Code::AccessDenied,
                "{}: {refusal}",
                procedure.name
            );
            assert_eq!(refusal.to_string(), "access denied: 'QEMU' denied access");
            false
        }
    }
}

#[test]
fn each_permission_lets_through_exactly_the_calls_that_need_no_other() {
    let permissions = protocol::permissions();
    assert_eq!(permissions.len(), 106);
    let (deny_all, _) = granting([]);
    for (program, procedure) in calls() {
        for flags in variants(procedure) {
            let needed = needed(procedure, &flags);
            assert_eq!(
                passes(&deny_all, program, procedure, &flags),
                needed.is_empty(),
                "{} {flags:?} without any permission",
                procedure.name
            );
            let (exactly, _) = granting(needed.clone());
            assert!(
                passes(&exactly, program, procedure, &flags),
                "{} {flags:?}",
                procedure.name
            );
            // No other permission makes up for one that is missing.
            for missing in &needed {
                let others = permissions.keys().copied().filter(|one| one != missing);
                let (others, _) = granting(others);
                assert!(
                    !passes(&others, program, procedure, &flags),
                    "{} {flags:?} without {missing:?}",
                    procedure.name
                );
            }
        }
    }
    for permission in permissions.keys() {
        let (one, _) = granting([*permission]);
        for (program, procedure) in calls() {
            let needed = needed(procedure, &[]);
            let alone = needed.iter().all(|one| one == permission);
            assert_eq!(
                passes(&one, program, procedure, &[]),
                alone,
                "{} with {permission:?} alone",
                procedure.name
            );
        }
    }
    // Of the 453 remote procedures, 53 are events.
    let remote = calls().filter(|(program, _)| program.name == "remote");
    assert_eq!(
        (protocol::remote::PROGRAM.procedures.len(), remote.count()),
        (453, 400)
    );
}

#[test]
fn a_policy_hears_of_the_drivers_own_object_and_never_what_a_client_calls_it() {
    for (program, procedure) in calls() {
        let everything = protocol::permissions().into_keys();
        let (rules, policy) = granting(everything);
        assert!(passes(&rules, program, procedure, &[]));
        for question in policy.asked.lock().iter() {
            assert_eq!(question.driver, "QEMU");
            let plan = rules.plan(program, procedure).unwrap();
            // What a look-up found is in its reply, which is the driver's own word.
            if !matches!(plan.place, Place::Reply(_)) {
                assert_eq!(question.object, described(question.kind), "{}", procedure.name);
            }
        }
    }
}

#[test]
fn rules_of_one_procedure_are_about_one_kind_of_object() {
    for (program, procedure) in calls() {
        let kinds: BTreeSet<_> = procedure.acl.iter().map(|rule| rule.object).collect();
        assert_eq!(kinds.len(), 1, "{}", procedure.name);
        let plan = Plan::of(program, procedure).unwrap();
        assert_eq!(plan.kind.is_none(), kinds.contains("none"), "{}", procedure.name);
        assert!(procedure.filter.len() <= 1, "{}", procedure.name);
    }
}

#[test]
fn drivers_find_objects_themselves_only_where_no_type_names_them() {
    let mut left: Vec<_> = calls()
        .filter(|(program, procedure)| Plan::of(program, procedure).unwrap().place == Place::Call)
        .map(|(_, procedure)| procedure.name)
        .collect();
    left.sort_unstable();
    assert_eq!(
        left,
        [
            "domain_attach",
            "domain_migrate_finish",
            "domain_migrate_finish2",
            "domain_migrate_finish3",
            "domain_migrate_finish3_params",
            "domain_migrate_prepare",
            "domain_migrate_prepare2",
            "domain_migrate_prepare3",
            "domain_migrate_prepare3_params",
            "domain_migrate_prepare_tunnel",
            "domain_migrate_prepare_tunnel3",
            "domain_migrate_prepare_tunnel3_params",
            "domain_restore",
            "domain_restore_flags",
            "domain_restore_params",
            "domain_save_image_define_xml",
            "domain_save_image_get_xml_desc",
            "network_port_create_xml",
            "storage_vol_create_xml",
            "storage_vol_create_xml_from",
        ]
    );
    let documents: Vec<_> = calls()
        .filter(|(program, procedure)| {
            matches!(Plan::of(program, procedure).unwrap().place, Place::Document(_))
        })
        .map(|(_, procedure)| procedure.name)
        .collect();
    assert_eq!(documents.len(), 17, "{documents:?}");
    assert!(
        documents
            .iter()
            .all(|name| name.contains("define_xml") || name.contains("create_xml"))
    );
}

#[test]
fn every_list_that_is_to_be_filtered_is() {
    for (program, procedure) in calls().filter(|(_, procedure)| !procedure.filter.is_empty()) {
        let plan = Plan::of(program, procedure).unwrap();
        if procedure.name.contains("event") {
            assert!(
                plan.list.is_none() && plan.heard().is_some(),
                "{}",
                procedure.name
            );
            continue;
        }
        let list = plan
            .list
            .unwrap_or_else(|| panic!("{} is not filtered", procedure.name));
        let counts = procedure.name.contains("num_of");
        assert_eq!(matches!(list.form, Form::Count(_)), counts, "{}", procedure.name);
    }
}

#[test]
fn events_name_their_objects_and_are_heard_by_whoever_may_see_those() {
    let events = [&protocol::remote::PROGRAM, &protocol::qemu::PROGRAM]
        .into_iter()
        .flat_map(|program| program.procedures)
        .filter(|procedure| matches!(procedure.kind, Sent::Event { .. }));
    let without: Vec<_> = events
        .filter(|procedure| EventPlan::of(procedure).is_none())
        .map(|procedure| procedure.name)
        .collect();
    assert_eq!(without, ["connect_event_connection_closed"]);
    let registered = calls().filter(|(_, procedure)| procedure.name.contains("event"));
    for (_, procedure) in registered {
        for rule in procedure.filter {
            assert_eq!(rule.permission, "getattr", "{}", procedure.name);
        }
    }
}
