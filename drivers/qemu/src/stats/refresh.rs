//! Fresh figures of many guests at once.

use crate::domain::{Ask, Live};
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use std::sync::Arc;
use std::time::Duration;

/// How long a call over many guests waits for fresh figures, all together.
pub(crate) const PATIENCE: Duration = Duration::from_millis(10);

/// Asks guests for fresh figures and waits `patience` for all of them together. Who has not answered by then goes on in
/// the background, so that the next caller finds newer figures; who did not answer the last question is not asked again.
pub(crate) async fn refresh(guests: Vec<Arc<Live>>, ask: Ask, patience: Duration) {
    if ask.is_empty() {
        return;
    }
    let mut waiting: FuturesUnordered<_> = guests
        .into_iter()
        .filter(|guest| guest.answers())
        .map(|guest| tokio::spawn(async move { guest.refresh(ask).await }))
        .collect();
    let all = async { while waiting.next().await.is_some() {} };
    // Dropping the handles leaves the tasks running.
    let _ = tokio::time::timeout(patience, all).await;
}
