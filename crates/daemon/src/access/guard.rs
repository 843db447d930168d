//! Access control around every call of a driver's table, and before every event.
//!
//! What a call is about is looked at before it is served, so nothing is done that may not be. What a look-up finds, and what
//! a list tells, is looked at before it is told. A call that nobody serves is judged as well, by its connection alone.

use super::encoded::Encoded;
use super::list;
use super::plan::{EventPlan, Place, Plan};
use super::policy::{Policy, Question};
use super::{By, Kind, Object, condition};
use crate::Driver;
use error::{Code, Domain, Error, Result};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use protocol::remote::procedure::{ConnectOpen, ConnectSetIdentity};
use protocol::{AclRule, Procedure, ProcedureInfo, Program};
use rpc::{Caller, Guard, Guarded, Packet, Router, Session};
use std::collections::HashMap;
use std::marker::PhantomData;
use std::sync::Arc;
use xdr::Schema;

/// Access control of a driver.
pub(crate) struct AccessGuard<D> {
    rules: Arc<Rules>,
    driver: PhantomData<fn() -> D>,
}

/// What is done around which call, and who decides.
#[derive(Debug)]
pub(super) struct Rules {
    /// The connection's driver, as libvirt's documentation calls it.
    driver: &'static str,
    /// By the numbers of program and procedure.
    plans: HashMap<(u32, i32), Plan>,
    /// By the name of the event.
    events: HashMap<&'static str, EventPlan>,
    policy: Arc<dyn Policy>,
}

/// The permission that hearing of an object asks for: the one that each registration of callbacks is filtered by.
const HEAR: &str = "getattr";

impl<D: Driver> AccessGuard<D> {
    /// Access control around the calls of `router`, for connections of `driver`.
    pub(crate) fn new(router: &Router<D>, driver: &'static str, policy: Arc<dyn Policy>) -> Self {
        Self {
            rules: Arc::new(Rules::new(router.programs(), driver, policy)),
            driver: PhantomData,
        }
    }
}

impl<D: Driver> Guard<D> for AccessGuard<D> {
    fn serve(&self, call: Guarded<D>) -> BoxFuture<'static, Result<Packet>> {
        let rules = Arc::clone(&self.rules);
        let plan = rules.plan(call.program(), call.context().procedure());
        if let Some(kind) = plan.ok().and_then(Plan::heard) {
            // The first event may come before the reply.
            judge_events(&rules, &call.context().session, kind);
        }
        async move { rules.serve(&call).await }.boxed()
    }
}

