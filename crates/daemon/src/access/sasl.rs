//! SASL as it is answered: a client names a mechanism and exchanges messages with the daemon until its name is proved.
//!
//! Whatever goes wrong, it hears the same; the log has the reason with its address. It may try a few times, and a crowd of
//! those who try waits for each other and for nobody else.

use super::authentication::Authentication;
use super::layer::encrypting;
use crate::config::ConfigError;
use crate::wildcard::matches;
use crate::{Layout, Workers};
use error::{Code, Domain, Error, Result};
use parking_lot::Mutex;
use protocol::Priority;
use protocol::remote;
use rpc::{Caller, Context, Session, TransportKind};
use sasl::{Config, Exchange, Kerberos, Mechanism, Proof, Protection, Refused, Step, Store, Verifier};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::sync::Semaphore;
use xdr::Chars;
use zeroize::Zeroizing;

/// What is known to users of libvirt as the configuration of SASL.
const CONFIG: &str = "/etc/sasl2/libvirt.conf";

/// The keytab, in the folder of configuration files, where nothing else is named.
const KEYTAB: &str = "krb5.tab";

/// What names it for all programs of Kerberos.
const KEYTAB_VARIABLE: &str = "KRB5_KTNAME";

/// The file of users, in the folder of configuration files.
pub(crate) const USERS: &str = "passwd.scram";

/// How often a client may fail.
const FAILURES: u32 = 3;

/// How many steps are computed at a time.
const AT_A_TIME: usize = 2;

/// How far a client is; kept with its session.
#[derive(Debug, Default)]
struct Progress(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// Waits for the client's next message.
    exchange: Option<(Mechanism, Exchange)>,
    failures: u32,
}

/// SASL as a daemon offers it.
#[derive(Debug)]
pub(crate) struct Sasl {
    mechanisms: Vec<Mechanism>,
    /// The least strength of a mechanism's own encryption where nothing else encrypts.
    min_strength: u32,
    /// Patterns of the names that may come in; all where there is no list.
    allowed: Option<Vec<String>>,
    verifier: Arc<Verifier>,
    workers: Workers,
    turns: Semaphore,
}

/// The file of users of that layout.
pub fn users_file(layout: &Layout) -> PathBuf {
    layout.config_dir().join(USERS)
}

/// The folder of the keytab that the configuration names; blocks.
pub(crate) fn keytab_folder(layout: &Layout) -> Option<PathBuf> {
    let path = layout.own_path(Path::new(CONFIG));
    let text = crate::config::text_of(&path).ok().flatten().unwrap_or_default();
    let keytab = keytab(&Config::parse(&text).ok()?, layout);
    keytab.parent().map(Path::to_owned)
}

fn keytab(config: &Config, layout: &Layout) -> PathBuf {
    let named = config.keytab.clone().or_else(|| {
        let named = std::env::var(KEYTAB_VARIABLE).ok()?;
        sasl::keytab_file(&named)
    });
    named.unwrap_or_else(|| layout.config_dir().join(KEYTAB))
}

impl Sasl {
    /// SASL as its `libvirt.conf` says, for names that fit a pattern of `allowed`; blocks. Where nothing else encrypts a mechanism
    /// has to, as strongly as `min_strength`.
    ///
    /// # Errors
    /// The configuration cannot be read, is refused, or leaves no way to come in.
    pub(crate) fn open(
        layout: &Layout,
        workers: &Workers,
        allowed: Option<Vec<String>>,
        min_strength: u32,
    ) -> Result<Arc<Self>> {
        let path = layout.own_path(Path::new(CONFIG));
        let config = configured(&path)?;
        let store = Store::new(users_file(layout)).map_err(|failure| {
            Error::new(
                Code::SystemError,
                Domain::Rpc,
                format!("no random bytes: {failure}"),
            )
        })?;
        let tickets = config.mechanisms.contains(&Mechanism::Gssapi);
        let kerberos = tickets.then(|| Kerberos::new(keytab(&config, layout)));
        if let Some(kerberos) = &kerberos
            && config.named
            && let Err(failure) = kerberos.check()
        {
            let why = format!(
                "GSSAPI is not offered: the keytab {}: {failure}",
                kerberos.keytab().display()
            );
            if config.mechanisms == [Mechanism::Gssapi] {
                let text = format!("{}: mech_list leaves nothing else: {why}", path.display());
                return Err(Error::new(Code::ConfSyntax, Domain::Conf, text));
            }
            tracing::warn!("{why}");
        }
        let passwords = config
            .mechanisms
            .iter()
            .any(|mechanism| *mechanism != Mechanism::Gssapi);
        if passwords && let Err(failure) = store.read() {
            tracing::warn!("nobody can come in by SASL with a password before this is mended: {failure}");
        }
        Ok(Arc::new(Self {
            mechanisms: config.mechanisms,
            min_strength,
            allowed,
            verifier: Arc::new(Verifier {
                users: store,
                kerberos,
            }),
            workers: workers.clone(),
            turns: Semaphore::new(AT_A_TIME),
        }))
    }

