//! The signals that a daemon listens to.

use tokio::signal::unix::{Signal, SignalKind, signal};

/// Each of them, once it is listened to.
pub(super) struct Signals {
    pub(super) terminate: Signal,
    pub(super) interrupt: Signal,
    pub(super) quit: Signal,
    pub(super) hang_up: Signal,
    /// Where it means something.
    pub(super) succeed: Option<Signal>,
}

impl Signals {
    pub(super) fn new(hands_over: bool) -> std::io::Result<Self> {
        let succeed = hands_over.then(|| signal(SignalKind::user_defined1()));
        Ok(Self {
            succeed: succeed.transpose()?,
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            quit: signal(SignalKind::quit())?,
            hang_up: signal(SignalKind::hangup())?,
        })
    }

    /// Waits for the signal to run the program anew.
    pub(super) async fn succeed(asked: &mut Option<Signal>) {
        match asked {
            Some(asked) => drop(asked.recv().await),
            None => std::future::pending().await,
        }
    }

    /// Waits for a signal that ends the daemon.
    pub(super) async fn end(
        terminate: &mut Signal,
        interrupt: &mut Signal,
        quit: &mut Signal,
    ) -> &'static str {
        tokio::select! {
            _ = terminate.recv() => "SIGTERM",
            _ = interrupt.recv() => "SIGINT",
            _ = quit.recv() => "SIGQUIT",
        }
    }
}
