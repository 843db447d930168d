//! Bindings: ports of guests that are guarded.

use crate::Driver;
use crate::failure::{internal, refused};
use crate::firewall::{self, Changes, Guarded};
use crate::learning::{Leases, Method};
use crate::registry::Named;
use crate::rules::{self, PortRules, Sets};
use error::{Code, Result};
use model::nwfilter::Binding;
use rustix::net::{AddressFamily, SocketFlags, SocketType, netdevice, socket_with};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::MutexGuard;

/// How long a change waits for those before it.
const PATIENCE: Duration = Duration::from_secs(30);

/// Whether the host has an interface of that name.
fn is_there(name: &str) -> Result<bool> {
    let cannot = |err: rustix::io::Errno| internal(format!("cannot look for interface '{name}': {err}"));
    let socket =
        socket_with(AddressFamily::INET, SocketType::DGRAM, SocketFlags::CLOEXEC, None).map_err(cannot)?;
    match netdevice::name_to_index(&socket, name) {
        Ok(_) => Ok(true),
        Err(rustix::io::Errno::NODEV | rustix::io::Errno::INVAL) => Ok(false),
        Err(err) => Err(cannot(err)),
    }
}

impl Driver {
    /// Waits for a turn to change anything; what is guarded is the caller's until then.
    ///
    /// # Errors
    /// [`Code::OperationTimeout`].
    pub(crate) async fn turn(&self) -> Result<MutexGuard<'_, Guarded>> {
        tokio::time::timeout(PATIENCE, self.guarded.lock())
            .await
            .map_err(|_| {
                let text = "an earlier change of network filters still goes on";
                refused(Code::OperationTimeout, text)
            })
    }

    /// The rules of bindings, with these filters.
    ///
    /// # Errors
    /// What the first one's cannot be.
    pub(crate) async fn compile(&self, bindings: &[Arc<Binding>], filters: &Named) -> Result<Changes> {
        if bindings.is_empty() {
            return Ok(Changes::default());
        }
        let sets = self.sets(filters).await?;
        let mut changes = Changes::default();
        for binding in bindings {
            let known = self.registry.leases(&binding.port_device).addresses();
            let rules = rules::compile(binding, filters, &known, &sets)?;
            changes.put(&binding.port_device, Some(rules));
        }
        Ok(changes)
    }

    /// The sets of the administrator's that rules may name. Where no filter names any, nobody is asked.
    ///
    /// # Errors
    /// nft's.
    pub(crate) async fn sets(&self, filters: &Named) -> Result<Sets> {
        if filters.values().any(|entry| entry.names_sets) {
            return Ok(self.blocking(|_| firewall::look()).await?.sets);
        }
        Ok(Sets::default())
    }

    /// Makes changes in one step.
    ///
    /// # Errors
    /// nft's; nothing is changed then.
    pub(crate) async fn apply(&self, guarded: &mut Guarded, changes: Changes) -> Result<()> {
        if changes.is_empty() {
            return Ok(());
        }
        let document = firewall::change(guarded, &changes);
        if let Err(err) = self.blocking(move |_| firewall::run(document)).await {
            // Somebody may have cleared the host's rules, and what is to be changed is not there.
            tracing::warn!(%err, "all rules of network filters are made anew");
            return self.apply_all(guarded, changes).await;
        }
        *guarded = firewall::after(guarded, &changes);
        self.listen(&changes);
        Ok(())
    }

    /// Has addresses learned where rules wait for them.
    fn listen(&self, changes: &Changes) {
        for (port, rules) in changes.ports() {
            let lesson = rules.and_then(PortRules::lesson);
            self.listeners.listen(port, lesson);
        }
    }

    /// Has the ports of all known bindings guarded as they are to be with these changes, and no others, whatever rules there are.
    ///
    /// # Errors
    /// nft's.
    pub(crate) async fn apply_all(&self, guarded: &mut Guarded, changes: Changes) -> Result<()> {
        let there = self.blocking(|_| firewall::look()).await?;
        let mut all = self.all_rules(&there.sets);
        all.extend(changes);
        let next = firewall::after(&Guarded::default(), &all);
        let document = firewall::replace(&all, &there);
        self.blocking(move |_| firewall::run(document)).await?;
        *guarded = next;
        self.listen(&all);
        Ok(())
    }

    /// The rules of all known bindings. One whose filter cannot be used any more lets nothing pass.
    fn all_rules(&self, sets: &Sets) -> Changes {
        let filters = self.registry.filters();
        let mut all = Changes::default();
        for binding in self.registry.bindings() {
            let port = &binding.port_device;
            let known = self.registry.leases(port).addresses();
            let rules = rules::compile(&binding, &*filters, &known, sets).unwrap_or_else(|err| {
                tracing::error!(%err, port, "nothing passes an interface whose filter cannot be used");
                PortRules::closed()
            });
            all.put(port, Some(rules));
        }
        all
    }

    /// Guards a port.
    ///
    /// # Errors
    /// What is wrong with the document; [`Code::OperationFailed`] for a port that is guarded already; [`Code::OperationInvalid`] for one
    /// that is not there; what its rules cannot be; nft's and the disk's. Nothing is changed then.
    pub(crate) async fn bind(&self, text: &str, validate: bool) -> Result<Arc<Binding>> {
        let read = Binding::from_xml(text);
        let is_xml = read
            .as_ref()
            .map_or_else(|err| err.code() != Code::XmlDetail, |_| true);
        if validate && is_xml {
            daemon::schema_check::check("nwfilterbinding", text).await?;
        }
        let binding = Arc::new(read?);
        let port = binding.port_device.clone();
        let mut guarded = self.turn().await?;
        if self.registry.binding(&port).is_ok() {
            let text = format!("binding '{port}' already exists");
            return Err(refused(Code::OperationFailed, text));
        }
        let leases = self.former_leases(&binding).await?;
        let filters = self.registry.filters();
        let sets = self.sets(&filters).await?;
        let rules = rules::compile(&binding, &*filters, &leases.addresses(), &sets)?;
        let rules = Changes::one(&port, Some(rules));
        if !is_there(&port)? {
            let text = format!("the host has no interface '{port}' to be guarded");
            return Err(refused(Code::OperationInvalid, text));
        }
        // A crash behind this leaves a port that the next daemon guards.
        let document = Arc::clone(&binding);
        self.blocking(move |store| store.save_binding(&document)).await?;
        if let Err(err) = self.apply(&mut guarded, rules).await {
            self.blocking(move |store| store.remove_binding(&port)).await?;
            return Err(err);
        }
        self.registry.put_binding(Arc::clone(&binding));
        self.registry.set_leases(&binding.port_device, leases);
        Ok(binding)
    }

    /// Guards a port no longer.
    ///
    /// # Errors
    /// [`Code::NoNwfilterBinding`]; nft's and the disk's.
    pub(crate) async fn unbind(&self, port: &str) -> Result<()> {
        let mut guarded = self.turn().await?;
        let binding = self.registry.binding(port)?;
        let port = binding.port_device.clone();
        // As long as there are rules there is a document: the next daemon knows by it that it has to look.
        self.apply(&mut guarded, Changes::one(&port, None)).await?;
        let file = port.clone();
        self.blocking(move |store| store.remove_binding(&file)).await?;
        self.registry.remove_binding(&port);
        // The guest may be another one when it comes back; what servers leased it, it has still.
        if !matches!(Method::of(&binding), Ok(Some(Method::Dhcp))) {
            self.blocking(move |store| store.save_leases(&binding, &Leases::default()))
                .await?;
        }
        Ok(())
    }

    /// Finds the bindings that the last daemon left. Gives the ports that are gone, whose documents are to go once their rules have.
    ///
    /// # Errors
    /// The disk's.
    pub(crate) async fn adopt(&self) -> Result<Vec<String>> {
        self.blocking(|store| store.sweep_leases()).await?;
        let mut gone = Vec::new();
        for binding in self.blocking(|store| store.load_bindings()).await? {
            if is_there(&binding.port_device)? {
                let document = binding.clone();
                let leases = self.blocking(move |store| store.load_leases(&document)).await?;
                self.registry.set_leases(&binding.port_device, leases);
                self.registry.put_binding(Arc::new(binding));
            } else {
                gone.push(binding.port_device);
            }
        }
        Ok(gone)
    }
}
