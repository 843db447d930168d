//! Processor time.

use super::{Tuning, changed_definition, invalid};
use crate::domain::Owner;
use crate::events::Event;
use crate::groups::{GuestGroups, Threads, told};
use cgroup::{Controller, QUOTA_MAX};
use error::Result;
use model::domain::tune::CpuTune;
use protocol::TypedParam;

const TUNING: Tuning = Tuning {
    what: "CPU tuning",
    controller: Controller::Cpu,
};

/// Microseconds that a period may have.
const PERIODS: std::ops::RangeInclusive<u64> = 1000..=1_000_000;

/// Microseconds that a quota has at least.
const QUOTA_MIN: i64 = 1000;

impl Owner {
    /// Sets what `change` has of shares, periods and quotas.
    ///
    /// # Errors
    /// [`error::Code::InvalidArg`] for a value that is not possible, [`error::Code::OperationInvalid`] where the guest is in no
    /// control group, else what the kernel or the disk says.
    pub(crate) async fn set_processor_time(&mut self, change: CpuTune, flags: u32) -> Result<()> {
        let impact = self.tuned(TUNING, flags)?;
        check(&change)?;
        let state = self.domain.state();
        let definition = changed_definition(&state, impact, |model| {
            take_over(model.cpu_tune.get_or_insert_default(), &change);
            Ok(())
        })?;
        if impact.live {
            let live = state.running()?;
            let groups = TUNING.groups(live)?;
            let mut in_force = change.clone();
            if let Some(shares) = change.shares {
                groups.set_shares(shares).await?;
                in_force.shares = Some(groups.shares()?);
            }
            let maximum = live.document.summary.max_vcpus;
            limit(
                groups,
                &change,
                maximum,
                &super::super::iothreads(&live.document.parse()?),
            )?;
            self.change_live(live, |model| {
                take_over(model.cpu_tune.get_or_insert_default(), &in_force)
            })
            .await?;
            let params = told_of(&in_force);
            if !params.is_empty() {
                self.tell(Event::Tunable { params });
            }
        }
        self.replace_definition(definition).await
    }
}

fn check(change: &CpuTune) -> Result<()> {
    let periods = [
        ("vcpu_period", change.period),
        ("global_period", change.global_period),
        ("emulator_period", change.emulator_period),
        ("iothread_period", change.iothread_period),
    ];
    for (name, value) in periods {
        // 0 leaves it as it is.
        if value.is_some_and(|value| value > 0 && !PERIODS.contains(&value)) {
            return Err(invalid(format!(
                "value of '{name}' is out of range [{}, {}]",
                PERIODS.start(),
                PERIODS.end()
            )));
        }
    }
    let quotas = [
        ("vcpu_quota", change.quota),
        ("global_quota", change.global_quota),
        ("emulator_quota", change.emulator_quota),
        ("iothread_quota", change.iothread_quota),
    ];
    for (name, value) in quotas {
        if value.is_some_and(|value| value > 0 && !(QUOTA_MIN..=QUOTA_MAX).contains(&value)) {
            return Err(invalid(format!(
                "value of '{name}' is out of range [{QUOTA_MIN}, {QUOTA_MAX}]"
            )));
        }
    }
    Ok(())
}

/// Puts the times into the guest's groups.
fn limit(
    groups: &GuestGroups,
    change: &CpuTune,
    processors: u32,
    iothreads: &std::collections::BTreeSet<u32>,
) -> Result<()> {
    let set = |group: &cgroup::Group, period: Option<u64>, quota: Option<i64>| {
        let (period, quota) = (
            period.filter(|value| *value > 0),
            quota.filter(|value| *value != 0),
        );
        if (period.is_none() && quota.is_none()) || !group.exists() {
            return Ok(());
        }
        group.set_cpu_bandwidth(period, quota).map_err(told)
    };
    set(groups.whole(), change.global_period, change.global_quota)?;
    set(
        &groups.threads(Threads::Emulator),
        change.emulator_period,
        change.emulator_quota,
    )?;
    for number in 0..processors {
        set(
            &groups.threads(Threads::Vcpu(number)),
            change.period,
            change.quota,
        )?;
    }
    for number in iothreads {
        let group = groups.threads(Threads::IoThread(*number));
        set(&group, change.iothread_period, change.iothread_quota)?;
    }
    Ok(())
}

fn take_over(tune: &mut CpuTune, change: &CpuTune) {
    if change.shares.is_some() {
        tune.shares = change.shares;
    }
    for (old, new) in [
        (&mut tune.period, change.period),
        (&mut tune.global_period, change.global_period),
        (&mut tune.emulator_period, change.emulator_period),
        (&mut tune.iothread_period, change.iothread_period),
    ] {
        if let Some(new) = new.filter(|new| *new > 0) {
            *old = Some(new);
        }
    }
    for (old, new) in [
        (&mut tune.quota, change.quota),
        (&mut tune.global_quota, change.global_quota),
        (&mut tune.emulator_quota, change.emulator_quota),
        (&mut tune.iothread_quota, change.iothread_quota),
    ] {
        if let Some(new) = new.filter(|new| *new != 0) {
            *old = Some(new);
        }
    }
}

/// What clients are told of a change (`VIR_DOMAIN_TUNABLE_CPU_...`).
fn told_of(change: &CpuTune) -> Vec<TypedParam> {
    let times = [
        ("cpu_shares", change.shares),
        ("vcpu_period", change.period),
        ("emulator_period", change.emulator_period),
        ("global_period", change.global_period),
        ("iothread_period", change.iothread_period),
    ];
    let quotas = [
        ("vcpu_quota", change.quota),
        ("emulator_quota", change.emulator_quota),
        ("global_quota", change.global_quota),
        ("iothread_quota", change.iothread_quota),
    ];
    let times = times.into_iter().filter_map(|(name, value)| {
        Some(TypedParam::new(
            format!("cputune.{name}"),
            value.filter(|value| *value > 0)?,
        ))
    });
    let quotas = quotas.into_iter().filter_map(|(name, value)| {
        Some(TypedParam::new(
            format!("cputune.{name}"),
            value.filter(|value| *value != 0)?,
        ))
    });
    times.chain(quotas).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_nothing_stays_as_it_is() {
        let mut tune = CpuTune {
            period: Some(5000),
            quota: Some(-1),
            ..CpuTune::default()
        };
        let change = CpuTune {
            shares: Some(10),
            period: Some(0),
            quota: Some(2000),
            ..CpuTune::default()
        };
        check(&change).unwrap();
        take_over(&mut tune, &change);
        assert_eq!(
            (tune.shares, tune.period, tune.quota),
            (Some(10), Some(5000), Some(2000))
        );
        assert_eq!(told_of(&change).len(), 2);
        let short = CpuTune {
            emulator_quota: Some(999),
            ..CpuTune::default()
        };
        assert!(check(&short).is_err());
    }
}
