//! How much memory and how many processors: of the definition, and of the running guest as far as QEMU lets it change.
//!
//! Each operation first works out the new definition, which may be refused, then changes the guest, then writes the
//! definition: what fails early has changed nothing.

use super::change::{changed_definition, impossible, invalid};
use crate::domain::{Live, Owner};
use crate::flags::Impact;
use crate::lifecycle::{COMMAND_WAIT, bind, monitor_error, no_thread_of_its_own, threads};
use error::Result;
use model::CpuSet;
use model::domain::Domain as Model;
use model::domain::devices::memballoon::{BalloonModel, BalloonStats, MemBalloon};
use model::domain::tune::{EmulatorPin, IoThreadPin, VcpuPin};
use model::domain::vcpu::{VcpuState, Vcpus};
use model::scaled::Kibibytes;
use std::collections::BTreeSet;
use xml::YesNo;

pub(crate) use crate::groups::Threads as Pinned;

impl Owner {
    /// Sets what the guest may use of its memory, in KiB.
    ///
    /// # Errors
    /// [`error::Code::InvalidArg`] when it is more than the guest can have, [`error::Code::OperationInvalid`] when the configuration
    /// meant is not there or the guest has no balloon, else what the monitor or the disk says.
    pub(crate) async fn set_memory(&mut self, kib: u64, flags: u32) -> Result<()> {
        let state = self.domain.state();
        let impact = Impact::of(flags, state.is_active(), state.is_persistent())?;
        let too_much = || invalid("cannot set memory higher than max memory");
        let definition = changed_definition(&state, impact, |model| {
            if kib > model.memory.size.0 {
                return Err(too_much());
            }
            model.current_memory = Some(Kibibytes(kib));
            Ok(())
        })?;
        if impact.live {
            let live = state.running()?;
            if kib > live.document.summary.max_memory {
                return Err(too_much());
            }
            let bytes = kib.checked_mul(1024).ok_or_else(too_much)?;
            match live.monitor()?.balloon(bytes, COMMAND_WAIT).await {
                Err(err) if err.is_class("DeviceNotActive") => {
                    return Err(impossible(
                        "Unable to change memory of active domain without the balloon device and guest OS balloon driver",
                    ));
                }
                outcome => outcome.map_err(monitor_error)?,
            }
        }
        self.replace_definition(definition).await
    }

    /// Sets what the guest can have of memory at most, in KiB: only of the definition.
    ///
    /// # Errors
    /// [`error::Code::OperationInvalid`] for a running guest and for one whose memory is divided into nodes.
    pub(crate) async fn set_max_memory(&mut self, kib: u64, flags: u32) -> Result<()> {
        let state = self.domain.state();
        let impact = Impact::of(flags, state.is_active(), state.is_persistent())?;
        if impact.live {
            return Err(impossible("cannot resize the maximum memory on an active domain"));
        }
        let definition = changed_definition(&state, impact, |model| {
            if has_nodes(model) {
                return Err(impossible(
                    "initial memory size of a domain with NUMA nodes cannot be modified with this API",
                ));
            }
            if model.max_memory.as_ref().is_some_and(|most| kib > most.size.0) {
                return Err(impossible(
                    "cannot set initial memory size greater than the maximum memory size",
                ));
            }
            model.memory.size = Kibibytes(kib);
            if model.current_memory.is_some_and(|current| current.0 > kib) {
                model.current_memory = Some(Kibibytes(kib));
            }
            Ok(())
        })?;
        self.replace_definition(definition).await
    }

    /// Sets how often the guest tells figures of its memory, in seconds; 0 is never.
    ///
    /// # Errors
    /// [`error::Code::OperationInvalid`] without a balloon, else what the monitor or the disk says.
    pub(crate) async fn set_memory_stats_period(&mut self, period: u32, flags: u32) -> Result<()> {
        let state = self.domain.state();
        let impact = Impact::of(flags, state.is_active(), state.is_persistent())?;
        let set = |model: &mut Model| {
            let balloon = balloon(model).ok_or_else(|| {
                impossible("No memory balloon device configured, can not set the collection period")
            })?;
            balloon.stats = (period > 0).then_some(BalloonStats { period });
            Ok(())
        };
        let definition = changed_definition(&state, impact, set)?;
        if impact.live {
            let live = state.running()?;
            let mut model = live.document.parse()?;
            set(&mut model)?;
            let alias = balloon(&mut model).and_then(|balloon| balloon.info.alias_name());
            let path = format!("/machine/peripheral/{}", alias.unwrap_or("balloon0"));
            live.monitor()?
                .qom_set(&path, "guest-stats-polling-interval", period, COMMAND_WAIT)
                .await
                .map_err(monitor_error)?;
            self.change_live(live, |live| *live = model).await?;
        }
        self.replace_definition(definition).await
    }

