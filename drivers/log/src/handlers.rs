//! The log program's calls.

use crate::Driver;
use crate::logs::refused;
use crate::place;
use crate::reader::as_text;
use crate::rotating::Position;
use daemon::{Routes, call_flags};
use error::{Code, Domain, Error, Result};
use protocol::log::procedure as call;
use protocol::log::{self as wire, DomainOpenLogFileFlags};
use rpc::Context;
use std::path::Path;

type Call = Context<Driver>;

pub(crate) fn routes(routes: &mut Routes<Driver>) {
    routes
        .on::<call::DomainOpenLogFile, _>(open)
        .on::<call::DomainGetLogFilePosition, _>(position)
        .on::<call::DomainReadLogFile, _>(read)
        .on::<call::DomainAppendLogFile, _>(append);
}

async fn open(ctx: Call, args: wire::DomainOpenLogFileArgs) -> Result<wire::DomainOpenLogFileRet> {
    const TRUNCATE: u32 = DomainOpenLogFileFlags::VirLogManagerProtocolDomainOpenLogFileTruncate as u32;
    call_flags::check(Domain::Logging, "domain_open_log_file", args.flags, TRUNCATE)?;
    let path = path(&args.path)?;
    let (pipe, position) = ctx.driver.logs.open(path, args.flags & TRUNCATE != 0).await?;
    tracing::debug!(driver = args.driver, domain = args.dom.name, path = %path.display(), "a guest's log is open");
    ctx.push_reply_fd(pipe)?;
    Ok(wire::DomainOpenLogFileRet { pos: position.into() })
}

async fn position(
    ctx: Call,
    args: wire::DomainGetLogFilePositionArgs,
) -> Result<wire::DomainGetLogFilePositionRet> {
    call_flags::check(Domain::Logging, "domain_get_log_file_position", args.flags, 0)?;
    let position = ctx.driver.logs.position(path(&args.path)?).await?;
    Ok(wire::DomainGetLogFilePositionRet { pos: position.into() })
}

async fn read(ctx: Call, args: wire::DomainReadLogFileArgs) -> Result<wire::DomainReadLogFileRet> {
    call_flags::check(Domain::Logging, "domain_read_log_file", args.flags, 0)?;
    let most = usize::try_from(args.maxlen)
        .ok()
        .filter(|most| *most <= xdr::STRING_MAX)
        .ok_or_else(|| {
            let text = format!(
                "Requested data len {} is larger than maximum {}",
                args.maxlen,
                xdr::STRING_MAX
            );
            Error::new(Code::InternalError, Domain::Rpc, text)
        })?;
    let from = Position {
        inode: args.pos.inode,
        offset: args.pos.offset,
    };
    let bytes = ctx.driver.logs.read(path(&args.path)?, from, most).await?;
    let bytes = bytes.ok_or_else(|| {
        let text = format!(
            "'{}' has no file with inode {} (any more)",
            args.path, args.pos.inode
        );
        Error::new(Code::SystemError, Domain::Logging, text)
    })?;
    Ok(wire::DomainReadLogFileRet {
        data: as_text(&bytes, most),
    })
}

async fn append(ctx: Call, args: wire::DomainAppendLogFileArgs) -> Result<wire::DomainAppendLogFileRet> {
    call_flags::check(Domain::Logging, "domain_append_log_file", args.flags, 0)?;
    ctx.driver.logs.append(path(&args.path)?, args.message).await?;
    Ok(wire::DomainAppendLogFileRet { ret: 0 })
}

fn path(given: &str) -> Result<&Path> {
    place::check(given).map_err(|failure| refused("no place for a log:", Path::new(given), &failure))
}

impl From<Position> for wire::LogFilePosition {
    fn from(position: Position) -> Self {
        Self {
            inode: position.inode,
            offset: position.offset,
        }
    }
}
