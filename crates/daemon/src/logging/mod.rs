//! Logging with libvirt's levels, filters and outputs, changeable at any time.
//!
//! A message has a level and a category (its `tracing` target, `rpc` or `driver_qemu::domain`, which filters see as
//! `driver_qemu.domain`). The first filter whose pattern is found in the category sets the least level that is logged,
//! else the daemon's level does; then each output has a least level of its own. What is not logged costs one relaxed
//! load, because the decision is kept with each place in the code until the settings change.

mod journal;
mod output;
mod settings;

pub use settings::{Filter, LogLevel, OutputSpec, Sink};

use arc_swap::ArcSwap;
use error::{Code, Domain, Error, Result};
use output::Output;
use parking_lot::Mutex;
use settings::{parse_filters, parse_outputs};
use std::sync::{Arc, OnceLock};
use tracing::level_filters::LevelFilter;
use tracing::subscriber::Interest;
use tracing::{Event, Metadata, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::registry::Registry;

/// What is in force.
#[derive(Debug)]
struct Active {
    level: LogLevel,
    filters: Vec<Filter>,
    outputs: Vec<Output>,
}

/// The process's log; clones share it.
#[derive(Debug, Clone)]
pub struct Logging {
    active: Arc<ArcSwap<Active>>,
    /// One change at a time.
    change: Arc<Mutex<()>>,
    default_output: OutputSpec,
}

/// Where logging starts from; later sources win: configuration, environment, command line.
#[derive(Debug, Default, Clone)]
pub struct LogConfig {
    /// `log_level`.
    pub level: Option<u32>,
    /// `log_filters`.
    pub filters: Option<String>,
    /// `log_outputs`.
    pub outputs: Option<String>,
    /// `--verbose`.
    pub verbose: bool,
    /// What an administrator should hear of once there is a log.
    pub warnings: Vec<String>,
}

impl LogConfig {
    /// Applies `LIBVIRT_DEBUG`, `LIBVIRT_LOG_FILTERS` and `LIBVIRT_LOG_OUTPUTS`; an empty one counts as unset.
    pub fn with_environment(mut self, variable: impl Fn(&str) -> Option<String>) -> Self {
        let set = |name| variable(name).filter(|value| !value.is_empty());
        if let Some(value) = set("LIBVIRT_DEBUG") {
            match LogLevel::named(&value) {
                Some(level) => self.level = Some(level.number()),
                None => self
                    .warnings
                    .push(format!("LIBVIRT_DEBUG={value} names no level and is ignored")),
            }
        }
        self.filters = set("LIBVIRT_LOG_FILTERS").or(self.filters);
        self.outputs = set("LIBVIRT_LOG_OUTPUTS").or(self.outputs);
        self
    }

    fn level(&self) -> Result<LogLevel> {
        let level = match self.level {
            None => LogLevel::Warning,
            Some(number) => LogLevel::from_number(number)
                .ok_or_else(|| refused(format!("log_level {number} is none of 1 to 4")))?,
        };
        Ok(if self.verbose {
            level.min(LogLevel::Info)
        } else {
            level
        })
    }
}

fn refused(text: impl Into<String>) -> Error {
    Error::new(Code::InvalidArg, Domain::Logging, text)
}

/// The log of this process, once it is there: there can be only one.
static LOGGING: OnceLock<Logging> = OnceLock::new();

impl Logging {
    /// Starts the process's log, or changes the one it has. `default_output` is used where nothing else is said.
    ///
    /// # Errors
    /// A level, filter or output is malformed, or an output cannot be opened.
    pub fn start(config: &LogConfig, default_output: OutputSpec) -> Result<Self> {
        let active = Active {
            level: config.level()?,
            filters: parse_filters(config.filters.as_deref().unwrap_or_default())?,
            outputs: open(config.outputs.as_deref(), &default_output)?,
        };
        if let Some(logging) = LOGGING.get() {
            logging.put(active);
            return Ok(logging.clone());
        }
        let logging = Self {
            active: Arc::new(ArcSwap::from_pointee(active)),
            change: Arc::default(),
            default_output,
        };
        let layer = LogLayer {
            active: Arc::clone(&logging.active),
        };
        tracing::subscriber::set_global_default(Registry::default().with(layer))
            .map_err(|failure| Error::new(Code::InternalError, Domain::Logging, failure.to_string()))?;
        Ok(LOGGING.get_or_init(|| logging).clone())
    }

    /// The filters in force, in their written form, and how many they are.
    pub fn filters(&self) -> (String, usize) {
        listed(&self.active.load().filters)
    }

    /// The outputs in force, in their written form, and how many they are.
    pub fn outputs(&self) -> (String, usize) {
        let active = self.active.load();
        let specs: Vec<_> = active.outputs.iter().map(|output| &output.spec).collect();
        listed(&specs)
    }

    /// Replaces the filters; an empty text removes them all.
    ///
    /// # Errors
    /// One is malformed; the old ones stay.
    pub fn set_filters(&self, text: &str) -> Result<()> {
        let filters = parse_filters(text)?;
        let _change = self.change.lock();
        let old = self.active.load_full();
        self.put(Active {
            level: old.level,
            filters,
            outputs: old.outputs.clone(),
        });
        Ok(())
    }

    /// Replaces the outputs; an empty text stands for the default one.
    ///
    /// # Errors
    /// One is malformed or cannot be opened; the old ones stay.
    pub fn set_outputs(&self, text: &str) -> Result<()> {
        let outputs = open(Some(text), &self.default_output)?;
        let _change = self.change.lock();
        let old = self.active.load_full();
        self.put(Active {
            level: old.level,
            filters: old.filters.clone(),
            outputs,
        });
        Ok(())
    }

    fn put(&self, active: Active) {
        self.active.store(Arc::new(active));
        tracing::callsite::rebuild_interest_cache();
    }
}

fn open(text: Option<&str>, default: &OutputSpec) -> Result<Vec<Output>> {
    let mut specs = parse_outputs(text.unwrap_or_default())?;
    if specs.is_empty() {
        specs.push(default.clone());
    }
    specs.into_iter().map(Output::open).collect()
}

fn listed(items: &[impl ToString]) -> (String, usize) {
    let written: Vec<_> = items.iter().map(ToString::to_string).collect();
    (written.join(" "), written.len())
}

impl Active {
    /// The least level that is logged for a category, and by any output.
    fn threshold(&self, target: &str) -> Option<LogLevel> {
        let outputs = self.outputs.iter().map(|output| output.spec.level).min()?;
        let category = target.replace("::", ".");
        let filter = self.filters.iter().find(|filter| filter.matches(&category));
        Some(filter.map_or(self.level, |filter| filter.level).max(outputs))
    }

    fn wants(&self, metadata: &Metadata<'_>) -> bool {
        !metadata.is_span()
            && self
                .threshold(metadata.target())
                .is_some_and(|least| LogLevel::of(*metadata.level()) >= least)
    }
}

struct LogLayer {
    active: Arc<ArcSwap<Active>>,
}

impl Layer<Registry> for LogLayer {
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        if self.active.load().wants(metadata) {
            Interest::always()
        } else {
            Interest::never()
        }
    }

    fn enabled(&self, metadata: &Metadata<'_>, _: Context<'_, Registry>) -> bool {
        self.active.load().wants(metadata)
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        let active = self.active.load();
        let least = active
            .filters
            .iter()
            .map(|filter| filter.level)
            .chain([active.level])
            .min();
        Some(least.unwrap_or(active.level).hint())
    }

    fn on_event(&self, event: &Event<'_>, _: Context<'_, Registry>) {
        let level = LogLevel::of(*event.metadata().level());
        for output in self
            .active
            .load()
            .outputs
            .iter()
            .filter(|output| level >= output.spec.level)
        {
            output.write(event, level);
        }
    }
}

