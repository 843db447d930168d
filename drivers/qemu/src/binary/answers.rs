//! The questions put to a binary's monitor, and where their answers come from.
//!
//! Two monitors are asked: one of a process that emulates, which answers everything that does not depend on the
//! accelerator, and one of a process under KVM, asked only for what does. So a KVM that refuses or hangs costs nothing
//! but the knowledge of itself.

use serde_json::value::RawValue;
use std::collections::HashMap;

/// Devices whose properties are asked for.
pub(super) const PROBED_DEVICES: &[&str] = &[
    "ICH9-LPC",
    "PIIX4_PM",
    "VGA",
    "ide-hd",
    "intel-iommu",
    "kvm-pit",
    "mch",
    "nvdimm",
    "pcie-root-port",
    "qxl",
    "scsi-hd",
    "usb-host",
    "usb-redir",
    "usb-storage",
    "vfio-pci",
    "vhost-user-fs-device",
    "virtio-balloon-ccw",
    "virtio-balloon-device",
    "virtio-balloon-pci",
    "virtio-blk-pci",
    "virtio-gpu-device",
    "virtio-gpu-pci",
    "virtio-iommu-pci",
    "virtio-mem-pci",
    "virtio-net-ccw",
    "virtio-net-pci",
    "virtio-scsi-ccw",
    "virtio-scsi-pci",
    "vmware-svga",
];

/// Objects whose properties are asked for, beside the machines and the best processor model.
pub(super) const PROBED_OBJECTS: &[&str] = &["memory-backend-file", "memory-backend-memfd"];

/// The types that carry the properties of machines: of all, and of an architecture's usual ones.
pub(super) const MACHINE_OBJECTS: &[&str] = &[
    "none-machine",
    "generic-pc-machine",
    "spapr-machine",
    "virt-machine",
    "s390-ccw-machine",
];

/// One command of the monitor with its arguments.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Question {
    pub(super) execute: &'static str,
    /// JSON, in the one spelling that [`Question`]'s makers and [`Question::recorded`] use.
    pub(super) arguments: Option<String>,
}

impl Question {
    pub(super) fn plain(execute: &'static str) -> Self {
        Self {
            execute,
            arguments: None,
        }
    }

    /// A command about one type.
    pub(super) fn about(execute: &'static str, typename: &str) -> Self {
        Self {
            execute,
            arguments: Some(serde_json::json!({ "typename": typename }).to_string()),
        }
    }

    /// What a processor model is made of.
    pub(super) fn expansion(kind: &str, model: &str, switches: &[(&str, bool)]) -> Self {
        let mut told = serde_json::json!({ "name": model });
        if let Some(model) = told.as_object_mut().filter(|_| !switches.is_empty()) {
            let props = switches.iter().map(|&(name, on)| (name.to_owned(), on.into()));
            model.insert("props".to_owned(), serde_json::Value::Object(props.collect()));
        }
        let arguments = serde_json::json!({ "type": kind, "model": told }).to_string();
        Self {
            execute: "query-cpu-model-expansion",
            arguments: Some(arguments),
        }
    }

    /// The line that asks it, with `id` to know the answer by.
    pub(super) fn line(&self, id: usize) -> String {
        match &self.arguments {
            None => format!("{{\"execute\":\"{}\",\"id\":{id}}}\n", self.execute),
            Some(json) => format!(
                "{{\"execute\":\"{}\",\"arguments\":{json},\"id\":{id}}}\n",
                self.execute
            ),
        }
    }
}

/// What one monitor answered. A question it refused has no answer.
#[derive(Debug, Default)]
pub(super) struct Answers(HashMap<Question, Box<RawValue>>);

impl Answers {
    pub(super) fn insert(&mut self, question: Question, answer: Box<RawValue>) {
        self.0.insert(question, answer);
    }

    /// The questions with their answers, one after the other.
    pub(super) fn recording(&self, questions: &[Question]) -> String {
        let mut text = String::from("{\"execute\":\"qmp_capabilities\"}\n{\"return\":{}}\n");
        for question in questions {
            if let Some(answer) = self.get(question) {
                let arguments = match &question.arguments {
                    Some(json) => format!(",\"arguments\":{json}"),
                    None => String::new(),
                };
                text.push_str(&format!(
                    "{{\"execute\":\"{}\"{arguments}}}\n{{\"return\":{answer}}}\n",
                    question.execute
                ));
            }
        }
        text
    }

    /// The answer as JSON.
    pub(super) fn get(&self, question: &Question) -> Option<&str> {
        self.0.get(question).map(|answer| answer.get())
    }
}

/// What a process that emulates is asked. `target` is QEMU's name of the architecture.
pub(super) fn for_tcg(target: &str) -> Vec<Question> {
    let mut questions: Vec<Question> = [
        "query-version",
        "query-target",
        "query-qmp-schema",
        "qom-list-types",
        "query-tpm-models",
        "query-tpm-types",
        "query-command-line-options",
        "query-migrate-capabilities",
        // Refused by all but ARM's binaries.
        "query-gic-capabilities",
    ]
    .map(Question::plain)
    .into();
    questions.extend(
        PROBED_DEVICES
            .iter()
            .map(|name| Question::about("device-list-properties", name)),
    );
    let objects = PROBED_OBJECTS.iter().chain(MACHINE_OBJECTS);
    questions.extend(objects.map(|name| Question::about("qom-list-properties", name)));
    questions.push(max_cpu(target));
    questions.extend(per_accel("max"));
    questions
}

/// What a process under KVM is asked.
pub(super) fn for_kvm() -> Vec<Question> {
    let mut questions: Vec<Question> = [
        "query-kvm",
        "query-sev-capabilities",
        "query-sgx-capabilities",
        "query-gic-capabilities",
    ]
    .map(Question::plain)
    .into();
    questions.extend(per_accel("host"));
    questions.push(hyperv());
    questions
}

fn per_accel(best: &str) -> [Question; 4] {
    let [fixed, all] = expansions(best);
    [
        Question::plain("query-machines"),
        Question::plain("query-cpu-definitions"),
        fixed,
        all,
    ]
}

/// The two questions about a best model: with what other hosts can take over only, and with everything.
pub(super) fn expansions(best: &str) -> [Question; 2] {
    [
        Question::expansion("static", best, &[]),
        Question::expansion("static", best, &[("migratable", false)]),
    ]
}

/// The question about Hyper-V's interface.
pub(super) fn hyperv() -> Question {
    Question::expansion("full", "host", &[("migratable", false), ("hv-passthrough", true)])
}

/// The question about the switches of processors.
pub(super) fn max_cpu(target: &str) -> Question {
    Question::about("qom-list-properties", &super::arch::max_cpu_type(target))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_is_one_line_of_json() {
        let line = Question::expansion("static", "host", &[("migratable", false)]).line(7);
        let expected = concat!(
            r#"{"execute":"query-cpu-model-expansion","arguments":"#,
            r#"{"type":"static","model":{"name":"host","props":{"migratable":false}}},"id":7}"#,
            "\n"
        );
        assert_eq!(line, expected);
    }
}
