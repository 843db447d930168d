//! A session that comes to one table and is served by others from the call on that chooses them.
#![allow(clippy::unwrap_used, reason = "a test")]

use std::sync::Arc;

use error::{Code, Domain, Error, Result};
use protocol::Procedure;
use protocol::net::{self, Header, MessageType, Status};
use protocol::remote::procedure::{ConnectGetHostname, ConnectGetType, ConnectGetUri, ConnectOpen};
use protocol::remote::{self, ConnectOpenArgs};
use rpc::{Context, Dispatcher, FrameReader, Packet, Router, SessionOptions, Transport, serve};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

/// What sessions come to: it knows who else is there.
struct Front {
    drivers: Vec<(&'static str, Dispatcher)>,
}

async fn choose(ctx: Context<Front>, mut args: ConnectOpenArgs) -> Result<(Dispatcher, ConnectOpenArgs)> {
    let name = args.name.unwrap_or_default();
    let found = ctx.driver.drivers.iter().find(|(scheme, _)| *scheme == name);
    let (_, dispatcher) = found.ok_or_else(|| Error::new(Code::NoConnect, Domain::Rpc, &*name))?;
    args.name = Some(format!("{name}:///"));
    Ok((dispatcher.clone(), args))
}

async fn front_type(_: Context<Front>, (): ()) -> Result<remote::ConnectGetTypeRet> {
    Ok(remote::ConnectGetTypeRet {
        r#type: "front".to_owned(),
    })
}

/// One of the others: what it is called, and whether it lets itself be opened.
struct Driver(&'static str, bool);

async fn open(ctx: Context<Driver>, args: ConnectOpenArgs) -> Result<()> {
    assert_eq!(args.name.unwrap(), format!("{}:///", ctx.driver.0));
    if ctx.driver.1 {
        return Ok(());
    }
    Err(Error::new(Code::InternalError, Domain::Rpc, "not today"))
}

async fn driver_type(ctx: Context<Driver>, (): ()) -> Result<remote::ConnectGetTypeRet> {
    Ok(remote::ConnectGetTypeRet {
        r#type: ctx.driver.0.to_owned(),
    })
}

async fn hostname(ctx: Context<Driver>, (): ()) -> Result<remote::ConnectGetHostnameRet> {
    // Not at once, as if it had to wait.
    tokio::task::yield_now().await;
    Ok(remote::ConnectGetHostnameRet {
        hostname: ctx.driver.0.to_owned(),
    })
}

fn driver(name: &'static str, opens: bool, has_hostname: bool) -> Dispatcher {
    let mut router = Router::new();
    router
        .on::<ConnectOpen, _>(open)
        .on::<ConnectGetType, _>(driver_type);
    if has_hostname {
        router.on::<ConnectGetHostname, _>(hostname);
        router.gate(|_, _, procedure| match procedure.name {
            "connect_get_hostname" => Ok(()),
            name => Err(Error::new(Code::AccessDenied, Domain::Rpc, name)),
        });
    }
    Dispatcher::new(Arc::new(router), Arc::new(Driver(name, opens)))
}

struct Client {
    stream: UnixStream,
    reader: FrameReader,
}

impl Client {
    fn new() -> Self {
        let other = driver("b", true, true);
        let drivers = vec![
            ("shut", driver("shut", false, false)),
            ("a", driver("a", true, false).or(vec![other.clone()])),
            ("b", other),
        ];
        let mut router = Router::new();
        router
            .hand_over::<ConnectOpen, _, _>(choose)
            .on::<ConnectGetType, _>(front_type);
        let (ours, theirs) = UnixStream::pair().unwrap();
        let options = SessionOptions::default();
        let (_, serving) = serve(
            Transport::unix(theirs),
            Arc::new(router),
            Arc::new(Front { drivers }),
            options,
        );
        tokio::spawn(serving);
        Self {
            stream: ours,
            reader: FrameReader::new(),
        }
    }

    async fn call<P: Procedure>(&mut self, args: &P::Args) -> Result<P::Ret> {
        let header = Header {
            prog: P::PROGRAM.number,
            vers: P::PROGRAM.version,
            proc: P::INFO.number,
            r#type: MessageType::Call,
            serial: 1,
            status: Status::Ok,
        };
        let packet = Packet::new(header, args).unwrap();
        self.stream.write_all(packet.bytes()).await.unwrap();
        loop {
            if let Some(frame) = self.reader.peek().unwrap() {
                let body = self.reader.body(&frame).to_vec();
                self.reader.consume(&frame);
                return match frame.header.status {
                    Status::Error => Err(xdr::from_bytes::<net::Error>(&body).unwrap().into()),
                    _ => Ok(xdr::from_bytes::<P::Ret>(&body).unwrap()),
                };
            }
            let count = self.stream.read(self.reader.room()).await.unwrap();
            self.reader.received(count, None).unwrap();
        }
    }

    async fn open(&mut self, name: &str) -> Result<()> {
        let name = Some(name.to_owned());
        self.call::<ConnectOpen>(&ConnectOpenArgs { name, flags: 0 })
            .await
    }

    async fn r#type(&mut self) -> String {
        self.call::<ConnectGetType>(&()).await.unwrap().r#type
    }
}

#[tokio::test]
async fn who_serves_the_choosing_call_serves_the_session() {
    let mut client = Client::new();
    assert_eq!(client.open("c").await.unwrap_err().code(), Code::NoConnect);
    assert_eq!(client.open("shut").await.unwrap_err().code(), Code::InternalError);
    assert_eq!(client.r#type().await, "front", "a refusal hands nothing over");
    client.open("a").await.unwrap();
    assert_eq!(client.r#type().await, "a");
}

#[tokio::test]
async fn others_serve_what_the_first_does_not_have_behind_their_own_gate() {
    let mut client = Client::new();
    client.open("a").await.unwrap();
    let hostname = client.call::<ConnectGetHostname>(&()).await.unwrap();
    assert_eq!(hostname.hostname, "b");
    let refused = client.call::<ConnectGetUri>(&()).await.unwrap_err();
    assert_eq!(refused.code(), Code::NoSupport, "nobody has it");
    let mut client = Client::new();
    let refused = client.open("b").await.unwrap_err();
    assert_eq!(refused.code(), Code::AccessDenied, "its gate is closed for this");
    assert_eq!(client.r#type().await, "front");
}
