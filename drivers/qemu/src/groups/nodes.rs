//! The device nodes of the host that a guest's QEMU opens by itself: those that its arguments name. What the daemon opens and
//! hands over is not among them.

use cgroup::Access;
use serde_json::Value;
use std::path::Path;

/// Every absolute path in arguments: in JSON, and as values of `key=value,...`.
pub(crate) fn paths(arguments: &[String]) -> Vec<String> {
    let mut found = Vec::new();
    for argument in arguments {
        match serde_json::from_str::<Value>(argument) {
            Ok(value) => collect(&value, &mut found),
            Err(_) => found.extend(
                argument
                    .split(',')
                    .map(|part| part.split_once('=').map_or(part, |(_, value)| value))
                    .filter(|value| value.starts_with('/'))
                    .map(str::to_owned),
            ),
        }
    }
    found.sort();
    found.dedup();
    found
}

fn collect(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::String(text) if text.starts_with('/') => found.push(text.clone()),
        Value::Array(all) => all.iter().for_each(|value| collect(value, found)),
        Value::Object(all) => all.values().for_each(|value| collect(value, found)),
        _ => {}
    }
}

/// What has to be allowed for those of the paths that are device nodes. Looks at each: it may be on a mount that never answers.
pub(crate) fn accesses(paths: &[String]) -> Vec<Access> {
    paths
        .iter()
        .filter_map(|path| Access::to(Path::new(path)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_name_nodes_in_both_forms() {
        let arguments = [
            "-blockdev",
            r#"{"driver":"host_device","filename":"/dev/sda","node-name":"a","cache":{"x":["/dev/null"]}}"#,
            "-object",
            "rng-random,id=r,filename=/dev/zero",
            "-kernel",
            "/vmlinuz",
        ];
        let arguments = arguments.map(str::to_owned);
        let found = paths(&arguments);
        assert_eq!(found, ["/dev/null", "/dev/sda", "/dev/zero", "/vmlinuz"]);
        assert_eq!(accesses(&["/dev/null".to_owned(), "/proc".to_owned()]).len(), 1);
    }
}
