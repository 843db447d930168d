//! What pools there can be, and what they could be made of.

use super::{Call, check_flags};
use crate::pool::{DEADLINE, Threads};
use crate::{Driver, backend};
use daemon::Routes;
use error::Result;
use model::storage::PoolSource;
use protocol::remote;
use protocol::remote::procedure as p;

pub(super) fn routes(routes: &mut Routes<Driver>) {
    routes.on::<p::ConnectGetStoragePoolCapabilities, _>(capabilities);
    routes.on::<p::ConnectFindStoragePoolSources, _>(find_sources);
}

async fn capabilities(
    _: Call,
    args: remote::ConnectGetStoragePoolCapabilitiesArgs,
) -> Result<remote::ConnectGetStoragePoolCapabilitiesRet> {
    check_flags("virConnectGetStoragePoolCapabilities", args.flags, 0)?;
    Ok(remote::ConnectGetStoragePoolCapabilitiesRet {
        capabilities: crate::capabilities::document(),
    })
}

async fn find_sources(
    _: Call,
    args: remote::ConnectFindStoragePoolSourcesArgs,
) -> Result<remote::ConnectFindStoragePoolSourcesRet> {
    check_flags("virConnectFindStoragePoolSources", args.flags, 0)?;
    let backend = backend::of(backend::kind_of(&args.r#type)?)?;
    let given = args.src_spec.as_deref().map(PoolSource::from_xml).transpose()?;
    // They belong to no pool.
    let threads = Threads::new(format!("sources of type '{}'", args.r#type));
    let sources = threads
        .run(DEADLINE, move |cancel| backend.sources(given.as_ref(), cancel))
        .await?;
    Ok(remote::ConnectFindStoragePoolSourcesRet {
        xml: xml::to_string(&sources),
    })
}
