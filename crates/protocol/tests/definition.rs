//! Holds the project's tables and types against the protocol's definition, field by field.
//!
//! The definition is data that lies beside the checkout (`../shared/protocol`); where it is missing, these tests say so
//! and pass.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test"
)]

use protocol::{AclRule, Body, Kind, PROGRAMS, Priority, ProcedureInfo, Program, Recode, When, recodes};
use serde_json::Value;
use std::collections::HashMap;
use std::path::PathBuf;
use xdr::Schema;

/// All definition files by program name, or nothing where they are not at hand.
fn definition() -> Option<HashMap<String, Value>> {
    let folder = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/protocol"));
    let names = PROGRAMS.iter().map(|program| program.name).chain(["net"]);
    let files: Option<HashMap<_, _>> = names
        .map(|name| {
            let text = std::fs::read_to_string(folder.join(format!("{name}.json"))).ok()?;
            Some((
                name.to_owned(),
                serde_json::from_str(&text).expect("a definition file is JSON"),
            ))
        })
        .collect();
    if files.is_none() {
        println!("SKIPPED: no protocol definition at {}", folder.display());
    }
    files
}

/// Types and constants of all files: names are unique across programs.
struct Definition<'a> {
    types: HashMap<&'a str, &'a Value>,
    constants: HashMap<&'a str, &'a Value>,
}

impl<'a> Definition<'a> {
    fn new(files: &'a HashMap<String, Value>) -> Self {
        let types = files
            .values()
            .flat_map(|file| file["types"].as_array().expect("types"));
        let constants = files
            .values()
            .flat_map(|file| file["constants"].as_object().expect("constants"));
        Self {
            types: types.map(|entry| (text(entry, "name"), entry)).collect(),
            constants: constants.map(|(name, value)| (name.as_str(), value)).collect(),
        }
    }

    fn limit(&self, value: &Value) -> usize {
        // These stand in the README beside the files, as they come from public headers.
        let number = match value.as_str() {
            None => value.as_u64().expect("a limit"),
            Some("VIR_UUID_BUFLEN") => 16,
            Some("REMOTE_SECURITY_LABEL_LIST_MAX") => 64,
            Some(name) => match self.constants.get(name) {
                Some(constant) => return self.limit(constant),
                None => name.parse().unwrap_or_else(|_| panic!("no constant {name}")),
            },
        };
        usize::try_from(number).expect("fits")
    }

    fn named(&self, name: &str) -> Schema {
        match name {
            "int" => Schema::Int,
            "unsigned int" => Schema::UnsignedInt,
            "hyper" => Schema::Hyper,
            "unsigned hyper" => Schema::UnsignedHyper,
            "double" => Schema::Double,
            "unsigned short" => Schema::UnsignedShort,
            "char" | "unsigned char" => Schema::Char,
            name => {
                let entry = self.types.get(name).unwrap_or_else(|| panic!("no type {name}"));
                match text(entry, "kind") {
                    "typedef" => self.field(entry),
                    "struct" => self.structure(entry),
                    "enum" => {
                        let values = entry["values"].as_object().expect("values").values();
                        Schema::Enum(
                            values
                                .map(|value| value.as_i64().expect("a number") as i32)
                                .collect(),
                        )
                    }
                    "union" => {
                        let arms = entry["arms"].as_array().expect("arms").iter().enumerate();
                        // The public header numbers the VIR_TYPED_PARAM_* cases from 1 in this order.
                        Schema::Union(arms.map(|(at, arm)| (at as i32 + 1, self.field(arm))).collect())
                    }
                    kind => panic!("kind {kind}"),
                }
            }
        }
    }

    fn structure(&self, entry: &Value) -> Schema {
        let fields = entry["fields"].as_array().expect("fields").iter();
        Schema::Struct(
            fields
                .map(|field| (snake(text(field, "name")).leak() as &str, self.field(field)))
                .collect(),
        )
    }

    /// The form of a field or a typedef.
    fn field(&self, field: &Value) -> Schema {
        let max = field.get("max").map(|max| self.limit(max));
        let len = field.get("len").map(|len| self.limit(len));
        let form = match (text(field, "type"), max, len) {
            ("string", Some(max), _) => Schema::String { max },
            ("opaque", Some(max), _) => Schema::Opaque { max },
            ("opaque", _, Some(len)) => Schema::FixedOpaque { len },
            (name, Some(max), _) => Schema::Array {
                max,
                item: Box::new(self.named(name)),
            },
            (name, _, Some(len)) => Schema::FixedArray {
                len,
                item: Box::new(self.named(name)),
            },
            (name, None, None) => self.named(name),
        };
        if field["optional"] == true {
            Schema::Optional(Box::new(form))
        } else {
            form
        }
    }
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_else(|| panic!("{key} in {value}"))
}

