//! polkit, over D-Bus: one method of its authority, `CheckAuthorization`.
//!
//! The connection to the system bus is made when it is first needed, shared by all calls, and made anew after it broke. Every
//! question has a deadline and waits for no other.
//!
//! Crate `zbus_polkit` has all of the authority's interface as a proxy with its own tasks and caches; one method needs none
//! of that, and two more crates' worth of generated code in each daemon.

use super::policy::{Policy, Question};
use error::Result;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use rpc::Identity;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::Mutex;
use zbus::{Connection, Variant};

/// How long an answer may take that asks nobody: rules are scripts, and may run programs.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long a user may take to type a password.
const USERS_PATIENCE: Duration = Duration::from_secs(120);

const SERVICE: &str = "org.freedesktop.PolicyKit1";
const AUTHORITY: &str = "/org/freedesktop/PolicyKit1/Authority";
const INTERFACE: &str = "org.freedesktop.PolicyKit1.Authority";

/// The user who may do everything.
const ROOT: u32 = 0;

/// `AllowUserInteraction`.
const ALLOW_USER_INTERACTION: u32 = 1;

/// What polkit answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    /// The process may.
    Authorized,
    /// It may not.
    Refused,
    /// Its user could show that it may, but nobody is there to ask him.
    NobodyToAsk,
    /// Its user was asked and would not say.
    Dismissed,
}

impl Answer {
    fn of((authorized, challenge, details): Told) -> Self {
        if authorized {
            Self::Authorized
        } else if details.contains_key("polkit.dismissed") {
            Self::Dismissed
        } else if challenge {
            Self::NobodyToAsk
        } else {
            Self::Refused
        }
    }
}

/// The authority of this host.
#[derive(Debug, Clone, Default)]
pub(crate) struct Polkit {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    bus: Mutex<Option<Connection>>,
    /// How many questions there were that can be taken back.
    questions: AtomicU64,
}

/// What polkit tells: whether the process may, whether its user could show it, and further details.
type Told = (bool, bool, HashMap<String, String>);

impl Polkit {
    /// Whether the process may do what `action` is the name of.
    ///
    /// # Errors
    /// Why polkit cannot tell, in a sentence for the log.
    pub(super) async fn check(
        &self,
        process: &Identity,
        action: &str,
        details: &HashMap<&str, &str>,
    ) -> Result<Answer, String> {
        self.ask(process, action, details, 0, "", PATIENCE).await
    }

    /// Whether it lets the process do that, without asking anybody. Root may do everything.
    ///
    /// # Errors
    /// As [`Polkit::check`].
    pub(crate) async fn allows_action(
        &self,
        process: &Identity,
        action: &str,
        details: &HashMap<&str, &str>,
    ) -> Result<bool, String> {
        if process.uid == ROOT {
            // That is polkit's answer in any case, and so root's host is his where polkit does not run.
            return Ok(true);
        }
        Ok(self.check(process, action, details).await? == Answer::Authorized)
    }

    /// The same, but the user may be asked, until `given_up` is ready.
    ///
    /// # Errors
    /// As [`Polkit::check`].
    pub(super) async fn check_with_user(
        &self,
        process: &Identity,
        action: &str,
        given_up: impl Future<Output = ()>,
    ) -> Result<Answer, String> {
        let number = self.shared.questions.fetch_add(1, Ordering::Relaxed);
        let name = format!("ferrovirt-{}-{number}", std::process::id());
        let details = HashMap::new();
        let asked = self.ask(
            process,
            action,
            &details,
            ALLOW_USER_INTERACTION,
            &name,
            USERS_PATIENCE,
        );
        let answer = tokio::select! {
            answer = asked => answer,
            () = given_up => Err("the client is gone".to_owned()),
        };
        if answer.is_err() {
            // Nobody is to be left with a question on his screen.
            let polkit = self.clone();
            tokio::spawn(async move { polkit.take_back(&name).await });
        }
        answer
    }

