//! From a monitor's answers to [`BinaryCaps`].
//!
//! The answers are large (the schema alone is 240 kB), so they are read into borrowed shapes that name only the fields
//! that are kept.

use super::answers::{self, Answers, Question};
use super::names::Names;
use super::schema::Schema;
use super::{
    AccelCaps, BinaryCaps, CpuModel, Expansion, GicCaps, HypervCaps, Machine, SevCaps, SgxCaps, Version, arch,
};
use error::{Code, Domain, Error, Result};
use serde::Deserialize;
use serde_json::Value;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::Path;

/// QEMU older than this lacks what the driver is built on.
pub(super) const OLDEST: Version = Version::new(7, 2, 0);

#[derive(Deserialize)]
struct VersionAnswer {
    qemu: Version,
    #[serde(default)]
    package: String,
}

#[derive(Deserialize)]
struct TargetAnswer {
    arch: String,
}

#[derive(Deserialize)]
struct KvmAnswer {
    enabled: bool,
}

#[derive(Deserialize)]
struct Named<'a> {
    #[serde(borrow)]
    name: Cow<'a, str>,
}

#[derive(Deserialize)]
struct OptionGroup<'a> {
    #[serde(borrow)]
    option: Cow<'a, str>,
    #[serde(borrow)]
    parameters: Vec<Named<'a>>,
}

#[derive(Deserialize)]
struct MigrationCapability<'a> {
    #[serde(borrow)]
    capability: Cow<'a, str>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct MachineAnswer {
    name: Box<str>,
    alias: Option<Box<str>>,
    #[serde(default)]
    is_default: bool,
    cpu_max: u32,
    #[serde(default)]
    hotpluggable_cpus: bool,
    #[serde(default)]
    numa_mem_supported: bool,
    default_cpu_type: Option<Box<str>>,
    default_ram_id: Option<Box<str>>,
    #[serde(default)]
    deprecated: bool,
    acpi: Option<bool>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct CpuAnswer<'a> {
    name: Box<str>,
    typename: Box<str>,
    alias_of: Option<Box<str>>,
    #[serde(default)]
    deprecated: bool,
    #[serde(borrow)]
    unavailable_features: Option<Vec<Cow<'a, str>>>,
}

#[derive(Deserialize)]
struct ExpansionAnswer {
    model: ExpandedModel,
}

#[derive(Deserialize)]
struct ExpandedModel {
    name: String,
    #[serde(default)]
    props: serde_json::Map<String, Value>,
}

fn malformed(binary: &Path, question: &Question, error: &serde_json::Error) -> Error {
    let detail = format!(
        "QEMU binary {} answers '{}' in a form nobody knows: {error}",
        binary.display(),
        question.execute
    );
    Error::new(Code::InternalError, Domain::Qemu, detail)
}

/// Answers to questions that every binary must answer, or may refuse.
struct Reader<'a> {
    binary: &'a Path,
    first: &'a Answers,
    second: Option<&'a Answers>,
}

impl<'a> Reader<'a> {
    fn optional<T: Deserialize<'a>>(&self, question: &Question) -> Result<Option<T>> {
        let answer = self.first.get(question).or_else(|| self.second?.get(question));
        let Some(json) = answer else { return Ok(None) };
        serde_json::from_str(json)
            .map(Some)
            .map_err(|error| malformed(self.binary, question, &error))
    }

    fn required<T: Deserialize<'a>>(&self, question: &Question) -> Result<T> {
        self.optional(question)?.ok_or_else(|| {
            let detail = format!(
                "QEMU binary {} does not answer '{}'",
                self.binary.display(),
                question.execute
            );
            Error::new(Code::InternalError, Domain::Qemu, detail)
        })
    }

    fn names(&self, question: &Question) -> Result<Names> {
        let list: Option<Vec<Named<'_>>> = self.optional(question)?;
        Ok(list
            .unwrap_or_default()
            .into_iter()
            .map(|named| named.name)
            .collect())
    }
}

