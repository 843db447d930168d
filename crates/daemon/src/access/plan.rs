//! What access control does around each call and event, worked out once from the lines of the protocol's table.

use super::encoded::Encoded;
use super::{By, Kind};
use protocol::{AclRule, Kind as Sent, ProcedureInfo, Program};
use xdr::Schema;

/// What is done around a call.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) procedure: &'static ProcedureInfo,
    pub(super) arguments: Schema,
    pub(super) reply: Schema,
    /// The kind of object that all its rules are about; none where nothing is asked.
    pub(super) kind: Option<Kind>,
    pub(super) place: Place,
    pub(super) list: Option<List>,
}

/// Where a call's object is named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// It is the connection.
    Connection,
    /// In this field of the arguments, or in a field of that: a reference, or a node device's name.
    Argument(&'static str, Option<&'static str>),
    /// In the reply: the call finds it and does nothing else.
    Reply(&'static str),
    /// In a document, in this field of the arguments.
    Document(&'static str),
    /// In the arguments, in a way that only the driver knows.
    Call,
}

/// How a list shows only what its client may see.
#[derive(Debug)]
pub(super) struct List {
    pub(super) kind: Kind,
    pub(super) rule: &'static AclRule,
    pub(super) form: Form,
}

/// What a list tells of each object.
#[derive(Debug)]
pub(super) enum Form {
    /// A reference, alone or in a record's field.
    References(Option<&'static str>),
    /// A name.
    Names,
    /// A UUID as text.
    Uuids,
    /// A number.
    Ids,
    /// How many there are; that list tells which.
    Count(&'static ProcedureInfo),
}

impl Plan {
    /// What is done around a procedure's calls; none for one that nobody calls.
    pub(super) fn of(program: &'static Program, procedure: &'static ProcedureInfo) -> Option<Self> {
        let Sent::Call { args, ret } = &procedure.kind else {
            return None;
        };
        let (arguments, reply) = ((args.schema)(), (ret.schema)());
        let kind = procedure.acl.first().and_then(|rule| Kind::named(rule.object));
        Some(Self {
            procedure,
            kind,
            place: kind.map_or(Place::Connection, |kind| {
                place(procedure, kind, &arguments, &reply)
            }),
            list: list(program, procedure, &reply),
            arguments,
            reply,
        })
    }

    /// The kind of object whose events it registers a callback for.
    pub(super) fn heard(&self) -> Option<Kind> {
        let rule = self.procedure.filter.first().filter(|_| self.list.is_none())?;
        Kind::named(rule.object)
    }

    /// How a call names its object, where it does so before it is served.
    pub(super) fn named<'a>(&self, arguments: &Encoded<'a>) -> Option<By<'a>> {
        let kind = self.kind?;
        match self.place {
            Place::Connection | Place::Reply(_) => None,
            Place::Argument(field, inner) => {
                let mut value = arguments.field(field)?;
                if let Some(inner) = inner {
                    value = value.field(inner)?;
                }
                match value.text() {
                    Some(name) => Some(By::Name(name)),
                    None => By::reference(kind, &value.present()?),
                }
            }
            Place::Document(field) => arguments.field(field)?.text().map(By::Document),
            Place::Call => Some(By::Call(self.procedure, arguments.bytes())),
        }
    }
}

fn place(procedure: &ProcedureInfo, kind: Kind, arguments: &Schema, reply: &Schema) -> Place {
    let name = procedure.name;
    if kind == Kind::Connect {
        return Place::Connection;
    }
    let reference = kind.reference();
    let fields = fields(arguments);
    if name.contains("_lookup_")
        && let Some(found) = fields_named(self::fields(reply), &reference)
    {
        // Whatever the call is given, it tells what it found.
        return Place::Reply(found);
    }
    if name.contains("create_xml") || name.contains("define_xml") {
        // What else it is given is the new object's parent, or its model; or, of a domain, its own snapshot.
        let own = fields_named(fields, &reference).filter(|_| kind == Kind::Domain);
        let document = fields
            .iter()
            .find(|(name, _)| matches!(*name, "xml" | "xml_desc"));
        return match (own, document) {
            (Some(own), _) => Place::Argument(own, None),
            (None, Some((document, _))) if !matches!(kind, Kind::StorageVol | Kind::NetworkPort) => {
                Place::Document(document)
            }
            _ => Place::Call,
        };
    }
    if let Some(field) = fields_named(fields, &reference) {
        return Place::Argument(field, None);
    }
    for (field, schema) in fields {
        // A snapshot's or a checkpoint's domain.
        if let Some(inner) = fields_named(self::fields(schema), &reference) {
            return Place::Argument(field, Some(inner));
        }
    }
    if kind == Kind::NodeDevice
        && let Some((field, Schema::String { .. })) = fields.first()
    {
        return Place::Argument(field, None);
    }
    Place::Call
}

fn fields(schema: &Schema) -> &[(&'static str, Schema)] {
    match schema {
        Schema::Struct(fields) => fields,
        _ => &[],
    }
}

/// The first of `fields` that is such a reference, which may be missing.
fn fields_named(fields: &[(&'static str, Schema)], reference: &Schema) -> Option<&'static str> {
    let found = fields.iter().find(|(_, schema)| match schema {
        Schema::Optional(inner) => **inner == *reference,
        schema => schema == reference,
    });
    found.map(|(name, _)| *name)
}

fn list(program: &'static Program, procedure: &ProcedureInfo, reply: &Schema) -> Option<List> {
    let rule = procedure.filter.first()?;
    let kind = Kind::named(rule.object)?;
    let array = fields(reply).iter().find_map(|(_, schema)| match schema {
        Schema::Array { item, .. } => Some(&**item),
        _ => None,
    });
    let reference = kind.reference();
    let form = match array {
        Some(item) if *item == reference => Form::References(None),
        Some(Schema::String { .. }) if kind == Kind::Secret => Form::Uuids,
        Some(Schema::String { .. }) => Form::Names,
        Some(Schema::Int) => Form::Ids,
        Some(item) => Form::References(Some(fields_named(fields(item), &reference)?)),
        // The rest are callbacks, whose events are judged one by one.
        None => Form::Count(counted(program, procedure)?),
    };
    Some(List { kind, rule, form })
}

/// The list that a count is about: `connect_list_networks` of `connect_num_of_networks`.
fn counted(program: &'static Program, procedure: &ProcedureInfo) -> Option<&'static ProcedureInfo> {
    let name = procedure.name.replace("_num_of_", "_list_");
    let listed = program.procedures.iter();
    listed
        .filter(|one| name != procedure.name && one.name == name)
        .find(|one| matches!(one.kind, Sent::Call { .. }))
}

/// Where an event names its object.
#[derive(Debug)]
pub(super) struct EventPlan {
    pub(super) kind: Kind,
    pub(super) message: Schema,
    /// The fields on the way to it.
    pub(super) path: Vec<&'static str>,
}

impl EventPlan {
    /// Where that event does; none for one that is about the connection.
    pub(super) fn of(procedure: &'static ProcedureInfo) -> Option<Self> {
        let Sent::Event { message } = &procedure.kind else {
            return None;
        };
        let kind = Kind::of_name(procedure.name).filter(|kind| *kind != Kind::Connect)?;
        let message = (message.schema)();
        let reference = kind.reference();
        let own = fields_named(fields(&message), &reference);
        let path = own.map(|own| vec![own]).or_else(|| {
            // The older form of the event, inside the one with the callback's number.
            let inside = fields(&message).iter();
            let mut inside = inside
                .filter_map(|(outer, schema)| Some(vec![*outer, fields_named(fields(schema), &reference)?]));
            inside.next()
        })?;
        Some(Self { kind, message, path })
    }
}
