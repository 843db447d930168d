//! Filters of interfaces: virtnwfilterd guards a tap before it is switched on, and no longer when the guest has ended.
//!
//! A binding is found by the tap's name, which virtnwfilterd keeps on disk: it forgets by itself those whose tap is gone when it
//! starts, so no notes are needed here. One of an earlier guest that had a tap of the same name makes way.

use super::system_networks;
use crate::Driver;
use client::Client;
use daemon::connection::Connection as _;
use error::{Code, Domain as ErrorDomain, Error, Result};
use model::domain::Domain as Model;
use model::domain::devices::Interface;
use model::nwfilter::{Binding, Reference};
use neighbours::{Family, create_binding, delete_binding};
use protocol::remote::NwfilterBindingLookupByPortDevArgs;
use protocol::remote::procedure as p;
use std::sync::{Arc, Weak};
use std::time::Duration;

/// How long the end of a run waits for virtnwfilterd.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long to wait before an adopted guest's interfaces are guarded again, at first and at most.
const PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// The guarded taps of one run.
#[derive(Debug, Default)]
pub(crate) struct Guards {
    driver: Weak<Driver>,
    bindings: Vec<Binding>,
}

async fn connect(driver: &Driver) -> Result<Client> {
    let client = neighbours::connect(driver.instance(), Family::Nwfilter).await;
    client.map_err(|err| err.context("<filterref> of interfaces needs virtnwfilterd"))
}

/// The binding of an interface with a tap of that name, if it has a filter.
fn binding(interface: &Interface, tap: &str, model: (&str, uuid::Uuid)) -> Option<Binding> {
    let filter = interface.filter_ref.as_ref()?;
    let mut reference = Reference {
        filter: filter.filter.clone(),
        ..Reference::default()
    };
    for parameter in &filter.parameters {
        let values = reference.parameters.entry(parameter.name.clone());
        values.or_default().push(parameter.value.clone());
    }
    Some(Binding {
        owner_name: model.0.to_owned(),
        owner_uuid: model.1,
        port_device: tap.to_owned(),
        link_device: None,
        mac: interface.mac_address()?,
        reference,
    })
}

impl Guards {
    /// Those of a live document, which are guarded again where virtnwfilterd does not know them any more.
    pub(super) fn of(driver: &Arc<Driver>, model: &Model) -> Self {
        if system_networks::are_of_system(driver) {
            return Self::of_start(driver);
        }
        let owner = (model.name.as_str(), model.uuid.unwrap_or_default());
        let of = |interface: &Interface| binding(interface, interface.target_dev()?, owner);
        let guards = Self {
            driver: Arc::downgrade(driver),
            bindings: model.devices.interfaces.iter().filter_map(of).collect(),
        };
        if !guards.bindings.is_empty() {
            let again = go_on_guarding(Weak::clone(&guards.driver), guards.bindings.clone());
            tokio::runtime::Handle::current().spawn(again);
        }
        guards
    }

    /// Those of a guest that is about to start: none yet.
    pub(super) fn of_start(driver: &Arc<Driver>) -> Self {
        Self {
            driver: Arc::downgrade(driver),
            bindings: Vec::new(),
        }
    }

    /// Guards a tap that was just made, if its interface has a filter.
    ///
    /// # Errors
    /// Which interface cannot be guarded, and why.
    pub(super) async fn guard(
        &mut self,
        interface: &Interface,
        tap: &str,
        owner: (&str, uuid::Uuid),
    ) -> Result<()> {
        if interface.filter_ref.is_none() {
            return Ok(());
        }
        let binding = binding(interface, tap, owner).ok_or_else(|| {
            let text = "<interface><filterref>: no address was chosen for the card";
            Error::new(Code::InternalError, ErrorDomain::Qemu, text)
        })?;
        let Some(driver) = self.driver.upgrade() else {
            let text = "the driver is ending";
            return Err(Error::new(Code::InternalError, ErrorDomain::Qemu, text));
        };
        let said = |err: Error| err.context(format_args!("interface '{tap}'"));
        let client = connect(&driver).await?;
        delete_binding(&client, tap).await.map_err(said)?;
        self.bindings.push(binding.clone());
        create_binding(&client, binding.to_xml()).await.map_err(said)
    }

    /// Has taps guarded no longer. Blocks, inside the runtime. What virtnwfilterd does not hear now guards a tap that is gone, and
    /// goes with the next of that name.
    pub(super) fn give_back(&self) {
        let Some(driver) = self.driver.upgrade().filter(|_| !self.bindings.is_empty()) else {
            return;
        };
        let giving = async {
            let client = connect(&driver).await?;
            for binding in &self.bindings {
                delete_binding(&client, &binding.port_device).await?;
            }
            Ok::<(), Error>(())
        };
        let runtime = tokio::runtime::Handle::current();
        let giving = async { tokio::time::timeout(PATIENCE, giving).await };
        match tokio::task::block_in_place(|| runtime.block_on(giving)) {
            Ok(Ok(())) => {}
            Ok(Err(err)) => tracing::warn!(%err, "a filter of an interface that is gone is left"),
            Err(_) => {
                tracing::warn!("virtnwfilterd does not answer; filters of interfaces that are gone are left")
            }
        }
    }
}

/// Guards taps that virtnwfilterd does not know of, until it has heard.
async fn go_on_guarding(driver: Weak<Driver>, bindings: Vec<Binding>) {
    let mut pause = PAUSE;
    loop {
        // This must not keep the driver from ending.
        let Some(driver) = driver.upgrade() else { return };
        let guarded = async {
            let client = connect(&driver).await?;
            for binding in &bindings {
                let name = binding.port_device.clone();
                let args = NwfilterBindingLookupByPortDevArgs { name };
                match client.call::<p::NwfilterBindingLookupByPortDev>(&args).await {
                    Err(err) if err.code() == Code::NoNwfilterBinding => {
                        create_binding(&client, binding.to_xml()).await?
                    }
                    other => drop(other?),
                }
            }
            Ok::<(), Error>(())
        };
        let guarded = guarded.await;
        drop(driver);
        match guarded {
            // Its tap is gone, and the guest with it.
            Ok(()) => return,
            Err(err) if err.code() == Code::OperationInvalid => return,
            Err(err) => tracing::warn!(%err, "interfaces of a guest that runs may not be guarded"),
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}
