//! The command line that a start from a document would run, where nothing is started: `virsh domxml-to-native`.
//!
//! It is for reading and for trying by hand. What a start would make on the host and hand over as descriptors is not there:
//! numbers stand for them, and all interfaces are taps that somebody else connects.

use super::{Resources, huge_pages, log_file, processor, provide};
use crate::Driver;
use crate::command::{self, Answers, CommandContext, Found, Role};
use crate::groups;
use crate::images;
use crate::prepare;
use error::Result;
use model::domain::Domain as Model;
use model::domain::devices::interface::{Interface, InterfaceKind};

/// The number of a run that does not take place.
const ID: i32 = -1;

/// What stands for the value of a secret, and what it was encrypted with.
const SECRET: (&str, &str) = ("", "");

impl Driver {
    /// What a shell would run for a document.
    ///
    /// # Errors
    /// What is wrong with the document, or with it on this host.
    pub(crate) async fn native_command(&self, document: &str) -> Result<String> {
        let mut model = self.read_definition(document, false).await?;
        let emulator = model.devices.emulator.clone().unwrap_or_default();
        let caps = self.binaries.get(emulator.as_ref()).await?;
        model.id = Some(ID);
        unplug(&mut model);
        prepare::start(&mut model, &caps, &self.facts())?;
        let (model, _) = processor::choose(self, model, &caps).await?;
        let model = self.images.run(images::WAIT, move |reading| {
            let mut model = model;
            images::open_chains_there(&mut model, reading);
            let other_blocks = images::other_blocks(&model);
            Ok((model, other_blocks))
        });
        let (mut model, other_blocks) = model.await?;
        prepare::number(&mut model);
        groups::check_nodes(&model, &self.host)?;
        let (config, name) = (self.config(), model.name.clone());
        let domain_dir = self.paths.domain_dir(ID, &name);
        let channel_dir = self.paths.channel_dir(ID, &name);
        provide::channels(&mut model, &channel_dir);
        // Ports are free again as soon as they are told.
        let mut ports = Resources::default();
        provide::graphics(&mut model, &domain_dir, &self.ports, &config, &mut ports)?;
        drop(ports);
        let huge_pages = if command::has_huge_pages(&model) {
            huge_pages::of_mounts(&self.host, &huge_pages::folders(&self.host, &config, ID, &name))
        } else {
            Vec::new()
        };
        let encryption = config.encryption();
        encryption.settle(&mut model);
        let mut answers = Answers::to(&model, &caps, &encryption, SECRET);
        // What QEMU can open by itself it shall.
        let opened = |role| matches!(role, Role::Listen | Role::Output | Role::Log);
        // Taps are served by the kernel where it can, and as well without.
        let slow = !self.host.path("dev/vhost-net").exists();
        let interfaces = model.devices.interfaces.iter();
        let taps: Vec<_> = interfaces
            .filter_map(|interface| interface.info.alias_name())
            .collect();
        answers.descriptors.retain(|answer| {
            let unserved = slow && answer.role == Role::Vhost && taps.contains(&answer.alias.as_str());
            !opened(answer.role) && !unserved
        });
        let context = CommandContext {
            id: ID,
            monitor_fd: None,
            sandbox: config.seccomp_sandbox,
            log_timestamp: config.log_timestamp,
            dump_guest_core: config.dump_guest_core,
            vnc_password: config.vnc_password.is_some(),
            spice_password: config.spice_password.is_some(),
            encryption,
            master_key: Some(domain_dir.join("master-key.aes")),
            memory_dir: self
                .paths
                .memory_dir(config.memory_backing_dir.as_deref(), ID, &name),
            huge_pages,
            provided: answers.provided,
            secrets: answers.secrets,
            descriptors: answers.descriptors,
            found: Found {
                scsi_nodes: answers.scsi_nodes,
                other_blocks,
                ..Found::default()
            },
            channel_dir,
            domain_dir: domain_dir.clone(),
        };
        let line = command::build(&model, &caps, &context)?;
        let mut environment = command::environment(&domain_dir);
        environment.extend(line.environment);
        let mut words: Vec<String> = environment
            .iter()
            .map(|(name, value)| format!("{name}={}", log_file::quote(value)))
            .collect();
        words.push(log_file::quote(&line.binary.to_string_lossy()));
        words.extend(line.arguments.iter().map(|argument| log_file::quote(argument)));
        let mut text = words.join(" ");
        text.push('\n');
        Ok(text)
    }
}

/// Leaves of every interface its model and its address, as libvirt does: how to connect the tap that stands for it is whoever's
/// who tries the command by hand. It gets another place and name.
fn unplug(model: &mut Model) {
    for interface in &mut model.devices.interfaces {
        let bare = Interface {
            kind: InterfaceKind::Ethernet { source: None },
            mac: interface.mac.take(),
            model: interface.model.take(),
            ..Interface::default()
        };
        *interface = bare;
    }
}