/// Reads the answers of a binary's monitors. `kvm_refused` says why there are none under KVM.
pub(super) fn read(
    binary: &Path,
    tcg: &Answers,
    kvm: Option<&Answers>,
    kvm_refused: Option<String>,
) -> Result<BinaryCaps> {
    let reader = Reader {
        binary,
        first: tcg,
        second: kvm,
    };
    let version: VersionAnswer = reader.required(&Question::plain("query-version"))?;
    if version.qemu < OLDEST {
        let detail = format!(
            "QEMU version {} of binary {} is too old, at least {OLDEST} is needed",
            version.qemu,
            binary.display()
        );
        return Err(Error::new(Code::ConfigUnsupported, Domain::Qemu, detail));
    }
    let target: TargetAnswer = reader.required(&Question::plain("query-target"))?;
    let schema: &serde_json::value::RawValue = reader.required(&Question::plain("query-qmp-schema"))?;
    let schema = Schema::parse(schema.get())
        .map_err(|error| malformed(binary, &Question::plain("query-qmp-schema"), &error))?;

    let kvm_reader = kvm.map(|first| Reader {
        binary,
        first,
        second: None,
    });
    // Only a monitor under KVM tells what the kernel can.
    let asked = kvm_reader.as_ref().unwrap_or(&reader);
    let gic = asked
        .optional::<Vec<GicCaps>>(&Question::plain("query-gic-capabilities"))?
        .unwrap_or_default();
    let mut kvm_caps = None;
    let (mut sev, mut sgx, mut hyperv) = (None, None, None);
    if let Some(reader) = kvm_reader {
        let state: Option<KvmAnswer> = reader.optional(&Question::plain("query-kvm"))?;
        if state.is_some_and(|state| state.enabled) {
            kvm_caps = Some(accel(&reader, "host")?);
            sev = reader.optional::<SevCaps>(&Question::plain("query-sev-capabilities"))?;
            sgx = reader.optional::<SgxCaps>(&Question::plain("query-sgx-capabilities"))?;
            hyperv = reader
                .optional::<ExpansionAnswer>(&answers::hyperv())?
                .and_then(|answer| hyperv_of(&answer));
        }
    }
    Ok(BinaryCaps {
        path: binary.to_owned(),
        version: version.qemu,
        package: version.package,
        arch: arch::of_target(&target.arch),
        tcg: accel(
            &Reader {
                binary,
                first: tcg,
                second: None,
            },
            "max",
        )?,
        kvm: kvm_caps,
        kvm_refused,
        tpm_models: strings(&reader, "query-tpm-models")?,
        tpm_types: strings(&reader, "query-tpm-types")?,
        sev,
        sgx,
        gic,
        hyperv,
        migration_capabilities: reader
            .optional::<Vec<MigrationCapability<'_>>>(&Question::plain("query-migrate-capabilities"))?
            .unwrap_or_default()
            .into_iter()
            .map(|entry| entry.capability)
            .collect(),
        types: types(&reader)?,
        properties: properties(&reader, &target.arch)?,
        options: reader
            .optional::<Vec<OptionGroup<'_>>>(&Question::plain("query-command-line-options"))?
            .unwrap_or_default()
            .into_iter()
            .map(|group| {
                (
                    group.option.into(),
                    group.parameters.into_iter().map(|p| p.name).collect(),
                )
            })
            .collect(),
        schema,
    })
}

fn strings(reader: &Reader<'_>, execute: &'static str) -> Result<Names> {
    let list: Option<Vec<Cow<'_, str>>> = reader.optional(&Question::plain(execute))?;
    Ok(list.unwrap_or_default().into_iter().collect())
}

/// All types but those of machines and processor models, which have questions of their own.
fn types(reader: &Reader<'_>) -> Result<Names> {
    let list: Vec<Named<'_>> = reader.required(&Question::plain("qom-list-types"))?;
    let plain = |named: &Named<'_>| !named.name.ends_with("-cpu") && !named.name.ends_with("-machine");
    Ok(list.into_iter().filter(plain).map(|named| named.name).collect())
}

fn properties(reader: &Reader<'_>, target: &str) -> Result<BTreeMap<Box<str>, Names>> {
    let devices = answers::PROBED_DEVICES
        .iter()
        .map(|&name| (name, "device-list-properties"));
    let objects = answers::PROBED_OBJECTS.iter().chain(answers::MACHINE_OBJECTS);
    let objects = objects.map(|&name| (name, "qom-list-properties"));
    let mut properties = BTreeMap::new();
    for (name, command) in devices.chain(objects) {
        let names = reader.names(&Question::about(command, name))?;
        if !names.is_empty() {
            properties.insert(name.into(), names);
        }
    }
    let cpu = reader.names(&answers::max_cpu(target))?;
    properties.insert(arch::max_cpu_type(target).into(), cpu);
    Ok(properties)
}