    /// Sets how many virtual processors the guest has, or, `maximum`, how many it can have; of the definition alone those can be
    /// `hotpluggable` that this adds.
    ///
    /// # Errors
    /// [`error::Code::InvalidArg`] for a number that does not fit the rest of the document, else what QEMU or the disk says.
    pub(crate) async fn set_vcpus(
        &mut self,
        count: u32,
        maximum: bool,
        hotpluggable: bool,
        flags: u32,
    ) -> Result<()> {
        let state = self.domain.state();
        let impact = Impact::of(flags, state.is_active(), state.is_persistent())?;
        if impact.live && maximum {
            return Err(invalid("maximum vcpu count on a live domain can't be modified"));
        }
        let definition = changed_definition(&state, impact, |model| {
            if maximum {
                set_most_vcpus(model, count)
            } else {
                set_present_vcpus(model, count, hotpluggable)
            }
        })?;
        if impact.live {
            self.set_live_vcpus(state.running()?, count).await?;
        }
        self.replace_definition(definition).await
    }

    /// Binds threads of the guest to host processors.
    ///
    /// # Errors
    /// [`error::Code::InvalidArg`] for a thread that is not there or processors the host does not have,
    /// [`error::Code::OperationInvalid`] for a guest whose processors share one thread.
    pub(crate) async fn pin(&mut self, pinned: Pinned, cpus: CpuSet, flags: u32) -> Result<()> {
        let state = self.domain.state();
        let impact = Impact::of(flags, state.is_active(), state.is_persistent())?;
        let definition = changed_definition(&state, impact, |model| {
            check_pinned(model, pinned, "persistent")?;
            set_pin(model, pinned, &cpus);
            Ok(())
        })?;
        if impact.live {
            let live = state.running()?;
            check_pinned(&live.document.parse()?, pinned, "live")?;
            let thread = thread(live, pinned).await?;
            if let Some(groups) = &live.groups {
                groups.set_processors(pinned, &cpus.to_string())?;
            }
            bind(thread, &cpus)?;
            self.change_live(live, |model| set_pin(model, pinned, &cpus))
                .await?;
        }
        self.replace_definition(definition).await
    }
}

fn balloon(model: &mut Model) -> Option<&mut MemBalloon> {
    let balloon = model.devices.memballoon.as_mut();
    balloon.filter(|balloon| !matches!(balloon.model, BalloonModel::None | BalloonModel::Xen))
}

fn has_nodes(model: &Model) -> bool {
    model.cpu.as_ref().is_some_and(|cpu| cpu.numa.is_some())
}

/// The thread that is meant, of a running guest.
async fn thread(live: &Live, pinned: Pinned) -> Result<i64> {
    let all = match pinned {
        Pinned::Emulator => return Ok(i64::from(live.process.pid())),
        _ => threads(live).await?,
    };
    let found = all.iter().find(|(which, _)| *which == pinned);
    match (found, pinned) {
        (Some((_, thread)), _) => Ok(*thread),
        (None, Pinned::IoThread(number)) => Err(invalid(format!("iothread {number} not found"))),
        // All share one.
        (None, Pinned::Vcpu(_)) if !all.iter().any(|(which, _)| matches!(which, Pinned::Vcpu(_))) => {
            Err(no_thread_of_its_own())
        }
        (None, Pinned::Vcpu(number)) => Err(invalid(format!("vcpu {number} is offline"))),
        (None, Pinned::Emulator) => Err(invalid("the emulator has no thread")),
    }
}

fn check_pinned(model: &Model, pinned: Pinned, which: &str) -> Result<()> {
    match pinned {
        Pinned::Vcpu(number) if number >= model.vcpu.maximum => Err(invalid(format!(
            "vcpu {number} is out of range of {which} cpu count {}",
            model.vcpu.maximum
        ))),
        Pinned::IoThread(number) if !iothreads(model).contains(&number) => {
            Err(invalid(format!("iothreadid {number} not found")))
        }
        _ => Ok(()),
    }
}

/// The numbers of a document's I/O threads; no more of them than a reply can hold.
pub(crate) fn iothreads(model: &Model) -> BTreeSet<u32> {
    let listed = model.iothread_ids.as_ref().map_or(&[][..], |ids| &ids.threads);
    let mut numbers: BTreeSet<u32> = listed.iter().map(|thread| thread.id).collect();
    // Those that are only counted take the lowest numbers left.
    let count = usize::try_from(model.iothreads.unwrap_or(0)).unwrap_or(usize::MAX);
    let count = count.min(protocol::remote::limits::IOTHREAD_INFO_MAX);
    for next in 1.. {
        if numbers.len() >= count {
            break;
        }
        numbers.insert(next);
    }
    numbers
}

