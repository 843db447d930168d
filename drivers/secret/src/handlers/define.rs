//! Documents: given, told and taken back.

use super::{Call, check_flags};
use crate::Driver;
use daemon::Routes;
use error::Result;
use protocol::remote;
use protocol::remote::procedure as p;
use uuid::Uuid;

pub(super) fn routes(routes: &mut Routes<Driver>) {
    routes.on::<p::SecretDefineXml, _>(define);
    routes.on::<p::SecretGetXmlDesc, _>(xml_desc);
    routes.on::<p::SecretUndefine, _>(undefine);
}

/// `VIR_SECRET_DEFINE_VALIDATE`.
const VALIDATE: u32 = 1;

async fn define(call: Call, args: remote::SecretDefineXmlArgs) -> Result<remote::SecretDefineXmlRet> {
    check_flags("virSecretDefineXML", args.flags, VALIDATE)?;
    let secret = call.driver.define(&args.xml, args.flags & VALIDATE != 0).await?;
    Ok(remote::SecretDefineXmlRet {
        secret: secret.reference(),
    })
}

async fn xml_desc(call: Call, args: remote::SecretGetXmlDescArgs) -> Result<remote::SecretGetXmlDescRet> {
    check_flags("virSecretGetXMLDesc", args.flags, 0)?;
    Ok(remote::SecretGetXmlDescRet {
        xml: call.driver.secrets.find(&args.secret)?.document.to_xml(),
    })
}

async fn undefine(call: Call, args: remote::SecretUndefineArgs) -> Result<()> {
    call.driver.undefine(Uuid::from_bytes(args.secret.uuid)).await
}
