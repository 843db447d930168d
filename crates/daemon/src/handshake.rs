//! What every daemon answers of itself, before a connection is open and after: authentication, and the features of the
//! connection.

use crate::access;
use error::{Code, Domain, Error};
use protocol::remote::procedure;
use rpc::{Router, Session};

/// The features of `connect_supports_feature` that belong to the connection and not to a driver.
pub mod feature {
    /// Descriptors can be passed.
    pub const FD_PASSING: i32 = 8;
    /// Keepalive is answered.
    pub const PROGRAM_KEEPALIVE: i32 = 10;
    /// Events tell the number of the callback they are for.
    pub const REMOTE_EVENT_CALLBACK: i32 = 14;
    /// The end of the driver's connection is told.
    pub const REMOTE_CLOSE_CALLBACK: i32 = 15;
}

/// A table that answers what clients ask to authenticate, and lets nobody further who has not.
pub fn router<D: Send + Sync + 'static>() -> Router<D> {
    let mut router = Router::new();
    router
        .on::<procedure::AuthList, _>(access::auth_list)
        .on::<procedure::AuthPolkit, _>(access::auth_polkit)
        .on::<procedure::AuthSaslInit, _>(access::auth_sasl_init)
        .on::<procedure::AuthSaslStart, _>(access::auth_sasl_start)
        .on::<procedure::AuthSaslStep, _>(access::auth_sasl_step)
        .gate(access::gate);
    router
}

/// Whether a connection has a feature that may be asked for before it is open. Who asks for keepalive answers it, so asking
/// starts it.
pub fn feature_before_open(session: &Session, feature: i32) -> Option<bool> {
    (feature == feature::PROGRAM_KEEPALIVE).then(|| {
        session.enable_keepalive();
        true
    })
}

/// The connection of that session is open: calls that are served here may be made.
pub fn set_open(session: &Session) {
    session.state::<access::Opened>().set();
}

/// What a call is told that comes before `connect_open`.
pub fn not_open() -> Error {
    Error::new(Code::InternalError, Domain::Rpc, "hypervisor connection not open")
}
