//! Fresh figures of many guests at once.

use crate::domain::{Ask, Live};
use futures_util::{FutureExt, StreamExt, stream};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::Instant;

/// How long a call over many guests waits for fresh figures, all together.
pub(crate) const PATIENCE: Duration = Duration::from_millis(10);

/// How many guests are asked at a time: enough that some which fall silent hold nobody up, and few enough that a call
/// over thousands does not keep the processors from everything else.
const AT_ONCE: usize = 32;

/// Keeps guests that had not been asked when the patience ended from being asked, for as long as it is held: the caller
/// tells what is known first.
#[derive(Debug)]
#[must_use = "guests are asked on as soon as it is dropped"]
pub(crate) struct Lull {
    _held: Option<oneshot::Sender<()>>,
}

/// Asks guests for fresh figures and waits `patience` for all of them together. Who has not answered by then goes on in
/// the background, so that the next caller finds newer figures; who did not answer the last question is not asked again.
pub(crate) async fn refresh(mut guests: Vec<Arc<Live>>, ask: Ask, patience: Duration) -> Lull {
    guests.retain(|guest| guest.answers());
    if ask.is_empty() || guests.is_empty() {
        return Lull { _held: None };
    }
    let until = Instant::now() + patience;
    let (held, released) = oneshot::channel::<()>();
    let released = released.shared();
    let all = stream::iter(guests).for_each_concurrent(AT_ONCE, move |guest| {
        let released = released.clone();
        async move {
            if Instant::now() >= until {
                // The end of the holder is what is waited for.
                let _ = released.await;
            }
            if let Err(err) = guest.refresh(ask).await {
                tracing::debug!(%err, id = guest.id, "the last known figures are told");
            }
        }
    });
    // Dropping the handle leaves the task running.
    let _ = tokio::time::timeout_at(until, tokio::spawn(all)).await;
    Lull { _held: Some(held) }
}
