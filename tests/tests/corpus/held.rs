//! A guest of one document: whether QEMU runs what the document says.

use crate::devices;
use crate::ground::LaidOut;
use end_to_end::Instance;
use roxmltree::{Document, Node};
use serde_json::Value;

/// What QEMU is asked.
const QUESTIONS: &[&str] = &[
    r#"{"execute":"query-name"}"#,
    r#"{"execute":"query-uuid"}"#,
    r#"{"execute":"query-status"}"#,
    r#"{"execute":"query-memory-size-summary"}"#,
    r#"{"execute":"query-cpus-fast"}"#,
    r#"{"execute":"qom-get","arguments":{"path":"/machine","property":"type"}}"#,
    r#"{"execute":"query-pci"}"#,
    r#"{"execute":"query-block"}"#,
    r#"{"execute":"query-chardev"}"#,
    r#"{"execute":"qom-list","arguments":{"path":"/machine/peripheral"}}"#,
    r#"{"execute":"query-iothreads"}"#,
    r#"{"execute":"query-named-block-nodes","arguments":{"flat":true}}"#,
];

/// What stands between two answers.
const MARK: &str = "=-=-=";

/// Defines, starts, compares and stops it; the reason if one of that goes wrong.
pub(crate) fn run(instance: &Instance, case: &str, guest: &LaidOut<'_>) -> Result<(), String> {
    let document = Document::parse(&guest.text).map_err(|err| err.to_string())?;
    let uuid = text_of(document.root_element(), "uuid").ok_or("it names no uuid")?;
    let mut script = format!(
        "define {}; start {uuid} --paused; echo {MARK}; dumpxml {uuid}",
        guest.file
    );
    for question in QUESTIONS {
        script.push_str(&format!(
            "; echo {MARK}; qemu-monitor-command {uuid} '{question}'"
        ));
    }
    let run = instance.try_virsh(&[&script]);
    let held = if run.success {
        let answers: Vec<&str> = run.stdout.split(MARK).skip(1).collect();
        compare(&document, &answers, &|alias, property| {
            let path = format!("/machine/peripheral/{alias}");
            let question = serde_json::json!({
                "execute": "qom-get", "arguments": { "path": path, "property": property },
            });
            let said = instance.try_virsh(&["qemu-monitor-command", uuid, &question.to_string()]);
            let answer: Value = serde_json::from_str(said.stdout.trim()).ok()?;
            match &answer["return"] {
                Value::String(text) => Some(text.clone()),
                Value::Number(number) => Some(number.to_string()),
                _ => None,
            }
        })
    } else {
        Err(run.stderr.trim().to_owned())
    };
    let ended = instance.try_virsh(&[&format!("destroy {uuid}")]);
    let forgotten = instance.try_virsh(&["undefine", uuid, "--nvram", "--tpm"]);
    held?;
    if !ended.success || !forgotten.success {
        return Err(format!(
            "{case} does not end: {}{}",
            ended.stderr, forgotten.stderr
        ));
    }
    Ok(())
}

