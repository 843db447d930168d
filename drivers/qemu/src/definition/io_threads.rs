//! I/O threads: added, removed and set, in the definition and in the running guest.

use super::change::{changed_definition, impossible, invalid};
use super::iothreads;
use crate::domain::{Live, Owner};
use crate::flags::Impact;
use crate::groups::{Threads, processors, settle_thread};
use crate::lifecycle::{COMMAND_WAIT, bind, monitor_error, threads};
use error::Result;
use model::domain::Domain as Model;
use model::domain::vcpu::{IoThread, IoThreadPoll};
use serde_json::json;

/// What of an I/O thread can be set; what is `None` stays.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct IoThreadSettings {
    /// How long it polls at most, in nanoseconds.
    pub poll_max_ns: Option<u64>,
    /// The factor that grows by.
    pub poll_grow: Option<u64>,
    /// The divisor that shrinks by.
    pub poll_shrink: Option<u64>,
    /// Workers at least.
    pub thread_pool_min: Option<u32>,
    /// Workers at most.
    pub thread_pool_max: Option<u32>,
}

impl Owner {
    /// Adds a thread with that number.
    ///
    /// # Errors
    /// [`error::Code::InvalidArg`] when there is one already, else what QEMU, the kernel or the disk says.
    pub(crate) async fn add_iothread(&mut self, number: u32, flags: u32) -> Result<()> {
        let state = self.domain.state();
        let impact = Impact::of(flags, state.is_active(), state.is_persistent())?;
        let definition = changed_definition(&state, impact, |model| add(model, number))?;
        if impact.live {
            let live = state.running()?;
            let mut model = live.document.parse()?;
            add(&mut model, number)?;
            let object = json!({ "qom-type": "iothread", "id": alias(number) });
            live.monitor()?
                .object_add(object, COMMAND_WAIT)
                .await
                .map_err(monitor_error)?;
            let which = Threads::IoThread(number);
            let all = threads(live).await?;
            if let Some((_, thread)) = all.into_iter().find(|(one, _)| *one == which) {
                settle_thread(live.groups.as_ref(), &model, which, thread)?;
                if let Some(cpus) = processors(&model, which) {
                    bind(thread, cpus)?;
                }
            }
            self.change_live(live, |live| *live = model).await?;
        }
        self.replace_definition(definition).await
    }

    /// Removes the thread with that number.
    ///
    /// # Errors
    /// [`error::Code::InvalidArg`] when there is none or a device uses it, else what QEMU or the disk says.
    pub(crate) async fn remove_iothread(&mut self, number: u32, flags: u32) -> Result<()> {
        let state = self.domain.state();
        let impact = Impact::of(flags, state.is_active(), state.is_persistent())?;
        let definition = changed_definition(&state, impact, |model| remove(model, number))?;
        if impact.live {
            let live = state.running()?;
            let mut model = live.document.parse()?;
            remove(&mut model, number)?;
            live.monitor()?
                .object_del(&alias(number), COMMAND_WAIT)
                .await
                .map_err(monitor_error)?;
            forget(live, Threads::IoThread(number));
            self.change_live(live, |live| *live = model).await?;
        }
        self.replace_definition(definition).await
    }

    /// Sets how a thread works.
    ///
    /// # Errors
    /// [`error::Code::InvalidArg`] when there is none, else what QEMU or the disk says.
    pub(crate) async fn set_iothread(
        &mut self,
        number: u32,
        settings: IoThreadSettings,
        flags: u32,
    ) -> Result<()> {
        let state = self.domain.state();
        let impact = Impact::of(flags, state.is_active(), state.is_persistent())?;
        let definition = changed_definition(&state, impact, |model| set(model, number, settings))?;
        if impact.live {
            let live = state.running()?;
            let mut model = live.document.parse()?;
            set(&mut model, number, settings)?;
            let path = format!("/objects/{}", alias(number));
            let monitor = live.monitor()?;
            for (property, value) in ordered(live, number, settings).await? {
                monitor
                    .qom_set(&path, property, value, COMMAND_WAIT)
                    .await
                    .map_err(monitor_error)?;
            }
            self.change_live(live, |live| *live = model).await?;
        }
        self.replace_definition(definition).await
    }
}

