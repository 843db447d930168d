//! How much memory and how many processors: of the definition, and of the running guest as far as QEMU lets it change.
//!
//! Each operation first works out the new definition, which may be refused, then changes the guest, then writes the
//! definition: what fails early has changed nothing.

use crate::domain::{Document, Live, Owner, State};
use crate::flags::Impact;
use crate::lifecycle::{COMMAND_WAIT, monitor_error};
use error::{Code, Domain as ErrorDomain, Error, Result};
use model::CpuSet;
use model::domain::Domain as Model;
use model::domain::devices::memballoon::{BalloonModel, BalloonStats, MemBalloon};
use model::domain::tune::{EmulatorPin, IoThreadPin, VcpuPin};
use model::scaled::Kibibytes;
use std::collections::BTreeSet;
use std::sync::Arc;
use xml::YesNo;

/// Which threads of a guest are bound to host processors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pinned {
    /// Those of one virtual processor.
    Vcpu(u32),
    /// An I/O thread, by its number.
    IoThread(u32),
    /// The others.
    Emulator,
}

fn invalid(text: impl Into<String>) -> Error {
    Error::new(Code::InvalidArg, ErrorDomain::Qemu, text)
}

fn impossible(text: impl Into<String>) -> Error {
    Error::new(Code::OperationInvalid, ErrorDomain::Qemu, text)
}

/// The definition with a change, where the definition is meant.
fn changed_definition(
    state: &State,
    impact: Impact,
    change: impl FnOnce(&mut Model) -> Result<()>,
) -> Result<Option<Arc<Document>>> {
    let Some(definition) = state.definition.as_ref().filter(|_| impact.config) else {
        return Ok(None);
    };
    let mut model = definition.parse()?;
    change(&mut model)?;
    Ok(Some(Document::of(&model)))
}

impl Owner {
    async fn replace_definition(&mut self, document: Option<Arc<Document>>) -> Result<()> {
        let Some(document) = document else { return Ok(()) };
        self.save_definition(&self.domain.state().name, &document).await?;
        self.publish(|state| {
            state.definition = Some(document);
            state.updated = true;
        });
        Ok(())
    }

    async fn change_live(&mut self, live: &Live, change: impl FnOnce(&mut Model)) -> Result<()> {
        let mut model = live.document.parse()?;
        change(&mut model);
        let changed = Live {
            document: Document::of(&model),
            ..Live::clone(live)
        };
        self.replace_live(Arc::new(changed)).await;
        Ok(())
    }

    /// Sets what the guest may use of its memory, in KiB.
    ///
    /// # Errors
    /// [`Code::InvalidArg`] when it is more than the guest can have, [`Code::OperationInvalid`] when the configuration
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
    /// [`Code::OperationInvalid`] for a running guest and for one whose memory is divided into nodes.
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
    /// [`Code::OperationInvalid`] without a balloon, else what the monitor or the disk says.
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

    /// Sets how many virtual processors the guest has when it starts, or, `maximum`, how many it can have.
    ///
    /// # Errors
    /// [`Code::InvalidArg`] for a number that does not fit the rest of the document, [`Code::NoSupport`] for a running
    /// guest: processors are not plugged in yet.
    pub(crate) async fn set_vcpus(&mut self, count: u32, maximum: bool, flags: u32) -> Result<()> {
        let state = self.domain.state();
        let impact = Impact::of(flags, state.is_active(), state.is_persistent())?;
        if impact.live {
            return Err(if maximum {
                invalid("maximum vcpu count on a live domain can't be modified")
            } else {
                let text = "plugging virtual processors into a running domain is not supported yet";
                Error::new(Code::NoSupport, ErrorDomain::Qemu, text)
            });
        }
        let definition = changed_definition(&state, impact, |model| {
            if maximum {
                set_most_vcpus(model, count)
            } else {
                set_present_vcpus(model, count)
            }
        })?;
        self.replace_definition(definition).await
    }

