//! What rules do.

use nftables::expr::{Expression, NamedExpression, SetItem};
use nftables::stmt::{JumpTarget, NAT, NATFamily, Statement, VerdictMap};
use std::borrow::Cow;

/// The packet passes, as far as this table goes.
pub const fn accept() -> Statement<'static> {
    Statement::Accept(None)
}

/// The packet is gone.
pub const fn drop() -> Statement<'static> {
    Statement::Drop(None)
}

/// The packet is gone, and who sent it is told.
pub const fn reject() -> Statement<'static> {
    Statement::Reject(None)
}

/// On with the rule behind that which led here.
pub const fn back() -> Statement<'static> {
    Statement::Return(None)
}

/// On with another chain, and then behind this rule.
pub fn jump(chain: impl Into<String>) -> Statement<'static> {
    Statement::Jump(JumpTarget {
        target: Cow::Owned(chain.into()),
    })
}

/// On with the chain that a value leads to; past this rule where it leads to none.
pub fn jump_by(
    key: Expression<'static>,
    chains: impl IntoIterator<Item = (Expression<'static>, String)>,
) -> Statement<'static> {
    let items = chains
        .into_iter()
        .map(|(value, chain)| SetItem::MappingStatement(value, jump(chain)));
    Statement::VerdictMap(VerdictMap {
        key,
        data: Expression::Named(NamedExpression::Set(items.collect())),
    })
}

/// The packet leaves with an address and a port of the interface that it leaves by.
pub fn masquerade(ports: Option<(u16, u16)>) -> Statement<'static> {
    Statement::Masquerade(ports.map(|ports| NAT {
        addr: None,
        family: None,
        port: Some(port_range(ports)),
        flags: None,
    }))
}

/// The packet leaves with one of these addresses and ports.
pub fn leave_as(addresses: Expression<'static>, ports: Option<(u16, u16)>) -> Statement<'static> {
    Statement::SNAT(Some(NAT {
        addr: Some(addresses),
        family: Some(NATFamily::IP),
        port: ports.map(port_range),
        flags: None,
    }))
}

fn port_range((first, last): (u16, u16)) -> Expression<'static> {
    super::when::range(Expression::Number(first.into()), Expression::Number(last.into()))
}
