//! root's powers, one by one (`capabilities(7)`).

use rustix::thread::{
    CapabilitySet, CapabilitySets, capabilities, capability_is_in_bounding_set, clear_ambient_capability_set,
    remove_capability_from_bounding_set, set_capabilities,
};

/// Which capabilities a daemon keeps of those that it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Capabilities {
    /// These.
    Only(CapabilitySet),
    /// All others.
    AllBut(CapabilitySet),
}

impl Capabilities {
    pub(super) fn kept(self) -> CapabilitySet {
        match self {
            Self::Only(kept) => kept,
            Self::AllBut(dropped) => CapabilitySet::all() - dropped,
        }
    }
}

/// Drops all others, for this thread and for programs that it becomes. Nothing is said of a process that has none.
pub(super) fn keep(kept: u64) {
    let kept = CapabilitySet::from_bits_retain(kept);
    // One that the kernel, or a profile of AppArmor's, does not allow does not keep the other from being done.
    if let Err(failure) = narrow(kept) {
        tracing::warn!(%failure, "programs that are run may have capabilities that they do not need");
    }
    if let Err(failure) = drop_others(kept) {
        tracing::warn!(%failure, "capabilities cannot be dropped");
    }
}

/// Takes all others from programs that are run from now on, which as root would get them anew.
fn narrow(kept: CapabilitySet) -> rustix::io::Result<()> {
    // Who may not narrow the set is not root, or has narrowed it before.
    if capabilities(None)?.effective.contains(CapabilitySet::SETPCAP) {
        for bit in 0..u64::BITS {
            let one = CapabilitySet::from_bits_retain(1 << bit);
            // The kernel does not know those beyond its last.
            if !kept.contains(one) && capability_is_in_bounding_set(one) == Ok(true) {
                remove_capability_from_bounding_set(one)?;
            }
        }
    }
    clear_ambient_capability_set()
}

fn drop_others(kept: CapabilitySet) -> rustix::io::Result<()> {
    let has = capabilities(None)?;
    let outcome = set_capabilities(
        None,
        CapabilitySets {
            effective: has.effective & kept,
            permitted: has.permitted & kept,
            inheritable: has.inheritable & kept,
        },
    );
    // Asked after the try, not before: below a profile of AppArmor's the kernel tells only what that allows, though the process
    // has more. Where it fails, systemd may have done all of it and forbidden the call.
    if kept.contains(has.permitted | has.inheritable) {
        return Ok(());
    }
    outcome
}
