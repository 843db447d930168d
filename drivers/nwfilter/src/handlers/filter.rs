//! Filters: which there are, defined, told and removed.

use super::{Call, check_flags};
use crate::Driver;
use daemon::{Routes, lists};
use error::Result;
use protocol::remote;
use protocol::remote::limits::NWFILTER_LIST_MAX;
use protocol::remote::procedure as p;
use uuid::Uuid;

pub(super) fn routes(routes: &mut Routes<Driver>) {
    routes.on::<p::ConnectNumOfNwfilters, _>(count);
    routes.on::<p::ConnectListNwfilters, _>(list_names);
    routes.on::<p::ConnectListAllNwfilters, _>(list_all);
    routes.on::<p::NwfilterLookupByName, _>(by_name);
    routes.on::<p::NwfilterLookupByUuid, _>(by_uuid);
    routes.on::<p::NwfilterDefineXml, _>(define);
    routes.on::<p::NwfilterDefineXmlFlags, _>(define_flags);
    routes.on::<p::NwfilterUndefine, _>(undefine);
    routes.on::<p::NwfilterGetXmlDesc, _>(xml_desc);
}

/// `VIR_NWFILTER_DEFINE_VALIDATE`.
const VALIDATE: u32 = 1;

async fn count(call: Call, (): ()) -> Result<remote::ConnectNumOfNwfiltersRet> {
    Ok(remote::ConnectNumOfNwfiltersRet {
        num: lists::count(call.driver.registry.filters().len()),
    })
}

async fn list_names(
    call: Call,
    args: remote::ConnectListNwfiltersArgs,
) -> Result<remote::ConnectListNwfiltersRet> {
    let room = lists::room("maxnames", args.maxnames, NWFILTER_LIST_MAX)?;
    let filters = call.driver.registry.filters();
    Ok(remote::ConnectListNwfiltersRet {
        names: filters.keys().take(room).cloned().collect(),
    })
}

async fn list_all(
    call: Call,
    args: remote::ConnectListAllNwfiltersArgs,
) -> Result<remote::ConnectListAllNwfiltersRet> {
    check_flags("virConnectListAllNWFilters", args.flags, 0)?;
    let found: Vec<_> = call.driver.registry.filters().values().cloned().collect();
    let (filters, ret) = lists::answer(&found, args.need_results, |entry| entry.reference());
    Ok(remote::ConnectListAllNwfiltersRet { filters, ret })
}

async fn by_name(
    call: Call,
    args: remote::NwfilterLookupByNameArgs,
) -> Result<remote::NwfilterLookupByNameRet> {
    Ok(remote::NwfilterLookupByNameRet {
        nwfilter: call.driver.registry.filter(&args.name)?.reference(),
    })
}

async fn by_uuid(
    call: Call,
    args: remote::NwfilterLookupByUuidArgs,
) -> Result<remote::NwfilterLookupByUuidRet> {
    let filter = call.driver.registry.filter_by_uuid(Uuid::from_bytes(args.uuid))?;
    Ok(remote::NwfilterLookupByUuidRet {
        nwfilter: filter.reference(),
    })
}

async fn define(call: Call, args: remote::NwfilterDefineXmlArgs) -> Result<remote::NwfilterDefineXmlRet> {
    Ok(remote::NwfilterDefineXmlRet {
        nwfilter: call.driver.define(&args.xml, false).await?.reference(),
    })
}

async fn define_flags(
    call: Call,
    args: remote::NwfilterDefineXmlFlagsArgs,
) -> Result<remote::NwfilterDefineXmlFlagsRet> {
    check_flags("virNWFilterDefineXMLFlags", args.flags, VALIDATE)?;
    let filter = call.driver.define(&args.xml, args.flags & VALIDATE != 0).await?;
    Ok(remote::NwfilterDefineXmlFlagsRet {
        nwfilter: filter.reference(),
    })
}

async fn undefine(call: Call, args: remote::NwfilterUndefineArgs) -> Result<()> {
    call.driver.undefine(Uuid::from_bytes(args.nwfilter.uuid)).await
}

async fn xml_desc(call: Call, args: remote::NwfilterGetXmlDescArgs) -> Result<remote::NwfilterGetXmlDescRet> {
    check_flags("virNWFilterGetXMLDesc", args.flags, 0)?;
    let uuid = Uuid::from_bytes(args.nwfilter.uuid);
    Ok(remote::NwfilterGetXmlDescRet {
        xml: call.driver.registry.filter_by_uuid(uuid)?.document.to_xml(),
    })
}