/// `callbackID` as `callback_id`.
fn snake(name: &str) -> String {
    let chars: Vec<char> = name.chars().collect();
    let mut out = String::new();
    for (at, char) in chars.iter().enumerate() {
        let after_lower = at > 0 && !chars[at - 1].is_uppercase() && chars[at - 1] != '_';
        let before_lower =
            at > 0 && chars[at - 1] != '_' && chars.get(at + 1).is_some_and(|c| c.is_lowercase());
        if char.is_uppercase() && (after_lower || before_lower) {
            out.push('_');
        }
        out.extend(char.to_lowercase());
    }
    out
}

fn rules(value: &Value, key: &str) -> Vec<String> {
    let list = value.get(key).and_then(Value::as_array).into_iter().flatten();
    list.map(|rule| rule.as_str().expect("a rule").to_owned())
        .collect()
}

fn rule_text(rule: &AclRule) -> String {
    let AclRule {
        object,
        permission,
        when,
    } = rule;
    match when {
        When::Always if permission.is_empty() => (*object).to_owned(),
        When::Always => format!("{object}:{permission}"),
        When::Set(flag) => format!("{object}:{permission}:{flag}"),
        When::Unset(flags) => format!("{object}:{permission}:!{flags}"),
        When::Field(field, value) => format!("{object}:{permission}::{field}:{value}"),
    }
}

fn same_procedure(definition: &Definition<'_>, program: &Program, ours: &ProcedureInfo, theirs: &Value) {
    let what = format!("{} {} {}", program.name, ours.number, ours.name);
    assert_eq!(ours.name, text(theirs, "name"), "{what}");
    let body = |key: &str| {
        theirs
            .get(key)
            .map_or(Schema::Void, |_| definition.named(text(theirs, key)))
    };
    match &ours.kind {
        Kind::Call { args, ret } => {
            assert!(theirs.get("event").is_none(), "{what} is an event");
            assert_eq!((args.schema)(), body("args"), "{what}: arguments");
            assert_eq!((ret.schema)(), body("ret"), "{what}: reply");
        }
        Kind::Event { message } => assert_eq!((message.schema)(), body("event"), "{what}: message"),
    }
    let high = theirs.get("priority").is_some_and(|priority| priority == "high");
    assert_eq!(ours.priority == Priority::High, high, "{what}: priority");
    for (key, direction) in [
        ("readstream", protocol::Direction::Read),
        ("writestream", protocol::Direction::Write),
    ] {
        let stream = ours.stream.filter(|stream| stream.direction == direction);
        let argument = stream.map(|stream| stream.argument.to_string());
        assert_eq!(
            argument.as_deref(),
            theirs.get(key).and_then(Value::as_str),
            "{what}: {key}"
        );
    }
    let texts = |rules: &[AclRule]| rules.iter().map(rule_text).collect::<Vec<_>>();
    assert_eq!(texts(ours.acl), rules(theirs, "acl"), "{what}: acl");
    assert_eq!(
        texts(ours.filter),
        rules(theirs, "aclfilter"),
        "{what}: aclfilter"
    );
}

#[test]
fn every_procedure_is_as_defined() {
    let Some(files) = definition() else { return };
    let definition = Definition::new(&files);
    for program in PROGRAMS {
        let file = &files[program.name];
        let number = text(file, "number");
        assert_eq!(
            program.number,
            u32::from_str_radix(&number[2..], 16).expect("hex"),
            "{}",
            program.name
        );
        assert_eq!(
            u64::from(program.version),
            file["version"].as_u64().expect("version")
        );
        let procedures = file["procedures"].as_array().expect("procedures");
        assert_eq!(program.procedures.len(), procedures.len(), "{}", program.name);
        for theirs in procedures {
            let number = theirs["number"].as_i64().expect("number") as i32;
            let ours = program
                .procedure(number)
                .unwrap_or_else(|| panic!("{} lacks {theirs}", program.name));
            assert_eq!(ours.number, number);
            same_procedure(&definition, program, ours, theirs);
        }
    }
}

#[test]
fn the_packet_is_as_defined() {
    use xdr::Describe;
    let Some(files) = definition() else { return };
    let definition = Definition::new(&files);
    assert_eq!(
        protocol::net::Header::schema(),
        definition.named("virNetMessageHeader")
    );
    assert_eq!(
        protocol::net::Error::schema(),
        definition.named("virNetMessageError")
    );
    assert_eq!(
        protocol::net::StreamHole::schema(),
        definition.named("virNetStreamHole")
    );
    let constant = |name: &str| definition.limit(&Value::from(name));
    use protocol::net::limits;
    assert_eq!(limits::MESSAGE, constant("VIR_NET_MESSAGE_MAX"));
    assert_eq!(limits::HEADER, constant("VIR_NET_MESSAGE_HEADER_MAX"));
    assert_eq!(limits::PAYLOAD, constant("VIR_NET_MESSAGE_PAYLOAD_MAX"));
    assert_eq!(limits::LENGTH, constant("VIR_NET_MESSAGE_LEN_MAX"));
    assert_eq!(limits::INITIAL, constant("VIR_NET_MESSAGE_INITIAL"));
    assert_eq!(
        limits::STREAM_DATA,
        constant("VIR_NET_MESSAGE_LEGACY_PAYLOAD_MAX")
    );
    assert_eq!(limits::DESCRIPTORS, constant("VIR_NET_MESSAGE_NUM_FDS_MAX"));
}

