//! Removing a definition, and the files that exist only for it.

use super::store;
use crate::domain::{Autostart, Document, Live, Owner};
use crate::events::{Event, Lifecycle, Undefined};
use crate::lifecycle::tpm;
use error::{Code, Domain as ErrorDomain, Error, Result};
use model::domain::Domain as Model;
use std::path::PathBuf;
use std::sync::Arc;

/// What goes with a definition (`virDomainUndefineFlagsValues`).
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct UndefineOptions {
    /// The saved image; without this a domain that has one is not undefined.
    pub managed_save: bool,
    /// The UEFI variables: `Some(true)` removes them, `Some(false)` keeps them, `None` refuses if there are any.
    pub nvram: Option<bool>,
    /// The TPM's state: `Some(true)` removes it, `Some(false)` keeps it, `None` does as the definition says.
    pub tpm: Option<bool>,
}

impl UndefineOptions {
    /// The flags that are known. Those about snapshots and checkpoints speak of what no domain here has.
    pub(crate) const FLAGS: u32 = 0x7f;

    /// What `flags` ask for.
    ///
    /// # Errors
    /// [`Code::InvalidArg`] for flags that contradict each other.
    pub(crate) fn from_flags(flags: u32) -> Result<Self> {
        crate::flags::check("virDomainUndefineFlags", flags, Self::FLAGS)?;
        crate::flags::exclusive(
            "virDomainUndefineFlags",
            flags,
            (4, "VIR_DOMAIN_UNDEFINE_NVRAM"),
            (8, "VIR_DOMAIN_UNDEFINE_KEEP_NVRAM"),
        )?;
        crate::flags::exclusive(
            "virDomainUndefineFlags",
            flags,
            (32, "VIR_DOMAIN_UNDEFINE_TPM"),
            (64, "VIR_DOMAIN_UNDEFINE_KEEP_TPM"),
        )?;
        let tpm = match flags & 96 {
            32 => Some(true),
            64 => Some(false),
            _ => None,
        };
        let nvram = match flags & 12 {
            4 => Some(true),
            8 => Some(false),
            _ => None,
        };
        Ok(Self {
            managed_save: flags & 1 != 0,
            nvram,
            tpm,
        })
    }
}

impl Owner {
    /// Removes the definition. A domain that runs goes on as a transient one.
    ///
    /// # Errors
    /// [`Code::OperationInvalid`] for a transient domain, or when files would be left that `options` do not speak of.
    pub(crate) async fn undefine(&mut self, options: UndefineOptions) -> Result<()> {
        let state = self.domain.state();
        let invalid = |text: &str| Err(Error::new(Code::OperationInvalid, ErrorDomain::Qemu, text));
        let Some(definition) = state.definition.as_ref() else {
            return invalid("cannot undefine transient domain");
        };
        let mut with_it: Vec<PathBuf> = Vec::new();
        if state.managed_save {
            if !options.managed_save {
                return invalid("refusing to undefine a domain while its saved image exists");
            }
            with_it.push(self.driver.paths.managed_save(&state.name));
        }
        let model = definition.parse()?;
        let has_tpm = tpm::emulators(&model).next().is_some();
        let forgets =
            has_tpm && !state.is_active() && options.tpm.unwrap_or_else(|| tpm::is_fleeting(&model));
        let tpm_state = forgets.then(|| self.driver.paths.tpm_state(self.domain.uuid));
        if let Some(nvram) = nvram_file(&model) {
            match options.nvram {
                Some(true) => with_it.push(nvram),
                Some(false) => {}
                None if nvram.exists() => return invalid("cannot undefine domain with nvram"),
                None => {}
            }
        }
        if let (Some(removes), Some(live)) = (options.tpm.filter(|_| has_tpm), state.live.as_ref()) {
            // A guest that runs goes on with its TPM; when it ends, its own document tells what becomes of the state.
            let mut model = live.document.parse()?;
            tpm::set_fleeting(&mut model, removes);
            let changed = Live {
                document: Document::of(&model),
                ..Live::clone(live)
            };
            self.replace_live(Arc::new(changed)).await;
        }
        let (paths, name) = (Arc::clone(&self.driver.paths), state.name.to_string());
        self.driver
            .blocking(move || {
                // The definition last: whoever is interrupted here can undefine it again.
                for file in with_it {
                    daemon::durable::remove(&file).map_err(|err| {
                        let text = format!("cannot remove '{}': {err}", file.display());
                        Error::new(Code::OperationFailed, ErrorDomain::Qemu, text).caused_by(err)
                    })?;
                }
                if let Some(state) = tpm_state {
                    tpm::forget(&state)?;
                }
                store::remove(&paths, &name)
            })
            .await?;
        let reference = self.domain.reference();
        self.publish(|state| {
            state.definition = None;
            state.autostart = Autostart::default();
            state.managed_save = false;
        });
        self.driver.domains.forget_if_gone(&self.domain);
        self.driver.events.send(
            &reference,
            Event::Lifecycle(Lifecycle::Undefined(Undefined::Removed)),
        );
        Ok(())
    }
}

fn nvram_file(model: &Model) -> Option<PathBuf> {
    model.os.nvram.as_ref()?.file().map(PathBuf::from)
}
