//! The end of a run: asked for, the guest's own, or QEMU's failure.

use super::notices::finished;
use super::tpm;
use crate::domain::{Ending, Guest, Link, Owner, RunState, Shutoff};
use crate::events::{Event, Lifecycle, Stopped};
use error::{Code, Domain as ErrorDomain, Error, Result};
use rustix::process::Signal;
use std::sync::Arc;
use std::time::Duration;

/// How long QEMU may take to end itself before it is killed.
const GRACE: Duration = Duration::from_secs(10);

/// How long a killed process may take to vanish: the kernel may have to finish its disk access first.
const KILL_WAIT: Duration = Duration::from_secs(30);

impl Owner {
    /// Ends the run of that id at once, or, `graceful`, only if QEMU ends itself when asked. A run that is over is fine.
    ///
    /// # Errors
    /// [`Code::OperationFailed`] when QEMU does not end.
    pub(crate) async fn destroy(&mut self, id: i32, graceful: bool) -> Result<()> {
        let Some(guest) = self.guest.as_ref().filter(|guest| guest.live.id == id) else {
            return Ok(());
        };
        let process = std::sync::Arc::clone(&guest.live.process);
        process.set_ending(Ending::Destroyed);
        let refused = |err: std::io::Error| {
            Error::new(
                Code::OperationFailed,
                ErrorDomain::Qemu,
                format!("cannot signal QEMU: {err}"),
            )
            .caused_by(err)
        };
        process.signal(Signal::TERM).map_err(refused)?;
        if tokio::time::timeout(GRACE, process.ended()).await.is_err() {
            if graceful {
                return Err(Error::new(
                    Code::OperationFailed,
                    ErrorDomain::Qemu,
                    format!(
                        "QEMU process {} did not end within {GRACE:?} of SIGTERM",
                        process.pid()
                    ),
                ));
            }
            process.signal(Signal::KILL).map_err(refused)?;
        }
        self.finish().await
    }

    /// Takes the domain down after its process has ended or its monitor was lost.
    ///
    /// # Errors
    /// [`Code::OperationFailed`] when the process does not vanish even when killed.
    pub(crate) async fn finish(&mut self) -> Result<()> {
        let Some(mut guest) = self.guest.take() else {
            return Ok(());
        };
        let process = std::sync::Arc::clone(&guest.live.process);
        // A QEMU without monitor cannot be managed any more; one that has ended does not mind.
        let killed = process.signal(Signal::KILL);
        if killed.is_err() || tokio::time::timeout(KILL_WAIT, process.ended()).await.is_err() {
            let text = format!("QEMU process {} cannot be ended", process.pid());
            self.guest = Some(guest);
            return Err(Error::new(Code::OperationFailed, ErrorDomain::Qemu, text));
        }
        self.last_events(&mut guest).await;
        let (reason, detail) = match process.ending() {
            Ending::Shutdown => (Shutoff::Shutdown, Stopped::Shutdown),
            Ending::Destroyed => (Shutoff::Destroyed, Stopped::Destroyed),
            Ending::Crashed => (Shutoff::Crashed, Stopped::Crashed),
            Ending::Failed => (Shutoff::Failed, Stopped::Failed),
            Ending::Unasked if matches!(self.domain.state().run, RunState::Crashed(_)) => {
                (Shutoff::Crashed, Stopped::Crashed)
            }
            Ending::Unasked => (Shutoff::Crashed, Stopped::Failed),
        };
        let mut resources = guest.resources;
        resources.end_helpers().await;
        let tpm_state = tpm::state_to_forget(&self.driver, &self.domain, &guest.live.document);
        // Files first: whoever sees the domain shut off may start it again.
        let cleared = self.driver.blocking(move || {
            resources.release();
            tpm::forget_all(tpm_state)
        });
        let note = format!("shutting down, reason={}", reason.as_str());
        let name = Arc::clone(&self.domain.state().name);
        let noted = self.driver.note_in_log(&name, self.domain.uuid, note);
        let (cleared, ()) = tokio::join!(cleared, noted);
        if let Err(err) = cleared {
            tracing::warn!(%err, "left-overs of a guest were not removed");
        }
        let reference = self.domain.reference();
        self.publish(|state| {
            state.live = None;
            state.run = RunState::Shutoff(reason);
        });
        let gone = remote_without_id(reference);
        self.driver
            .events
            .send(&gone, Event::Lifecycle(Lifecycle::Stopped(detail)));
        self.driver.domains.forget_if_gone(&self.domain);
        Ok(())
    }
}

impl Owner {
    /// Hears what QEMU still said before it ended.
    async fn last_events(&self, guest: &mut Guest) {
        /// The process has ended, so its connection is closed: what is left is read at once.
        const READING: Duration = Duration::from_secs(1);
        let Link::Open(events) = &mut guest.link else {
            return;
        };
        let mut told = matches!(self.domain.state().run, RunState::Shutdown(_));
        while let Ok(Some(event)) = tokio::time::timeout(READING, events.next()).await {
            self.driver
                .events
                .monitors()
                .send(&self.domain.reference(), &event);
            if event.name == "SHUTDOWN" && !told {
                told = true;
                let by_guest = event.data.get("guest").and_then(serde_json::Value::as_bool);
                self.tell(Event::Lifecycle(Lifecycle::Shutdown(finished(by_guest))));
            }
        }
    }
}

/// The event of an end speaks of a domain that has no id any more.
fn remote_without_id(reference: protocol::remote::Domain) -> protocol::remote::Domain {
    protocol::remote::Domain { id: -1, ..reference }
}
