//! Documents as QEMU's own arguments.

use super::Call;
use crate::Driver;
use crate::flags;
use daemon::Routes;
use error::{Code, Domain, Error, Result};
use protocol::remote;
use protocol::remote::procedure::ConnectDomainXmlToNative;

pub(super) fn routes(routes: &mut Routes<Driver>) {
    routes.on::<ConnectDomainXmlToNative, _>(to_native);
}

/// `VIR_CONNECT_DOMAIN_XML_CONFIG_FORMAT` of QEMU (virConnectDomainXMLToNative).
const ARGUMENTS: &str = "qemu-argv";

async fn to_native(
    call: Call,
    args: remote::ConnectDomainXmlToNativeArgs,
) -> Result<remote::ConnectDomainXmlToNativeRet> {
    flags::check("virConnectDomainXMLToNative", args.flags, 0)?;
    if args.native_format != ARGUMENTS {
        let text = format!("unsupported config type {}", args.native_format);
        return Err(Error::new(Code::InvalidArg, Domain::Qemu, text));
    }
    Ok(remote::ConnectDomainXmlToNativeRet {
        native_config: call.driver.native_command(&args.domain_xml).await?,
    })
}