/// The properties in an order in which no moment has fewer workers at most than at least.
async fn ordered(live: &Live, number: u32, settings: IoThreadSettings) -> Result<Vec<(&'static str, u64)>> {
    let mut all = vec![
        ("poll-max-ns", settings.poll_max_ns),
        ("poll-grow", settings.poll_grow),
        ("poll-shrink", settings.poll_shrink),
    ];
    let least = ("thread-pool-min", settings.thread_pool_min.map(u64::from));
    let most = ("thread-pool-max", settings.thread_pool_max.map(u64::from));
    if least.1.is_some() && most.1.is_some() {
        let path = format!("/objects/{}", alias(number));
        let now: u64 = live
            .monitor()?
            .qom_get(&path, "thread-pool-min", COMMAND_WAIT)
            .await
            .map_err(monitor_error)?;
        if most.1.is_some_and(|most| most < now) {
            all.extend([least, most]);
        } else {
            all.extend([most, least]);
        }
    } else {
        all.extend([least, most]);
    }
    Ok(all
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)))
        .collect())
}

/// Takes the group of threads that have ended away.
pub(super) fn forget(live: &Live, which: Threads) {
    if let Some(groups) = &live.groups
        && let Err(err) = groups.threads(which).remove()
    {
        tracing::warn!(%err, "the control group of a thread that has ended cannot be removed");
    }
}

fn alias(number: u32) -> String {
    format!("iothread{number}")
}

/// Has the document name each of its threads.
fn named(model: &mut Model) -> &mut Vec<IoThread> {
    let all = iothreads(model);
    let ids = model.iothread_ids.get_or_insert_default();
    for id in all {
        if ids.threads.iter().all(|thread| thread.id != id) {
            ids.threads.push(thread(id));
        }
    }
    &mut ids.threads
}

fn thread(id: u32) -> IoThread {
    IoThread {
        id,
        thread_pool_min: None,
        thread_pool_max: None,
        poll: None,
    }
}

fn counted(model: &mut Model) {
    let count = model.iothread_ids.as_ref().map_or(0, |ids| ids.threads.len());
    model.iothreads = u32::try_from(count).ok().filter(|count| *count > 0);
    if count == 0 {
        model.iothread_ids = None;
    }
}

fn add(model: &mut Model, number: u32) -> Result<()> {
    if iothreads(model).contains(&number) {
        return Err(invalid(format!(
            "an IOThread is already using iothread_id '{number}'"
        )));
    }
    named(model).push(thread(number));
    counted(model);
    Ok(())
}

fn remove(model: &mut Model, number: u32) -> Result<()> {
    let unknown = || invalid(format!("cannot find IOThread '{number}' in iothreadids list"));
    if !iothreads(model).contains(&number) {
        return Err(unknown());
    }
    let used = |one: Option<u32>, mapped: Option<Vec<u32>>| {
        one == Some(number) || mapped.is_some_and(|mapped| mapped.contains(&number))
    };
    for disk in &model.devices.disks {
        let Some(driver) = &disk.driver else { continue };
        let mapped = driver.iothreads.as_ref();
        let mapped = mapped.map(|map| map.threads.iter().map(|thread| thread.id).collect());
        if used(driver.iothread, mapped) {
            return Err(invalid(format!(
                "cannot remove IOThread {number} since it is being used by disk '{}'",
                disk.target.dev
            )));
        }
    }
    for controller in &model.devices.controllers {
        let Some(driver) = &controller.driver else {
            continue;
        };
        let mapped = driver.iothreads.as_ref();
        let mapped = mapped.map(|map| map.threads.iter().map(|thread| thread.id).collect());
        if used(driver.iothread, mapped) {
            return Err(invalid(format!(
                "cannot remove IOThread {number} since it is being used by controller '{}'",
                controller.index.unwrap_or_default()
            )));
        }
    }
    named(model).retain(|thread| thread.id != number);
    counted(model);
    if let Some(tune) = model.cpu_tune.as_mut() {
        tune.iothread_pins.retain(|pin| pin.iothread != number);
        for sched in &mut tune.iothread_scheds {
            sched.iothreads.remove(number);
        }
        tune.iothread_scheds.retain(|sched| !sched.iothreads.is_empty());
    }
    Ok(())
}

