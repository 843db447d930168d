//! Answers to [`requirements`](super::requirements) of a command line that nobody runs.

use super::{Encryption, Named, Provision, Role, Secret, SecretNeed, requirements};
use crate::binary::BinaryCaps;
use model::domain::Domain;
use std::path::PathBuf;

/// The number that stands for each descriptor.
const NUMBER: i32 = 7;

/// What stands for things of the host that a start would have made.
#[derive(Debug, Default)]
pub struct Answers {
    /// Descriptors.
    pub descriptors: Vec<Named>,
    /// Secrets, all with that value.
    pub secrets: Vec<Secret>,
    /// Devices that a process would serve, or that would be taken from the host.
    pub provided: Vec<String>,
    /// Nodes of SCSI units, all with one path.
    pub scsi_nodes: Vec<(String, PathBuf)>,
}

impl Answers {
    /// Answers all that a document wants whose connections are protected by `encryption`; `data` and `iv` stand for every
    /// secret.
    pub fn to(domain: &Domain, caps: &BinaryCaps, encryption: &Encryption, (data, iv): (&str, &str)) -> Self {
        let mut answers = Self::default();
        let secret = |need: SecretNeed| Secret {
            object: need.object,
            data: data.to_owned(),
            iv: iv.to_owned(),
        };
        let keys = encryption.needs(domain).into_iter();
        answers.secrets.extend(keys.map(|(_, need)| secret(need)));
        for requirement in requirements(domain) {
            let alias = requirement.alias;
            let mut descriptors = |role, count| {
                answers.descriptors.push(Named {
                    alias: alias.clone(),
                    role,
                    numbers: vec![NUMBER; count],
                });
            };
            match requirement.what {
                Provision::ListeningSocket(_) => descriptors(Role::Listen, 1),
                Provision::Tap(queues) => descriptors(Role::Tap, queues),
                Provision::VhostNet(queues) if caps.has_kvm() => descriptors(Role::Vhost, queues),
                Provision::Tpm(_) => {
                    descriptors(Role::Node, 1);
                    descriptors(Role::Cancel, 1);
                }
                Provision::VhostUserGpu => descriptors(Role::Connected, 1),
                Provision::VhostVsock | Provision::VhostScsi => descriptors(Role::Vhost, 1),
                Provision::Vdpa(_) => descriptors(Role::Node, 1),
                Provision::OutputFile { .. } => descriptors(Role::Output, 1),
                Provision::LogFile { .. } => descriptors(Role::Log, 1),
                Provision::Secret(need) => answers.secrets.push(secret(need)),
                Provision::HostDevice => {
                    answers.scsi_nodes.push((alias.clone(), "/dev/sg0".into()));
                }
                _ => {}
            }
            answers.provided.push(alias);
        }
        answers
    }
}
