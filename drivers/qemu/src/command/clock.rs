//! The guest's clock and its timers.

use super::cannot;
use super::options::CommandBuilder;
use error::Result;
use model::domain::Domain;
use model::domain::clock::{Adjustment, Clock, ClockBasis, ClockOffset, TickPolicy, TimerName, TimerTrack};
use xml::YesNo;

/// The real-time clock, and timers that are switched on or off.
pub(super) fn clock(command: &mut CommandBuilder, domain: &Domain) -> Result<()> {
    let Some(clock) = domain.clock.as_deref() else { return Ok(()) };
    let mut rtc = format!("base={}", base(clock)?);
    for timer in clock.timers.iter().filter(|timer| timer.name == TimerName::Rtc) {
        match timer.track {
            Some(TimerTrack::Guest) => rtc.push_str(",clock=vm"),
            Some(TimerTrack::Realtime) => rtc.push_str(",clock=rt"),
            Some(TimerTrack::Wall) => rtc.push_str(",clock=host"),
            _ => {}
        }
        match timer.tickpolicy {
            Some(TickPolicy::Catchup) => rtc.push_str(",driftfix=slew"),
            None | Some(TickPolicy::Delay) => {}
            Some(other) => return Err(cannot(format!("<timer name='rtc' tickpolicy='{other}'> is not supported"))),
        }
    }
    command.add("-rtc", rtc);
    for timer in &clock.timers {
        match timer.name {
            TimerName::Pit => match timer.tickpolicy {
                None | Some(TickPolicy::Delay) => command.add("-global", "kvm-pit.lost_tick_policy=delay".to_owned()),
                Some(TickPolicy::Discard) => command.add("-global", "kvm-pit.lost_tick_policy=discard".to_owned()),
                Some(other) => return Err(cannot(format!("<timer name='pit' tickpolicy='{other}'> is not supported"))),
            },
            TimerName::Hpet => {
                if timer.tickpolicy.is_some_and(|policy| policy != TickPolicy::Delay) {
                    return Err(cannot("<timer name='hpet'>: only tickpolicy='delay' is supported"));
                }
                if let Some(present) = timer.present {
                    command.add("-machine", format!("hpet={}", if present == YesNo::Yes { "on" } else { "off" }));
                }
            }
            TimerName::Rtc | TimerName::Kvmclock | TimerName::HypervClock | TimerName::Tsc => {}
            other => return Err(cannot(format!("<timer name='{other}'> is not supported"))),
        }
    }
    Ok(())
}

fn base(clock: &Clock) -> Result<String> {
    let at = |seconds: i64| -> Result<String> {
        let time = jiff::Timestamp::from_second(seconds).map_err(|err| cannot(format!("<clock>: {err}")))?;
        Ok(time.strftime("%Y-%m-%dT%H:%M:%S").to_string())
    };
    match clock.offset.unwrap_or(ClockOffset::Utc) {
        ClockOffset::Utc => Ok("utc".to_owned()),
        ClockOffset::LocalTime => Ok("localtime".to_owned()),
        ClockOffset::Variable => {
            if clock.basis == Some(ClockBasis::LocalTime) {
                return Err(cannot("<clock offset='variable' basis='localtime'> is not supported yet"));
            }
            let seconds = match clock.adjustment {
                Some(Adjustment::Seconds(seconds)) => seconds,
                _ => 0,
            };
            at(jiff::Timestamp::now().as_second().saturating_add(seconds))
        }
        ClockOffset::Absolute => at(i64::try_from(clock.start.unwrap_or(0)).unwrap_or(0)),
        ClockOffset::Timezone => Err(cannot("<clock offset='timezone'> is not supported yet")),
    }
}
