//! Title, description and applications' own elements.

use super::Call;
use crate::Driver;
use crate::definition::Piece;
use crate::flags;
use daemon::Routes;
use error::{Code, Domain, Error, Result};
use futures_util::FutureExt;
use protocol::remote;
use protocol::remote::procedure::{DomainGetMetadata, DomainSetMetadata};

pub(super) fn routes(routes: &mut Routes<Driver>) {
    routes.on::<DomainGetMetadata, _>(get);
    routes.on::<DomainSetMetadata, _>(set);
}

/// `virDomainMetadataType`.
const DESCRIPTION: i32 = 0;
const TITLE: i32 = 1;
const ELEMENT: i32 = 2;

fn invalid(text: impl Into<String>) -> Error {
    Error::new(Code::InvalidArg, Domain::Domain, text)
}

async fn get(call: Call, args: remote::DomainGetMetadataArgs) -> Result<remote::DomainGetMetadataRet> {
    flags::check("virDomainGetMetadata", args.flags, flags::AFFECT)?;
    let state = call.driver.domains.find(&args.dom)?.state();
    let (model, _) = state.meant(args.flags)?;
    let found = match args.r#type {
        DESCRIPTION => model.description,
        TITLE => model.title,
        ELEMENT => {
            let uri = args
                .uri
                .ok_or_else(|| invalid("the namespace of the metadata is missing"))?;
            let element = model::domain::metadata::element(model.metadata.as_ref(), &uri);
            element.as_ref().map(model::domain::metadata::plain)
        }
        other => return Err(invalid(format!("unknown metadata type {other}"))),
    };
    let missing = || {
        Error::new(
            Code::NoDomainMetadata,
            Domain::Domain,
            "Requested metadata element is not present",
        )
    };
    Ok(remote::DomainGetMetadataRet {
        metadata: found.ok_or_else(missing)?,
    })
}

async fn set(call: Call, args: remote::DomainSetMetadataArgs) -> Result<()> {
    flags::check("virDomainSetMetadata", args.flags, flags::AFFECT)?;
    // An empty text removes it, as for libvirt.
    let text = args.metadata.filter(|text| !text.is_empty());
    let piece = match args.r#type {
        DESCRIPTION => Piece::Description(text),
        TITLE => Piece::Title(text),
        ELEMENT => Piece::Element {
            uri: args
                .uri
                .ok_or_else(|| invalid("the namespace of the metadata is missing"))?,
            key: match (args.key, text.is_some()) {
                (Some(key), _) => key,
                (None, false) => String::new(),
                (None, true) => return Err(invalid("the prefix of the metadata is missing")),
            },
            text,
        },
        other => return Err(invalid(format!("unknown metadata type {other}"))),
    };
    let domain = call.driver.domains.find(&args.dom)?;
    domain
        .run(&call.driver, "changing metadata", move |owner| {
            owner.set_metadata(piece, args.flags).boxed()
        })
        .await
}
