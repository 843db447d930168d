//! Levels, filters and outputs in their written form: `1:qemu 3:rpc`, `3:journald 1:file:/var/log/x.log`.

use super::refused;
use crate::wildcard::found;
use error::Result;
use std::fmt;
use std::path::PathBuf;
use tracing::Level;
use tracing::level_filters::LevelFilter;

/// How much a message matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    /// Everything.
    Debug = 1,
    /// What happened.
    Info = 2,
    /// What somebody should look at.
    Warning = 3,
    /// What failed.
    Error = 4,
}

impl LogLevel {
    /// Its number in files and on the admin socket.
    pub fn number(self) -> u32 {
        self as u32
    }

    /// The severity that system logs know it by (syslog(3)).
    pub(super) fn severity(self) -> u8 {
        match self {
            Self::Debug => 7,
            Self::Info => 6,
            Self::Warning => 4,
            Self::Error => 3,
        }
    }

    /// The level of that number.
    pub fn from_number(number: u32) -> Option<Self> {
        match number {
            1 => Some(Self::Debug),
            2 => Some(Self::Info),
            3 => Some(Self::Warning),
            4 => Some(Self::Error),
            _ => None,
        }
    }

    /// The level that `LIBVIRT_DEBUG` names by number or word.
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "debug" => Some(Self::Debug),
            "info" => Some(Self::Info),
            "warn" | "warning" => Some(Self::Warning),
            "error" => Some(Self::Error),
            number => Self::from_number(number.parse().ok()?),
        }
    }

    /// Its name in the log.
    pub fn name(self) -> &'static str {
        match self {
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }

    pub(super) fn of(level: Level) -> Self {
        match level {
            Level::ERROR => Self::Error,
            Level::WARN => Self::Warning,
            Level::INFO => Self::Info,
            _ => Self::Debug,
        }
    }

    pub(super) fn hint(self) -> LevelFilter {
        match self {
            Self::Debug => LevelFilter::TRACE,
            Self::Info => LevelFilter::INFO,
            Self::Warning => LevelFilter::WARN,
            Self::Error => LevelFilter::ERROR,
        }
    }
}

/// The least level for categories that hold a pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filter {
    /// The least level.
    pub level: LogLevel,
    /// A glob pattern that is looked for anywhere in the category.
    pub pattern: String,
}

impl Filter {
    pub(super) fn matches(&self, category: &str) -> bool {
        found(&self.pattern, category)
    }
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.level.number(), self.pattern)
    }
}

/// A place where the log goes, with the least level that goes there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutputSpec {
    /// The least level.
    pub level: LogLevel,
    /// The place.
    pub sink: Sink,
}

/// A place where the log goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sink {
    /// The standard error.
    Stderr,
    /// A file that is appended to.
    File(PathBuf),
    /// The systemd journal.
    Journald,
    /// The system's log, under that name.
    Syslog(String),
}

impl fmt::Display for OutputSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.level.number())?;
        match &self.sink {
            Sink::Stderr => f.write_str("stderr"),
            Sink::File(path) => write!(f, "file:{}", path.display()),
            Sink::Journald => f.write_str("journald"),
            Sink::Syslog(name) => write!(f, "syslog:{name}"),
        }
    }
}

/// The level in front of the first colon, and what follows.
fn leveled<'t>(item: &'t str, what: &str) -> Result<(LogLevel, &'t str)> {
    let Some((level, rest)) = item.split_once(':') else {
        return Err(refused(format!("Malformed format for {what} '{item}'")));
    };
    let level = level.parse().ok().and_then(LogLevel::from_number);
    let level = level.ok_or_else(|| {
        let level = item.split(':').next().unwrap_or_default();
        refused(format!("Invalid priority '{level}' for {what} '{item}'"))
    })?;
    Ok((level, rest))
}

/// The filters in `text`, separated by blanks.
pub(super) fn parse_filters(text: &str) -> Result<Vec<Filter>> {
    let filter = |item: &str| {
        let (level, pattern) = leveled(item, "filter")?;
        // In libvirt's older form a plus asks for a backtrace; there is none here, and the rest means the same.
        let pattern = pattern.strip_prefix('+').unwrap_or(pattern);
        if pattern.is_empty() {
            return Err(refused(format!("Malformed format for filter '{item}'")));
        }
        Ok(Filter {
            level,
            pattern: pattern.to_owned(),
        })
    };
    text.split_ascii_whitespace().map(filter).collect()
}

/// The outputs in `text`, separated by blanks.
pub(super) fn parse_outputs(text: &str) -> Result<Vec<OutputSpec>> {
    let output = |item: &str| {
        let (level, rest) = leveled(item, "log output")?;
        let (kind, detail) = rest
            .split_once(':')
            .map_or((rest, None), |(kind, detail)| (kind, Some(detail)));
        let sink = match (kind, detail.filter(|detail| !detail.is_empty())) {
            ("stderr", None) => Sink::Stderr,
            ("journald", None) => Sink::Journald,
            ("file", Some(path)) => {
                let path = PathBuf::from(path);
                if !path.is_absolute() {
                    return Err(refused(format!(
                        "The file of log output '{item}' needs an absolute path"
                    )));
                }
                Sink::File(path)
            }
            ("syslog", Some(name)) => Sink::Syslog(name.to_owned()),
            ("stderr" | "journald" | "file" | "syslog", _) => {
                return Err(refused(format!("Malformed format for log output '{item}'")));
            }
            _ => {
                return Err(refused(format!(
                    "Invalid log destination '{kind}' for log output '{item}'"
                )));
            }
        };
        Ok(OutputSpec { level, sink })
    };
    text.split_ascii_whitespace().map(output).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn written<T: fmt::Display>(items: Vec<T>) -> String {
        items
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join(" ")
    }

    #[test]
    fn what_is_read_is_written_the_same() {
        let filters = "1:qemu 4:rpc.* 3:?";
        assert_eq!(written(parse_filters(&format!("  {filters} ")).unwrap()), filters);
        let outputs = "3:journald 1:file:/a:b 2:stderr 4:syslog:x";
        assert_eq!(written(parse_outputs(outputs).unwrap()), outputs);
    }

    #[test]
    fn a_refusal_names_the_item() {
        for bad in ["9:foo", "0:foo", "x:foo", "1:", "foo", "1:a 2", "-1:foo"] {
            let refusal = parse_filters(bad).unwrap_err().to_string();
            assert!(refusal.contains(bad.split(' ').next_back().unwrap()), "{refusal}");
        }
        for bad in [
            "1:bogus",
            "1:stderr:x",
            "1:file",
            "1:file:",
            "1:file:relative",
            "1:syslog",
            "5:stderr",
            "stderr",
        ] {
            let refusal = parse_outputs(bad).unwrap_err().to_string();
            assert!(refusal.contains(bad), "{refusal}");
        }
    }

    proptest! {
        #[test]
        fn anything_ends_in_an_answer(text in "[0-9:a-z/ *+é]{0,40}") {
            let _ = (parse_filters(&text), parse_outputs(&text));
        }
    }
}
