//! How much a trivial call costs beside a bare ping-pong: `pingpong [ROUNDS]`.
//!
//! Four measurements in one run, each with the other side in a thread of its own: blocking reads and writes of 28 bytes
//! over a socket pair, the same through tokio, a call through this project's client and server, and one that is relayed
//! between them, as the proxy does it. Told are the medians in microseconds and their ratios to the first.
#![allow(clippy::print_stdout, reason = "a tool for the terminal")]

use std::error::Error;
use std::io::{Read, Write};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use client::Client;
use protocol::remote::ConnectGetLibVersionRet;
use protocol::remote::procedure::ConnectGetLibVersion;
use rpc::{Context, Keepalive, Router, SessionOptions, Transport, serve};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::runtime::{Builder, Runtime};

type Failure = Box<dyn Error + Send + Sync>;

/// One end of a pair of sockets.
type Pair = std::os::unix::net::UnixStream;

/// A packet without a body.
const SIZE: usize = 28;

fn median(mut times: Vec<Duration>) -> f64 {
    times.sort_unstable();
    times
        .get(times.len() / 2)
        .map_or(0.0, |time| time.as_secs_f64() * 1e6)
}

fn runtime() -> Result<Runtime, Failure> {
    Ok(Builder::new_current_thread().enable_all().build()?)
}

fn pair() -> Result<(Pair, Pair), Failure> {
    Ok(Pair::pair()?)
}

fn adopt(stream: Pair) -> Result<UnixStream, Failure> {
    stream.set_nonblocking(true)?;
    Ok(UnixStream::from_std(stream)?)
}

fn bare(rounds: usize) -> Result<f64, Failure> {
    let (mut ours, mut theirs) = pair()?;
    let echo = thread::spawn(move || {
        let mut buffer = [0; SIZE];
        while theirs.read_exact(&mut buffer).is_ok() && theirs.write_all(&buffer).is_ok() {}
    });
    let mut buffer = [0; SIZE];
    let mut times = Vec::with_capacity(rounds);
    for _ in 0..rounds {
        let start = Instant::now();
        ours.write_all(&buffer)?;
        ours.read_exact(&mut buffer)?;
        times.push(start.elapsed());
    }
    drop(ours);
    echo.join().map_err(|_| "the echo failed")?;
    Ok(median(times))
}

fn tokio_echo(rounds: usize) -> Result<f64, Failure> {
    let (ours, theirs) = pair()?;
    let echo = thread::spawn(move || -> Result<(), Failure> {
        runtime()?.block_on(async move {
            let mut theirs = adopt(theirs)?;
            let mut buffer = [0; SIZE];
            while theirs.read_exact(&mut buffer).await.is_ok() {
                theirs.write_all(&buffer).await?;
            }
            Ok(())
        })
    });
    let times = runtime()?.block_on(async move {
        let mut ours = adopt(ours)?;
        let mut buffer = [0; SIZE];
        let mut times = Vec::with_capacity(rounds);
        for _ in 0..rounds {
            let start = Instant::now();
            ours.write_all(&buffer).await?;
            ours.read_exact(&mut buffer).await?;
            times.push(start.elapsed());
        }
        Ok::<_, Failure>(times)
    })?;
    echo.join().map_err(|_| "the echo failed")??;
    Ok(median(times))
}

async fn version(_: Context<()>, (): ()) -> error::Result<ConnectGetLibVersionRet> {
    Ok(ConnectGetLibVersionRet { lib_ver: 11_003_000 })
}

fn workers(count: usize) -> Result<Runtime, Failure> {
    match count {
        0 => runtime(),
        _ => Ok(Builder::new_multi_thread()
            .worker_threads(count)
            .enable_all()
            .build()?),
    }
}

/// Serves one connection in a thread of its own.
fn server(theirs: Pair, threads: usize) -> JoinHandle<Result<(), Failure>> {
    thread::spawn(move || {
        workers(threads)?.block_on(async move {
            let mut router = Router::new();
            router.on::<ConnectGetLibVersion, _>(version);
            let transport = Transport::unix(adopt(theirs)?);
            let (_, task) = serve(
                transport,
                Arc::new(router),
                Arc::new(()),
                SessionOptions::default(),
            );
            tokio::spawn(task).await?;
            Ok(())
        })
    })
}

/// Passes one connection on to a server, in a thread of its own.
fn relay(near: Pair, far: Pair, threads: usize) -> JoinHandle<Result<(), Failure>> {
    thread::spawn(move || {
        workers(threads)?.block_on(async move {
            let transport = Transport::unix(adopt(near)?);
            let (session, task) = serve(
                transport,
                Arc::new(Router::<()>::new()),
                Arc::new(()),
                SessionOptions::default(),
            );
            session.relay(Transport::unix(adopt(far)?), Keepalive::OFF, |_, _| false)?;
            tokio::spawn(task).await?;
            Ok(())
        })
    })
}

fn calls(rounds: usize, ours: Pair) -> Result<f64, Failure> {
    let times = runtime()?.block_on(async move {
        let client = Client::over(Transport::unix(adopt(ours)?));
        // A task of its own, as callers are: the future that a runtime blocks on is looked after differently.
        let calls = tokio::spawn(async move {
            let mut times = Vec::with_capacity(rounds);
            for _ in 0..rounds {
                let start = Instant::now();
                client.call::<ConnectGetLibVersion>(&()).await?;
                times.push(start.elapsed());
            }
            Ok::<_, Failure>(times)
        });
        calls.await?
    })?;
    Ok(median(times))
}

fn call(rounds: usize, threads: usize) -> Result<f64, Failure> {
    let (ours, theirs) = pair()?;
    let server = server(theirs, threads);
    let time = calls(rounds, ours)?;
    server.join().map_err(|_| "the server failed")??;
    Ok(time)
}

fn relayed_call(rounds: usize, threads: usize) -> Result<f64, Failure> {
    let (ours, near) = pair()?;
    let (far, theirs) = pair()?;
    let server = server(theirs, threads);
    let relay = relay(near, far, threads);
    let time = calls(rounds, ours)?;
    relay.join().map_err(|_| "the relay failed")??;
    server.join().map_err(|_| "the server failed")??;
    Ok(time)
}

fn main() -> Result<(), Failure> {
    let rounds = std::env::args().nth(1).map_or(Ok(50_000), |text| text.parse())?;
    let bare = bare(rounds)?;
    println!("{:<42}{bare:>8.1} us", "bare ping-pong, blocking");
    let told = [
        ("tokio echo", tokio_echo(rounds)?),
        ("call, server on one thread", call(rounds, 0)?),
        ("call, server with two workers", call(rounds, 2)?),
        ("relayed call, one thread each", relayed_call(rounds, 0)?),
        ("relayed call, two workers each", relayed_call(rounds, 2)?),
    ];
    for (what, time) in told {
        println!("{what:<42}{time:>8.1} us{:>8.2}", time / bare);
    }
    Ok(())
}
