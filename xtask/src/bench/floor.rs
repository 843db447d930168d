//! An answering machine: what calls cost the stock client when no daemon stands behind the answers.
//!
//! A thread reads each call and writes bytes that are ready. What a daemon costs more than this is its own; the rest is
//! the client's and the kernel's, and no daemon can save it. What a client uploads is read and forgotten, what it downloads is
//! bytes that are ready, too.

use super::load;
use anyhow::{Context, Result};
use protocol::Procedure;
use protocol::net::limits::STREAM_DATA;
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

/// Where in the header the procedure, the type and the status stand.
const PROCEDURE: usize = 12;
const TYPE: usize = 16;
const STATUS: usize = 24;

/// The types of a reply and of a part of a stream.
const REPLY: [u8; 4] = 1_u32.to_be_bytes();
const STREAM: [u8; 4] = 3_u32.to_be_bytes();

/// The status of what is at its end, and of what goes on.
const OK: [u8; 4] = 0_u32.to_be_bytes();
const CONTINUE: [u8; 4] = 2_u32.to_be_bytes();

/// The longest packet that the stock client sends here.
const LONGEST: usize = 1 << 19;

/// The body of each procedure's reply.
pub(super) type Answers = BTreeMap<i32, Vec<u8>>;

/// What the daemon behind that socket answers, with what else a client asks on its way.
///
/// # Errors
/// When it does not answer.
pub(super) fn record(socket: &Path) -> Result<Answers> {
    let mut answers = opening()?;
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

/// What a client asks before it has opened a connection.
///
/// # Errors
/// None that is known.
pub(super) fn opening() -> Result<Answers> {
    let mut answers = Answers::new();
    note::<p::AuthList>(
        &mut answers,
        &AuthListRet {
            types: vec![AuthType::RemoteAuthNone],
        },
    )?;
    note::<p::ConnectSupportsFeature>(&mut answers, &ConnectSupportsFeatureRet { supported: 1 })?;
    Ok(answers)
}

/// Notes what a procedure's calls are answered.
///
/// # Errors
/// When the answer is longer than the protocol has it.
pub(super) fn note<P: Procedure>(answers: &mut Answers, reply: &P::Ret) -> Result<()> {
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
        let arguments = body.context("a call of another length")?;
        stream.read_exact(arguments)?;
        if header.get(TYPE..TYPE + 4) == Some(&STREAM) {
            // Of an upload, or its end, which is answered by its like.
            if header.get(STATUS..) == Some(&OK) {
                stream.write_all(header)?;
            }
            continue;
        }
        let body = answers.get(&procedure).map_or(&[][..], Vec::as_slice);
        let mut reply = Vec::with_capacity(HEADER + body.len());
        reply.extend(u32::try_from(HEADER + body.len())?.to_be_bytes());
        reply.extend(header.get(4..TYPE).unwrap_or_default());
        reply.extend(REPLY);
        // The serial is the call's; the status of success is the one that calls have.
        reply.extend(header.get(TYPE + 4..).unwrap_or_default());
        reply.extend(body);
        stream.write_all(&reply)?;
        if procedure == p::StorageVolDownload::INFO.number {
            download(&mut stream, header, arguments)?;
        }
    }
}

/// Sends as many bytes as the call of that header and those arguments asks for.
fn download(stream: &mut UnixStream, header: &[u8], arguments: &[u8]) -> Result<()> {
    // Behind the length stand flags.
    let (length, _) = arguments
        .split_last_chunk::<12>()
        .and_then(|(_, last)| last.split_first_chunk::<8>())
        .context("arguments of a download")?;
    let mut left = u64::from_be_bytes(*length);
    let piece = vec![b'x'; STREAM_DATA];
    loop {
        let count = usize::try_from(left).unwrap_or(STREAM_DATA).min(STREAM_DATA);
        let mut packet = Vec::with_capacity(HEADER + count);
        packet.extend(u32::try_from(HEADER + count)?.to_be_bytes());
        packet.extend(header.get(4..TYPE).unwrap_or_default());
        packet.extend(STREAM);
        packet.extend(header.get(TYPE + 4..STATUS).unwrap_or_default());
        packet.extend(CONTINUE);
        packet.extend(piece.get(..count).unwrap_or_default());
        stream.write_all(&packet)?;
        if count == 0 {
            // The client says then that it is at its end.
            return Ok(());
        }
        left -= count as u64;
    }
}
