//! Changes of filters: rules of ports that use them hold anew before the change is acknowledged.

use crate::Driver;
use crate::failure::{internal, refused};
use crate::firewall::Changes;
use crate::registry::{Entry, Named};
use crate::rules;
use error::{Code, Result};
use model::nwfilter::Filter;
use std::sync::Arc;
use uuid::Uuid;

impl Driver {
    /// Defines a filter, or replaces one. Every port whose filter includes it gets its rules anew, all in one step.
    ///
    /// # Errors
    /// What is wrong with the document; [`Code::OperationFailed`] where it contradicts a filter that there is or would include itself,
    /// which is what stock daemons say; what a port's rules cannot be; nft's and the disk's. Nothing is changed then.
    pub(crate) async fn define(&self, text: &str, validate: bool) -> Result<Arc<Entry>> {
        let read = Filter::from_xml(text);
        let is_xml = read
            .as_ref()
            .map_or_else(|err| err.code() != Code::XmlDetail, |_| true);
        if validate && is_xml {
            daemon::schema_check::check("nwfilter", text).await?;
        }
        let mut filter = read?;
        let mut guarded = self.turn().await?;
        let mut filters = Named::clone(&*self.registry.filters());
        let uuid = *filter.uuid.get_or_insert_with(Uuid::new_v4);
        admit(&filter, uuid, &filters)?;
        let entry = Arc::new(Entry::new(uuid, filter));
        let name = entry.document.name.clone();
        let former = filters.insert(name.clone(), Arc::clone(&entry));
        rules::tree(&entry.document, &filters)?;
        let used = |binding: &&Arc<model::nwfilter::Binding>| {
            let top = rules::Filters::find(&filters, &binding.reference.filter);
            let tree = top.and_then(|top| rules::tree(top, &filters).ok());
            tree.is_some_and(|tree| tree.contains(&name))
        };
        let bindings = self.registry.bindings();
        let touched: Vec<_> = bindings.iter().filter(used).cloned().collect();
        let after = self.compile(&touched, &filters).await?;
        self.apply(&mut guarded, after).await?;
        let document = Arc::clone(&entry.document);
        if let Err(err) = self.blocking(move |store| store.save_filter(&document)).await {
            // What is on disk is what holds.
            if former.is_some() {
                let before = self.compile(&touched, &self.registry.filters()).await;
                self.apply(&mut guarded, before?).await?;
            }
            return Err(err);
        }
        self.registry.set_filters(filters);
        Ok(entry)
    }

    /// Removes a filter.
    ///
    /// # Errors
    /// [`Code::NoNwfilter`]; [`Code::OperationInvalid`] while a port or another filter uses it; the disk's.
    pub(crate) async fn undefine(&self, uuid: Uuid) -> Result<()> {
        let _guarded = self.turn().await?;
        let entry = self.registry.filter_by_uuid(uuid)?;
        let name = entry.document.name.clone();
        let mut filters = Named::clone(&*self.registry.filters());
        let user = filters
            .values()
            .find(|other| other.document.references().any(|one| one.filter == name));
        let port = self.registry.bindings();
        let port = port.iter().find(|binding| binding.reference.filter == name);
        let user = user
            .map(|user| format!("filter '{}'", user.document.name))
            .or_else(|| port.map(|port| format!("interface '{}'", port.port_device)));
        if let Some(user) = user {
            let text = format!("nwfilter '{name}' is in use by {user}");
            return Err(refused(Code::OperationInvalid, text));
        }
        let file = name.clone();
        self.blocking(move |store| store.remove_filter(&file)).await?;
        filters.remove(&name);
        self.registry.set_filters(filters);
        Ok(())
    }

    /// Reads what lies on disk, and has just the ports of known bindings guarded.
    ///
    /// # Errors
    /// The folder cannot be read; nft's.
    pub(crate) async fn load(&self, bindings_too: bool) -> Result<()> {
        let mut guarded = self.turn().await?;
        let found = self.blocking(|store| store.load_filters()).await?;
        let former = self.registry.filters();
        let mut filters = Named::new();
        for mut filter in found {
            let known = former.get(&filter.name).map(|known| known.uuid);
            let uuid = match (filter.uuid, known) {
                (Some(uuid), _) | (None, Some(uuid)) => uuid,
                // A shipped one has none until the first daemon gives it one.
                (None, None) => {
                    let uuid = Uuid::new_v4();
                    filter.uuid = Some(uuid);
                    let document = filter.clone();
                    self.blocking(move |store| store.save_filter(&document)).await?;
                    uuid
                }
            };
            filter.uuid = Some(uuid);
            filters.insert(filter.name.clone(), Arc::new(Entry::new(uuid, filter)));
        }
        self.registry.set_filters(filters);
        let gone = if bindings_too {
            self.adopt().await?
        } else {
            Vec::new()
        };
        // Where nothing was ever guarded the host's rules are left alone.
        if gone.is_empty() && self.registry.bindings().is_empty() {
            return Ok(());
        }
        self.apply_all(&mut guarded, Changes::default()).await?;
        self.blocking(move |store| gone.iter().try_for_each(|port| store.remove_binding(port)))
            .await
    }
}

fn admit(filter: &Filter, uuid: Uuid, filters: &Named) -> Result<()> {
    let name = &filter.name;
    if let Some(other) = filters
        .values()
        .find(|other| other.uuid == uuid && other.document.name != *name)
    {
        let text = format!(
            "filter with same UUID but different name ('{}') already exists",
            other.document.name
        );
        return Err(refused(Code::OperationFailed, text));
    }
    match filters.get(name) {
        Some(former) if former.uuid != uuid => {
            let text = format!("filter '{name}' already exists with uuid {}", former.uuid);
            Err(refused(Code::OperationFailed, text))
        }
        _ if name.len() > 250 => Err(internal(format!(
            "filter '{name}': the name is too long for a file"
        ))),
        _ => Ok(()),
    }
}
