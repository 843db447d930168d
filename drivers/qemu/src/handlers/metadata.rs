//! Title, description and applications' own elements.

use super::Call;
use crate::Driver;
use crate::flags;
use daemon::Routes;
use error::Result;
use futures_util::FutureExt;
use model::domain::Domain;
use model::metadata::{self, Piece};
use protocol::remote;
use protocol::remote::procedure::{DomainGetMetadata, DomainSetMetadata};

pub(super) fn routes(routes: &mut Routes<Driver>) {
    routes.on::<DomainGetMetadata, _>(get);
    routes.on::<DomainSetMetadata, _>(set);
}

async fn get(call: Call, args: remote::DomainGetMetadataArgs) -> Result<remote::DomainGetMetadataRet> {
    flags::check("virDomainGetMetadata", args.flags, flags::AFFECT)?;
    let state = call.driver.domains.find(&args.dom)?.state();
    let (model, _) = state.meant(args.flags)?;
    Ok(remote::DomainGetMetadataRet {
        metadata: metadata::find(&model, args.r#type, args.uri)?,
    })
}

async fn set(call: Call, args: remote::DomainSetMetadataArgs) -> Result<()> {
    flags::check("virDomainSetMetadata", args.flags, flags::AFFECT)?;
    let piece = Piece::new::<Domain>(args.r#type, args.metadata, args.key, args.uri)?;
    let domain = call.driver.domains.find(&args.dom)?;
    domain
        .run(&call.driver, "changing metadata", move |owner| {
            owner.set_metadata(piece, args.flags).boxed()
        })
        .await
}
