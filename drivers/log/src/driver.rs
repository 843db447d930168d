//! The driver itself.

use crate::config::LogConfig;
use crate::logs::{LogNote, Logs};
use crate::{cleaner, handlers};
use daemon::config::{DaemonConfig, Key, Schema};
use daemon::confinement::{Capabilities, CapabilitySet, Needs};
use daemon::{Handover, Info, Instance, Routes};
use error::{Code, Domain, Error, Result};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// How often old logs are looked for.
const CLEANING: Duration = Duration::from_secs(24 * 60 * 60);

/// The log driver of one instance.
#[derive(Debug)]
pub struct Driver {
    /// The logs.
    pub(crate) logs: Arc<Logs>,
    config: Mutex<LogConfig>,
    instance: Instance,
}

/// What the next program has to know. The pipes follow in the order of the logs.
#[derive(Debug, Serialize, Deserialize)]
struct Notes {
    logs: Vec<LogNote>,
}

impl Driver {
    /// Goes on with what the program before in this process did.
    fn resume(&self, handover: Handover) -> Result<()> {
        let notes: Notes = serde_json::from_str(&handover.notes).map_err(|failure| {
            let text = format!("what was handed over cannot be read: {failure}");
            Error::new(Code::InternalError, Domain::Logging, text)
        })?;
        for (note, pipe) in notes.logs.iter().zip(handover.descriptors) {
            if let Err(failure) = self.logs.resume(note, pipe) {
                tracing::error!(path = %note.path.display(), %failure, "a guest's log is lost");
            }
        }
        Ok(())
    }

    /// Looks for old logs now and then.
    async fn clean(driver: std::sync::Weak<Self>) {
        let mut ticks = tokio::time::interval(CLEANING);
        loop {
            ticks.tick().await;
            let Some(driver) = driver.upgrade() else { return };
            let (days, root) = {
                let config = driver.config.lock();
                (config.max_age_days, config.log_root.clone())
            };
            if days == 0 {
                continue;
            }
            let root = root.map_or_else(|| driver.instance.layout.log_dir().to_owned(), PathBuf::from);
            let age = Duration::from_secs(u64::from(days) * 24 * 60 * 60);
            let logs = Arc::clone(&driver.logs);
            let cleaned = driver
                .logs
                .on_thread(move || cleaner::clean(&root, age, &|path| logs.is_open(path)));
            if let Err(failure) = cleaned.await {
                tracing::error!(%failure, "old logs were not looked for");
            }
        }
    }
}

async fn read_config(instance: &Instance) -> Result<LogConfig> {
    let asked = instance.clone();
    let loaded = instance
        .workers
        .blocking(protocol::Priority::High, move || asked.own_keys::<LogConfig>())
        .await?
        .map_err(|refusal| Error::new(Code::ConfSyntax, Domain::Conf, refusal.to_string()))?;
    for warning in &loaded.warnings {
        tracing::warn!("{warning}");
    }
    Ok(loaded.values)
}

impl daemon::Driver for Driver {
    const INFO: Info = Info {
        daemon: "virtlogd",
        about: "Keeps the logs of guests, whoever else is restarted",
        driver: "log",
    };
    const THREADS: usize = 1;
    const CONNECTS: bool = false;
    const KEYS: &'static [Key] = LogConfig::KEYS;
    const CLIENTS_GO_ON: bool = true;
    /// A log may be a file that its reader owns, in a folder of his, wherever that is.
    const NEEDS: Needs = Needs {
        capabilities: Capabilities::Only(CapabilitySet::DAC_OVERRIDE),
        children: false,
        places: None,
    };

    fn defaults() -> DaemonConfig {
        DaemonConfig {
            max_clients: 1024,
            ..DaemonConfig::default()
        }
    }

    async fn open(instance: Instance) -> Result<Arc<Self>> {
        let config = read_config(&instance).await?;
        let driver = Arc::new(Self {
            logs: Logs::new(config.limits()),
            config: Mutex::new(config),
            instance,
        });
        if let Some(handover) = driver.instance.take_handover() {
            driver.resume(handover)?;
        }
        tokio::spawn(Self::clean(Arc::downgrade(&driver)));
        Ok(driver)
    }

    fn routes(routes: &mut Routes<Self>) {
        handlers::routes(routes);
    }

    fn busy(&self) -> bool {
        self.logs.any()
    }

    async fn reload(&self) -> Result<()> {
        let config = read_config(&self.instance).await?;
        self.logs.set_limits(config.limits());
        *self.config.lock() = config;
        Ok(())
    }

    async fn hand_over(&self) -> Result<Handover> {
        // A file that the next program would refuse keeps this one running.
        read_config(&self.instance).await?;
        let handed = self.logs.hand_over().await;
        let (logs, descriptors) = handed.inspect_err(|_| self.logs.go_on())?;
        let notes = serde_json::to_string(&Notes { logs }).map_err(|failure| {
            self.logs.go_on();
            Error::new(Code::InternalError, Domain::Logging, failure.to_string())
        })?;
        Ok(Handover { notes, descriptors })
    }

    fn go_on(&self) {
        self.logs.go_on();
    }

    async fn shutdown(&self) {}
}
