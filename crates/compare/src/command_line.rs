//! Command lines of QEMU as options that can be compared.

use serde_json::Value;
use std::collections::BTreeMap;

/// Variables that every guest gets.
const ENVIRONMENT: [&str; 8] = [
    "LC_ALL",
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "XDG_DATA_HOME",
    "XDG_CACHE_HOME",
    "XDG_CONFIG_HOME",
];

/// A command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandLine {
    /// Variables beyond those that every guest gets, in the order of their names.
    pub environment: Vec<String>,
    /// The binary, then each option with its value: JSON with its keys in order, lists of `key=value` in order, without the numbers
    /// of descriptors and the places of helpers' sockets.
    pub options: Vec<String>,
}

impl CommandLine {
    /// Reads what a shell would run; none for what it would not.
    pub fn of_shell(text: &str) -> Option<Self> {
        Self::of_words(&shlex::split(text)?)
    }

    /// Reads variables, a binary with its path, and arguments; none without a binary.
    pub fn of_words(words: &[String]) -> Option<Self> {
        let at = words.iter().position(|word| word.starts_with('/'))?;
        let (variables, command) = words.split_at(at);
        let everybodys = |word: &str| {
            ENVIRONMENT
                .iter()
                .any(|name| word.strip_prefix(name).is_some_and(|rest| rest.starts_with('=')))
        };
        let mut environment: Vec<_> = variables
            .iter()
            .filter(|word| !everybodys(word))
            .cloned()
            .collect();
        environment.sort();
        let mut words = command.iter().peekable();
        let mut options: Vec<_> = words.next().cloned().into_iter().collect();
        while let Some(option) = words.next() {
            let value = words.next_if(|next| !next.starts_with('-') || next.len() == 1);
            options.push(match value {
                None => option.clone(),
                Some(value) => format!("{option} {}", normal(option, value)),
            });
        }
        Some(Self { environment, options })
    }
}

fn normal(option: &str, value: &str) -> String {
    if let Ok(mut json) = serde_json::from_str::<Value>(value)
        && json.is_object()
    {
        plain(&mut json);
        return sorted(&json).to_string();
    }
    if matches!(option, "-append" | "-kernel" | "-initrd" | "-unknown") {
        return value.to_owned();
    }
    let mut parts: Vec<String> = Vec::new();
    for part in value.replace(",,", "\u{1}").split(',') {
        parts.push(match part.split_once('=') {
            Some(("fd", _)) => "fd=N".to_owned(),
            Some(("path", path)) => format!("path={}", aside(path)),
            _ => part.to_owned(),
        });
    }
    // Several `cpus=` of a node mean all of them.
    parts.sort();
    parts.join(",")
}

/// Sockets of helpers may be wherever the daemon wants.
fn aside(path: &str) -> String {
    if path.contains("/passt/") || path.ends_with(".passt.socket") {
        "PASST".to_owned()
    } else if path == "/dev/test" || path.ends_with(".swtpm.sock") {
        "SWTPM".to_owned()
    } else {
        path.to_owned()
    }
}

fn plain(json: &mut Value) {
    match json {
        Value::Object(members) => {
            // The value of a cookie is another one under another key, and begins with what is made up.
            let id = members.get("id").and_then(Value::as_str);
            if id.is_some_and(|id| id.ends_with("-httpcookie-secret0")) {
                members.remove("data");
                members.remove("iv");
            }
            for (key, value) in members {
                match (key.as_str(), &mut *value) {
                    ("fd" | "vhostfd" | "fds" | "vhostfds", Value::String(text)) => {
                        *text = vec!["N"; text.split(':').count()].join(":");
                    }
                    ("path", Value::String(text)) => *text = aside(text),
                    _ => plain(value),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(plain),
        _ => {}
    }
}

fn sorted(json: &Value) -> Value {
    match json {
        Value::Object(members) => {
            let members: BTreeMap<String, Value> = members
                .iter()
                .map(|(key, value)| (key.clone(), sorted(value)))
                .collect();
            Value::Object(members.into_iter().collect())
        }
        Value::Array(items) => Value::Array(items.iter().map(sorted).collect()),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_mean_the_same_are_equal() {
        let one = "LC_ALL=C X=1 /bin/qemu \\\n-S \\\n-object '{\"a\":1,\"fd\":\"3\"}' -chardev socket,fd=3,id=x -append 'b a'\n";
        let other = "X=1 LC_ALL=C /bin/qemu -S -object '{\"fd\":\"25\",\"a\":1}' -chardev socket,id=x,fd=9 -append 'b a'";
        let read = CommandLine::of_shell(one).unwrap();
        assert_eq!(Some(&read), CommandLine::of_shell(other).as_ref());
        assert_eq!(read.environment, ["X=1"]);
        assert_eq!(read.options[0], "/bin/qemu");
        assert_eq!(read.options.last().unwrap(), "-append b a");
        assert_eq!(CommandLine::of_shell("only words"), None);
    }
}
