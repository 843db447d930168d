//! Limits of memory.

use super::{Tuning, changed_definition, invalid};
use crate::domain::Owner;
use crate::groups::told;
use cgroup::Controller;
use error::Result;
use model::domain::memory::MemTune;
use model::scaled::Kibibytes;

const TUNING: Tuning = Tuning {
    what: "Memory tuning",
    controller: Controller::Memory,
};

/// `VIR_DOMAIN_MEMORY_PARAM_UNLIMITED`, in KiB.
pub(crate) const UNLIMITED: u64 = 9_007_199_254_740_991;

impl Owner {
    /// Sets what `change` has of limits.
    ///
    /// # Errors
    /// [`error::Code::InvalidArg`] where memory may be more than memory with swap, [`error::Code::OperationInvalid`] where the
    /// guest is in no control group, else what the kernel or the disk says.
    pub(crate) async fn set_memory_limits(&mut self, change: MemTune, flags: u32) -> Result<()> {
        let impact = self.tuned(TUNING, flags)?;
        let state = self.domain.state();
        let definition = changed_definition(&state, impact, |model| {
            take_over(model.mem_tune.get_or_insert_default(), &change)
        })?;
        if impact.live {
            let live = state.running()?;
            let groups = TUNING.groups(live)?.clone();
            let mut model = live.document.parse()?;
            take_over(model.mem_tune.get_or_insert_default(), &change)?;
            let setting = change.clone();
            // The kernel may have to move memory to swap before it answers.
            self.driver
                .blocking(move || limit(groups.whole(), &setting).map_err(told))
                .await?;
            self.change_live(live, |live| *live = model).await?;
        }
        self.replace_definition(definition).await
    }
}

/// Bytes of a limit; `None` is no limit.
fn bytes(limit: Kibibytes) -> Option<u64> {
    (limit.0 < UNLIMITED).then(|| limit.bytes())
}

fn limit(group: &cgroup::Group, change: &MemTune) -> cgroup::Result<()> {
    if let Some(limit) = change.soft_limit {
        group.set_memory_soft_limit(bytes(limit))?;
    }
    if change.hard_limit.is_none() && change.swap_hard_limit.is_none() {
        return Ok(());
    }
    let hard = match change.hard_limit {
        Some(limit) => bytes(limit),
        None => group.memory_limit()?,
    };
    group.set_memory_limits(hard, change.swap_hard_limit.map(bytes))
}

fn take_over(tune: &mut MemTune, change: &MemTune) -> Result<()> {
    for (old, new) in [
        (&mut tune.hard_limit, change.hard_limit),
        (&mut tune.soft_limit, change.soft_limit),
        (&mut tune.swap_hard_limit, change.swap_hard_limit),
    ] {
        if let Some(new) = new {
            *old = Some(new).filter(|new| new.0 < UNLIMITED);
        }
    }
    let (hard, with_swap) = (tune.hard_limit, tune.swap_hard_limit);
    let above = with_swap.is_some_and(|with_swap| hard.is_none_or(|hard| hard.0 > with_swap.0));
    if above && (change.hard_limit.is_some() || change.swap_hard_limit.is_some()) {
        return Err(invalid(
            "memory hard_limit tunable value must be lower than or equal to swap_hard_limit",
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_with_swap_is_not_less_than_memory() {
        let mut tune = MemTune {
            hard_limit: Some(Kibibytes(1000)),
            swap_hard_limit: Some(Kibibytes(2000)),
            ..MemTune::default()
        };
        let hard = |limit| MemTune {
            hard_limit: Some(Kibibytes(limit)),
            ..MemTune::default()
        };
        assert!(take_over(&mut tune.clone(), &hard(2001)).is_err());
        assert!(take_over(&mut tune.clone(), &hard(UNLIMITED)).is_err());
        take_over(&mut tune, &hard(2000)).unwrap();
        let none = MemTune {
            swap_hard_limit: Some(Kibibytes(UNLIMITED)),
            ..hard(UNLIMITED)
        };
        take_over(&mut tune, &none).unwrap();
        assert_eq!(tune, MemTune::default());
    }
}
