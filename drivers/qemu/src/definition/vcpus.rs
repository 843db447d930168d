//! Virtual processors: how many, plugged into a running guest and out of it.
//!
//! A processor of the document is a place of the machine: QEMU tells all places, and what is in them. One that was there from the
//! start stays; one that was plugged in has a name, `vcpu` and its number, by which it is taken out.

use super::change::{changed_definition, invalid};
use super::io_threads::forget;
use crate::domain::{Live, Owner};
use crate::flags::Impact;
use crate::groups::{Threads, processors, settle_thread};
use crate::lifecycle::{COMMAND_WAIT, bind, monitor_error, threads};
use error::{Code, Domain as ErrorDomain, Error, Result};
use model::domain::Domain as Model;
use model::domain::vcpu::{VcpuState, Vcpus};
use serde_json::{Map, Value};
use std::time::Duration;
use xml::YesNo;

/// How long the guest may take to let go of a processor.
const UNPLUG_WAIT: Duration = Duration::from_secs(5);

/// A place for processors.
#[derive(Debug, Clone, PartialEq)]
struct Place {
    /// The type of what fits in.
    kind: String,
    /// How many processors that is.
    count: u32,
    /// Where it is.
    props: Map<String, Value>,
    /// The object in it.
    object: Option<String>,
}

impl Place {
    fn of(mut told: Map<String, Value>) -> Option<Self> {
        Some(Self {
            kind: told.get("type")?.as_str()?.to_owned(),
            count: u32::try_from(told.get("vcpus-count")?.as_u64()?).ok()?,
            object: told.get("qom-path").and_then(Value::as_str).map(str::to_owned),
            props: match told.remove("props")? {
                Value::Object(props) => props,
                _ => return None,
            },
        })
    }

    /// Its place in the order of processors' numbers.
    fn order(&self) -> Vec<u64> {
        let of = |name: &str| self.props.get(name).and_then(Value::as_u64).unwrap_or(0);
        let names = [
            "socket-id",
            "die-id",
            "cluster-id",
            "module-id",
            "core-id",
            "thread-id",
        ];
        names.map(of).to_vec()
    }

    /// The name of what was plugged in.
    fn alias(&self) -> Option<&str> {
        self.object.as_deref()?.strip_prefix("/machine/peripheral/")
    }
}

/// The places of a running guest, by the first number of what is in each.
async fn places(live: &Live) -> Result<Vec<(u32, Place)>> {
    let told = live
        .monitor()?
        .query_hotpluggable_cpus(COMMAND_WAIT)
        .await
        .map_err(monitor_error)?;
    let mut places: Vec<Place> = told.into_iter().filter_map(Place::of).collect();
    places.sort_by_key(Place::order);
    let mut next = 0;
    let numbered = places.into_iter().map(|place| {
        let first = next;
        next += place.count;
        (first, place)
    });
    Ok(numbered.collect())
}

impl Owner {
    /// Has so many processors in the running guest.
    ///
    /// # Errors
    /// [`Code::InvalidArg`] for more than the guest can have, [`Code::ConfigUnsupported`] where those that would have to go were
    /// there from the start, [`Code::OperationTimeout`] when the guest does not let go of one, else what QEMU says.
    pub(super) async fn set_live_vcpus(&mut self, live: &Live, count: u32) -> Result<()> {
        let maximum = live.document.summary.max_vcpus;
        if count > maximum {
            return Err(invalid(format!(
                "requested vcpus is greater than max allowable vcpus for the live domain: {count} > {maximum}"
            )));
        }
        let places = places(live).await?;
        let present: u32 = places
            .iter()
            .filter(|(_, place)| place.object.is_some())
            .map(|(_, place)| place.count)
            .sum();
        let mut missing = count.abs_diff(present);
        let mut chosen = Vec::new();
        let plug = count > present;
        let fitting = |(_, place): &&(u32, Place)| {
            if plug {
                place.object.is_none()
            } else {
                place.alias().is_some()
            }
        };
        let mut candidates: Vec<&(u32, Place)> = places.iter().filter(fitting).collect();
        if !plug {
            candidates.reverse();
        }
        for (number, place) in candidates {
            if missing == 0 {
                break;
            }
            if place.count <= missing {
                missing -= place.count;
                chosen.push((*number, place.clone()));
            }
        }
        if missing > 0 {
            let text = "failed to find appropriate hotpluggable vcpus to reach the desired target vcpu count";
            return Err(Error::new(Code::ConfigUnsupported, ErrorDomain::Qemu, text));
        }
        for (number, place) in chosen {
            self.change_place(number, place, plug).await?;
        }
        Ok(())
    }

