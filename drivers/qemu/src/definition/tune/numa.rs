//! Where memory comes from.

use super::{Tuning, changed_definition, impossible};
use crate::domain::Owner;
use crate::groups::{GuestGroups, Threads, available, told};
use cgroup::Controller;
use error::Result;
use model::CpuSet;
use model::domain::Domain as Model;
use model::domain::tune::{NumaMemory, NumaMode};
use model::domain::vcpu::Placement;

const TUNING: Tuning = Tuning {
    what: "NUMA tuning",
    controller: Controller::CpuSet,
};

impl Owner {
    /// Sets from which of the host's nodes memory comes, and how strictly; of a running guest only from which.
    ///
    /// # Errors
    /// [`error::Code::ConfigUnsupported`] for nodes the host does not have, [`error::Code::OperationInvalid`] for a running guest that
    /// is not held to its nodes, else what the kernel or the disk says.
    pub(crate) async fn set_memory_nodes(
        &mut self,
        mode: Option<NumaMode>,
        nodes: Option<CpuSet>,
        flags: u32,
    ) -> Result<()> {
        let impact = self.tuned(TUNING, flags)?;
        let state = self.domain.state();
        let definition = changed_definition(&state, impact, |model| {
            take_over(model, mode, nodes.as_ref());
            Ok(())
        })?;
        if impact.live {
            let live = state.running()?;
            let groups = TUNING.groups(live)?.clone();
            let mut model = live.document.parse()?;
            let present = present_mode(&model);
            if mode.is_some_and(|mode| mode != present) {
                return Err(impossible("can't change numatune mode for running domain"));
            }
            if let Some(nodes) = nodes.clone() {
                if !matches!(present, NumaMode::Strict | NumaMode::Restrictive) {
                    return Err(impossible(
                        "change of nodeset for running domain requires strict numa mode",
                    ));
                }
                available(&self.driver.host, nodes.iter())?;
                let threads = super::super::iothreads(&model);
                let processors = model.vcpu.maximum;
                // Pages are moved before the kernel answers.
                self.driver
                    .blocking(move || hold(&groups, &nodes.to_string(), processors, threads))
                    .await?;
            }
            take_over(&mut model, mode, nodes.as_ref());
            self.change_live(live, |live| *live = model).await?;
        }
        self.replace_definition(definition).await
    }
}

fn hold(
    groups: &GuestGroups,
    nodes: &str,
    processors: u32,
    threads: impl IntoIterator<Item = u32>,
) -> Result<()> {
    let all = std::iter::once(Threads::Emulator)
        .chain((0..processors).map(Threads::Vcpu))
        .chain(threads.into_iter().map(Threads::IoThread));
    for which in all {
        let group = groups.threads(which);
        if group.exists() {
            group.set_memory_nodes(nodes).map_err(told)?;
        }
    }
    Ok(())
}

fn present_mode(model: &Model) -> NumaMode {
    let memory = model.numa_tune.as_deref().and_then(|tune| tune.memory.as_ref());
    memory.and_then(|memory| memory.mode).unwrap_or(NumaMode::Strict)
}

fn take_over(model: &mut Model, mode: Option<NumaMode>, nodes: Option<&CpuSet>) {
    let tune = model.numa_tune.get_or_insert_default();
    let memory = tune.memory.get_or_insert(NumaMemory {
        mode: Some(NumaMode::Strict),
        placement: None,
        nodeset: None,
    });
    if mode.is_some() {
        memory.mode = mode;
    }
    if let Some(nodes) = nodes {
        memory.nodeset = Some(nodes.clone());
        if memory.placement == Some(Placement::Auto) {
            memory.placement = None;
        }
    }
}
