//! Clients that hold still while the next program takes over.
#![allow(clippy::unwrap_used, reason = "a test")]

use std::sync::Arc;
use std::time::Duration;

use rpc::{Router, SessionOptions, Transport, serve};
use tokio::net::UnixStream;
use tokio::time::Instant;

const PATIENCE: Duration = Duration::from_secs(10);

fn router() -> Arc<Router<()>> {
    Arc::new(Router::new())
}

#[tokio::test(start_paused = true)]
async fn whoever_is_gone_is_not_waited_for() {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let (session, serving) = serve(
        Transport::unix(theirs),
        router(),
        Arc::new(()),
        SessionOptions::default(),
    );
    drop(ours);
    serving.await;
    let start = Instant::now();
    assert!(!session.hold_still(PATIENCE).await);
    assert_eq!(start.elapsed(), Duration::ZERO);
}

#[tokio::test]
async fn whoever_asks_nothing_holds_still_at_once() {
    let (_ours, theirs) = UnixStream::pair().unwrap();
    let (session, serving) = serve(
        Transport::unix(theirs),
        router(),
        Arc::new(()),
        SessionOptions::default(),
    );
    tokio::spawn(serving);
    assert!(session.hold_still(PATIENCE).await);
}
