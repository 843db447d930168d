//! What a daemon does when nobody asks it for anything: it gives the pages of its program back.

use std::time::Duration;
use tokio::sync::watch;

/// How long no client may have been connected.
const QUIET: Duration = Duration::from_millis(500);

/// Gives memory back each time that the last client is gone and no other came for a while, for as long as the daemon
/// serves. Between those times it does not wake the process.
pub(crate) async fn rest(mut clients: watch::Receiver<usize>) {
    loop {
        let connected = *clients.borrow_and_update() > 0;
        let quiet = async {
            if connected {
                std::future::pending().await
            } else {
                tokio::time::sleep(QUIET).await;
            }
        };
        tokio::select! {
            () = quiet => {
                match kernel::memory::release_program() {
                    Ok(bytes) => tracing::debug!(bytes, "the program's pages were given back"),
                    Err(failure) => {
                        tracing::info!(%failure, "the program's pages cannot be given back");
                        return;
                    }
                }
                if clients.changed().await.is_err() {
                    return;
                }
            }
            changed = clients.changed() => if changed.is_err() { return },
        }
    }
}
