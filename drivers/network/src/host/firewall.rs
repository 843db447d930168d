//! The rules of all networks, in the kernel's nftables: tables of the driver's own, replaced in one step.
//!
//! Whoever changes which networks are guarded has all rules written anew, so what holds is always that of one moment.

use crate::Driver;
use crate::firewall;
use crate::host::tool;
use error::Result;
use model::network::Network as Document;
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::Mutex;

/// The program, and what has it read a JSON document.
const PROGRAM: &str = "nft";
const ARGUMENTS: [&str; 3] = ["-j", "-f", "-"];

/// The networks that are guarded, by name.
type Guarded = BTreeMap<String, Arc<Document>>;

/// In the place of what rules come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Instead {
    /// Those that this driver set.
    OfOwn,
    /// Those as well that libvirt's own daemon set for the networks that are taken over from it.
    OfLibvirts,
}

/// What is known of the rules in the kernel.
#[derive(Debug, Default)]
struct Known {
    guarded: Guarded,
    /// Whether there may be others.
    in_doubt: bool,
}

/// The rules.
#[derive(Debug, Default)]
pub(crate) struct Firewall(Mutex<Known>);

impl Firewall {
    /// Guards a network, in place of what it was before.
    ///
    /// # Errors
    /// What nft says; the former rules hold then.
    pub(crate) async fn guard(&self, driver: &Driver, document: &Arc<Document>) -> Result<()> {
        self.change(driver, Instead::OfOwn, |guarded| {
            guarded.insert(document.name.clone(), Arc::clone(document));
        })
        .await
    }

    /// There may be rules that this daemon did not set.
    pub(crate) async fn doubt(&self) {
        self.0.lock().await.in_doubt = true;
    }

    /// Guards a network no longer. Nothing is done for one that never was guarded, so that whoever may not set rules, as a user's own
    /// daemon, can do without.
    ///
    /// # Errors
    /// As [`Self::guard`].
    pub(crate) async fn leave(&self, driver: &Driver, name: &str) -> Result<()> {
        {
            let known = self.0.lock().await;
            if !known.in_doubt && !known.guarded.contains_key(name) {
                return Ok(());
            }
        }
        self.change(driver, Instead::OfOwn, |guarded| {
            guarded.remove(name);
        })
        .await
    }

    /// Guards these networks and no others, whatever rules there are. Nothing is done where there are none.
    ///
    /// # Errors
    /// As [`Self::guard`].
    pub(crate) async fn guard_only(
        &self,
        driver: &Driver,
        documents: Vec<Arc<Document>>,
        instead: Instead,
    ) -> Result<()> {
        {
            let known = self.0.lock().await;
            let none = documents.is_empty() && known.guarded.is_empty() && !known.in_doubt;
            if none && instead == Instead::OfOwn {
                return Ok(());
            }
        }
        let all = documents
            .into_iter()
            .map(|document| (document.name.clone(), document));
        self.change(driver, instead, |guarded| *guarded = all.collect())
            .await
    }

    async fn change(
        &self,
        driver: &Driver,
        instead: Instead,
        change: impl FnOnce(&mut Guarded),
    ) -> Result<()> {
        let mut known = self.0.lock().await;
        let mut next = known.guarded.clone();
        change(&mut next);
        let networks = next.values().map(AsRef::as_ref);
        let rules = match instead {
            Instead::OfOwn => firewall::rules(networks)?,
            Instead::OfLibvirts => firewall::rules_in_place_of_libvirts(networks)?,
        };
        let set = driver
            .blocking(move |_| {
                let nft = tool(PROGRAM).with(ARGUMENTS).with_input(rules);
                nft.run_to_end().map(drop)
            })
            .await;
        known.in_doubt = set.is_err();
        set?;
        known.guarded = next;
        Ok(())
    }
}
