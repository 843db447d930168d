//! Title, description and applications' own elements.

use super::{Call, Impact, check_flags};
use crate::Driver;
use daemon::Routes;
use error::Result;
use model::metadata::{self, Piece};
use model::network::Network;
use protocol::remote;
use protocol::remote::procedure as p;

pub(super) fn routes(routes: &mut Routes<Driver>) {
    routes.on::<p::NetworkGetMetadata, _>(get);
    routes.on::<p::NetworkSetMetadata, _>(set);
}

async fn get(call: Call, args: remote::NetworkGetMetadataArgs) -> Result<remote::NetworkGetMetadataRet> {
    check_flags("virNetworkGetMetadata", args.flags, Impact::FLAGS)?;
    let state = call.driver.networks.find(&args.network)?.state();
    let document = if Impact::of(args.flags, &state)?.live {
        &state.document
    } else {
        state.definition()
    };
    Ok(remote::NetworkGetMetadataRet {
        metadata: metadata::find(document.as_ref(), args.r#type, args.uri)?,
    })
}

async fn set(call: Call, args: remote::NetworkSetMetadataArgs) -> Result<()> {
    check_flags("virNetworkSetMetadata", args.flags, Impact::FLAGS)?;
    let piece = Piece::new::<Network>(args.r#type, args.metadata, args.key, args.uri)?;
    let network = call.driver.networks.find(&args.network)?;
    call.driver.set_metadata(&network, &piece, args.flags).await
}
