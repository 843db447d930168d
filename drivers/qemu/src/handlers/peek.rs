//! Looking at a guest's memory and at its disks' files.

use super::Call;
use crate::Driver;
use crate::flags;
use crate::lifecycle::{COMMAND_WAIT, monitor_error};
use daemon::Routes;
use error::{Code, Domain, Error, Result};
use protocol::remote;
use protocol::remote::procedure as p;
use serde::de::IgnoredAny;
use serde_json::json;
use std::fs::File;
use std::os::unix::fs::FileExt;

pub(super) fn routes(routes: &mut Routes<Driver>) {
    routes.on::<p::DomainMemoryPeek, _>(memory);
    routes.on::<p::DomainBlockPeek, _>(block);
}

fn invalid(text: impl Into<String>) -> Error {
    Error::new(Code::InvalidArg, Domain::Qemu, text)
}

/// `size` as a reply can hold it.
fn room(size: u32, most: usize) -> Result<usize> {
    usize::try_from(size)
        .ok()
        .filter(|size| *size <= most)
        .ok_or_else(|| {
            let text = format!("{size} bytes are more than the {most} that can be looked at in one call");
            Error::new(Code::InvalidArg, Domain::Qemu, text)
        })
}

async fn memory(call: Call, args: remote::DomainMemoryPeekArgs) -> Result<remote::DomainMemoryPeekRet> {
    /// `VIR_MEMORY_VIRTUAL` and `VIR_MEMORY_PHYSICAL`.
    const VIRTUAL: u32 = 1;
    const PHYSICAL: u32 = 2;
    flags::check("virDomainMemoryPeek", args.flags, VIRTUAL | PHYSICAL)?;
    let command = match args.flags {
        VIRTUAL => "memsave",
        PHYSICAL => "pmemsave",
        _ => {
            return Err(invalid(
                "flags parameter must be VIR_MEMORY_VIRTUAL or VIR_MEMORY_PHYSICAL",
            ));
        }
    };
    let size = room(args.size, remote::limits::DOMAIN_MEMORY_PEEK_BUFFER_MAX)?;
    let state = call.driver.domains.find(&args.dom)?.state();
    let live = state.running()?;
    let file = live.scratch_file("peek");
    let arguments = json!({ "val": args.offset, "size": args.size, "filename": file.display().to_string() });
    let saved = live
        .reached()
        .await?
        .execute::<IgnoredAny>(command, arguments, COMMAND_WAIT)
        .await;
    let read = call
        .driver
        .blocking(move || {
            let bytes = File::open(&file).and_then(|opened| read_at(&opened, 0, size));
            // Whatever was written is not to stay.
            let _ = std::fs::remove_file(&file);
            Ok(bytes)
        })
        .await?;
    saved.map_err(monitor_error)?;
    let buffer = read.map_err(|err| failed("the guest's memory", err))?;
    Ok(remote::DomainMemoryPeekRet { buffer })
}

async fn block(call: Call, args: remote::DomainBlockPeekArgs) -> Result<remote::DomainBlockPeekRet> {
    flags::check("virDomainBlockPeek", args.flags, 0)?;
    let size = room(args.size, remote::limits::DOMAIN_BLOCK_PEEK_BUFFER_MAX)?;
    let state = call.driver.domains.find(&args.dom)?.state();
    let model = state
        .document()
        .ok_or_else(crate::lifecycle::not_running)?
        .parse()?;
    let disk = model
        .devices
        .disk_by_name(state.disk_target(&args.path))
        .ok_or_else(|| invalid(format!("invalid disk or path '{}'", args.path)))?;
    if disk.format() != Some(model::domain::devices::disk_source::StorageFormat::Raw) {
        // Its file is not what the guest sees.
        let text = format!(
            "peeking is only supported for disk with 'raw' format, not '{}'",
            args.path
        );
        return Err(Error::new(Code::OperationUnsupported, Domain::Qemu, text));
    }
    if disk.source.fd_group().is_some() {
        let text = "peeking is not supported for images that a client has opened";
        return Err(Error::new(Code::OperationUnsupported, Domain::Qemu, text));
    }
    let path = disk
        .source_path()
        .or_else(|| state.live.as_ref()?.volume_path(&disk.target.dev))
        .ok_or_else(|| {
            invalid(format!(
                "disk '{}' does not currently have a source assigned",
                args.path
            ))
        })?
        .to_owned();
    let read = call
        .driver
        .blocking(move || {
            File::open(&path)
                .and_then(|file| read_at(&file, args.offset, size))
                .map_err(|err| failed(&format!("'{path}'"), err))
        })
        .await?;
    Ok(remote::DomainBlockPeekRet { buffer: read })
}

/// Exactly that part of a file.
fn read_at(file: &File, offset: u64, size: usize) -> std::io::Result<Vec<u8>> {
    let mut buffer = vec![0; size];
    file.read_exact_at(&mut buffer, offset)?;
    Ok(buffer)
}

fn failed(what: &str, err: std::io::Error) -> Error {
    Error::new(
        Code::SystemError,
        Domain::Qemu,
        format!("cannot read {what}: {err}"),
    )
    .caused_by(err)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_a_reply_is_refused_before_it_is_read() {
        assert_eq!(room(u32::MAX, 4096).unwrap_err().code(), Code::InvalidArg);
        assert_eq!(room(4096, 4096).unwrap(), 4096);
    }

    #[test]
    fn behind_the_end_there_is_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("disk");
        std::fs::write(&path, b"0123456789").unwrap();
        let file = File::open(&path).unwrap();
        assert_eq!(read_at(&file, 2, 3).unwrap(), b"234");
        assert!(read_at(&file, 8, 3).is_err());
        assert!(read_at(&file, u64::MAX, 1).is_err());
    }
}
