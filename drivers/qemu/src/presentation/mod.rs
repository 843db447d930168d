//! A domain as clients see it: its document in the view they asked for, and figures read off its published state.

mod migratable;

use crate::Driver;
use crate::domain::{Document, Live, State};
use crate::flags;
use crate::processor;
use error::{Code, Domain as ErrorDomain, Error, Result};
use model::domain::Domain as Model;

/// How a document is shown (`virDomainXMLFlags`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct View {
    /// With passwords and cookies.
    pub secure: bool,
    /// As it will be at the next start.
    pub inactive: bool,
    /// With the processor spelt out as this host would make it.
    pub update_cpu: bool,
    /// As another host needs it.
    pub migratable: bool,
}

impl View {
    /// The view that `flags` ask for.
    ///
    /// # Errors
    /// [`Code::InvalidArg`] for unknown flags.
    pub(crate) fn from_flags(flags: u32) -> Result<Self> {
        flags::check("virDomainGetXMLDesc", flags, 0xf)?;
        Ok(Self {
            secure: flags & 1 != 0,
            inactive: flags & 2 != 0,
            update_cpu: flags & 4 != 0,
            migratable: flags & 8 != 0,
        })
    }
}

/// The document of a domain in that view.
///
/// # Errors
/// [`Code::ConfigUnsupported`] where the processor would have to be worked out and cannot be.
pub(crate) async fn document(driver: &Driver, state: &State, view: View) -> Result<String> {
    let document = if view.inactive {
        state.next_document()
    } else {
        state.document()
    };
    let document = document.ok_or_else(|| ended(state))?;
    let live = state.live.as_ref().filter(|_| !view.inactive);
    // What need not be changed need not be parsed.
    let has_secrets = document.text.contains(" passwd='") || document.text.contains("<cookies>");
    let moves_balloon = live.is_some_and(|live| balloon(live) != document.summary.memory);
    if !(view.update_cpu || view.migratable || moves_balloon || (has_secrets && !view.secure)) {
        return Ok(document.text.to_string());
    }
    let mut model = document.parse()?;
    if moves_balloon && let Some(live) = live {
        model.current_memory = Some(model::scaled::Kibibytes(balloon(live)));
    }
    if view.migratable {
        if let Some(live) = live {
            migratable::without_choices(&mut model, live.origin.parse()?);
        }
        migratable::without_implicit(&mut model);
    } else if !view.secure {
        model.devices.strip_secrets();
    }
    if view.update_cpu && model.cpu.is_some() {
        model = with_processor(driver, model).await?;
    }
    Ok(model.to_xml())
}

/// The document with the processor spelt out as a start here would make it now.
async fn with_processor(driver: &Driver, mut model: Model) -> Result<Model> {
    let Some(emulator) = model.devices.emulator.clone() else {
        return Ok(model);
    };
    let caps = driver.binaries.get(emulator.as_ref()).await?;
    let models = driver.capabilities.models();
    driver
        .blocking(move || {
            let catalogue = models.get(&caps.arch);
            processor::settle(&mut model, &caps, catalogue.as_deref())?;
            Ok(model)
        })
        .await
}

fn ended(state: &State) -> Error {
    let text = format!("domain '{}' has ended", state.name);
    Error::new(Code::NoDomain, ErrorDomain::Qemu, text)
}

/// What calls ask most of a domain's present document.
///
/// # Errors
/// [`Code::NoDomain`] for one that has just ended.
pub(crate) fn present(state: &State) -> Result<&Document> {
    state
        .document()
        .map(std::convert::AsRef::as_ref)
        .ok_or_else(|| ended(state))
}

/// Nanoseconds of processor time QEMU has used; 0 when that cannot be told any more.
pub(crate) fn cpu_time(live: &Live) -> u64 {
    live.process.cpu_time().unwrap_or(0)
}

/// The memory the guest has now, in KiB.
pub(crate) fn memory(state: &State) -> u64 {
    match state.live.as_ref() {
        Some(live) => balloon(live),
        None => state.document().map_or(0, |document| document.summary.memory),
    }
}

/// The memory the balloon leaves, as last known, in KiB.
fn balloon(live: &Live) -> u64 {
    live.sample.load().balloon.unwrap_or(live.document.summary.memory)
}
