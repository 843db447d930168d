//! The guest's screen as a picture.

use super::Call;
use crate::Driver;
use crate::flags;
use crate::lifecycle::{COMMAND_WAIT, monitor_error};
use daemon::Routes;
use error::{Code, Domain, Error, Result};
use model::domain::Domain as Model;
use protocol::remote;
use protocol::remote::procedure::DomainScreenshot;
use std::io::Read;

pub(super) fn routes(routes: &mut Routes<Driver>) {
    routes.on::<DomainScreenshot, _>(screenshot);
}

/// How much is passed on in one packet.
const CHUNK: usize = 256 * 1024;

async fn screenshot(call: Call, args: remote::DomainScreenshotArgs) -> Result<remote::DomainScreenshotRet> {
    flags::check("virDomainScreenshot", args.flags, 0)?;
    let state = call.driver.domains.find(&args.dom)?.state();
    let live = state.running()?;
    let model = live.document.parse()?;
    let invalid = |text: String| Error::new(Code::InvalidArg, Domain::Qemu, text);
    if model.devices.videos.is_empty() {
        return Err(invalid("no screens to take screenshot from".to_owned()));
    }
    // Screens are counted over all adapters, each with as many as it has heads.
    let mut left = args.screen;
    let found = model.devices.videos.iter().find_map(|video| {
        let heads = video.model.as_ref().and_then(|model| model.heads).unwrap_or(1);
        if left < heads {
            return video.info.alias_name().map(|alias| (alias.to_owned(), left));
        }
        left -= heads;
        None
    });
    let (alias, head) = found.ok_or_else(|| {
        let text = format!("no such screen ID: {}", args.screen);
        Error::new(Code::OperationInvalid, Domain::Qemu, text)
    })?;
    let png = writes_png(&call, &model).await;
    let file = live.scratch_file("screenshot");
    let name = file.display().to_string();
    let device = (model.devices.videos.len() > 1 || head > 0).then_some((alias.as_str(), head));
    let taken = live
        .reached()
        .await?
        .screendump(&name, device, png.then_some("png"), COMMAND_WAIT)
        .await
        .map_err(monitor_error);
    let opened = call
        .driver
        .blocking(move || {
            let opened = std::fs::File::open(&file);
            // It stays readable through its descriptor and leaves nothing behind.
            let _ = std::fs::remove_file(&file);
            Ok(opened)
        })
        .await?;
    taken?;
    let mut opened = opened.map_err(unreadable)?;
    let stream = call.open_stream()?;
    let driver = std::sync::Arc::clone(&call.driver);
    tokio::spawn(async move {
        loop {
            let read = driver
                .blocking(move || {
                    let mut buffer = vec![0; CHUNK];
                    let count = opened.read(&mut buffer).map_err(unreadable)?;
                    buffer.truncate(count);
                    Ok((opened, buffer))
                })
                .await;
            match read {
                Ok((file, bytes)) => {
                    if bytes.is_empty() {
                        // The client has all of it, or is gone.
                        let _ = stream.finish().await;
                        return;
                    }
                    opened = file;
                    if stream.send(bytes.into()).await.is_err() {
                        return;
                    }
                }
                Err(err) => return stream.abort(&err),
            }
        }
    });
    Ok(remote::DomainScreenshotRet {
        mime: Some(
            if png {
                "image/png"
            } else {
                "image/x-portable-pixmap"
            }
            .to_owned(),
        ),
    })
}

/// Whether the guest's QEMU was built to write PNG.
async fn writes_png(call: &Call, model: &Model) -> bool {
    let Some(emulator) = model.devices.emulator.as_deref() else {
        return false;
    };
    let caps = call.driver.binaries.get(emulator.as_ref()).await;
    caps.is_ok_and(|caps| caps.schema("screendump/arg-type/format/^png"))
}

fn unreadable(err: std::io::Error) -> Error {
    let text = format!("cannot read the picture: {err}");
    Error::new(Code::OperationFailed, Domain::Qemu, text).caused_by(err)
}
