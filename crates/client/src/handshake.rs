//! Opening a connection to a driver the way every client of the protocol does.
//!
//! ```text
//! auth_list -> the chosen authentication -> connect_supports_feature(keepalive) -> connect_open
//! ```

use error::{Code, Domain, Error, Result};
use protocol::Procedure;
use protocol::remote::procedure::{
    AuthList, AuthPolkit, ConnectOpen, ConnectSetIdentity, ConnectSupportsFeature,
};
use protocol::remote::{AuthType, ConnectOpenArgs, ConnectSetIdentityArgs, ConnectSupportsFeatureArgs};
use rpc::Keepalive;
use tokio::net::UnixStream;

use crate::bare::Bare;
use crate::{Client, Uri};

/// `VIR_CONNECT_RO`.
const READ_ONLY: u32 = 1;
/// The feature number of keepalive.
const KEEPALIVE: i32 = 10;

/// How to open a connection.
#[derive(Debug, Clone, Copy)]
pub struct OpenOptions {
    /// Only look.
    pub read_only: bool,
    /// How to watch the server, where it knows keepalive.
    pub keepalive: Keepalive,
}

impl Default for OpenOptions {
    /// May change things; keepalive as libvirt's clients have it by default.
    fn default() -> Self {
        Self {
            read_only: false,
            keepalive: Keepalive::from_config(5, 5),
        }
    }
}

impl Client {
    /// Connects to the daemon that `uri` names and opens the driver.
    ///
    /// # Errors
    /// As [`Client::connect_unix`], [`Uri::socket`] and [`Client::open_driver`].
    pub async fn open(uri: &Uri, options: OpenOptions) -> Result<Self> {
        let client = Self::connect_unix(uri.socket(options.read_only)?).await?;
        client.open_driver(Some(uri.of_driver()), options).await?;
        Ok(client)
    }

    /// Authenticates and opens the driver of a connection that is there; without a name the daemon chooses.
    ///
    /// # Errors
    /// What the server answers; `VIR_ERR_AUTH_UNAVAILABLE` when it accepts no way of authentication that this crate knows.
    pub async fn open_driver(&self, name: Option<String>, options: OpenOptions) -> Result<()> {
        let mut caller = self;
        authenticate(&mut caller).await?;
        if options.keepalive != Keepalive::OFF && knows_keepalive(&mut caller).await? {
            self.start_keepalive(options.keepalive);
        }
        let flags = if options.read_only { READ_ONLY } else { 0 };
        self.call::<ConnectOpen>(&ConnectOpenArgs { name, flags }).await
    }
}

/// Authenticates and opens the driver over a connection that is relayed afterwards, and tells on whose behalf: what follows
/// the last reply stays unread. The answer is whether the server knows keepalive, and will ask.
///
/// # Errors
/// As [`Client::open_driver`]; what the server answers to who is told to call.
pub async fn open_to_relay(
    stream: &mut UnixStream,
    args: &ConnectOpenArgs,
    identity: &ConnectSetIdentityArgs,
) -> Result<bool> {
    let mut caller = Bare::new(stream);
    authenticate(&mut caller).await?;
    let keepalive = knows_keepalive(&mut caller).await?;
    caller.call::<ConnectOpen>(args).await?;
    caller.call::<ConnectSetIdentity>(identity).await?;
    Ok(keepalive)
}

/// Whoever calls procedures, one after the other.
pub(crate) trait Caller {
    fn call<P: Procedure>(&mut self, args: &P::Args) -> impl Future<Output = Result<P::Ret>> + Send;
}

impl Caller for &Client {
    fn call<P: Procedure>(&mut self, args: &P::Args) -> impl Future<Output = Result<P::Ret>> + Send {
        Client::call::<P>(self, args)
    }
}

async fn authenticate(caller: &mut impl Caller) -> Result<()> {
    let offered = caller.call::<AuthList>(&()).await?.types;
    if offered.is_empty() || offered.contains(&AuthType::RemoteAuthNone) {
        return Ok(());
    }
    if offered.contains(&AuthType::RemoteAuthPolkit) {
        return caller.call::<AuthPolkit>(&()).await.map(drop);
    }
    Err(Error::new(
        Code::AuthUnavailable,
        Domain::Auth,
        format!("the server offers only {offered:?}"),
    ))
}

async fn knows_keepalive(caller: &mut impl Caller) -> Result<bool> {
    let feature = ConnectSupportsFeatureArgs { feature: KEEPALIVE };
    let ret = caller.call::<ConnectSupportsFeature>(&feature).await?;
    Ok(ret.supported != 0)
}
