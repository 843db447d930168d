//! Values of secrets, which virtsecretd tells to daemons that call for themselves.

use client::Client;
use error::Result;
use protocol::remote::procedure::{SecretGetValue, SecretLookupByUsage, SecretLookupByUuid};
use protocol::remote::{SecretGetValueArgs, SecretLookupByUsageArgs, SecretLookupByUuidArgs};
use xdr::SecretBytes;

/// How a document names a secret.
#[derive(Debug, Clone, Copy)]
pub enum SecretName<'a> {
    /// By its own UUID.
    Uuid([u8; 16]),
    /// By what it is for.
    Usage {
        /// `virSecretUsageType`.
        kind: i32,
        /// A volume's path, or whatever the kind has.
        id: &'a str,
    },
}

/// The value of a secret, which may be private. `client` is from [`connect`](crate::connect) to virtsecretd.
///
/// # Errors
/// What virtsecretd answers: `VIR_ERR_NO_SECRET` where there is none, or it has no value.
pub async fn secret_value(client: &Client, name: SecretName<'_>) -> Result<SecretBytes> {
    let secret = match name {
        SecretName::Uuid(uuid) => {
            let args = SecretLookupByUuidArgs { uuid };
            client.call::<SecretLookupByUuid>(&args).await?.secret
        }
        SecretName::Usage { kind, id } => {
            let args = SecretLookupByUsageArgs {
                usage_type: kind,
                usage_id: id.to_owned(),
            };
            client.call::<SecretLookupByUsage>(&args).await?.secret
        }
    };
    let args = SecretGetValueArgs { secret, flags: 0 };
    Ok(client.call::<SecretGetValue>(&args).await?.value)
}