fn accel(reader: &Reader<'_>, best: &str) -> Result<AccelCaps> {
    let machines: Vec<MachineAnswer> = reader.required(&Question::plain("query-machines"))?;
    let machine = |answer: MachineAnswer| Machine {
        name: answer.name,
        alias: answer.alias,
        is_default: answer.is_default,
        max_cpus: answer.cpu_max,
        hotpluggable_cpus: answer.hotpluggable_cpus,
        numa_mem_supported: answer.numa_mem_supported,
        default_cpu: answer.default_cpu_type,
        default_ram_id: answer.default_ram_id,
        deprecated: answer.deprecated,
        acpi: answer.acpi,
    };
    let models: Option<Vec<CpuAnswer<'_>>> = reader.optional(&Question::plain("query-cpu-definitions"))?;
    let models = models.unwrap_or_default();
    let features: Names = models
        .iter()
        .flat_map(|model| model.unavailable_features.iter().flatten())
        .map(|name| &**name)
        .collect();
    let cpus = models
        .into_iter()
        .map(|answer| {
            let checked = answer.unavailable_features.is_some();
            let missing = answer.unavailable_features.unwrap_or_default();
            let index = |name: Cow<'_, str>| u16::try_from(features.position(&name)?).ok();
            let mut missing: Vec<u16> = missing.into_iter().filter_map(index).collect();
            missing.sort_unstable();
            missing.dedup();
            CpuModel {
                name: answer.name,
                typename: answer.typename,
                alias_of: answer.alias_of,
                deprecated: answer.deprecated,
                checked,
                missing: missing.into_boxed_slice(),
            }
        })
        .collect();
    let [migratable, everything] = answers::expansions(best);
    let migratable: Option<ExpansionAnswer> = reader.optional(&migratable)?;
    let everything: Option<ExpansionAnswer> = reader.optional(&everything)?;
    Ok(AccelCaps {
        machines: machines
            .into_iter()
            .map(machine)
            .filter(|machine| machine.name.as_ref() != "none")
            .collect(),
        cpus,
        best: migratable.map(|answer| expansion(answer.model, everything.map(|answer| answer.model))),
        features,
    })
}

fn expansion(migratable: ExpandedModel, everything: Option<ExpandedModel>) -> Expansion {
    let is_on = |value: &Value| matches!(value, Value::Bool(true));
    let unmigratable = everything.map(|model| {
        let gained = |(name, value): (String, Value)| {
            (is_on(&value) && !migratable.props.get(&name).is_some_and(is_on)).then_some(name)
        };
        model.props.into_iter().filter_map(gained).collect::<Names>()
    });
    let mut expansion = Expansion {
        name: migratable.name,
        ..Expansion::default()
    };
    let (mut on, mut off) = (Vec::new(), Vec::new());
    for (name, value) in migratable.props {
        match value {
            Value::Bool(true) => on.push(name),
            Value::Bool(false) => off.push(name),
            Value::Number(number) => {
                if let Some(number) = number.as_i64() {
                    expansion.numbers.insert(name.into(), number);
                }
            }
            Value::String(text) => {
                expansion.texts.insert(name.into(), text.into());
            }
            Value::Null | Value::Array(_) | Value::Object(_) => (),
        }
    }
    expansion.on = on.into_iter().collect();
    expansion.off = off.into_iter().collect();
    expansion.unmigratable = unmigratable.unwrap_or_default();
    expansion
}

