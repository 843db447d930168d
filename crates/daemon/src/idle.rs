//! The end for want of anything to do: `--timeout`.

use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until};

/// How often a busy driver is asked again.
const ASK: Duration = Duration::from_secs(5);

/// Waits until, for the whole of the timeout, no client was connected and nothing ran that needs the daemon. The timeout
/// may change meanwhile; none means never.
pub(crate) async fn idle(
    mut clients: watch::Receiver<usize>,
    mut timeout: watch::Receiver<Option<Duration>>,
    busy: impl Fn() -> bool,
) {
    let mut since = Instant::now();
    loop {
        let connected = *clients.borrow_and_update() > 0;
        let limit = *timeout.borrow_and_update();
        let Some(limit) = limit.filter(|_| !connected) else {
            // Time counts from the moment that both allow it.
            tokio::select! {
                changed = clients.changed() => if changed.is_err() { return },
                changed = timeout.changed() => if changed.is_err() { return },
            }
            since = Instant::now();
            continue;
        };
        let rest = async {
            if busy() {
                sleep(limit.min(ASK)).await;
                false
            } else {
                sleep_until(since + limit).await;
                true
            }
        };
        tokio::select! {
            waited = rest => {
                if !waited || busy() {
                    since = Instant::now();
                } else {
                    return;
                }
            }
            changed = clients.changed() => {
                if changed.is_err() { return }
                since = Instant::now();
            }
            changed = timeout.changed() => if changed.is_err() { return },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    #[tokio::test(start_paused = true)]
    async fn time_counts_from_the_last_client_and_the_last_work() {
        let (clients, clients_seen) = watch::channel(1);
        let (timeout, timeout_seen) = watch::channel(None);
        let busy = Arc::new(AtomicBool::new(true));
        let asked = Arc::clone(&busy);
        let start = Instant::now();
        let idle = tokio::spawn(idle(clients_seen, timeout_seen, move || {
            asked.load(Ordering::Relaxed)
        }));
        sleep(Duration::from_secs(100)).await;
        clients.send_replace(0);
        sleep(Duration::from_secs(100)).await;
        assert!(!idle.is_finished(), "there is no timeout");
        timeout.send_replace(Some(Duration::from_secs(30)));
        sleep(Duration::from_secs(100)).await;
        assert!(!idle.is_finished(), "the driver is busy");
        busy.store(false, Ordering::Relaxed);
        sleep(Duration::from_secs(29)).await;
        assert!(!idle.is_finished());
        clients.send_replace(1);
        sleep(Duration::from_secs(100)).await;
        assert!(!idle.is_finished(), "a client is connected");
        clients.send_replace(0);
        idle.await.unwrap();
        assert_eq!(start.elapsed().as_secs(), 100 + 100 + 100 + 29 + 100 + 30);
    }
}
