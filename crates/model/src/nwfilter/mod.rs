//! Network filters: `<filter>`, and `<filterbinding>`, the filter of one interface of a guest.
//!
//! [`Filter::from_xml`] and [`Binding::from_xml`] are how documents of users get in. Values that do not fit their attribute are left
//! out, as in stock daemons; a value may be a variable instead, whose values the [`Binding`] gives.

mod binding;
mod chain;
mod filter;
mod kind;
mod literal;
mod operand;
mod protocol;
mod reference;
mod rule;

pub use binding::Binding;
pub use chain::{Chain, ChainKind};
pub use filter::{Entry, Filter};
pub use kind::Kind;
pub use literal::{ConnectionStates, Literal, SetDirection, TcpFlags};
pub use operand::{Operand, Pick, Variable};
pub use protocol::{Layer, Protocol};
pub use reference::{Parameters, Reference};
pub use rule::{Action, Attribute, Direction, Rule};

use error::{Code, Domain, Error};

/// What a client hears of a document about filters that does not fit.
fn refused(error: xml::Error) -> Error {
    let code = match &error {
        error if error.is_syntax() => return crate::document_error(error.clone()),
        xml::Error::Unsupported(_) => Code::InvalidArg,
        xml::Error::Root { .. } => Code::XmlError,
        _ => Code::InternalError,
    };
    Error::new(code, Domain::Nwfilter, error.to_string())
}
