//! The programs that choose frames in the kernel. They let through little more than what is looked for, as everything else costs the
//! daemon time; what is let through is read with care all the same.

use super::Method;
use kernel::device::SockFilter;

/// The most of a frame that is read, in bytes: what Ethernet carries.
pub(super) const LONGEST: usize = 1514;

// Instructions, and facts of a frame beside its bytes, of `linux/filter.h`.
const LOAD_WORD: u16 = 0x20;
const LOAD_HALF: u16 = 0x28;
const LOAD_BYTE: u16 = 0x30;
const LOAD_HALF_BEHIND: u16 = 0x48;
const LOAD_BYTE_BEHIND: u16 = 0x50;
const SKIP_IP_HEADER: u16 = 0xb1;
const IF_EQUAL: u16 = 0x15;
const IF_ANY_BIT: u16 = 0x45;
const RETURN: u16 = 0x06;
const WAY: u32 = 0xffff_f004;
const IS_TAGGED: u32 = 0xffff_f030;
/// `PACKET_OUTGOING`: from the host to the guest.
const TO_THE_GUEST: u32 = 4;

const ARP: u32 = 0x0806;
const IPV4: u32 = 0x0800;
const UDP: u32 = 17;

/// A step of a program.
enum Step {
    Load(u16, u32),
    /// On only if it is this.
    Only(u32),
    /// On only if none of these bits is set.
    Without(u32),
    /// Through if it is this, else on.
    Through(u32),
}

/// Messages of DHCP from a port of UDP: 1 is from clients, 2 is from servers.
fn messages(from: u32, kind: u32) -> Vec<Step> {
    vec![
        Step::Load(LOAD_HALF, 12),
        Step::Only(IPV4),
        Step::Load(LOAD_BYTE, 23),
        Step::Only(UDP),
        Step::Load(LOAD_HALF, 20),
        // Behind the first part of a packet in parts there is no header.
        Step::Without(0x1fff),
        Step::Load(SKIP_IP_HEADER, 14),
        Step::Load(LOAD_HALF_BEHIND, 14),
        Step::Only(from),
        Step::Load(LOAD_BYTE_BEHIND, 22),
        Step::Only(kind),
    ]
}

/// The program of a method.
pub(super) fn of(method: Method) -> Vec<SockFilter> {
    let to = messages(67, 2);
    let from = match method {
        Method::Dhcp => messages(68, 1),
        Method::Any => vec![Step::Load(LOAD_HALF, 12), Step::Through(ARP), Step::Only(IPV4)],
    };
    let (to, from) = (block(&to), block(&from));
    let past = u8::try_from(to.len()).unwrap_or_default();
    let mut program = vec![
        SockFilter::new(LOAD_WORD, 0, 0, IS_TAGGED),
        SockFilter::new(IF_EQUAL, 1, 0, 0),
        SockFilter::new(RETURN, 0, 0, 0),
        SockFilter::new(LOAD_WORD, 0, 0, WAY),
        SockFilter::new(IF_EQUAL, 0, past, TO_THE_GUEST),
    ];
    program.extend(to);
    program.extend(from);
    program
}

/// Steps, and then both ends: through, and not.
fn block(steps: &[Step]) -> Vec<SockFilter> {
    let length = steps.len();
    let mut block: Vec<SockFilter> = steps
        .iter()
        .enumerate()
        .map(|(place, step)| {
            // How many instructions are jumped over.
            let through = u8::try_from(length - place - 1).unwrap_or_default();
            let not = through.saturating_add(1);
            match *step {
                Step::Load(code, what) => SockFilter::new(code, 0, 0, what),
                Step::Only(what) => SockFilter::new(IF_EQUAL, 0, not, what),
                Step::Without(bits) => SockFilter::new(IF_ANY_BIT, not, 0, bits),
                Step::Through(what) => SockFilter::new(IF_EQUAL, through, 0, what),
            }
        })
        .collect();
    let longest = u32::try_from(LONGEST).unwrap_or_default();
    block.push(SockFilter::new(RETURN, 0, 0, longest));
    block.push(SockFilter::new(RETURN, 0, 0, 0));
    block
}
