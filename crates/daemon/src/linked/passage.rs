//! The way between drivers of one process: each calls another as one daemon calls another, over a connection both of whose ends are
//! here.

use crate::Passage;
use error::{Code, Domain, Error, Result};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use parking_lot::RwLock;
use rpc::{Dispatcher, SessionOptions, Transport};
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::net::UnixStream;

/// Above the numbers of all sessions of clients, which drivers know them by.
const FIRST_ID: u64 = 1 << 63;

/// Leads to the drivers of this process that are open by then, and to no others.
#[derive(Debug)]
pub(super) struct Inside {
    /// By the daemon that has the driver where each has its own.
    drivers: RwLock<HashMap<&'static str, Dispatcher>>,
    next_id: AtomicU64,
}

impl Inside {
    pub(super) fn new() -> Self {
        Self {
            drivers: RwLock::default(),
            next_id: AtomicU64::new(FIRST_ID),
        }
    }

    /// From now on it leads to this one as well.
    pub(super) fn add(&self, daemon: &'static str, driver: Dispatcher) {
        self.drivers.write().insert(daemon, driver);
    }

    fn open(&self, daemon: &'static str, read_only: bool) -> Result<UnixStream> {
        let driver = self.drivers.read().get(daemon).cloned().ok_or_else(|| {
            let text = format!("the driver of {daemon} is not part of this daemon");
            Error::new(Code::NoSupport, Domain::Rpc, text)
        })?;
        let (ours, theirs) = UnixStream::pair().map_err(|failure| {
            let text = format!("no connection to the driver of {daemon}: {failure}");
            Error::new(Code::SystemError, Domain::Rpc, text).caused_by(failure)
        })?;
        let options = SessionOptions {
            id: self.next_id.fetch_add(1, Ordering::Relaxed),
            read_only,
            ..SessionOptions::default()
        };
        let (_, serving) = rpc::serve_by(Transport::unix(theirs), driver, options);
        tokio::spawn(serving);
        Ok(ours)
    }
}

impl Passage for Inside {
    fn connect(&self, daemon: &'static str, read_only: bool) -> BoxFuture<'static, Result<UnixStream>> {
        std::future::ready(self.open(daemon, read_only)).boxed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use protocol::net::{Header, MessageType, Status};
    use protocol::remote::procedure::ConnectGetHostname;
    use protocol::{Procedure, remote};
    use rpc::{Context, Packet, Router};
    use std::sync::Arc;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    /// The caller's user, its session's number, and whether it only looks.
    async fn tell(ctx: Context<()>, (): ()) -> Result<remote::ConnectGetHostnameRet> {
        let session = &ctx.session;
        let user = session.identity().map(|process| process.uid);
        let hostname = format!("{user:?} {} {}", session.id() - FIRST_ID, session.read_only());
        Ok(remote::ConnectGetHostnameRet { hostname })
    }

    #[tokio::test]
    async fn it_leads_to_drivers_of_this_process_and_to_no_others() {
        let inside = Inside::new();
        let missing = inside.connect("virtnetworkd", false).await.unwrap_err();
        assert_eq!(missing.code(), Code::NoSupport);
        let mut router = Router::new();
        router.on::<ConnectGetHostname, _>(tell);
        inside.add("virtsecretd", Dispatcher::new(Arc::new(router), Arc::new(())));
        let own = rustix::process::geteuid().as_raw();
        for (number, read_only) in [false, true].into_iter().enumerate() {
            let mut stream = inside.connect("virtsecretd", read_only).await.unwrap();
            let header = Header {
                prog: remote::PROGRAM.number,
                vers: 1,
                proc: ConnectGetHostname::INFO.number,
                r#type: MessageType::Call,
                serial: 1,
                status: Status::Ok,
            };
            let call = Packet::new(header, &()).unwrap();
            stream.write_all(call.bytes()).await.unwrap();
            let mut reply = [0; 128];
            let length = stream.read(&mut reply).await.unwrap();
            let told = String::from_utf8_lossy(&reply[..length]).into_owned();
            let expected = format!("Some({own}) {number} {read_only}");
            assert!(told.contains(&expected), "{told}");
        }
    }
}
