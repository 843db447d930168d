//! What every program shares: the packet header, the error body, the hole of a stream, the size limits.

use error::{Code, Domain as ErrorDomain, Error as Failure};
use xdr::Xdr;

/// Limits of a packet, in bytes (descriptors: in number).
pub mod limits {
    /// The length word in front of a packet; it counts itself.
    pub const LENGTH: usize = 4;
    /// The header behind it.
    pub const HEADER: usize = 24;
    /// The largest packet without its length word.
    pub const MESSAGE: usize = 33_554_432;
    /// The largest body.
    pub const PAYLOAD: usize = MESSAGE - HEADER;
    /// The buffer that peers start with.
    pub const INITIAL: usize = 65_536;
    /// The largest stream packet body that every peer takes.
    pub const STREAM_DATA: usize = 262_120;
    /// How many descriptors may accompany a packet.
    pub const DESCRIPTORS: usize = 32;
}

/// What a packet is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Xdr)]
pub enum MessageType {
    /// A call, client to server.
    Call = 0,
    /// The reply to a call.
    Reply = 1,
    /// An event, server to client.
    Message = 2,
    /// Data of a stream, or its end.
    Stream = 3,
    /// A call that descriptors follow.
    CallWithFds = 4,
    /// A reply that descriptors follow.
    ReplyWithFds = 5,
    /// A hole of a stream.
    StreamHole = 6,
}

/// How a packet ends, or goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Xdr)]
pub enum Status {
    /// Success; the end of a stream.
    Ok = 0,
    /// The body is an [`Error`].
    Error = 1,
    /// More of a stream follows.
    Continue = 2,
}

/// The header of every packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Xdr)]
pub struct Header {
    /// The program's number.
    pub prog: u32,
    /// Its version.
    pub vers: u32,
    /// The procedure within the program.
    pub proc: i32,
    /// What the packet is.
    pub r#type: MessageType,
    /// Chosen by the caller and repeated in the reply and in its stream; 0 in events.
    pub serial: u32,
    /// How it ends.
    pub status: Status,
}

/// The domain an error speaks of.
#[derive(Debug, Clone, PartialEq, Eq, Xdr)]
pub struct Domain {
    /// Its name.
    pub name: String,
    /// Its UUID.
    pub uuid: [u8; 16],
    /// Its id while it runs, else -1.
    pub id: i32,
}

/// The network an error speaks of.
#[derive(Debug, Clone, PartialEq, Eq, Xdr)]
pub struct Network {
    /// Its name.
    pub name: String,
    /// Its UUID.
    pub uuid: [u8; 16],
}

/// The body of a packet with [`Status::Error`].
#[derive(Debug, Clone, PartialEq, Eq, Xdr)]
#[allow(
    missing_docs,
    reason = "virError's own fields; all but the first four are free for the sender"
)]
pub struct Error {
    pub code: i32,
    pub domain: i32,
    pub message: Option<String>,
    pub level: i32,
    pub dom: Option<Domain>,
    pub str1: Option<String>,
    pub str2: Option<String>,
    pub str3: Option<String>,
    pub int1: i32,
    pub int2: i32,
    pub net: Option<Network>,
}

/// The body of a [`MessageType::StreamHole`] packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Xdr)]
pub struct StreamHole {
    /// How many zero bytes the hole stands for.
    pub length: i64,
    /// Reserved; 0.
    pub flags: u32,
}

/// `VIR_ERR_ERROR`: the level of a real error, as against a warning.
const LEVEL_ERROR: i32 = 2;

impl From<&Failure> for Error {
    fn from(failure: &Failure) -> Self {
        let message = failure.to_string();
        Self {
            code: failure.code().number(),
            domain: failure.domain().number(),
            str1: Some(message.clone()),
            message: Some(message),
            level: LEVEL_ERROR,
            dom: None,
            str2: Some(failure.detail().to_owned()),
            str3: None,
            int1: -1,
            int2: -1,
            net: None,
        }
    }
}

impl From<Error> for Failure {
    fn from(wire: Error) -> Self {
        let code = Code::from_number(wire.code).unwrap_or(Code::InternalError);
        let domain = ErrorDomain::from_number(wire.domain).unwrap_or(ErrorDomain::None);
        let message = wire
            .message
            .unwrap_or_else(|| "the peer gave no reason".to_owned());
        let lead = code.lead().map(|lead| format!("{lead}: "));
        // The lead-in is said again when the error is shown.
        let detail = lead
            .and_then(|lead| message.strip_prefix(&lead).map(str::to_owned))
            .unwrap_or(message);
        Self::new(code, domain, detail)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_survives_the_wire() {
        let failure = Failure::new(
            Code::NoDomain,
            ErrorDomain::Qemu,
            "no domain with matching name 'x'",
        );
        let back = Failure::from(Error::from(&failure));
        assert_eq!(back.to_string(), failure.to_string());
        assert_eq!((back.code(), back.domain()), (failure.code(), failure.domain()));
    }

    #[test]
    fn a_header_is_six_words() {
        let header = Header {
            prog: 1,
            vers: 2,
            proc: 3,
            r#type: MessageType::Stream,
            serial: 5,
            status: Status::Continue,
        };
        let bytes = xdr::to_bytes(&header).unwrap();
        assert_eq!(bytes.len(), limits::HEADER);
        assert_eq!(xdr::from_bytes::<Header>(&bytes), Ok(header));
    }
}
