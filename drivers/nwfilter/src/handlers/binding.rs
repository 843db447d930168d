//! Bindings: which ports are guarded, by what; made and removed.

use super::{Call, check_flags};
use crate::Driver;
use crate::registry::binding_reference;
use daemon::{Routes, lists};
use error::Result;
use protocol::remote;
use protocol::remote::procedure as p;

pub(super) fn routes(routes: &mut Routes<Driver>) {
    routes.on::<p::ConnectListAllNwfilterBindings, _>(list_all);
    routes.on::<p::NwfilterBindingLookupByPortDev, _>(by_port);
    routes.on::<p::NwfilterBindingCreateXml, _>(create);
    routes.on::<p::NwfilterBindingDelete, _>(delete);
    routes.on::<p::NwfilterBindingGetXmlDesc, _>(xml_desc);
}

/// `VIR_NWFILTER_BINDING_CREATE_VALIDATE`.
const VALIDATE: u32 = 1;

async fn list_all(
    call: Call,
    args: remote::ConnectListAllNwfilterBindingsArgs,
) -> Result<remote::ConnectListAllNwfilterBindingsRet> {
    check_flags("virConnectListAllNWFilterBindings", args.flags, 0)?;
    let found = call.driver.registry.bindings();
    let (bindings, ret) = lists::answer(&found, args.need_results, |binding| binding_reference(binding));
    Ok(remote::ConnectListAllNwfilterBindingsRet { bindings, ret })
}

async fn by_port(
    call: Call,
    args: remote::NwfilterBindingLookupByPortDevArgs,
) -> Result<remote::NwfilterBindingLookupByPortDevRet> {
    let binding = call.driver.registry.binding(&args.name)?;
    Ok(remote::NwfilterBindingLookupByPortDevRet {
        nwfilter: binding_reference(&binding),
    })
}

async fn create(
    call: Call,
    args: remote::NwfilterBindingCreateXmlArgs,
) -> Result<remote::NwfilterBindingCreateXmlRet> {
    check_flags("virNWFilterBindingCreateXML", args.flags, VALIDATE)?;
    let binding = call.driver.bind(&args.xml, args.flags & VALIDATE != 0).await?;
    Ok(remote::NwfilterBindingCreateXmlRet {
        nwfilter: binding_reference(&binding),
    })
}

async fn delete(call: Call, args: remote::NwfilterBindingDeleteArgs) -> Result<()> {
    call.driver.unbind(&args.nwfilter.portdev).await
}

async fn xml_desc(
    call: Call,
    args: remote::NwfilterBindingGetXmlDescArgs,
) -> Result<remote::NwfilterBindingGetXmlDescRet> {
    check_flags("virNWFilterBindingGetXMLDesc", args.flags, 0)?;
    Ok(remote::NwfilterBindingGetXmlDescRet {
        xml: call.driver.registry.binding(&args.nwfilter.portdev)?.to_xml(),
    })
}