fn set_pin(model: &mut Model, pinned: Pinned, cpus: &CpuSet) {
    let tune = model.cpu_tune.get_or_insert_default();
    let cpuset = cpus.clone();
    match pinned {
        Pinned::Emulator => tune.emulator_pin = Some(EmulatorPin { cpuset }),
        Pinned::Vcpu(vcpu) => {
            tune.vcpu_pins.retain(|pin| pin.vcpu != vcpu);
            tune.vcpu_pins.push(VcpuPin { vcpu, cpuset });
            tune.vcpu_pins.sort_by_key(|pin| pin.vcpu);
        }
        Pinned::IoThread(iothread) => {
            tune.iothread_pins.retain(|pin| pin.iothread != iothread);
            tune.iothread_pins.push(IoThreadPin { iothread, cpuset });
            tune.iothread_pins.sort_by_key(|pin| pin.iothread);
        }
    }
}

fn set_most_vcpus(model: &mut Model, count: u32) -> Result<()> {
    let topology = model.cpu.as_ref().and_then(|cpu| cpu.topology.as_ref());
    if topology.is_some_and(|topology| topology.processors() != Some(count)) {
        return Err(invalid("CPU topology doesn't match the desired vcpu count"));
    }
    if has_nodes(model) {
        return Err(invalid(
            "the number of processors of a domain with NUMA nodes cannot be changed alone",
        ));
    }
    let current = model.vcpu.current().min(count);
    model.vcpu.maximum = count;
    model.vcpu.current = (current < count).then_some(current);
    if let Some(states) = model.vcpus.as_mut() {
        states.vcpus.retain(|vcpu| vcpu.id < count);
    }
    if let Some(tune) = model.cpu_tune.as_mut() {
        tune.vcpu_pins.retain(|pin| pin.vcpu < count);
    }
    Ok(())
}

fn set_present_vcpus(model: &mut Model, count: u32, hotpluggable: bool) -> Result<()> {
    if count > model.vcpu.maximum {
        return Err(invalid(format!(
            "requested vcpus is greater than max allowable vcpus for the persistent domain: {count} > {}",
            model.vcpu.maximum
        )));
    }
    let before = model.vcpu.current();
    model.vcpu.current = (count < model.vcpu.maximum).then_some(count);
    if hotpluggable && model.vcpus.is_none() {
        let states = (0..model.vcpu.maximum).map(|id| VcpuState {
            id,
            enabled: YesNo::No,
            hotpluggable: Some((id >= before).into()),
            order: None,
        });
        model.vcpus = Some(Vcpus {
            vcpus: states.collect(),
        });
    }
    if let Some(states) = model.vcpus.as_mut() {
        for vcpu in &mut states.vcpus {
            vcpu.enabled = if vcpu.id < count { YesNo::Yes } else { YesNo::No };
            vcpu.order = None;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use error::Code;

    fn model(rest: &str) -> Model {
        let text = format!(
            "<domain type='qemu'><name>a</name><memory>4096</memory><vcpu current='2'>4</vcpu>\
             <os><type arch='x86_64'>hvm</type></os>{rest}</domain>"
        );
        Model::from_xml(&text).unwrap()
    }

    #[test]
    fn fewer_processors_at_most_take_their_pins_along() {
        let mut model =
            model("<cputune><vcpupin vcpu='3' cpuset='0'/><vcpupin vcpu='0' cpuset='1'/></cputune>");
        set_most_vcpus(&mut model, 1).unwrap();
        assert_eq!((model.vcpu.maximum, model.vcpu.current), (1, None));
        assert_eq!(model.cpu_tune.unwrap().vcpu_pins.len(), 1);
    }

    #[test]
    fn a_topology_says_how_many_processors_there_are() {
        let topology = "<cpu><topology sockets='1' dies='1' cores='4' threads='1'/></cpu>";
        assert!(set_most_vcpus(&mut model(topology), 3).is_err());
        assert!(set_most_vcpus(&mut model(topology), 4).is_ok());
    }

    #[test]
    fn no_more_processors_than_there_can_be() {
        assert_eq!(
            set_present_vcpus(&mut model(""), 5, false).unwrap_err().code(),
            Code::InvalidArg
        );
        let mut all = model("");
        set_present_vcpus(&mut all, 4, false).unwrap();
        assert_eq!(all.vcpu.current, None);
    }

    #[test]
    fn a_pin_takes_the_place_of_the_one_before() {
        let mut model = model("");
        set_pin(&mut model, Pinned::Vcpu(1), &"0-3".parse().unwrap());
        set_pin(&mut model, Pinned::Vcpu(0), &"1".parse().unwrap());
        set_pin(&mut model, Pinned::Vcpu(1), &"2".parse().unwrap());
        let pins = model.cpu_tune.unwrap().vcpu_pins;
        let pins: Vec<_> = pins
            .iter()
            .map(|pin| (pin.vcpu, pin.cpuset.to_string()))
            .collect();
        assert_eq!(pins, [(0, "1".to_owned()), (1, "2".to_owned())]);
    }

    #[test]
    fn threads_that_are_only_counted_take_the_numbers_left() {
        let model = model("<iothreads>3</iothreads><iothreadids><iothread id='2'/></iothreadids>");
        assert_eq!(iothreads(&model), BTreeSet::from([1, 2, 3]));
    }
}
