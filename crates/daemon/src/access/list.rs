//! Lists that tell only of what their client may see.
//!
//! The handler is asked for everything, and what may not be seen is taken out of its reply. A count is that of the list it is
//! about. So drivers know nothing of this, and none can forget it.

use super::encoded::Encoded;
use super::guard::{Rules, described, malformed};
use super::plan::{Form, List, Plan};
use super::{By, Kind, Object};
use crate::Driver;
use error::{Code, Domain, Error, Result};
use protocol::{Kind as Sent, ProcedureInfo};
use rpc::{Caller, Guarded, Packet};
use std::sync::Arc;
use uuid::Uuid;
use xdr::Schema;

/// How many objects of one list are judged at a time.
const AT_A_TIME: usize = 16;

/// Serves a list's call.
pub(super) async fn serve<D: Driver>(
    rules: &Rules,
    caller: &Arc<Caller>,
    plan: &Plan,
    list: &List,
    call: &Guarded<D>,
    arguments: &Encoded<'_>,
) -> Result<Packet> {
    let seeing = Seeing {
        rules,
        caller,
        list,
        driver: call.context().driver.as_ref(),
    };
    match &list.form {
        Form::Count(listing) => {
            let Some(whole) = Whole::of(listing) else {
                return Err(defect(listing));
            };
            let reply = call.ask(listing, &whole.arguments(arguments)?).await?;
            let counted = Encoded::new(&whole.reply, reply.body()).ok_or_else(|| defect(listing))?;
            let items = array(&counted).ok_or_else(|| defect(listing))?;
            let form = match (items.first().map(|item| item.schema()), list.kind) {
                (Some(Schema::Int), _) => &Form::Ids,
                (_, Kind::Secret) => &Form::Uuids,
                _ => &Form::Names,
            };
            let seen = seeing.seen(form, items, arguments).await;
            call.reply(&count(seen.len()).to_be_bytes())
        }
        form => {
            let Some(whole) = Whole::of(plan.procedure) else {
                return Err(defect(plan.procedure));
            };
            let room = arguments.fields().into_iter().find(|(name, _)| is_room(name));
            let room = room.and_then(|(_, value)| value.word());
            if room.is_some_and(|room| room > whole.most) {
                // Refused, as it would be without anybody to judge the list.
                return call.proceed().await;
            }
            let reply = call.ask(plan.procedure, &whole.arguments(arguments)?).await?;
            let all = Encoded::new(&whole.reply, reply.body()).ok_or_else(|| defect(plan.procedure))?;
            let items = array(&all).ok_or_else(|| defect(plan.procedure))?;
            let mut seen = seeing.seen(form, items, arguments).await;
            let number = count(seen.len());
            if let Some(room) = room {
                seen.truncate(usize::try_from(room).unwrap_or(usize::MAX));
            }
            let needed = arguments.field("need_results").and_then(|value| value.word());
            if needed == Some(0) {
                seen.clear();
            }
            call.reply(&told(&all, &seen, number))
        }
    }
}

/// Who looks at which list.
struct Seeing<'a, D> {
    rules: &'a Rules,
    caller: &'a Arc<Caller>,
    list: &'a List,
    driver: &'a D,
}