/// `property` asks QEMU for one of a device.
fn compare(
    given: &Document<'_>,
    answers: &[&str],
    property: &dyn Fn(&str, &str) -> Option<String>,
) -> Result<(), String> {
    let [live, rest @ ..] = answers else {
        return Err("nothing was answered".to_owned());
    };
    let live = Document::parse(live.trim()).map_err(|err| format!("the live document: {err}"))?;
    let said: Vec<Value> = rest
        .iter()
        .map(|text| serde_json::from_str::<Value>(text.trim()).map_err(|err| format!("{err}: {text}")))
        .map(|answer| answer.map(|mut answer| answer["return"].take()))
        .collect::<Result<_, _>>()?;
    let [
        name,
        uuid,
        status,
        memory,
        cpus,
        machine,
        pci,
        block,
        chardevs,
        peripheral,
        threads,
        nodes,
    ] = said.as_slice()
    else {
        return Err(format!("{} answers", said.len()));
    };
    let (given, live) = (given.root_element(), live.root_element());
    let mut wrong = Vec::new();
    let mut hold = |what: &str, expected: String, found: String| {
        if expected != found {
            wrong.push(format!("{what}: the document says {expected}, QEMU {found}"));
        }
    };
    let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    hold(
        "name",
        text_of(given, "name").unwrap_or_default().to_owned(),
        word(&name["name"]),
    );
    hold(
        "uuid",
        text_of(given, "uuid").unwrap_or_default().to_owned(),
        word(&uuid["UUID"]),
    );
    hold("running", "false".to_owned(), status["running"].to_string());
    let (modules, plugged) = modules(live);
    let total = kib(live, "memory");
    hold(
        "memory",
        total.saturating_sub(modules).to_string(),
        (number(&memory["base-memory"]) / 1024).to_string(),
    );
    hold(
        "plugged memory",
        plugged.to_string(),
        (number(&memory["plugged-memory"]) / 1024).to_string(),
    );
    let at_least = kib(given, "memory");
    if total < at_least {
        hold("memory", format!("at least {at_least}"), total.to_string());
    }
    hold(
        "processors",
        processors(given),
        cpus.as_array().map_or(0, Vec::len).to_string(),
    );
    let kind = of_os(live)
        .and_then(|kind| kind.attribute("machine"))
        .unwrap_or_default();
    hold("machine", format!("{kind}-machine"), word(machine));
    wrong.extend(devices::pci(live, pci, property));
    wrong.extend(devices::present(live, peripheral));
    wrong.extend(devices::disks(live, block, nodes));
    wrong.extend(devices::chardevs(live, chardevs));
    wrong.extend(devices::threads(live, threads));
    wrong.extend(devices::kept(given, live));
    if wrong.is_empty() {
        Ok(())
    } else {
        Err(wrong.join("; "))
    }
}

fn of_os<'a, 'i>(root: Node<'a, 'i>) -> Option<Node<'a, 'i>> {
    let os = root.children().find(|node| node.has_tag_name("os"))?;
    os.children().find(|node| node.has_tag_name("type"))
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_default()
}

/// How many processors a document says are there at start.
fn processors(root: Node<'_, '_>) -> String {
    let vcpu = root.children().find(|node| node.has_tag_name("vcpu"));
    let count = vcpu.and_then(|vcpu| vcpu.attribute("current").or(vcpu.text()));
    let enabled = root.descendants().filter(|node| {
        node.has_tag_name("vcpu") && node.has_attribute("id") && node.attribute("enabled") == Some("yes")
    });
    match enabled.count() {
        0 => count.unwrap_or("1").trim().to_owned(),
        enabled => enabled.to_string(),
    }
}

/// KiB of all memory devices, and of what the guest has of them now.
fn modules(root: Node<'_, '_>) -> (u64, u64) {
    let devices = root.descendants().filter(|node| {
        let model = node.attribute("model").unwrap_or_default();
        node.has_tag_name("memory")
            && matches!(
                model,
                "dimm" | "nvdimm" | "virtio-mem" | "virtio-pmem" | "sgx-epc"
            )
    });
    let size = |device: Node<'_, '_>| {
        let target = device.children().find(|node| node.has_tag_name("target"))?;
        let size = kib(target, "size");
        Some(match device.attribute("model") {
            Some("virtio-mem") => (size, kib(target, "current")),
            _ => (size, size),
        })
    };
    let sizes = devices.filter_map(size);
    sizes.fold((0, 0), |(all, now), (size, has)| (all + size, now + has))
}

/// A size in KiB.
fn kib(node: Node<'_, '_>, tag: &str) -> u64 {
    let Some(size) = node.children().find(|child| child.has_tag_name(tag)) else {
        return 0;
    };
    let figure: u64 = size.text().unwrap_or_default().trim().parse().unwrap_or_default();
    match size.attribute("unit") {
        Some("MiB" | "M") => figure << 10,
        Some("GiB" | "G") => figure << 20,
        Some("b" | "bytes") => figure >> 10,
        _ => figure,
    }
}

pub(crate) fn text_of<'a>(node: Node<'a, '_>, tag: &str) -> Option<&'a str> {
    let child = node.children().find(|child| child.has_tag_name(tag))?;
    child.text().map(str::trim)
}
