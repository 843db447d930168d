//! Bindings: ports of guests that are guarded.

use crate::Driver;
use crate::failure::{internal, refused};
use crate::firewall::{self, Changes, Guarded};
use crate::learning::{Leases, Method};
use crate::registry::Named;
use crate::rules::{self, PortRules};
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
    pub(crate) fn compile(&self, bindings: &[Arc<Binding>], filters: &Named) -> Result<Changes> {
        let of = |binding: &Arc<Binding>| {
            let known = self.registry.leases(&binding.port_device).addresses();
            let rules = rules::compile(binding, filters, &known)?;
            Ok((binding.port_device.clone(), Some(rules)))
        };
        bindings.iter().map(of).collect()
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
        if let Err(err) = self.blocking(move |_| firewall::run(&document)).await {
            // Somebody may have cleared the host's rules, and what is to be changed is not there.
            tracing::warn!(%err, "all rules of network filters are made anew");
            let mut all = self.all_rules();
            all.extend(changes);
            let next = firewall::after(&Guarded::new(), &all);
            let document = firewall::replace(&all);
            self.blocking(move |_| firewall::run(&document)).await?;
            *guarded = next;
            self.listen(&all);
            return Ok(());
        }
        *guarded = firewall::after(guarded, &changes);
        self.listen(&changes);
        Ok(())
    }

    /// Has addresses learned where rules wait for them.
    fn listen(&self, changes: &Changes) {
        for (port, rules) in changes {
            let lesson = rules.as_ref().and_then(PortRules::lesson);
            self.listeners.listen(port, lesson);
        }
    }

    /// Has the ports of all known bindings guarded and no others, whatever rules there are.
    ///
    /// # Errors
    /// nft's.
    pub(crate) async fn apply_all(&self, guarded: &mut Guarded) -> Result<()> {
        let all = self.all_rules();
        let next = firewall::after(&Guarded::new(), &all);
        let document = firewall::replace(&all);
        self.blocking(move |_| firewall::run(&document)).await?;
        *guarded = next;
        self.listen(&all);
        Ok(())
    }

    /// The rules of all known bindings. One whose filter cannot be used any more lets nothing pass.
    fn all_rules(&self) -> Changes {
        let filters = self.registry.filters();
        let of = |binding: &Arc<Binding>| {
            let port = binding.port_device.clone();
            let known = self.registry.leases(&port).addresses();
            let rules = rules::compile(binding, &*filters, &known).unwrap_or_else(|err| {
                tracing::error!(%err, port, "nothing passes an interface whose filter cannot be used");
                PortRules::closed(&port)
            });
            (port, Some(rules))
        };
        self.registry.bindings().iter().map(of).collect()
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
        let rules = rules::compile(&binding, &*self.registry.filters(), &leases.addresses())?;
        let rules = Changes::from([(port.clone(), Some(rules))]);
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
        self.apply(&mut guarded, Changes::from([(port.clone(), None)]))
            .await?;
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
