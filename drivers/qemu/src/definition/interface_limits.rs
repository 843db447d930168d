//! Limits of an interface changed: in the definition, and where the guest runs on its link and in its network's port.

use crate::domain::{Document, Live, Owner};
use crate::flags::Impact;
use crate::lifecycle::bandwidth::Limited;
use crate::lifecycle::networks;
use error::{Code, Domain as ErrorDomain, Error, Result};
use model::domain::Domain as Model;
use model::domain::devices::Interface;
use std::sync::Arc;
use traffic::parameters::Wanted;

/// The interface of that address, or whose link has that name.
///
/// # Errors
/// [`Code::InvalidArg`] when there is none.
pub(crate) fn find<'m>(model: &'m mut Model, device: &str) -> Result<&'m mut Interface> {
    let is_it = |interface: &&mut Interface| {
        let mac = interface.mac_address().map(|mac| mac.to_string());
        let by_address = mac.is_some_and(|mac| mac.eq_ignore_ascii_case(device));
        by_address || interface.target_dev() == Some(device)
    };
    model.devices.interfaces.iter_mut().find(is_it).ok_or_else(|| {
        let text = format!("'{device}' is not a known interface");
        Error::new(Code::InvalidArg, ErrorDomain::Domain, text)
    })
}

/// Puts limits into the document of the interface that a client means.
fn apply(model: &mut Model, device: &str, wanted: &Wanted) -> Result<()> {
    let interface = find(model, device)?;
    let former = interface.bandwidth.take().unwrap_or_default();
    interface.bandwidth = Some(wanted.clone().instead_of(former));
    model::network::complete_interface(interface)
}

impl Owner {
    /// Changes what an interface may send and receive. Nothing changes unless all can.
    ///
    /// # Errors
    /// [`Code::InvalidArg`] for an interface that is not there; what cannot be limited; what the network cannot keep; the disk's.
    pub(crate) async fn limit_interface(&mut self, device: &str, wanted: &Wanted, flags: u32) -> Result<()> {
        let state = self.domain.state();
        let impact = Impact::of(flags, state.is_active(), state.is_persistent())?;
        let mut definition = None;
        if impact.config
            && let Some(former) = state.definition.as_ref()
        {
            let mut model = former.parse()?;
            apply(&mut model, device, wanted)?;
            definition = Some(Document::of(&model));
        }
        if impact.live
            && let Some(live) = state.live.as_ref()
        {
            let mut model = live.document.parse()?;
            let former = find(&mut model, device)?.clone();
            apply(&mut model, device, wanted)?;
            self.limit_live(&former, find(&mut model, device)?).await?;
            let changed = Live {
                document: Document::of(&model),
                ..Live::clone(live)
            };
            self.replace_live(Arc::new(changed)).await;
        }
        if let Some(document) = definition {
            self.save_definition(&state.name, &document).await?;
            self.publish(|state| state.definition = Some(document));
        }
        Ok(())
    }

    /// Makes the link of a running guest's interface, and its port, what its document says now.
    async fn limit_live(&self, former: &Interface, now: &Interface) -> Result<()> {
        let owner = self.domain.uuid;
        let link = now.target_dev().unwrap_or_default().to_owned();
        let limited = Limited::of(now, &link, owner)?;
        // What was set once can be again.
        let before = Limited::of(former, &link, owner)?;
        networks::limit(&self.driver, now).await?;
        let set = self.driver.blocking(move || limited.replace(&before)).await;
        if set.is_err()
            && let Err(err) = networks::limit(&self.driver, former).await
        {
            tracing::warn!(%err, link, "a network keeps something else for a guest than it says");
        }
        set
    }
}