fn hyperv_of(answer: &ExpansionAnswer) -> Option<HypervCaps> {
    let props = &answer.model.props;
    let named = |(name, value): (&String, &Value)| {
        let feature = name
            .strip_prefix("hv-")
            .filter(|feature| *feature != "passthrough")?;
        matches!(value, Value::Bool(true)).then(|| feature.to_owned())
    };
    let features: Names = props.iter().filter_map(named).collect();
    let spinlocks = props
        .get("hv-spinlocks")
        .and_then(Value::as_u64)
        .and_then(|n| u32::try_from(n).ok());
    let vendor_id = props
        .get("hv-vendor-id")
        .and_then(Value::as_str)
        .map(str::to_owned);
    (spinlocks.is_some() || !features.is_empty()).then_some(HypervCaps {
        features,
        spinlocks,
        vendor_id,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::value::RawValue;

    fn answers(list: &[(Question, &str)]) -> Answers {
        let mut answers = Answers::default();
        for (question, json) in list {
            answers.insert(
                question.clone(),
                RawValue::from_string((*json).to_owned()).unwrap(),
            );
        }
        answers
    }

    fn tcg(version: &str) -> Answers {
        let [best, all] = answers::expansions("max");
        answers(&[
            (Question::plain("query-version"), version),
            (Question::plain("query-target"), r#"{"arch":"i386"}"#),
            (Question::plain("query-qmp-schema"), "[]"),
            (
                Question::plain("qom-list-types"),
                r#"[{"name":"VGA"},{"name":"a-cpu"},{"name":"b-machine"}]"#,
            ),
            (
                Question::plain("query-machines"),
                r#"[{"name":"none","cpu-max":1},{"name":"pc-1","alias":"pc","is-default":true,"cpu-max":255}]"#,
            ),
            (
                Question::plain("query-cpu-definitions"),
                r#"[{"name":"a","typename":"a-cpu","unavailable-features":["y","x","x"]},
                    {"name":"b","typename":"b-cpu"}]"#,
            ),
            (
                best,
                r#"{"model":{"name":"base","props":{"x":true,"y":false,"family":6,"vendor":"V"}}}"#,
            ),
            (all, r#"{"model":{"name":"base","props":{"x":true,"y":true}}}"#),
        ])
    }

    #[test]
    fn answers_become_facts() {
        let version = r#"{"qemu":{"major":9,"minor":1,"micro":2},"package":"p"}"#;
        let caps = read(Path::new("/q"), &tcg(version), None, Some("no device".to_owned())).unwrap();
        assert_eq!((caps.arch.as_str(), caps.version.number()), ("i686", 9_001_002));
        assert!(caps.has_device("VGA") && !caps.has_device("a-cpu"));
        assert_eq!(caps.default_machine().unwrap().name.as_ref(), "pc-1");
        assert_eq!(caps.tcg.machines.len(), 1);
        let model = caps.tcg.cpu("a").unwrap();
        assert_eq!(caps.tcg.missing(model).collect::<Vec<_>>(), ["x", "y"]);
        assert_eq!(
            (model.usable(), caps.tcg.cpu("b").unwrap().usable()),
            (Some(false), None)
        );
        let best = caps.tcg.best.as_ref().unwrap();
        assert!(best.on.contains("x") && best.off.contains("y") && best.unmigratable.contains("y"));
        assert_eq!(
            (
                best.numbers.get("family"),
                best.texts.get("vendor").unwrap().as_ref()
            ),
            (Some(&6), "V")
        );
        assert!(caps.kvm.is_none());
    }

    #[test]
    fn an_old_or_silent_binary_is_refused_by_name() {
        let version = r#"{"qemu":{"major":6,"minor":2,"micro":0},"package":""}"#;
        let error = read(Path::new("/q"), &tcg(version), None, None).unwrap_err();
        assert_eq!(error.code(), Code::ConfigUnsupported);
        assert!(
            error.detail().contains("6.2.0") && error.detail().contains("/q"),
            "{error}"
        );
        let error = read(Path::new("/q"), &Answers::default(), None, None).unwrap_err();
        assert!(
            error.detail().contains("does not answer 'query-version'"),
            "{error}"
        );
        let error = read(Path::new("/q"), &tcg("[]"), None, None).unwrap_err();
        assert!(error.detail().contains("query-version"), "{error}");
    }

    #[test]
    fn a_kvm_that_is_not_enabled_is_none() {
        let version = r#"{"qemu":{"major":9,"minor":1,"micro":2},"package":"p"}"#;
        let kvm = answers(&[(
            Question::plain("query-kvm"),
            r#"{"enabled":false,"present":true}"#,
        )]);
        assert!(
            read(Path::new("/q"), &tcg(version), Some(&kvm), None)
                .unwrap()
                .kvm
                .is_none()
        );
    }
}