    /// Plugs in or takes out the processors of those numbers, which have to be whole places.
    ///
    /// # Errors
    /// [`Code::InvalidArg`] for others, else as [`Owner::set_live_vcpus`].
    pub(super) async fn set_live_vcpu(&mut self, live: &Live, wanted: &[u32], plug: bool) -> Result<()> {
        let places = places(live).await?;
        for number in wanted {
            let place = places
                .iter()
                .find(|(first, place)| (*first..first + place.count).contains(number));
            let (first, place) =
                place.ok_or_else(|| invalid(format!("vcpu '{number}' is not present in the domain")))?;
            let whole = (*first..first + place.count).all(|one| wanted.contains(&one));
            if !whole {
                return Err(invalid(format!(
                    "vcpu '{number}' can only be plugged with all of its place"
                )));
            }
            if plug == place.object.is_some() {
                return Err(invalid(format!("vcpu '{number}' is already in requested state")));
            }
            if !plug && place.alias().is_none() {
                let text = format!("vcpu '{number}' can't be unplugged");
                return Err(Error::new(Code::OperationUnsupported, ErrorDomain::Qemu, text));
            }
        }
        for (number, place) in places.into_iter().filter(|(first, _)| wanted.contains(first)) {
            self.change_place(number, place, plug).await?;
        }
        Ok(())
    }

    async fn change_place(&mut self, number: u32, place: Place, plug: bool) -> Result<()> {
        let state = self.domain.state();
        let live = state.running()?;
        let numbers = number..number + place.count;
        let mut model = live.document.parse()?;
        if plug {
            plug_in(live, number, &place).await?;
            set_states(&mut model, numbers.clone(), true);
            for (which, thread) in threads(live).await? {
                if matches!(which, Threads::Vcpu(number) if numbers.contains(&number)) {
                    settle_thread(live.groups.as_ref(), &model, which, thread)?;
                    if let Some(cpus) = processors(&model, which) {
                        bind(thread, cpus)?;
                    }
                }
            }
        } else {
            take_out(live, number, &place).await?;
            set_states(&mut model, numbers.clone(), false);
            numbers.for_each(|number| forget(live, Threads::Vcpu(number)));
        }
        self.change_live(live, |live| *live = model).await
    }

    /// Switches processors of those numbers on or off, one by one.
    ///
    /// # Errors
    /// [`Code::InvalidArg`] for numbers that the document does not have or whose state cannot be changed, else what QEMU or the
    /// disk says.
    pub(crate) async fn set_vcpu(&mut self, wanted: Vec<u32>, plug: bool, flags: u32) -> Result<()> {
        let state = self.domain.state();
        let impact = Impact::of(flags, state.is_active(), state.is_persistent())?;
        let definition = changed_definition(&state, impact, |model| {
            for number in &wanted {
                if *number >= model.vcpu.maximum {
                    return Err(invalid(format!(
                        "vcpu '{number}' is not present in domain definition"
                    )));
                }
                if *number == 0 && !plug {
                    return Err(invalid("vCPU '0' must be enabled"));
                }
                set_states(model, *number..number + 1, plug);
            }
            Ok(())
        })?;
        if impact.live {
            self.set_live_vcpu(state.running()?, &wanted, plug).await?;
        }
        self.replace_definition(definition).await
    }
}

/// The processors of a document that are not there when QEMU starts and are to be plugged in before the guest runs.
///
/// # Errors
/// What QEMU says.
pub(crate) async fn plug_at_start(model: &Model, live: &Live) -> Result<()> {
    let Some(states) = &model.vcpus else { return Ok(()) };
    let mut late: Vec<&VcpuState> = states
        .vcpus
        .iter()
        .filter(|one| one.enabled.is_yes() && one.hotpluggable.is_some_and(YesNo::is_yes))
        .collect();
    if late.is_empty() {
        return Ok(());
    }
    late.sort_by_key(|one| (one.order, one.id));
    let places = places(live).await?;
    for one in late {
        if let Some((number, place)) = places.iter().find(|(first, _)| *first == one.id)
            && place.object.is_none()
        {
            plug_in(live, *number, place).await?;
        }
    }
    Ok(())
}

