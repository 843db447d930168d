//! Filters of taps, which virtnwfilterd guards for the daemons that make them.

use client::Client;
use error::{Code, Error, Result};
use protocol::remote::procedure::{
    NwfilterBindingCreateXml, NwfilterBindingDelete, NwfilterBindingLookupByPortDev,
};
use protocol::remote::{
    NwfilterBindingCreateXmlArgs, NwfilterBindingDeleteArgs, NwfilterBindingLookupByPortDevArgs,
};

/// Has a tap guarded as the document of a binding says. `client` is from [`connect`](crate::connect) to virtnwfilterd.
///
/// # Errors
/// What virtnwfilterd answers: `VIR_ERR_INTERNAL_ERROR` where the tap is guarded already.
pub async fn create_binding(client: &Client, document: String) -> Result<()> {
    let args = NwfilterBindingCreateXmlArgs {
        xml: document,
        flags: 0,
    };
    client.call::<NwfilterBindingCreateXml>(&args).await.map(drop)
}

/// Has a tap guarded no longer; one that is not is fine. `client` is from [`connect`](crate::connect) to virtnwfilterd.
///
/// # Errors
/// What virtnwfilterd answers.
pub async fn delete_binding(client: &Client, tap: &str) -> Result<()> {
    let deleted = async {
        let name = tap.to_owned();
        let args = NwfilterBindingLookupByPortDevArgs { name };
        let nwfilter = client
            .call::<NwfilterBindingLookupByPortDev>(&args)
            .await?
            .nwfilter;
        let args = NwfilterBindingDeleteArgs { nwfilter };
        client.call::<NwfilterBindingDelete>(&args).await.map(drop)
    };
    match deleted.await {
        Err(err) if err.code() != Code::NoNwfilterBinding => Err::<(), Error>(err),
        _ => Ok(()),
    }
}
