//! nft's JSON, as `firewall` writes it.

use crate::{Action, Base, Condition, Rule, RuleSet, Span, Value, address, ethernet};
use serde_json::Value as Json;

/// Reads a document for `nft -j -f -`.
pub fn read(into: &mut RuleSet, text: &str) {
    let document: Json = serde_json::from_str(text).unwrap();
    for object in document["nftables"].as_array().unwrap() {
        let (command, object) = only(object);
        let (kind, object) = only(object);
        match (command, kind) {
            ("add" | "delete", "table") => {}
            ("add", "chain") => chain(into, object),
            ("add", "rule") => {
                let table = table(object);
                let rule = rule(&table, object["expr"].as_array().unwrap());
                into.chain(&format!("{table}/{}", word(&object["chain"])))
                    .push(rule);
            }
            other => panic!("{other:?}"),
        }
    }
}

fn only(object: &Json) -> (&str, &Json) {
    let object = object.as_object().unwrap();
    assert_eq!(object.len(), 1, "{object:?}");
    let (name, value) = object.iter().next().unwrap();
    (name, value)
}

fn word(value: &Json) -> &str {
    value.as_str().unwrap_or_else(|| panic!("{value} is no word"))
}

fn table(object: &Json) -> String {
    format!("{}/{}", word(&object["family"]), word(&object["table"]))
}

fn chain(into: &mut RuleSet, object: &Json) {
    let name = format!("{}/{}", table(object), word(&object["name"]));
    let Some(hook) = object["hook"].as_str() else {
        into.chain(&name);
        return;
    };
    assert_eq!(object["policy"], "accept");
    let of = match word(&object["family"]) {
        "inet" => vec![Condition::within(
            "meta.nfproto",
            vec![("ipv4".into(), "ipv4".into()), ("ipv6".into(), "ipv6".into())],
        )],
        "bridge" => Vec::new(),
        other => panic!("family {other}"),
    };
    let base = Base {
        hook: hook.to_owned(),
        priority: i32::try_from(object["prio"].as_i64().unwrap()).unwrap(),
        of,
    };
    into.base(&name, base);
}

fn rule(table: &str, statements: &[Json]) -> Rule {
    let mut conditions = Vec::new();
    let mut action = Action::Continue;
    for statement in statements {
        let (name, object) = only(statement);
        match name {
            "match" => conditions.push(condition(object)),
            "ct count" => {
                assert_eq!(object["inv"], true);
                let most = u128::from(object["val"].as_u64().unwrap());
                conditions.push(crate::above("ct.count", most));
            }
            "vmap" => {
                let chains = object["data"]["set"].as_array().unwrap().iter().map(|pair| {
                    let [key, leads] = pair.as_array().unwrap().as_slice() else {
                        panic!("{pair}")
                    };
                    (spans(key), Box::new(verdict(table, leads)))
                });
                action = Action::JumpBy(facts(&object["key"]), chains.collect());
            }
            _ => action = verdict(table, statement),
        }
    }
    Rule { conditions, action }
}

fn verdict(table: &str, statement: &Json) -> Action {
    let (name, object) = only(statement);
    match name {
        "accept" => Action::Accept,
        "drop" | "reject" => Action::Drop,
        "return" => Action::Return,
        "jump" => Action::Jump(format!("{table}/{}", word(&object["target"]))),
        "goto" => Action::Goto(format!("{table}/{}", word(&object["target"]))),
        "masquerade" | "snat" => {
            let of = |value: &Json| match value {
                Json::Null => String::new(),
                Json::Object(object) => {
                    let ends: Vec<String> = object["range"].as_array().unwrap().iter().map(plain).collect();
                    ends.join("-")
                }
                one => plain(one),
            };
            let (address, port) = (of(&object["addr"]), of(&object["port"]));
            let port = if port.is_empty() { port } else { format!(":{port}") };
            Action::Translate(format!("{name} {address}{port}").trim().to_owned())
        }
        "log" | "counter" => Action::Continue,
        other => panic!("a rule says {other}"),
    }
}

fn plain(value: &Json) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// The facts that an expression asks for.
fn facts(expression: &Json) -> Vec<(String, Option<u128>)> {
    let (kind, object) = only(expression);
    match kind {
        "concat" => object.as_array().unwrap().iter().flat_map(facts).collect(),
        "meta" => vec![(format!("meta.{}", word(&object["key"])), None)],
        "ct" => vec![(format!("ct.{}", word(&object["key"])), None)],
        "payload" if object["base"].is_string() => vec![(
            format!("{}.{}+{}", word(&object["base"]), object["offset"], object["len"]),
            None,
        )],
        "payload" => vec![(
            format!("{}.{}", word(&object["protocol"]), word(&object["field"])),
            None,
        )],
        "&" => {
            let [of, mask] = object.as_array().unwrap().as_slice() else {
                panic!("{object}")
            };
            let Value::Number(mask) = value(mask) else {
                panic!("{mask} is no mask")
            };
            facts(of)
                .into_iter()
                .map(|(fact, _)| (fact, Some(mask)))
                .collect()
        }
        other => panic!("an expression is {other}"),
    }
}

fn condition(object: &Json) -> Condition {
    let facts = facts(&object["left"]);
    let not = match word(&object["op"]) {
        "==" | "in" => false,
        "!=" => true,
        other => panic!("operator {other}"),
    };
    let right = &object["right"];
    if let (Some(name), [(fact, None)]) = (
        right.as_str().and_then(|word| word.strip_prefix('@')),
        facts.as_slice(),
    ) {
        return crate::in_set(fact, name).unless(not);
    }
    let any = match right {
        Json::Object(set) if set.contains_key("set") => {
            set["set"].as_array().unwrap().iter().map(spans).collect()
        }
        Json::Array(list) => list.iter().map(spans).collect(),
        one => vec![spans(one)],
    };
    Condition {
        facts,
        not,
        same: false,
        any,
    }
}

/// What a value allows, for each of the facts it is about.
fn spans(right: &Json) -> Vec<Span> {
    if let Some(parts) = right.get("concat") {
        return parts.as_array().unwrap().iter().flat_map(spans).collect();
    }
    if let Some(range) = right.get("range") {
        let ends: Vec<Value> = range.as_array().unwrap().iter().map(value).collect();
        return vec![(ends[0].clone(), ends[1].clone())];
    }
    if let Some(prefix) = right.get("prefix") {
        let text = format!("{}/{}", word(&prefix["addr"]), prefix["len"]);
        let mut found = crate::nft::addresses("", &text).any.remove(0);
        return vec![found.remove(0)];
    }
    let value = value(right);
    vec![(value.clone(), value)]
}

fn value(right: &Json) -> Value {
    if let Some(number) = right.as_u64() {
        return Value::Number(number.into());
    }
    let text = word(right);
    if text.parse::<std::net::IpAddr>().is_ok() {
        return Value::Number(address(text));
    }
    if text.split(':').count() == 6 && text.split(':').all(|part| u8::from_str_radix(part, 16).is_ok()) {
        return Value::Number(ethernet(text));
    }
    if let Some(digits) = text.strip_prefix("0x") {
        return Value::Number(u128::from_str_radix(digits, 16).unwrap());
    }
    match text {
        "tcp" => Value::Number(6),
        "udp" => Value::Number(17),
        other => Value::Word(other.to_owned()),
    }
}