/// The rules that hold for a call with these arguments.
fn held(plan: &Plan, arguments: &Encoded<'_>) -> Vec<&'static AclRule> {
    let rules = plan.procedure.acl.iter();
    rules
        .filter(|rule| !rule.permission.is_empty() && condition::holds(rule.when, arguments))
        .collect()
}

pub(super) fn malformed(procedure: &ProcedureInfo, cause: impl std::fmt::Display) -> Error {
    let text = format!("the arguments of {} are malformed: {cause}", procedure.name);
    Error::new(Code::Rpc, Domain::Rpc, text)
}

/// The drivers through which a session hears of kinds of objects; kept with the session.
#[derive(Debug, Default)]
struct Hearing(Mutex<HashMap<Kind, &'static str>>);

/// From now on what a session hears of that kind of object, through `rules`' driver, is judged.
fn judge_events(rules: &Arc<Rules>, session: &Arc<Session>, kind: Kind) {
    let hearing = session.state::<Hearing>();
    hearing.0.lock().insert(kind, rules.driver);
    let (rules, hearer) = (Arc::clone(rules), Arc::downgrade(session));
    session.judge_events(move |event, message| {
        let (rules, hearer) = (Arc::clone(&rules), hearer.upgrade());
        let heard = rules.heard(event, message);
        async move {
            match (hearer, heard) {
                (_, Ok(None)) => true,
                (Some(hearer), Ok(Some((kind, object)))) => {
                    let driver = hearer.state::<Hearing>().0.lock().get(&kind).copied();
                    let driver = driver.unwrap_or(rules.driver);
                    rules
                        .may_through(driver, &hearer.caller(), kind, HEAR, object)
                        .await
                }
                _ => false,
            }
        }
        .boxed()
    });
}

impl Rules {
    pub(super) fn new(
        programs: impl Iterator<Item = &'static Program>,
        driver: &'static str,
        policy: Arc<dyn Policy>,
    ) -> Self {
        let mut rules = Self {
            driver,
            plans: HashMap::new(),
            events: HashMap::new(),
            policy,
        };
        for program in programs {
            for procedure in program.procedures {
                if let Some(plan) = Plan::of(program, procedure) {
                    rules.plans.insert((program.number, procedure.number), plan);
                } else if let Some(plan) = EventPlan::of(procedure) {
                    rules.events.insert(procedure.name, plan);
                }
            }
        }
        rules
    }

    async fn serve<D: Driver>(&self, call: &Guarded<D>) -> Result<Packet> {
        let procedure = call.context().procedure();
        let plan = self.plan(call.program(), procedure)?;
        // What is of the schema has one reading only: the handler finds the same values in the same places.
        let arguments = Encoded::new(&plan.arguments, call.arguments())
            .ok_or_else(|| malformed(procedure, "they are not of its type"))?;
        let caller = call.context().session.caller();
        let driver = call.context().driver.as_ref();
        if !call.is_served() {
            // There is nothing to protect, but a call is not refused otherwise for that.
            let held = held(plan, &arguments);
            self.require(&caller, &held, &Object::default()).await?;
            return call.proceed().await;
        }
        self.before(driver, &caller, plan, &arguments).await?;
        let reply = match &plan.list {
            Some(list) => list::serve(self, &caller, plan, list, call, &arguments).await?,
            None => call.proceed().await?,
        };
        self.after(driver, &caller, plan, &arguments, reply.body())
            .await?;
        if procedure.is::<ConnectSetIdentity>() {
            // Whoever that is has not opened the connection himself.
            let caller = call.context().session.caller();
            let opening: Vec<_> = ConnectOpen::INFO.acl.iter().collect();
            self.require(&caller, &opening, &Object::default()).await?;
        }
        Ok(reply)
    }

    pub(super) fn plan(&self, program: &Program, procedure: &ProcedureInfo) -> Result<&Plan> {
        let plan = self.plans.get(&(program.number, procedure.number));
        plan.ok_or_else(|| malformed(procedure, "nobody calls it"))
    }

    /// Judges a call that is served, by what it says.
    pub(super) async fn before<D: Driver>(
        &self,
        driver: &D,
        caller: &Arc<Caller>,
        plan: &Plan,
        arguments: &Encoded<'_>,
    ) -> Result<()> {
        let held = held(plan, arguments);
        let object = match (plan.kind, plan.place) {
            (Some(_), Place::Reply(_)) => return Ok(()),
            (Some(kind), Place::Argument(..) | Place::Document(_) | Place::Call) => {
                let by = plan.named(arguments);
                let by = by.ok_or_else(|| malformed(plan.procedure, "they name no object"))?;
                driver.describe(kind, by).await?
            }
            (None, _) | (Some(_), Place::Connection) => Object::default(),
        };
        self.require(caller, &held, &object).await
    }

    /// Judges a look-up, by what it found.
    pub(super) async fn after<D: Driver>(
        &self,
        driver: &D,
        caller: &Arc<Caller>,
        plan: &Plan,
        arguments: &Encoded<'_>,
        reply: &[u8],
    ) -> Result<()> {
        let (Some(kind), Place::Reply(field)) = (plan.kind, plan.place) else {
            return Ok(());
        };
        let object = found(driver, kind, &plan.reply, field, reply).await?;
        self.require(caller, &held(plan, arguments), &object).await
    }

    /// Asks for every permission of `rules` on an object.
    async fn require(&self, caller: &Arc<Caller>, rules: &[&'static AclRule], object: &Object) -> Result<()> {
        for rule in rules {
            let allowed = match Kind::named(rule.object) {
                Some(kind) => self.may(caller, kind, rule.permission, object.clone()).await,
                None => false,
            };
            if !allowed {
                let (permission, object) = (rule.permission, object.details());
                tracing::warn!(?caller, kind = rule.object, permission, ?object, "access denied");
                let text = format!("'{}' denied access", self.driver);
                return Err(Error::new(Code::AccessDenied, Domain::Access, text));
            }
        }
        Ok(())
    }

    /// Whether somebody has a permission on an object. Where that cannot be told, the log says why, and he has not.
    pub(super) async fn may(
        &self,
        caller: &Arc<Caller>,
        kind: Kind,
        permission: &'static str,
        object: Object,
    ) -> bool {
        self.may_through(self.driver, caller, kind, permission, object)
            .await
    }

    async fn may_through(
        &self,
        driver: &'static str,
        caller: &Arc<Caller>,
        kind: Kind,
        permission: &'static str,
        object: Object,
    ) -> bool {
        if caller.system {
            return true;
        }
        let question = Question {
            caller: Arc::clone(caller),
            driver,
            kind,
            permission,
            object,
        };
        self.policy.allows(question).await.unwrap_or_else(|failure| {
            tracing::error!(?caller, kind = kind.name(), permission, %failure, "access cannot be judged");
            false
        })
    }

    /// The object that an event is about, if it is about one.
    fn heard(&self, event: &ProcedureInfo, message: &[u8]) -> Result<Option<(Kind, Object)>, ()> {
        let Some(plan) = self.events.get(event.name) else {
            return Ok(None);
        };
        let mut value = Encoded::new(&plan.message, message).ok_or(())?;
        for field in &plan.path {
            value = value.field(field).and_then(|value| value.present()).ok_or(())?;
        }
        let object = Object::told(plan.kind, &value).ok_or(())?;
        Ok(Some((plan.kind, object)))
    }
}

/// The object that a look-up found, as its reply tells.
async fn found<D: Driver>(
    driver: &D,
    kind: Kind,
    schema: &Schema,
    field: &'static str,
    reply: &[u8],
) -> Result<Object> {
    let defect = || {
        let text = "a look-up's reply does not tell what it found, which is a defect of this daemon";
        Error::new(Code::InternalError, Domain::Access, text)
    };
    let reference = Encoded::new(schema, reply).and_then(|reply| reply.field(field)?.present());
    described(driver, kind, &reference.ok_or_else(defect)?)
        .await?
        .ok_or_else(defect)
}

/// An object that the driver itself referred to.
///
/// # Errors
/// The driver's, where it has to be asked for more.
pub(super) async fn described<D: Driver>(
    driver: &D,
    kind: Kind,
    reference: &Encoded<'_>,
) -> Result<Option<Object>> {
    if let Some(object) = Object::told(kind, reference) {
        return Ok(Some(object));
    }
    match By::reference(kind, reference) {
        Some(by) => driver.describe(kind, by).await.map(Some),
        None => Ok(None),
    }
}
