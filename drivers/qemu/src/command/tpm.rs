//! Trusted platform modules.

use super::Role;
use super::address::alias;
use super::line::{KeyValues, Line, Props, incomplete, unsupported};
use crate::board::Board;
use error::Result;
use model::domain::devices::Tpm;
use model::domain::devices::tpm::{TpmBackendKind, TpmModel};

impl Line<'_> {
    pub(super) fn tpms(&mut self) -> Result<()> {
        self.domain.devices.tpms.iter().try_for_each(|tpm| self.tpm(tpm))
    }

    fn tpm(&mut self, tpm: &Tpm) -> Result<()> {
        let id = alias(&tpm.info)?;
        let device = format!("tpm-{id}");
        let emulator = |line: &mut Self, path: String| {
            line.option(
                "-chardev",
                KeyValues::new()
                    .word("socket")
                    .set("id", "chrtpm")
                    .set("path", path)
                    .finish(),
            );
            let option = KeyValues::new()
                .word("emulator")
                .set("id", &device)
                .set("chardev", "chrtpm");
            line.option("-tpmdev", option.finish());
        };
        match &tpm.backend.kind {
            TpmBackendKind::Emulator(_) => {
                let path = super::swtpm_socket(&self.context.domain_dir, id)
                    .display()
                    .to_string();
                emulator(self, path);
            }
            TpmBackendKind::External { source } => {
                let source = source
                    .as_ref()
                    .ok_or_else(|| incomplete("<backend type='external'> names no socket"))?;
                emulator(self, source.path.clone());
            }
            TpmBackendKind::Passthrough { .. } => {
                let (node, cancel) = (self.descriptor(id, Role::Node), self.descriptor(id, Role::Cancel));
                let (Some(node), Some(cancel)) = (node, cancel) else {
                    return Err(unsupported(
                        "<backend type='passthrough'>: the host's TPM was not opened",
                    ));
                };
                let path = self.fd_set(node, &format!("{id}-tpm"));
                let cancel = self.fd_set(cancel, &format!("{id}-cancel"));
                let option = KeyValues::new()
                    .word("passthrough")
                    .set("id", &device)
                    .set("path", path)
                    .set("cancel-path", cancel);
                self.option("-tpmdev", option.finish());
            }
        }
        let driver = match tpm.model {
            Some(TpmModel::Tis) if Board::of(self.domain).is_arm() => "tpm-tis-device",
            Some(TpmModel::Tis) => "tpm-tis",
            Some(TpmModel::Crb) => "tpm-crb",
            None => return Err(incomplete("<tpm>: the model was not chosen")),
            Some(TpmModel::Spapr | TpmModel::SpaprProxy) => {
                return Err(unsupported(
                    "<tpm>: machines of this architecture have no such model",
                ));
            }
        };
        let mut props = Props::driver(driver).set("tpmdev", device).set("id", id);
        self.attach(&mut props, &tpm.info)?;
        self.device(props);
        Ok(())
    }
}
