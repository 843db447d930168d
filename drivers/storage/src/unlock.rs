//! What pools prove themselves with to the servers that their storage is on: secrets' values, asked of virtsecretd.

use crate::Driver;
use crate::failure::refused;
use crate::pool::Pool;
use daemon::connection::Connection;
use error::{Code, Result};
use model::storage::{Auth, AuthKind};
use neighbours::{Family, SecretName, secret_value};
use std::sync::Arc;
use xdr::SecretBytes;

/// The number of what a secret is for (`virSecretUsageType`).
fn usage(kind: AuthKind) -> i32 {
    match kind {
        AuthKind::Ceph => 2,
        AuthKind::Chap => 3,
    }
}

impl Driver {
    /// Gets the secret that a pool's document names, unless the pool has it already.
    ///
    /// # Errors
    /// virtsecretd is not there, or what it answers, with the pool's name.
    pub(crate) async fn unlock(&self, pool: &Pool) -> Result<()> {
        let state = pool.state();
        let auth = state.document.source().and_then(|source| source.auth.as_ref());
        let Some(auth) = auth else { return Ok(()) };
        if pool.secret.load().is_some() {
            return Ok(());
        }
        let value = self.secret_of(auth).await;
        let value =
            value.map_err(|err| err.context(format_args!("pool '{}' needs its secret", pool.name)))?;
        pool.secret.store(Some(Arc::new(value)));
        Ok(())
    }

    async fn secret_of(&self, auth: &Auth) -> Result<SecretBytes> {
        let name = match (auth.secret.uuid, &auth.secret.usage) {
            (Some(uuid), _) => SecretName::Uuid(uuid.into_bytes()),
            (None, Some(id)) => SecretName::Usage {
                kind: usage(auth.r#type),
                id,
            },
            (None, None) => {
                let text = "<secret>: neither uuid nor usage tells which";
                return Err(refused(Code::XmlError, text));
            }
        };
        let client = neighbours::connect(self.instance(), Family::Secret).await?;
        secret_value(&client, name).await
    }
}