async fn plug_in(live: &Live, number: u32, place: &Place) -> Result<()> {
    let mut arguments = place.props.clone();
    arguments.insert("driver".to_owned(), place.kind.as_str().into());
    arguments.insert("id".to_owned(), format!("vcpu{number}").into());
    live.monitor()?
        .order("device_add", arguments, COMMAND_WAIT)
        .await
        .map_err(monitor_error)
}

async fn take_out(live: &Live, number: u32, place: &Place) -> Result<()> {
    let id = place.alias().unwrap_or_default();
    live.monitor()?
        .order("device_del", serde_json::json!({ "id": id }), COMMAND_WAIT)
        .await
        .map_err(monitor_error)?;
    let gone = async {
        // What QEMU says when it is done waits for its turn behind this very change.
        loop {
            let now = places(live).await?;
            if now
                .iter()
                .any(|(first, place)| *first == number && place.object.is_none())
            {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    match tokio::time::timeout(UNPLUG_WAIT, gone).await {
        Ok(outcome) => outcome,
        Err(_) => Err(Error::new(
            Code::OperationTimeout,
            ErrorDomain::Qemu,
            "vcpu unplug request timed out. Unplug result must be manually inspected in the domain",
        )),
    }
}

/// Notes in a document which processors are there. It names each one from then on, and which of them can go again.
fn set_states(model: &mut Model, numbers: std::ops::Range<u32>, enabled: bool) {
    let present = model.vcpu.current();
    let maximum = model.vcpu.maximum;
    let states = model.vcpus.get_or_insert_with(|| {
        let state = |id| VcpuState {
            id,
            enabled: (id < present).into(),
            hotpluggable: Some((id >= present).into()),
            order: (id < present).then_some(id + 1),
        };
        let vcpus = (0..maximum).map(state).collect();
        Vcpus { vcpus }
    });
    let mut order = states.vcpus.iter().filter_map(|one| one.order).max().unwrap_or(0);
    for one in states.vcpus.iter_mut().filter(|one| numbers.contains(&one.id)) {
        one.enabled = enabled.into();
        one.hotpluggable = Some(YesNo::Yes);
        order += 1;
        one.order = enabled.then_some(order);
    }
    let there = states.vcpus.iter().filter(|one| one.enabled.is_yes()).count();
    let present = u32::try_from(there).unwrap_or(u32::MAX);
    model.vcpu.current = (present < maximum).then_some(present);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn model() -> Model {
        let text = "<domain type='qemu'><name>a</name><memory>4096</memory><vcpu current='2'>4</vcpu>\
             <os><type arch='x86_64'>hvm</type></os></domain>";
        Model::from_xml(text).unwrap()
    }

    #[test]
    fn a_processor_that_came_can_go() {
        let mut model = model();
        set_states(&mut model, 2..3, true);
        assert_eq!(model.vcpu.current, Some(3));
        let one = &model.vcpus.as_ref().unwrap().vcpus[2];
        assert_eq!(
            (one.enabled, one.hotpluggable, one.order),
            (YesNo::Yes, Some(YesNo::Yes), Some(3))
        );
        set_states(&mut model, 2..3, false);
        assert_eq!(model.vcpu.current, Some(2));
        set_states(&mut model, 2..4, true);
        assert_eq!(model.vcpu.current, None);
    }

    #[test]
    fn one_out_of_order_has_each_named() {
        let mut model = model();
        set_states(&mut model, 3..4, true);
        assert_eq!(model.vcpu.current, Some(3));
        let states = &model.vcpus.unwrap().vcpus;
        let enabled: Vec<bool> = states.iter().map(|one| one.enabled.is_yes()).collect();
        assert_eq!(enabled, [true, true, false, true]);
        assert_eq!(states[3].order, Some(3));
        assert_eq!(states[0].hotpluggable, Some(YesNo::No));
    }

    #[test]
    fn places_come_in_the_order_of_sockets() {
        let place = |socket: u64, object: Option<&str>| {
            let told = serde_json::json!({
                "type": "qemu64-x86_64-cpu", "vcpus-count": 1, "qom-path": object,
                "props": { "socket-id": socket, "core-id": 0, "thread-id": 0 },
            });
            Place::of(told.as_object().unwrap().clone()).unwrap()
        };
        let mut places = [
            place(2, None),
            place(1, Some("/machine/peripheral/vcpu1")),
            place(0, Some("/machine/unattached/device[0]")),
        ];
        places.sort_by_key(Place::order);
        let aliases: Vec<_> = places.iter().map(Place::alias).collect();
        assert_eq!(aliases, [None, Some("vcpu1"), None]);
    }
}