    async fn ask(
        &self,
        process: &Identity,
        action: &str,
        details: &HashMap<&str, &str>,
        flags: u32,
        cancellation: &str,
        patience: Duration,
    ) -> Result<Answer, String> {
        let subject = subject(process)?;
        let asked = async {
            let bus = self.bus().await?;
            let body = (("unix-process", &subject), action, details, flags, cancellation);
            let call = bus.call_method(
                Some(SERVICE),
                AUTHORITY,
                Some(INTERFACE),
                "CheckAuthorization",
                &body,
            );
            let reply = call
                .await
                .map_err(|cause| format!("polkit does not answer: {cause}"))?;
            let told = reply.body();
            let told = told.deserialize::<Told>();
            told.map_err(|cause| format!("polkit answers something else: {cause}"))
        };
        let told = tokio::time::timeout(patience, asked).await;
        told.map_err(|_| format!("polkit does not answer within {} s", patience.as_secs()))?
            .map(Answer::of)
    }

    async fn take_back(&self, question: &str) {
        let taken = async {
            let bus = self.bus().await?;
            let call = bus.call_method(
                Some(SERVICE),
                AUTHORITY,
                Some(INTERFACE),
                "CancelCheckAuthorization",
                &question,
            );
            call.await.map(drop).map_err(|cause| cause.to_string())
        };
        match tokio::time::timeout(PATIENCE, taken).await {
            Ok(Ok(())) => {}
            // It was answered, or never asked.
            Ok(Err(failure)) => tracing::debug!(failure, "a question to polkit is not taken back"),
            Err(_) => tracing::debug!("a question to polkit is not taken back in time"),
        }
    }

    /// The system bus. Whoever waits for it does so within a deadline of his own.
    async fn bus(&self) -> Result<Connection, String> {
        let mut bus = self.shared.bus.lock().await;
        if let Some(bus) = bus.as_ref().filter(|bus| !bus.is_closed()) {
            return Ok(bus.clone());
        }
        let made = zbus::connection::Builder::system().build().await;
        let made = made.map_err(|cause| format!("the system bus cannot be reached: {cause}"))?;
        Ok(bus.insert(made).clone())
    }
}

/// The process as polkit knows it: its number alone may belong to another one by now.
fn subject(process: &Identity) -> Result<HashMap<&'static str, Variant<'static>>, String> {
    let pid = process.pid.and_then(|pid| u32::try_from(pid).ok());
    let uid = i32::try_from(process.uid).ok();
    let (Some(pid), Some(start), Some(uid)) = (pid, process.start_time, uid) else {
        return Err("the kernel does not tell which process the client is".to_owned());
    };
    Ok(HashMap::from([
        ("pid", Variant::U32(pid)),
        ("start-time", Variant::U64(start)),
        ("uid", Variant::I32(uid)),
    ]))
}

impl Policy for Polkit {
    fn allows(&self, question: Question) -> BoxFuture<'_, Result<bool>> {
        async move {
            let unknown =
                |why: String| error::Error::new(error::Code::AccessDenied, error::Domain::Access, why);
            let Some(process) = &question.caller.process else {
                return Err(unknown("polkit knows nobody beyond this host".to_owned()));
            };
            let details = question.object.details().iter();
            let details = details
                .map(|(name, value)| (*name, value.as_str()))
                .chain([("connect_driver", question.driver)])
                .collect();
            let allowed = self.allows_action(process, &question.action(), &details).await;
            allowed.map_err(unknown)
        }
        .boxed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_polkit_tells_is_one_of_four_answers() {
        let told = |authorized, challenge, details: &[&str]| {
            let details = details.iter().map(|name| ((*name).to_owned(), "true".to_owned()));
            Answer::of((authorized, challenge, details.collect()))
        };
        assert_eq!(told(true, false, &[]), Answer::Authorized);
        assert_eq!(
            told(true, false, &["polkit.temporary_authorization_id"]),
            Answer::Authorized
        );
        assert_eq!(told(false, false, &[]), Answer::Refused);
        assert_eq!(
            told(false, true, &["polkit.retains_authorization_after_challenge"]),
            Answer::NobodyToAsk
        );
        assert_eq!(told(false, true, &["polkit.dismissed"]), Answer::Dismissed);
    }

    #[test]
    fn a_process_is_more_than_its_number() {
        let process = Identity {
            uid: 1000,
            gid: 1000,
            pid: Some(77),
            start_time: Some(4711),
        };
        assert_eq!(subject(&process).unwrap()["start-time"], Variant::U64(4711));
        for unsure in [
            Identity {
                start_time: None,
                ..process
            },
            Identity { pid: None, ..process },
        ] {
            assert!(subject(&unsure).is_err());
        }
    }
}
