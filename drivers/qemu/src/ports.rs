//! TCP ports of graphics servers: which are taken by our guests, and which by others.

use error::{Code, Domain as ErrorDomain, Error, Result};
use parking_lot::Mutex;
use std::collections::BTreeSet;
use std::net::{Ipv4Addr, Ipv6Addr, TcpListener};
use std::ops::RangeInclusive;
use std::sync::Arc;

/// The ports of one range.
#[derive(Debug)]
pub(crate) struct Ports {
    what: &'static str,
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    range: RangeInclusive<u16>,
    taken: BTreeSet<u16>,
}

/// A port that nobody else gets while this lives.
#[derive(Debug)]
pub(crate) struct Port {
    number: u16,
    ports: Arc<Ports>,
}

impl Ports {
    /// The ports of `range`; `what` names them in errors.
    pub(crate) fn new(what: &'static str, range: RangeInclusive<u16>) -> Arc<Self> {
        Arc::new(Self {
            what,
            inner: Mutex::new(Inner {
                range,
                taken: BTreeSet::new(),
            }),
        })
    }

    /// From now on free ports are looked for in `range`; those taken stay so.
    pub(crate) fn change_range(&self, range: RangeInclusive<u16>) {
        self.inner.lock().range = range;
    }

    /// A free port.
    ///
    /// # Errors
    /// [`Code::InternalError`] when all are taken.
    pub(crate) fn any(self: &Arc<Self>) -> Result<Port> {
        let mut inner = self.inner.lock();
        let free = inner
            .range
            .clone()
            .find(|port| !inner.taken.contains(port) && is_free(*port));
        let number = free.ok_or_else(|| {
            let (first, last) = (inner.range.start(), inner.range.end());
            let text = format!("no free {} port between {first} and {last}", self.what);
            Error::new(Code::InternalError, ErrorDomain::Qemu, text)
        })?;
        inner.taken.insert(number);
        Ok(Port {
            number,
            ports: Arc::clone(self),
        })
    }

    /// That port, chosen by the domain itself: it may lie outside the range and be in use, which QEMU then tells.
    pub(crate) fn exactly(self: &Arc<Self>, number: u16) -> Port {
        self.inner.lock().taken.insert(number);
        Port {
            number,
            ports: Arc::clone(self),
        }
    }
}

impl Port {
    /// The port's number.
    pub(crate) fn number(&self) -> u16 {
        self.number
    }
}

impl Drop for Port {
    fn drop(&mut self) {
        self.ports.inner.lock().taken.remove(&self.number);
    }
}

/// Whether nobody listens there. A server on one address only may be missed; QEMU then says so.
fn is_free(port: u16) -> bool {
    let v6 = TcpListener::bind((Ipv6Addr::UNSPECIFIED, port));
    // Without IPv6 on the host the first bind says nothing.
    match v6 {
        Ok(_) => true,
        Err(err) if err.kind() == std::io::ErrorKind::AddrInUse => false,
        Err(_) => TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).is_ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_given_once_and_comes_back() {
        let other = TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0)).unwrap();
        let busy = other.local_addr().unwrap().port();
        let ports = Ports::new("test", busy..=busy);
        assert_eq!(ports.any().unwrap_err().code(), Code::InternalError);
        drop(other);
        let port = ports.any().unwrap();
        assert_eq!(port.number(), busy);
        assert!(ports.any().is_err());
        drop(port);
        assert!(ports.any().is_ok());
    }
}