impl<D: Driver> Seeing<'_, D> {
    /// Those of a list's items that may be seen, in their order.
    async fn seen<'b>(
        &self,
        form: &Form,
        items: Vec<Encoded<'b>>,
        arguments: &Encoded<'_>,
    ) -> Vec<Encoded<'b>> {
        let mut seen = Vec::new();
        for some in items.chunks(AT_A_TIME) {
            let judged: Vec<_> = some.iter().map(|item| self.sees(form, item, arguments)).collect();
            let judged = futures_util::future::join_all(judged).await;
            seen.extend(
                some.iter()
                    .zip(judged)
                    .filter(|(_, sees)| *sees)
                    .map(|(item, _)| *item),
            );
        }
        seen
    }

    async fn sees(&self, form: &Form, item: &Encoded<'_>, arguments: &Encoded<'_>) -> bool {
        let Some(object) = self.object(form, item, arguments).await else {
            // It is gone by now, or never was.
            return false;
        };
        let (kind, permission) = (self.list.kind, self.list.rule.permission);
        self.rules.may(self.caller, kind, permission, object).await
    }

    async fn object(&self, form: &Form, item: &Encoded<'_>, arguments: &Encoded<'_>) -> Option<Object> {
        let kind = self.list.kind;
        let by = match form {
            Form::References(None) => return described(self.driver, kind, item).await.ok()?,
            Form::References(Some(field)) => {
                return described(self.driver, kind, &item.field(field)?).await.ok()?;
            }
            Form::Uuids => By::Uuid(Uuid::parse_str(item.text()?).ok()?),
            Form::Names if kind == Kind::StorageVol => {
                By::Member(arguments.field("pool")?.field("uuid")?.uuid()?, item.text()?)
            }
            Form::Names => By::Name(item.text()?),
            Form::Ids => By::Id(item.word()?.cast_signed()),
            Form::Count(_) => return None,
        };
        self.driver.describe(kind, by).await.ok()
    }
}

/// A call for all that there is.
struct Whole {
    procedure: &'static ProcedureInfo,
    arguments: Schema,
    reply: Schema,
    /// How much a reply may hold.
    most: u32,
}

impl Whole {
    fn of(procedure: &'static ProcedureInfo) -> Option<Self> {
        let Sent::Call { args, ret } = &procedure.kind else {
            return None;
        };
        let reply = (ret.schema)();
        let Schema::Struct(fields) = &reply else {
            return None;
        };
        let most = fields.iter().find_map(|(_, schema)| match schema {
            Schema::Array { max, .. } => u32::try_from(*max).ok(),
            _ => None,
        })?;
        Some(Self {
            procedure,
            arguments: (args.schema)(),
            most,
            reply,
        })
    }

    /// Its arguments: those that the client gave, but with room for everything.
    fn arguments(&self, given: &Encoded<'_>) -> Result<Vec<u8>> {
        let fields = match &self.arguments {
            Schema::Struct(fields) => fields.as_slice(),
            _ => &[],
        };
        let mut bytes = Vec::new();
        for (name, _) in fields {
            if is_room(name) {
                bytes.extend(self.most.to_be_bytes());
            } else if *name == "need_results" {
                bytes.extend(1_u32.to_be_bytes());
            } else {
                let value = given.field(name);
                let value = value.ok_or_else(|| malformed(self.procedure, "they lack a field"))?;
                bytes.extend(value.bytes());
            }
        }
        Ok(bytes)
    }
}

/// Whether a field tells how many entries a client takes.
fn is_room(field: &str) -> bool {
    matches!(field, "maxids" | "maxnames" | "maxuuids")
}

fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// The elements of a reply's array.
fn array<'a>(reply: &Encoded<'a>) -> Option<Vec<Encoded<'a>>> {
    reply.fields().into_iter().find_map(|(_, value)| value.items())
}

/// The reply with those items alone, and that number of them where it tells one.
fn told(all: &Encoded<'_>, seen: &[Encoded<'_>], number: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (name, value) in all.fields() {
        match value.schema() {
            Schema::Array { .. } => {
                bytes.extend(count(seen.len()).to_be_bytes());
                for item in seen {
                    bytes.extend(item.bytes());
                }
            }
            _ if name == "ret" => bytes.extend(number.to_be_bytes()),
            _ => bytes.extend(value.bytes()),
        }
    }
    bytes
}

fn defect(procedure: &ProcedureInfo) -> Error {
    let text = format!(
        "{}: a list that cannot be judged, which is a defect of this daemon",
        procedure.name
    );
    Error::new(Code::InternalError, Domain::Access, text)
}
