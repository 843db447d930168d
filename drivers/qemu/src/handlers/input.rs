//! Keys and interrupts.

use super::Call;
use crate::Driver;
use crate::flags;
use crate::lifecycle::{COMMAND_WAIT, monitor_error};
use daemon::Routes;
use error::{Code, Domain, Error, Result};
use protocol::remote;
use protocol::remote::procedure::{DomainInjectNmi, DomainSendKey};

pub(super) fn routes(routes: &mut Routes<Driver>) {
    routes.on::<DomainSendKey, _>(send_key);
    routes.on::<DomainInjectNmi, _>(inject_nmi);
}

async fn inject_nmi(call: Call, args: remote::DomainInjectNmiArgs) -> Result<()> {
    flags::check("virDomainInjectNMI", args.flags, 0)?;
    let state = call.driver.domains.find(&args.dom)?.state();
    state
        .running()?
        .monitor()?
        .inject_nmi(COMMAND_WAIT)
        .await
        .map_err(monitor_error)
}

async fn send_key(call: Call, args: remote::DomainSendKeyArgs) -> Result<()> {
    flags::check("virDomainSendKey", args.flags, 0)?;
    let keys: Vec<u32> = args
        .keycodes
        .iter()
        .map(|key| number(args.codeset, *key))
        .collect::<Result<_>>()?;
    let state = call.driver.domains.find(&args.dom)?.state();
    let hold = (args.holdtime != 0).then_some(args.holdtime);
    state
        .running()?
        .monitor()?
        .send_key(&keys, hold, COMMAND_WAIT)
        .await
        .map_err(monitor_error)
}

/// QEMU's number of a key: that of the first AT set, with 0x80 for keys behind an 0xe0.
fn number(codeset: u32, key: u32) -> Result<u32> {
    /// `VIR_KEYCODE_SET_LINUX`.
    const LINUX: u32 = 0;
    /// `VIR_KEYCODE_SET_XT_KBD`, and `..._QNUM`, which is the same for the keys there are.
    const QNUM: &[u32] = &[6, 9];
    match codeset {
        LINUX => linux(key).ok_or_else(|| {
            let text = format!("invalid keycode {key} of linux codeset");
            Error::new(Code::InternalError, Domain::Qemu, text)
        }),
        _ if QNUM.contains(&codeset) => Ok(key),
        1..=10 => {
            let text = format!("keycode set {codeset} is not supported yet; use 'linux' or 'qnum'");
            Err(Error::new(Code::NoSupport, Domain::Qemu, text))
        }
        _ => Err(Error::new(
            Code::InvalidArg,
            Domain::Qemu,
            format!("Unsupported codeset '{codeset}'"),
        )),
    }
}

/// Linux numbers keys as the first AT set does, up to 88; then in its own order
/// (`linux/input-event-codes.h` beside the scan codes of the IBM PC AT keyboard).
fn linux(key: u32) -> Option<u32> {
    const OTHERS: &[(u32, u32)] = &[
        (96, 0x9c),
        (97, 0x9d),
        (98, 0xb5),
        (99, 0x54),
        (100, 0xb8),
        (102, 0xc7),
        (103, 0xc8),
        (104, 0xc9),
        (105, 0xcb),
        (106, 0xcd),
        (107, 0xcf),
        (108, 0xd0),
        (109, 0xd1),
        (110, 0xd2),
        (111, 0xd3),
        (113, 0xa0),
        (114, 0xae),
        (115, 0xb0),
        (116, 0xde),
        (117, 0x59),
        (119, 0xc6),
        (121, 0x7e),
        (125, 0xdb),
        (126, 0xdc),
        (127, 0xdd),
    ];
    match key {
        1..=88 => Some(key),
        _ => OTHERS
            .iter()
            .find(|(linux, _)| *linux == key)
            .map(|(_, number)| *number),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_the_same_in_every_set_that_is_known() {
        // Right control.
        assert_eq!(number(0, 97).unwrap(), 0x9d);
        assert_eq!(number(9, 0x9d).unwrap(), 0x9d);
        assert_eq!(number(0, 30).unwrap(), 30);
        assert_eq!(number(0, 0).unwrap_err().code(), Code::InternalError);
        assert_eq!(number(99, 1).unwrap_err().code(), Code::InvalidArg);
    }
}
