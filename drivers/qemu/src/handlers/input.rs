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
        .reached()
        .await?
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
        .reached()
        .await?
        .send_key(&keys, hold, COMMAND_WAIT)
        .await
        .map_err(monitor_error)
}

/// QEMU's number of a key: that of the first AT set, with 0x80 for keys behind an 0xe0.
fn number(codeset: u32, key: u32) -> Result<u32> {
    /// `VIR_KEYCODE_SET_LINUX`.
    const LINUX: u32 = 0;
    /// `VIR_KEYCODE_SET_XT` and `..._ATSET1`: keys behind an 0xe0 carry it.
    const PREFIXED: &[u32] = &[1, 2];
    /// `VIR_KEYCODE_SET_XT_KBD`, and `..._QNUM`, which is the same for the keys there are.
    const QNUM: &[u32] = &[6, 9];
    /// `VIR_KEYCODE_SET_USB`.
    const USB: u32 = 7;
    let unknown = |set: &str| {
        let text = format!("invalid keycode {key} of {set} codeset");
        Error::new(Code::InternalError, Domain::Qemu, text)
    };
    match codeset {
        LINUX => linux(key).ok_or_else(|| unknown("linux")),
        USB => usb(key).ok_or_else(|| unknown("usb")),
        _ if PREFIXED.contains(&codeset) => prefixed(key).ok_or_else(|| unknown("xt")),
        // One byte holds them all.
        _ if QNUM.contains(&codeset) => Some(key)
            .filter(|key| (1..=0xff).contains(key))
            .ok_or_else(|| unknown("qnum")),
        1..=9 => {
            let text =
                format!("keycode set {codeset} is not supported yet; use 'linux', 'xt', 'usb' or 'qnum'");
            Err(Error::new(Code::NoSupport, Domain::Qemu, text))
        }
        _ => Err(Error::new(
            Code::InvalidArg,
            Domain::Qemu,
            format!("Unsupported codeset '{codeset}'"),
        )),
    }
}

/// The first AT set as the keyboard sends it: 0xe0 before a key becomes QEMU's 0x80.
fn prefixed(key: u32) -> Option<u32> {
    match key {
        1..=0x7f => Some(key),
        0xe001..=0xe07f => Some(key & 0x7f | 0x80),
        _ => None,
    }
}

/// Usages of the keyboard page of USB (HID usage tables, page 7), by way of Linux' numbers.
fn usb(key: u32) -> Option<u32> {
    /// From usage 4 (the letter A) on.
    const FIRST: &[u32] = &[
        30, 48, 46, 32, 18, 33, 34, 35, 23, 36, 37, 38, 50, 49, 24, 25, 16, 19, 31, 20, 22, 47, 17, 45, 21,
        44, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 28, 1, 14, 15, 57, 12, 13, 26, 27, 43, 43, 39, 40, 41, 51, 52,
        53, 58, 59, 60, 61, 62, 63, 64, 65, 66, 67, 68, 87, 88, 99, 70, 119, 110, 102, 104, 111, 107, 109,
        106, 105, 108, 103, 69, 98, 55, 74, 78, 96, 79, 80, 81, 75, 76, 77, 71, 72, 73, 82, 83, 86, 127, 116,
    ];
    /// From usage 224 (left control) on.
    const MODIFIERS: &[u32] = &[29, 42, 56, 125, 97, 54, 100, 126];
    let at = |table: &[u32], first: u32| table.get(key.checked_sub(first)? as usize).copied();
    linux(at(MODIFIERS, 224).or_else(|| at(FIRST, 4))?)
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
        assert_eq!(number(1, 0xe01d).unwrap(), 0x9d);
        assert_eq!(number(7, 228).unwrap(), 0x9d);
        // A, Enter, Delete, keypad full stop, the key beside the left shift of European keyboards, power.
        let usages = [4, 40, 76, 99, 100, 102].map(|usage| number(7, usage).unwrap());
        assert_eq!(usages, [30, 28, 0xd3, 83, 86, 0xde]);
        for (set, key) in [
            (7, 0),
            (7, 103),
            (7, 232),
            (1, 0),
            (1, 0xe000),
            (1, 0x80),
            (9, 0),
            (9, 256),
        ] {
            assert_eq!(
                number(set, key).unwrap_err().code(),
                Code::InternalError,
                "{set} {key}"
            );
        }
        assert_eq!(number(0, 0).unwrap_err().code(), Code::InternalError);
        assert_eq!(number(99, 1).unwrap_err().code(), Code::InvalidArg);
    }
}
