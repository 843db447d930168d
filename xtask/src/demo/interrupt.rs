//! What is left of a demo whose user has seen enough.

use anyhow::Result;
use std::path::Path;
use tokio::signal::unix::{SignalKind, signal};

/// What a shell calls the end by Ctrl+C.
const INTERRUPTED: i32 = 130;

/// Has Ctrl+C, a request to end and a closed terminal end the process only after everything below `folder` is gone.
pub(super) fn clears(folder: &Path) -> Result<()> {
    let folder = folder.to_owned();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let context = runtime.enter();
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hang_up = signal(SignalKind::hangup())?;
    drop(context);
    std::thread::spawn(move || {
        runtime.block_on(async {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
                _ = hang_up.recv() => {}
            }
        });
        private_instance::end_processes(&folder);
        let _ = std::fs::remove_dir_all(&folder);
        std::process::exit(INTERRUPTED);
    });
    Ok(())
}