    /// Binds threads of the guest to host processors.
    ///
    /// # Errors
    /// [`Code::InvalidArg`] for a thread that is not there or processors the host does not have,
    /// [`Code::OperationInvalid`] for a guest whose processors share one thread.
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

/// Binds the threads of a guest that is being started as its document says.
///
/// # Errors
/// When the host does not have the processors, or the guest's processors share one thread.
pub(crate) async fn bind_all(model: &Model, live: &Live) -> Result<()> {
    if let Some(cpus) = &model.vcpu.cpuset {
        let pid = live.process.pid();
        let tasks = std::fs::read_dir(format!("/proc/{pid}/task"))
            .into_iter()
            .flatten()
            .flatten();
        for task in tasks.filter_map(|task| task.file_name().to_str()?.parse().ok()) {
            bind(task, cpus)?;
        }
    }
    let Some(tune) = model.cpu_tune.as_deref() else {
        return Ok(());
    };
    if let Some(pin) = &tune.emulator_pin {
        bind(thread(live, Pinned::Emulator).await?, &pin.cpuset)?;
    }
    // A processor that is not plugged in has no thread yet.
    for pin in tune
        .vcpu_pins
        .iter()
        .filter(|pin| pin.vcpu < model.vcpu.current())
    {
        bind(thread(live, Pinned::Vcpu(pin.vcpu)).await?, &pin.cpuset)?;
    }
    for pin in &tune.iothread_pins {
        bind(thread(live, Pinned::IoThread(pin.iothread)).await?, &pin.cpuset)?;
    }
    Ok(())
}

/// Lets a thread run on those processors only.
fn bind(thread: i64, cpus: &CpuSet) -> Result<()> {
    let mut set = rustix::thread::CpuSet::new();
    for cpu in cpus.iter().map(|cpu| cpu as usize) {
        if cpu < rustix::thread::CpuSet::MAX_CPU {
            set.set(cpu);
        }
    }
    let pid = i32::try_from(thread)
        .ok()
        .and_then(rustix::process::Pid::from_raw);
    let bound = match pid {
        // Without a number it would be this daemon's own thread.
        None => Err(rustix::io::Errno::SRCH),
        pid => rustix::thread::sched_setaffinity(pid, &set),
    };
    bound.map_err(|err| {
        let text = format!("cannot set CPU affinity on thread {thread}: {err}");
        Error::new(Code::SystemError, ErrorDomain::Qemu, text).caused_by(err)
    })
}

/// The thread that is meant, of a running guest.
async fn thread(live: &Live, pinned: Pinned) -> Result<i64> {
    let own = i64::from(live.process.pid());
    let monitor = live.monitor()?;
    match pinned {
        Pinned::Emulator => Ok(own),
        Pinned::Vcpu(number) => {
            let all = monitor
                .query_cpus_fast(COMMAND_WAIT)
                .await
                .map_err(monitor_error)?;
            let found = all.iter().find(|cpu| cpu.cpu_index == number);
            let found = found
                .ok_or_else(|| invalid(format!("vcpu {number} is offline")))?
                .thread_id;
            let shared = all.iter().filter(|cpu| cpu.thread_id == found).count() > 1;
            if shared || found == own {
                return Err(impossible("cpu affinity is not supported"));
            }
            Ok(found)
        }
        Pinned::IoThread(number) => {
            let all = monitor
                .query_iothreads(COMMAND_WAIT)
                .await
                .map_err(monitor_error)?;
            let id = format!("iothread{number}");
            let found = all.iter().find(|thread| thread.id == id);
            found
                .map(|thread| thread.thread_id)
                .ok_or_else(|| invalid(format!("iothread {number} not found")))
        }
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

fn set_present_vcpus(model: &mut Model, count: u32) -> Result<()> {
    if count > model.vcpu.maximum {
        return Err(invalid(format!(
            "requested vcpus is greater than max allowable vcpus for the persistent domain: {count} > {}",
            model.vcpu.maximum
        )));
    }
    model.vcpu.current = (count < model.vcpu.maximum).then_some(count);
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
            set_present_vcpus(&mut model(""), 5).unwrap_err().code(),
            Code::InvalidArg
        );
        let mut all = model("");
        set_present_vcpus(&mut all, 4).unwrap();
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
