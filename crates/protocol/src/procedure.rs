//! What one procedure is: as a type for those who call or serve it, as a value for those who look it up.

use crate::{AclRule, Program};
use xdr::{Decode, Describe, Encode, Error, Schema};

/// A procedure that a client calls.
pub trait Procedure: Send + Sync + 'static {
    /// What the call carries; `()` for nothing.
    type Args: Encode + Decode + Describe + Send + Sync + 'static;
    /// What the reply carries; `()` for nothing.
    type Ret: Encode + Decode + Describe + Send + Sync + 'static;
    /// The program it belongs to.
    const PROGRAM: &'static Program;
    /// Its line in the table.
    const INFO: &'static ProcedureInfo;
}

/// A procedure that a server sends unasked.
pub trait Event: Send + Sync + 'static {
    /// What it carries.
    type Message: Encode + Decode + Describe + Send + Sync + 'static;
    /// The program it belongs to.
    const PROGRAM: &'static Program;
    /// Its line in the table.
    const INFO: &'static ProcedureInfo;
}

/// One line of a program's table.
#[derive(Debug)]
pub struct ProcedureInfo {
    /// Its number within the program, from 1.
    pub number: i32,
    /// The protocol's name of it.
    pub name: &'static str,
    /// Who sends it.
    pub kind: Kind,
    /// Which calls may not wait for others.
    pub priority: Priority,
    /// The stream that the call opens.
    pub stream: Option<Stream>,
    /// What the caller must be allowed to do: every rule that applies.
    pub acl: &'static [AclRule],
    /// What the caller must be allowed to do with an object for a list to show it.
    pub filter: &'static [AclRule],
}

impl ProcedureInfo {
    /// Whether it is the line of `P`, among those of the programs that drivers serve. Lines have no one address to tell them by: the
    /// tables are constants.
    pub fn is<P: Procedure>(&self) -> bool {
        self.number == P::INFO.number && self.name == P::INFO.name
    }
}

/// Who sends a procedure, and what it carries.
#[derive(Debug)]
pub enum Kind {
    /// The client calls, the server replies.
    Call {
        /// The call's body.
        args: Body,
        /// The reply's body.
        ret: Body,
    },
    /// The server sends it unasked.
    Event {
        /// Its body.
        message: Body,
    },
}

/// The body of a packet as data, for those who know no types.
#[derive(Debug)]
pub struct Body {
    /// The wire form.
    pub schema: fn() -> Schema,
}

impl Body {
    /// The body of type `T`.
    pub(crate) const fn of<T: Describe>() -> Self {
        Self { schema: T::schema }
    }
}

/// Decodes a body and encodes it again: for tests and fuzzing of every type there is.
///
/// This is no part of [`Body`], because what a program's table refers to is linked into every daemon: it would hold the
/// code for each type of the protocol.
pub type Recode = fn(&[u8]) -> Result<Vec<u8>, Error>;

/// The [`Recode`] of type `T`.
pub(crate) fn recode<T: Encode + Decode>(bytes: &[u8]) -> Result<Vec<u8>, Error> {
    xdr::to_bytes(&xdr::from_bytes::<T>(bytes)?)
}

/// Whether a call may be served while others wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Priority {
    /// It may wait for a hypervisor.
    Low,
    /// It never waits for a hypervisor's monitor and is served even when every ordinary worker is busy.
    High,
}

/// The stream a call opens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stream {
    /// Which way the data flows.
    pub direction: Direction,
    /// Where the stream stands among the arguments of the public API's function.
    pub argument: u8,
}

/// The way of a stream's data, seen from the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// The client reads; some calls (consoles) take data the other way, too.
    Read,
    /// The client writes.
    Write,
}
