//! Title, description and applications' own elements.

use super::{Call, Impact, check_flags};
use crate::Driver;
use crate::failure::{argument, refused};
use crate::lifecycle::metadata::Piece;
use daemon::Routes;
use error::{Code, Result};
use protocol::remote;
use protocol::remote::procedure as p;

pub(super) fn routes(routes: &mut Routes<Driver>) {
    routes.on::<p::NetworkGetMetadata, _>(get);
    routes.on::<p::NetworkSetMetadata, _>(set);
}

/// `virNetworkMetadataType`.
const DESCRIPTION: i32 = 0;
const TITLE: i32 = 1;
const ELEMENT: i32 = 2;

async fn get(call: Call, args: remote::NetworkGetMetadataArgs) -> Result<remote::NetworkGetMetadataRet> {
    check_flags("virNetworkGetMetadata", args.flags, Impact::FLAGS)?;
    let state = call.driver.networks.find(&args.network)?.state();
    let document = if Impact::of(args.flags, &state)?.live {
        &state.document
    } else {
        state.definition()
    };
    let found = match args.r#type {
        DESCRIPTION => document.description.clone(),
        TITLE => document.title.clone(),
        ELEMENT => {
            let uri = args
                .uri
                .ok_or_else(|| argument("the namespace of the metadata is missing"))?;
            let element = model::domain::metadata::element(document.metadata.as_ref(), &uri);
            element.as_ref().map(model::domain::metadata::plain)
        }
        other => return Err(argument(format!("unknown metadata type {other}"))),
    };
    let missing = || {
        refused(
            Code::NoNetworkMetadata,
            "Requested metadata element is not present",
        )
    };
    Ok(remote::NetworkGetMetadataRet {
        metadata: found.ok_or_else(missing)?,
    })
}

async fn set(call: Call, args: remote::NetworkSetMetadataArgs) -> Result<()> {
    check_flags("virNetworkSetMetadata", args.flags, Impact::FLAGS)?;
    // An empty text removes it, as for domains.
    let text = args.metadata.filter(|text| !text.is_empty());
    let piece = match args.r#type {
        DESCRIPTION => Piece::Description(text),
        TITLE => Piece::Title(text),
        ELEMENT => Piece::Element {
            uri: args
                .uri
                .ok_or_else(|| argument("the namespace of the metadata is missing"))?,
            key: match (args.key, text.is_some()) {
                (Some(key), _) => key,
                (None, false) => String::new(),
                (None, true) => return Err(argument("the prefix of the metadata is missing")),
            },
            text,
        },
        other => return Err(argument(format!("unknown metadata type {other}"))),
    };
    let network = call.driver.networks.find(&args.network)?;
    call.driver.set_metadata(&network, &piece, args.flags).await
}
