//! Who may call what.
//!
//! ```text
//! packet -> gate: authenticated? read-only? open? -> guard: permissions, where access_drivers says so -> handler
//!                                                      |                                                   |
//!                                                      +-- asks polkit     lists, look-ups, events: <------+
//! ```
//! The rules are those of the procedures' lines in the table, and nothing lists procedures again: where an object is named
//! in a call or a reply, the types of the table tell. A driver says who its objects are, with [`Driver::describe`], and
//! nothing else.
//!
//! [`Driver::describe`]: crate::Driver::describe

mod authentication;
mod condition;
mod encoded;
mod gate;
mod guard;
mod layer;
mod list;
mod object;
mod plan;
mod policy;
mod polkit;
mod read_only;
mod sasl;
#[cfg(test)]
mod tests;

pub(crate) use authentication::{Authentication, Mechanism, auth_list, auth_polkit};
pub(crate) use gate::{Opened, gate, gate_of_own_user};
pub(crate) use guard::AccessGuard;
pub use object::{By, Kind, Object, undescribed};
pub use policy::Judge;
pub(crate) use polkit::Polkit;
pub(crate) use read_only::{Forbidden, forbidden, judge};
pub use sasl::users_file;
pub(crate) use sasl::{Sasl, auth_sasl_init, auth_sasl_start, auth_sasl_step, keytab_folder};
