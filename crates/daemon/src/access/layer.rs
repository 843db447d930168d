//! A connection that SASL's own layer encrypts.

use rpc::{Layer, Seal, Unseal};
use sasl::kerberos::{Opening, Sealing};
use std::io;
use std::ops::Range;

/// What encrypts the connection of a client that has proved who it is.
pub(super) fn encrypting(layer: sasl::Layer) -> Layer {
    Layer {
        seal: Box::new(Sealed {
            sealing: layer.sealing,
            room: layer.carried_max,
        }),
        unseal: Box::new(Opened {
            opening: layer.opening,
            longest: layer.received_max,
        }),
    }
}

struct Sealed {
    sealing: Sealing,
    room: usize,
}

impl Seal for Sealed {
    fn room(&self) -> usize {
        self.room
    }

    fn seal(&mut self, bytes: &[u8], message: &mut Vec<u8>) -> io::Result<()> {
        self.sealing.seal(bytes, message).map_err(io::Error::other)
    }
}

struct Opened {
    opening: Opening,
    longest: usize,
}

impl Unseal for Opened {
    fn longest(&self) -> usize {
        self.longest
    }

    fn unseal(&mut self, message: &mut [u8]) -> io::Result<Range<usize>> {
        let opened = self.opening.open(message);
        opened.map_err(|refused| io::Error::new(io::ErrorKind::InvalidData, refused))
    }
}