/// Every body with what recodes it, for the tests that need no definition.
fn bodies() -> impl Iterator<Item = (String, &'static Body, Recode)> {
    PROGRAMS
        .iter()
        .flat_map(|program| program.procedures.iter().map(move |info| (program, info)))
        .flat_map(|(program, info)| {
            let name = |part| format!("{} {} {part}", program.name, info.name);
            let bodies = match &info.kind {
                Kind::Call { args, ret } => vec![(name("args"), args), (name("ret"), ret)],
                Kind::Event { message } => vec![(name("message"), message)],
            };
            let recodes = recodes(program, info.number).unwrap_or_default();
            assert_eq!(recodes.len(), bodies.len(), "{}", name("recodes"));
            let pairs = bodies.into_iter().zip(recodes);
            pairs.map(|((name, body), recode)| (name, body, *recode))
        })
}

/// Bytes of a value of that form, its choices taken from `seed`.
fn sample(schema: &Schema, seed: &mut dyn FnMut() -> u32, out: &mut Vec<u8>) {
    let put = |value: u32, out: &mut Vec<u8>| out.extend(value.to_be_bytes());
    let some = |max: usize, seed: &mut dyn FnMut() -> u32| (seed() as usize % 4).min(max);
    match schema {
        Schema::Void => {}
        Schema::Int | Schema::UnsignedInt => put(seed(), out),
        Schema::Hyper | Schema::UnsignedHyper => (0..2).for_each(|_| put(seed(), out)),
        Schema::Double => out.extend(f64::from(seed()).to_be_bytes()),
        Schema::UnsignedShort => put(seed() % 65536, out),
        Schema::Char => put(seed() % 256, out),
        Schema::String { max } | Schema::Opaque { max } => {
            let length = some(*max, seed);
            put(length as u32, out);
            out.extend((0..length).map(|_| b'a' + (seed() % 26) as u8));
            out.resize(out.len().next_multiple_of(4), 0);
        }
        Schema::FixedOpaque { len } => {
            out.extend((0..*len).map(|_| seed() as u8));
            out.resize(out.len().next_multiple_of(4), 0);
        }
        Schema::FixedArray { len, item } => (0..*len).for_each(|_| sample(item, seed, out)),
        Schema::Array { max, item } => {
            let length = some(*max, seed);
            put(length as u32, out);
            (0..length).for_each(|_| sample(item, seed, out));
        }
        Schema::Optional(item) => {
            let there = seed() % 2;
            put(there, out);
            (0..there).for_each(|_| sample(item, seed, out));
        }
        Schema::Enum(values) => put(values[seed() as usize % values.len()] as u32, out),
        Schema::Struct(fields) => fields.iter().for_each(|(_, form)| sample(form, seed, out)),
        Schema::Union(arms) => {
            let (case, form) = &arms[seed() as usize % arms.len()];
            put(*case as u32, out);
            sample(form, seed, out);
        }
    }
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(64))]

    #[test]
    fn every_body_survives_a_round_trip(start in 1u32..) {
        let mut state = start;
        let mut seed = || {
            // xorshift: any spread of choices will do, and a failing start is shrunk by proptest.
            state ^= state << 13;
            state ^= state >> 17;
            state ^= state << 5;
            state
        };
        for (name, body, recode) in bodies() {
            let mut bytes = Vec::new();
            sample(&(body.schema)(), &mut seed, &mut bytes);
            let back = recode(&bytes);
            proptest::prop_assert_eq!(back.as_ref(), Ok(&bytes), "{}", name);
            // A message cut short is refused, never misread.
            if let Some(short) = bytes.len().checked_sub(1) {
                proptest::prop_assert!(recode(&bytes[..short]).is_err(), "{} cut short", name);
            }
            bytes.push(0);
            proptest::prop_assert!(recode(&bytes).is_err(), "{} with a trailing byte", name);
        }
    }

    #[test]
    fn no_bytes_make_a_body_panic(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..256)) {
        for (name, _, recode) in bodies() {
            if let Ok(back) = recode(&bytes) {
                proptest::prop_assert_eq!(back.len(), bytes.len(), "{}", name);
            }
        }
    }
}
