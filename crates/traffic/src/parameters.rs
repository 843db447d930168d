//! Limits as named values: `VIR_DOMAIN_BANDWIDTH_...` and `VIR_NETWORK_PORT_BANDWIDTH_...`, which are called the same.

use error::{Code, Domain, Error, Result};
use model::domain::devices::bandwidth::{Bandwidth, Rate};
use protocol::{TypedParam, TypedParamValue};

/// A limit's name, and where it is.
type Limit = (&'static str, fn(&mut Rate) -> &mut Option<u64>);

/// The limits of either direction; a floor is inbound only.
const LIMITS: [Limit; 4] = [
    ("average", |rate| &mut rate.average),
    ("peak", |rate| &mut rate.peak),
    ("burst", |rate| &mut rate.burst),
    ("floor", |rate| &mut rate.floor),
];

/// All limits there can be, zero for those that there are not.
pub fn all(bandwidth: Option<&Bandwidth>) -> Vec<TypedParam> {
    let rate = |of: fn(&Bandwidth) -> &Option<Rate>| bandwidth.and_then(|limits| of(limits).clone());
    let mut told = direction("inbound", rate(|limits| &limits.inbound).unwrap_or_default());
    told.extend(direction(
        "outbound",
        rate(|limits| &limits.outbound).unwrap_or_default(),
    ));
    told
}

/// The limits of those directions that have any.
pub fn known(bandwidth: Option<&Bandwidth>) -> Vec<TypedParam> {
    let Some(limits) = bandwidth else {
        return Vec::new();
    };
    let inbound = limits.inbound.clone().map(|rate| direction("inbound", rate));
    let outbound = limits.outbound.clone().map(|rate| direction("outbound", rate));
    inbound.into_iter().chain(outbound).flatten().collect()
}

fn direction(name: &str, mut rate: Rate) -> Vec<TypedParam> {
    let of_this = LIMITS
        .iter()
        .filter(|(limit, _)| name == "inbound" || *limit != "floor");
    of_this
        .map(|(limit, at)| {
            let value = u32::try_from(at(&mut rate).unwrap_or(0)).unwrap_or(u32::MAX);
            TypedParam::new(format!("{name}.{limit}"), value)
        })
        .collect()
}

/// What a client wants directions to be limited to, of which it says anything.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Wanted {
    inbound: Option<Rate>,
    outbound: Option<Rate>,
}

impl Wanted {
    /// Reads named values.
    ///
    /// # Errors
    /// Of `domain`: [`Code::ArgumentUnsupported`] for a name that nobody knows, [`Code::InvalidArg`] for a value of another type or
    /// one that is there twice.
    pub fn read(params: &[TypedParam], domain: Domain) -> Result<Self> {
        let mut wanted = Self::default();
        for (index, param) in params.iter().enumerate() {
            let name = &param.field;
            let unknown = || {
                let text = format!("parameter '{name}' not supported");
                Error::new(Code::ArgumentUnsupported, domain, text)
            };
            let (direction, limit) = name.split_once('.').ok_or_else(unknown)?;
            let rate = match direction {
                "inbound" => &mut wanted.inbound,
                "outbound" if limit != "floor" => &mut wanted.outbound,
                _ => return Err(unknown()),
            };
            let (_, at) = LIMITS
                .iter()
                .find(|(known, _)| *known == limit)
                .ok_or_else(unknown)?;
            let invalid =
                |what: &str| Error::new(Code::InvalidArg, domain, format!("parameter '{name}' {what}"));
            if params.iter().take(index).any(|other| other.field == *name) {
                return Err(invalid("occurs multiple times"));
            }
            let TypedParamValue::Uint(value) = param.value else {
                return Err(invalid("is to be an unsigned number"));
            };
            *at(rate.get_or_insert_default()) = (value != 0).then_some(u64::from(value));
        }
        Ok(wanted)
    }

    /// The limits now. A direction that is spoken of has no others, and without average and floor none at all.
    pub fn instead_of(self, former: Bandwidth) -> Bandwidth {
        let limited = |rate: &Rate| rate.average.is_some() || rate.floor.is_some();
        let direction = |wanted: Option<Rate>, former: Option<Rate>| match wanted {
            Some(wanted) => Some(wanted).filter(limited),
            None => former,
        };
        Bandwidth {
            inbound: direction(self.inbound, former.inbound),
            outbound: direction(self.outbound, former.outbound),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(params: &[(&str, u32)]) -> Result<Wanted> {
        let params: Vec<TypedParam> = params
            .iter()
            .map(|(name, value)| TypedParam::new(*name, *value))
            .collect();
        Wanted::read(&params, Domain::Network)
    }

    #[test]
    fn limits_are_set_by_name_and_told_again() {
        let wanted = read(&[
            ("inbound.average", 100),
            ("outbound.average", 5),
            ("outbound.burst", 7),
        ])
        .unwrap();
        let limits = wanted.instead_of(Bandwidth::default());
        let names =
            |told: Vec<TypedParam>| -> Vec<String> { told.into_iter().map(|param| param.field).collect() };
        assert_eq!(names(known(Some(&limits))).len(), 7);
        assert_eq!(all(None).len(), 7);
        assert_eq!(all(Some(&limits))[0], TypedParam::new("inbound.average", 100_u32));
        let wanted = read(&[("inbound.average", 0), ("inbound.peak", 9)]).unwrap();
        let limits = wanted.instead_of(limits);
        assert_eq!(limits.inbound, None);
        assert_eq!(limits.outbound.as_ref().and_then(|rate| rate.burst), Some(7));
        assert!(!names(known(Some(&limits))).contains(&"outbound.floor".to_owned()));
    }

    #[test]
    fn what_is_no_limit_is_refused() {
        for bad in ["inbound", "inbound.x", "outbound.floor", "sideways.average"] {
            assert_eq!(
                read(&[(bad, 1)]).unwrap_err().code(),
                Code::ArgumentUnsupported,
                "{bad}"
            );
        }
        let twice = read(&[("inbound.peak", 1), ("inbound.peak", 2)]).unwrap_err();
        assert_eq!(twice.code(), Code::InvalidArg);
        let text = [TypedParam::new("inbound.peak", "x")];
        assert!(Wanted::read(&text, Domain::Network).is_err());
    }
}
