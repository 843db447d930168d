//! The guest's time and power management: `-rtc` and settings of the board's own devices.

use super::line::{KeyValues, Line, incomplete, unsupported};
use crate::board::Board;
use error::Result;
use jiff::civil::DateTime;
use jiff::{SignedDuration, Timestamp};
use model::domain::clock::{
    Adjustment, Clock, ClockBasis, ClockOffset, TickPolicy, Timer, TimerName, TimerTrack,
};

/// What seconds are counted from.
const EPOCH: DateTime = DateTime::constant(1970, 1, 1, 0, 0, 0, 0);

impl Line<'_> {
    /// `-rtc` and the timers.
    pub(super) fn clock(&mut self) -> Result<()> {
        let default = Clock::default();
        let clock = self.domain.clock.as_deref().unwrap_or(&default);
        let mut rtc = KeyValues::new().set("base", base(clock)?);
        let timer = |name: TimerName| clock.timers.iter().find(|timer| timer.name == name);
        if let Some(timer) = timer(TimerName::Rtc) {
            match timer.track {
                Some(TimerTrack::Guest) => rtc.put("clock", "vm"),
                Some(TimerTrack::Wall) => rtc.put("clock", "host"),
                Some(TimerTrack::RealTime) => rtc.put("clock", "rt"),
                Some(TimerTrack::Boot) => {
                    return Err(unsupported("<timer name='rtc' track='boot'> is for Xen guests"));
                }
                None => {}
            }
            match timer.tickpolicy {
                Some(TickPolicy::CatchUp) => rtc.put("driftfix", "slew"),
                None | Some(TickPolicy::Delay) => {}
                Some(_) => return Err(policy(timer)),
            }
        }
        self.option("-rtc", rtc.finish());
        if clock.offset == Some(ClockOffset::Timezone) {
            let zone = clock.timezone.as_deref();
            let zone = zone.ok_or_else(|| incomplete("<clock offset='timezone'> names none"))?;
            self.environment("TZ", zone);
        }
        if let Some(pit) = timer(TimerName::Pit) {
            match pit.tickpolicy {
                Some(TickPolicy::Delay) if self.caps.has_property("kvm-pit", "lost_tick_policy") => {
                    self.option("-global", "kvm-pit.lost_tick_policy=delay");
                }
                // What QEMU does anyway; without the kernel's timer, delays too.
                None | Some(TickPolicy::CatchUp | TickPolicy::Delay) => {}
                Some(TickPolicy::Discard) => {
                    if self.caps.has_property("kvm-pit", "lost_tick_policy") {
                        self.option("-global", "kvm-pit.lost_tick_policy=discard");
                    } else {
                        return Err(policy(pit));
                    }
                }
                Some(TickPolicy::Merge) => return Err(policy(pit)),
            }
        }
        let board = Board::of(self.domain);
        for timer in &clock.timers {
            let foreign = match timer.name {
                TimerName::ArmVtimer => board != Board::ArmVirt,
                TimerName::Platform => true,
                TimerName::KvmClock
                | TimerName::HypervClock
                | TimerName::Tsc
                | TimerName::Hpet
                | TimerName::Pit => board.is_arm(),
                TimerName::Rtc => false,
            };
            if foreign {
                return Err(unsupported(format!(
                    "<timer name='{}'>: machines of this architecture have none",
                    timer.name
                )));
            }
        }
        Ok(())
    }

    /// The size of the memory for system management.
    pub(super) fn tseg(&mut self) -> Result<()> {
        let smm = self
            .domain
            .features
            .as_deref()
            .and_then(|features| features.smm.as_ref());
        if let Some(tseg) = smm.and_then(|smm| smm.tseg.as_ref()) {
            if Board::of(self.domain) != Board::Q35 {
                return Err(unsupported(
                    "<tseg>: SMM TSEG is only supported with q35 machine type",
                ));
            }
            self.option(
                "-global",
                format!("mch.extended-tseg-mbytes={}", tseg.bytes >> 20),
            );
        }
        Ok(())
    }

    /// Sleep states.
    pub(super) fn power(&mut self) -> Result<()> {
        let Some(pm) = &self.domain.pm else { return Ok(()) };
        let board = Board::of(self.domain);
        let device = match board {
            Board::Q35 => "ICH9-LPC",
            Board::I440fx => "PIIX4_PM",
            _ => {
                return Err(unsupported("<pm>: this machine has no sleep states"));
            }
        };
        for (name, state) in [
            ("disable_s3", &pm.suspend_to_mem),
            ("disable_s4", &pm.suspend_to_disk),
        ] {
            if let Some(enabled) = state.as_ref().and_then(|state| state.enabled) {
                self.option(
                    "-global",
                    format!("{device}.{name}={}", i32::from(!enabled.is_yes())),
                );
            }
        }
        Ok(())
    }
}

fn policy(timer: &Timer) -> error::Error {
    unsupported(format!(
        "<timer name='{}'>: this tick policy is not supported",
        match timer.name {
            TimerName::Rtc => "rtc",
            _ => "pit",
        }
    ))
}

fn base(clock: &Clock) -> Result<String> {
    let moment = |seconds: i64| {
        let time = EPOCH.checked_add(SignedDuration::from_secs(seconds));
        let time = time.map_err(|_| unsupported("<clock>: the time is out of range"))?;
        Ok(time.strftime("%Y-%m-%dT%H:%M:%S").to_string())
    };
    let adjustment = match clock.adjustment {
        Some(Adjustment::Seconds(seconds)) => Some(seconds),
        Some(Adjustment::Reset) | None => None,
    };
    match clock.offset.unwrap_or(ClockOffset::Utc) {
        ClockOffset::Utc => Ok("utc".to_owned()),
        ClockOffset::LocalTime => Ok("localtime".to_owned()),
        // The caller's environment names the zone.
        ClockOffset::Timezone => Ok("localtime".to_owned()),
        ClockOffset::Absolute => {
            let start = clock
                .start
                .ok_or_else(|| incomplete("<clock offset='absolute'> has no start"))?;
            moment(i64::try_from(start).unwrap_or(i64::MAX))
        }
        ClockOffset::Variable => {
            let basis = match clock.basis {
                Some(ClockBasis::LocalTime) => local_offset()?,
                Some(ClockBasis::Utc) | None => 0,
            };
            let now = Timestamp::now().as_second();
            moment(now.saturating_add(basis).saturating_add(adjustment.unwrap_or(0)))
        }
    }
}

/// Seconds by which local time is ahead of UTC.
fn local_offset() -> Result<i64> {
    let zone = jiff::tz::TimeZone::system();
    Ok(i64::from(zone.to_offset(Timestamp::now()).seconds()))
}