    /// What is offered over a transport now; blocks.
    pub(crate) fn offered(&self, transport: TransportKind) -> Vec<Mechanism> {
        let fits = |mechanism: &Mechanism| {
            let strong = match self.protection(transport) {
                Protection::NotNeeded => true,
                Protection::Needed(_) if mechanism.tells_password() => false,
                Protection::Needed(strength) => mechanism.strength() >= strength,
            };
            strong && (*mechanism != Mechanism::Gssapi || self.has_keytab())
        };
        self.mechanisms.iter().copied().filter(fits).collect()
    }

    fn has_keytab(&self) -> bool {
        let kerberos = self.verifier.kerberos.as_ref();
        kerberos.is_some_and(|kerberos| kerberos.check().is_ok())
    }

    /// What an exchange over a transport has to lead to.
    fn protection(&self, transport: TransportKind) -> Protection {
        match transport {
            TransportKind::Tcp => Protection::Needed(self.min_strength),
            TransportKind::Unix | TransportKind::Tls => Protection::NotNeeded,
        }
    }

    /// The same, for an async worker.
    async fn offer(self: &Arc<Self>, transport: TransportKind) -> Result<Vec<Mechanism>> {
        // It is never closed.
        let _turn = self.turns.acquire().await;
        let sasl = Arc::clone(self);
        let offered = self
            .workers
            .blocking(Priority::Low, move || sasl.offered(transport));
        offered.await
    }

    /// Takes a client's message.
    async fn step(&self, exchange: Exchange, message: Zeroizing<Vec<u8>>) -> Result<Result<Step, Refused>> {
        // It is never closed.
        let _turn = self.turns.acquire().await;
        let verifier = Arc::clone(&self.verifier);
        let step = self
            .workers
            .blocking(Priority::Low, move || exchange.step(&message, &verifier));
        step.await
    }

    fn allows(&self, proof: &Proof) -> bool {
        let names = || std::iter::once(&proof.name).chain(&proof.local_name);
        self.allowed.as_ref().is_none_or(|allowed| {
            allowed
                .iter()
                .any(|pattern| names().any(|name| matches(pattern, name)))
        })
    }
}

fn configured(path: &Path) -> Result<Config> {
    let refused = |text: String| Error::new(Code::ConfSyntax, Domain::Conf, text);
    let text = crate::config::text_of(path).map_err(|failure: ConfigError| refused(failure.to_string()))?;
    let config = Config::parse(&text.unwrap_or_default())
        .map_err(|failure| refused(format!("{}: {failure}", path.display())))?;
    for warning in &config.warnings {
        tracing::warn!("{}: {warning}", path.display());
    }
    Ok(config)
}

/// All that a client hears, whatever is wrong.
fn failed() -> Error {
    Error::new(Code::AuthFailed, Domain::Rpc, "authentication failed")
}

/// Counts a failure and tells the log.
fn fail(session: &Session, mechanism: Option<Mechanism>, reason: &dyn std::fmt::Display) -> Error {
    let progress = session.state::<Progress>();
    let mut state = progress.0.lock();
    state.exchange = None;
    state.failures += 1;
    let (client, peer) = (session.id(), session.peer().address);
    let mechanism = mechanism.map_or("", Mechanism::name);
    tracing::warn!(
        client,
        ?peer,
        identity = ?session.identity(),
        mechanism,
        failures = state.failures,
        "authentication failed: {reason}"
    );
    failed()
}

/// What is asked of a client that has still to prove who it is and may still try.
fn asked(session: &Session) -> Result<Arc<Sasl>> {
    let authentication = session.state::<Authentication>();
    let Some(sasl) = authentication.sasl().filter(|_| !session.authenticated()) else {
        return Err(fail(session, None, &"SASL is not what it is asked for"));
    };
    if session.state::<Progress>().0.lock().failures >= FAILURES {
        let (client, peer) = (session.id(), session.peer().address);
        tracing::warn!(
            client,
            ?peer,
            "client disconnected: it failed too often to prove who it is"
        );
        session.close();
        return Err(failed());
    }
    Ok(Arc::clone(sasl))
}