fn set(model: &mut Model, number: u32, settings: IoThreadSettings) -> Result<()> {
    if !iothreads(model).contains(&number) {
        return Err(invalid(format!(
            "cannot find IOThread '{number}' in iothreadids list"
        )));
    }
    let Some(thread) = named(model).iter_mut().find(|thread| thread.id == number) else {
        return Ok(());
    };
    let poll = [settings.poll_max_ns, settings.poll_grow, settings.poll_shrink];
    if poll.iter().any(Option::is_some) {
        let set = thread.poll.get_or_insert_with(IoThreadPoll::default);
        set.max = settings.poll_max_ns.or(set.max);
        set.grow = settings.poll_grow.or(set.grow);
        set.shrink = settings.poll_shrink.or(set.shrink);
    }
    thread.thread_pool_min = settings.thread_pool_min.or(thread.thread_pool_min);
    thread.thread_pool_max = settings.thread_pool_max.or(thread.thread_pool_max);
    if let (Some(least), Some(most)) = (thread.thread_pool_min, thread.thread_pool_max)
        && least > most
    {
        return Err(impossible(format!(
            "thread_pool_min value {least} must not be larger than thread_pool_max {most}"
        )));
    }
    counted(model);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn model(rest: &str) -> Model {
        let text = format!(
            "<domain type='qemu'><name>a</name><memory>4096</memory>{rest}<os><type>hvm</type></os><devices>\
             <disk type='file'><driver name='qemu' iothread='2'/><source file='/a'/><target dev='vda' bus='virtio'/></disk>\
             </devices></domain>"
        );
        Model::from_xml(&text).unwrap()
    }

    #[test]
    fn threads_that_were_only_counted_get_their_numbers() {
        let mut model = model("<iothreads>2</iothreads>");
        assert!(add(&mut model, 2).is_err());
        add(&mut model, 7).unwrap();
        assert_eq!(model.iothreads, Some(3));
        let ids: Vec<u32> = named(&mut model).iter().map(|thread| thread.id).collect();
        assert_eq!(ids, [1, 2, 7]);
    }

    #[test]
    fn a_thread_in_use_stays() {
        let mut model = model("<iothreads>2</iothreads>");
        assert!(remove(&mut model, 2).unwrap_err().detail().contains("'vda'"));
        assert!(remove(&mut model, 3).is_err());
        remove(&mut model, 1).unwrap();
        assert_eq!(iothreads(&model).into_iter().collect::<Vec<_>>(), [2]);
    }

    #[test]
    fn settings_stand_in_the_document() {
        let mut model = model("<iothreads>1</iothreads>");
        let settings = IoThreadSettings {
            poll_max_ns: Some(5),
            thread_pool_max: Some(3),
            ..IoThreadSettings::default()
        };
        set(&mut model, 1, settings).unwrap();
        let thread = &model.iothread_ids.as_ref().unwrap().threads[0];
        assert_eq!(
            (thread.poll.as_ref().unwrap().max, thread.thread_pool_max),
            (Some(5), Some(3))
        );
        let more = IoThreadSettings {
            thread_pool_min: Some(4),
            ..IoThreadSettings::default()
        };
        assert!(set(&mut model, 1, more).is_err());
    }
}