/// Keeps the compiler honest about what the layer is put on.
const _: fn() = || {
    fn subscriber<T: Subscriber>() {}
    subscriber::<Registry>();
};

#[cfg(test)]
mod tests {
    use super::*;

    /// The process has one log, so all of it is one test.
    #[test]
    fn what_is_logged_follows_the_settings_at_once() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let config = LogConfig {
            filters: Some("1:rpc".to_owned()),
            outputs: Some(format!("1:file:{}", path.display())),
            ..LogConfig::default()
        };
        let default = OutputSpec {
            level: LogLevel::Warning,
            sink: Sink::Stderr,
        };
        let logging = Logging::start(&config, default).unwrap();
        let say = |word: &str| {
            tracing::debug!(target: "rpc::call", word, "one");
            tracing::debug!(target: "qemu", word, "two");
            tracing::warn!(target: "qemu", "three {word}");
        };
        let logged = || std::fs::read_to_string(&path).unwrap();
        say("first");
        let text = logged();
        assert!(
            text.contains(": debug : rpc.call:") && text.contains("one word=\"first\""),
            "{text}"
        );
        assert!(
            !text.contains("two") && text.contains(": warning : qemu:") && text.contains("three first"),
            "{text}"
        );

        logging.set_filters("4:qemu").unwrap();
        say("second");
        assert!(!logged().contains("second"), "{}", logged());
        assert!(logging.set_filters("4:qemu 9:x").is_err());
        assert!(logging.set_outputs("1:bogus").is_err());
        assert!(logging.set_outputs("1:file:/nonexistent/dir/log").is_err());
        assert_eq!(logging.filters(), ("4:qemu".to_owned(), 1));
        assert_eq!(logging.outputs(), (format!("1:file:{}", path.display()), 1));
        logging.set_filters("").unwrap();
        logging.set_outputs("").unwrap();
        assert_eq!(logging.filters(), (String::new(), 0));
        assert_eq!(logging.outputs(), ("3:stderr".to_owned(), 1));
    }

    #[test]
    fn the_environment_wins_over_the_file_and_verbose_over_both() {
        let file = LogConfig {
            level: Some(4),
            filters: Some("1:a".into()),
            ..LogConfig::default()
        };
        let config = file.clone().with_environment(|name| match name {
            "LIBVIRT_DEBUG" => Some("error".into()),
            "LIBVIRT_LOG_FILTERS" => Some("2:b".into()),
            _ => Some(String::new()),
        });
        assert_eq!(
            (config.level, config.filters.as_deref(), config.outputs.as_deref()),
            (Some(4), Some("2:b"), None)
        );
        assert_eq!(
            LogConfig {
                verbose: true,
                ..config
            }
            .level()
            .unwrap(),
            LogLevel::Info
        );
        assert!(
            LogConfig {
                level: Some(5),
                ..file
            }
            .level()
            .is_err()
        );
    }
}