/// The names of what is offered.
pub(crate) async fn auth_sasl_init<D>(ctx: Context<D>, (): ()) -> Result<remote::AuthSaslInitRet> {
    ctx.answer_first();
    let sasl = asked(&ctx.session)?;
    let offered = sasl.offer(ctx.session.transport()).await?;
    let names: Vec<_> = offered.into_iter().map(Mechanism::name).collect();
    Ok(remote::AuthSaslInitRet {
        mechlist: names.join(","),
    })
}

/// Starts an exchange.
pub(crate) async fn auth_sasl_start<D>(
    ctx: Context<D>,
    args: remote::AuthSaslStartArgs,
) -> Result<remote::AuthSaslStartRet> {
    // One message at a time, or a client could try more often than it may, and be two users.
    ctx.answer_first();
    let session = &ctx.session;
    let message = Zeroizing::new(args.data.0);
    let sasl = asked(session)?;
    let offered = sasl.offer(session.transport()).await?;
    let mechanism = Mechanism::from_name(&args.mech).filter(|mechanism| offered.contains(mechanism));
    let Some(mechanism) = mechanism else {
        return Err(fail(session, None, &"it wants a mechanism that is not offered"));
    };
    let exchange = mechanism.begin(sasl.protection(session.transport()));
    // A client that does not speak first is asked to, by an empty answer.
    let (complete, answer) = if args.nil == 0 {
        take(&ctx, &sasl, mechanism, exchange, message).await?
    } else {
        session.state::<Progress>().0.lock().exchange = Some((mechanism, exchange));
        (false, Some(Vec::new()))
    };
    Ok(remote::AuthSaslStartRet {
        complete: i32::from(complete),
        nil: i32::from(answer.is_none()),
        data: Chars(answer.unwrap_or_default()),
    })
}

/// Goes on with one.
pub(crate) async fn auth_sasl_step<D>(
    ctx: Context<D>,
    args: remote::AuthSaslStepArgs,
) -> Result<remote::AuthSaslStepRet> {
    ctx.answer_first();
    let session = &ctx.session;
    let message = Zeroizing::new(args.data.0);
    let sasl = asked(session)?;
    let waiting = session.state::<Progress>().0.lock().exchange.take();
    let Some((mechanism, exchange)) = waiting else {
        return Err(fail(
            session,
            None,
            &"it goes on with an exchange that it did not start",
        ));
    };
    let (complete, answer) = take(&ctx, &sasl, mechanism, exchange, message).await?;
    Ok(remote::AuthSaslStepRet {
        complete: i32::from(complete),
        nil: i32::from(answer.is_none()),
        data: Chars(answer.unwrap_or_default()),
    })
}

/// Takes a client's message: whether it has proved who it is, and the answer.
async fn take<D>(
    ctx: &Context<D>,
    sasl: &Sasl,
    mechanism: Mechanism,
    exchange: Exchange,
    message: Zeroizing<Vec<u8>>,
) -> Result<(bool, Option<Vec<u8>>)> {
    let session = &*ctx.session;
    match sasl.step(exchange, message).await? {
        Ok(Step::Challenge(exchange, answer)) => {
            session.state::<Progress>().0.lock().exchange = Some((mechanism, exchange));
            Ok((false, Some(answer)))
        }
        Ok(Step::Proved(proof)) if sasl.allows(&proof) => {
            let Proof {
                name, answer, layer, ..
            } = proof;
            let (client, peer) = (session.id(), session.peer().address);
            tracing::info!(
                client,
                ?peer,
                mechanism = mechanism.name(),
                name,
                encrypts = layer.is_some(),
                "client authenticated"
            );
            session.set_caller(Caller {
                sasl_name: Some(name),
                ..(*session.caller()).clone()
            });
            if let Some(layer) = layer {
                ctx.secure(encrypting(*layer));
            }
            session.set_authenticated();
            Ok((true, answer))
        }
        Ok(Step::Proved(Proof { name, .. })) => {
            let reason = format!("the user '{name}' is not in sasl_allowed_username_list");
            Err(fail(session, Some(mechanism), &reason))
        }
        Err(refused) => {
            if refused.is_own() {
                tracing::error!("nobody can come in by SASL before this is mended: {refused}");
            }
            Err(fail(session, Some(mechanism), &refused))
        }
    }
}
