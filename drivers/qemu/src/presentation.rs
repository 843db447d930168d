//! A domain as clients see it: its document in the view they asked for, and figures read off its published state.

use crate::domain::{Document, Live, State};
use crate::flags;
use error::{Code, Domain as ErrorDomain, Error, Result};
use model::domain::cpu::CpuMode;

/// How a document is shown (`virDomainXMLFlags`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct View {
    /// With passwords.
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
/// [`Code::NoSupport`] where the processor would have to be worked out.
pub(crate) fn document(state: &State, view: View) -> Result<String> {
    let document = if view.inactive {
        state.next_document()
    } else {
        state.document()
    };
    let document = document.ok_or_else(|| {
        Error::new(
            Code::NoDomain,
            ErrorDomain::Qemu,
            format!("domain '{}' has ended", state.name),
        )
    })?;
    // What need not be changed need not be parsed.
    let has_secrets = document.text.contains(" passwd='");
    let moves_balloon = !view.inactive
        && state
            .live
            .as_ref()
            .is_some_and(|live| balloon(live) != document.summary.memory);
    if !(view.update_cpu || view.migratable || moves_balloon || (has_secrets && !view.secure)) {
        return Ok(document.text.to_string());
    }
    let mut model = document.parse()?;
    if !view.secure && !view.migratable {
        model.devices.strip_secrets();
    }
    if view.update_cpu
        && model
            .cpu
            .as_ref()
            .is_some_and(|cpu| cpu.mode == Some(CpuMode::HostModel))
        && !view.inactive
    {
        return Err(Error::new(
            Code::NoSupport,
            ErrorDomain::Qemu,
            "<cpu mode='host-model'>: working out the host's processor for a document is not supported yet",
        ));
    }
    if moves_balloon && let Some(live) = state.live.as_ref() {
        model.current_memory = Some(model::scaled::Kibibytes(balloon(live)));
    }
    Ok(model.to_xml())
}

/// What calls ask most of a domain's present document.
///
/// # Errors
/// [`Code::NoDomain`] for one that has just ended.
pub(crate) fn present(state: &State) -> Result<&Document> {
    state.document().map(std::convert::AsRef::as_ref).ok_or_else(|| {
        Error::new(
            Code::NoDomain,
            ErrorDomain::Qemu,
            format!("domain '{}' has ended", state.name),
        )
    })
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
