//! An answering machine: what calls cost the stock client when no daemon stands behind the answers.
//!
//! A thread reads each call and writes bytes that are ready. What a daemon costs more than this is its own; the rest is
//! the client's and the kernel's, and no daemon can save it.

use super::load;
use anyhow::{Context, Result};
use protocol::Procedure;
use protocol::remote::procedure as p;
use protocol::remote::{AuthListRet, AuthType, ConnectGetLibVersionRet, ConnectSupportsFeatureRet};
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::Arc;

/// Length, program, version, procedure, type, serial and status: a packet before its body (`rpc.html` of libvirt's
/// documentation).
const HEADER: usize = 28;

/// Where in the header the procedure and the type stand.
const PROCEDURE: usize = 12;
const TYPE: usize = 16;

/// The type of a reply.
const REPLY: [u8; 4] = 1_u32.to_be_bytes();

/// The longest call that the stock client makes here.
const LONGEST: usize = 1 << 16;

/// The body of each procedure's reply.
pub(super) type Answers = BTreeMap<i32, Vec<u8>>;

/// What the daemon behind that socket answers, with what else a client asks on its way.
///
/// # Errors
/// When it does not answer.
pub(super) fn record(socket: &Path) -> Result<Answers> {
    let mut answers = Answers::new();
    note::<p::AuthList>(
        &mut answers,
        &AuthListRet {
            types: vec![AuthType::RemoteAuthNone],
        },
    )?;
    note::<p::ConnectSupportsFeature>(&mut answers, &ConnectSupportsFeatureRet { supported: 1 })?;
    note::<p::ConnectGetLibVersion>(&mut answers, &ConnectGetLibVersionRet { lib_ver: 11_003_000 })?;
    load::block_on(async {
        let client = load::open(socket).await?;
        let listed = client
            .call::<p::ConnectListAllDomains>(&load::ALL_DOMAINS)
            .await?;
        note::<p::ConnectListAllDomains>(&mut answers, &listed)?;
        let figures = client
            .call::<p::ConnectGetAllDomainStats>(&load::ALL_FIGURES)
            .await?;
        note::<p::ConnectGetAllDomainStats>(&mut answers, &figures)
    })?;
    Ok(answers)
}

fn note<P: Procedure>(answers: &mut Answers, reply: &P::Ret) -> Result<()> {
    answers.insert(P::INFO.number, xdr::to_bytes(reply)?);
    Ok(())
}

/// Answers on a socket in `folder` for as long as this process runs; gives the URI that stock clients reach it by.
///
/// # Errors
/// When there can be no socket.
pub(super) fn answer(answers: Answers, folder: &Path) -> Result<String> {
    let path = folder.join("floor-sock");
    let listener = UnixListener::bind(&path).context("cannot bind")?;
    let answers = Arc::new(answers);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let answers = Arc::clone(&answers);
            // A client that leaves ends its thread.
            std::thread::spawn(move || serve(stream, &answers));
        }
    });
    Ok(format!("qemu+unix:///system?socket={}", path.display()))
}

fn serve(mut stream: UnixStream, answers: &Answers) -> Result<()> {
    let mut call = vec![0; LONGEST];
    loop {
        let (header, rest) = call.split_at_mut(HEADER);
        stream.read_exact(header)?;
        let word = |place: usize| {
            let bytes = header.get(place..).and_then(|bytes| bytes.first_chunk::<4>());
            i32::from_be_bytes(*bytes.unwrap_or(&[0; 4]))
        };
        let (length, procedure) = (usize::try_from(word(0))?, word(PROCEDURE));
        let body = length
            .checked_sub(HEADER)
            .and_then(|length| rest.get_mut(..length));
        stream.read_exact(body.context("a call of another length")?)?;
        let body = answers.get(&procedure).map_or(&[][..], Vec::as_slice);
        let mut reply = Vec::with_capacity(HEADER + body.len());
        reply.extend(u32::try_from(HEADER + body.len())?.to_be_bytes());
        reply.extend(header.get(4..TYPE).unwrap_or_default());
        reply.extend(REPLY);
        // The serial is the call's; the status of success is the one that calls have.
        reply.extend(header.get(TYPE + 4..).unwrap_or_default());
        reply.extend(body);
        stream.write_all(&reply)?;
    }
}
