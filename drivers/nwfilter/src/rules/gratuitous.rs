//! Gratuitous ARP: messages in which a guest tells its own address, so that the sender's and the target's are the same.
//!
//! nftables holds a field against values, and against another field only since Linux 6.13. But two bytes side by side can be held against
//! the 256 pairs of equal bytes, and addresses of IPv4 are the same when each of their four bytes is. That they differ is that one of
//! the bytes does: a rule for each, of which one is enough.

use firewall::Statement;
use firewall::when::{self, Is, Layer};

/// Where the sender's address and the target's are in a message, in bits.
const SENDER: u32 = 112;
const TARGET: u32 = 192;

/// How many bytes an address has.
const BYTES: u32 = 4;

/// The rules that ask for what `rule` does and for gratuitous messages, or for others.
pub(super) fn rules(rule: Vec<Statement<'static>>, is: Is) -> Vec<Vec<Statement<'static>>> {
    let bytes = (0..BYTES).map(|byte| same_byte(byte, is));
    match is {
        Is::Just => vec![rule.into_iter().chain(bytes).collect()],
        Is::Not => bytes
            .map(|byte| rule.iter().cloned().chain([byte]).collect())
            .collect(),
    }
}

fn same_byte(byte: u32, is: Is) -> Statement<'static> {
    let places = [SENDER, TARGET].map(|address| when::bits(Layer::NH, address + byte * 8, 8));
    let pairs = (0..=u8::MAX).map(|value| when::all_of([0; 2].map(|_: u32| when::number(value.into()))));
    when::matches(when::all_of(places), is, when::any(pairs))
}
