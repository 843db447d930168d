//! How much links of the host send and receive: `<bandwidth>` as the lines that `tc -batch -` reads. Pure: nothing is set here.
//!
//! ```text
//!  sent     ─► htb, as fast as the classes let it; the rest waits
//!  received ─► police; the rest is lost, and who sent it slows down
//! ```
//! The numbers of documents are kilobytes (1000 bytes) a second, and KiB in one go; tc's `kbps` and `kb` are the same.
//!
//! The netlink crate has no types for these schedulers, and the kernel wants tables of times with them, which are tc's to compute.

mod bridge;
pub mod parameters;

pub use bridge::{Bridge, CLASSES, Floor, WHOLE};

use model::domain::devices::bandwidth::{Bandwidth, Rate};

/// The program, and what has it read lines until one fails.
pub const PROGRAM: &str = "tc";
/// See [`PROGRAM`].
pub const ARGUMENTS: [&str; 2] = ["-batch", "-"];
/// As [`ARGUMENTS`], but no line that fails stops it; it says so at the end.
pub const REGARDLESS: [&str; 3] = ["-force", "-batch", "-"];

/// The largest packet that the kernel passes on in one piece, in KiB.
const LARGEST: u64 = 64;
/// The kernel counts bytes of one go in 32 bits: as many KiB.
const LONGEST: u64 = 4_194_303;

/// Whether a name of a link is one word to tc and nothing else: others have signs in them that begin comments, quotes or options.
pub fn is_word(link: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.+".contains(&byte);
    (1..=15).contains(&link.len()) && !link.starts_with('-') && link.bytes().all(plain)
}

/// Who gets what a link sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sends {
    /// The guest: a tap, whose other end is the guest's card.
    ToGuest,
    /// Others: a macvtap, which is the guest's card.
    FromGuest,
}

/// The lines that limit a guest's link, which has no limits; none where there is nothing to limit.
pub fn limit(link: &str, bandwidth: &Bandwidth, sends: Sends) -> String {
    let (sent, received) = match sends {
        Sends::ToGuest => (&bandwidth.inbound, &bandwidth.outbound),
        Sends::FromGuest => (&bandwidth.outbound, &bandwidth.inbound),
    };
    let mut lines = String::new();
    if let Some(Class { words }) = sent.as_ref().and_then(Class::of) {
        line(
            &mut lines,
            &["qdisc add dev", link, "root handle 1: htb default 1"],
        );
        line(
            &mut lines,
            &["class add dev", link, "parent 1: classid 1:1 htb", &words],
        );
    }
    if let Some(received) = received {
        police(&mut lines, link, received);
    }
    lines
}

/// The line that has flows of one class take turns, which not every kernel can. It is not to keep a limit from being set.
pub fn take_turns(link: &str, class: u32) -> String {
    format!("qdisc add dev {link} parent 1:{class:x} handle {class:x}: sfq perturb 10\n")
}

/// The lines that leave a link without limits. Those fail that have nothing to remove.
pub fn free(link: &str) -> String {
    format!("qdisc del dev {link} root\nqdisc del dev {link} ingress\n")
}

/// Whether there is anything to be limited.
pub fn limits_anything(bandwidth: &Bandwidth) -> bool {
    let average = |rate: &Option<Rate>| rate.as_ref().and_then(|rate| rate.average).is_some();
    average(&bandwidth.inbound) || average(&bandwidth.outbound)
}

/// What htb is told of a class.
struct Class {
    words: String,
}

impl Class {
    fn of(rate: &Rate) -> Option<Self> {
        let average = rate.average?;
        Some(Self::between(average, rate.peak, rate.burst))
    }

    /// A class of that rate, which may take what others leave up to `most`.
    fn between(average: u64, most: Option<u64>, burst: Option<u64>) -> Self {
        /// What a class sends before it is the next one's turn, in bytes: at least a packet, and not so much that others wait long.
        const TURN: (u64, u64) = (1_514, 60_000);
        /// The part of a second that timers may be late.
        const LATE: u64 = 50;
        let turn = average.saturating_mul(100).clamp(TURN.0, TURN.1);
        let most = most.filter(|most| *most > average).unwrap_or(average);
        // What a timer that is some hundredths of a second late would lose otherwise.
        let late = |rate: u64| (rate / LATE).clamp(2, LONGEST);
        let burst = burst.unwrap_or(0).clamp(late(average), LONGEST);
        let words = format!(
            "rate {average}kbps burst {burst}kb ceil {most}kbps cburst {}kb quantum {turn}",
            late(most)
        );
        Self { words }
    }
}

/// Drops what a link receives beyond a rate. What may come in one go is a second's worth where nobody says.
fn police(lines: &mut String, link: &str, rate: &Rate) {
    let Some(average) = rate.average else { return };
    let burst = rate.burst.unwrap_or_else(|| average.max(LARGEST)).min(LONGEST);
    let words = format!(
        "parent ffff: protocol all u32 match u32 0 0 police rate {average}kbps burst {burst}kb mtu {LARGEST}kb drop flowid :1"
    );
    line(lines, &["qdisc add dev", link, "ingress"]);
    line(lines, &["filter add dev", link, &words]);
}

fn line(lines: &mut String, words: &[&str]) {
    lines.push_str(&words.join(" "));
    lines.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rate(average: u64, peak: Option<u64>, burst: Option<u64>) -> Option<Rate> {
        Some(Rate {
            average: Some(average),
            peak,
            burst,
            floor: None,
        })
    }

    #[test]
    fn a_tap_sends_to_the_guest_and_a_macvtap_from_it() {
        let both = Bandwidth {
            inbound: rate(1000, Some(5000), Some(5120)),
            outbound: rate(128, Some(256), None),
        };
        assert_eq!(
            limit("vnet0", &both, Sends::ToGuest),
            "qdisc add dev vnet0 root handle 1: htb default 1\n\
             class add dev vnet0 parent 1: classid 1:1 htb rate 1000kbps burst 5120kb ceil 5000kbps cburst 100kb quantum 60000\n\
             qdisc add dev vnet0 ingress\n\
             filter add dev vnet0 parent ffff: protocol all u32 match u32 0 0 police rate 128kbps burst 128kb mtu 64kb drop \
             flowid :1\n"
        );
        let turned = limit("macvtap0", &both, Sends::FromGuest);
        assert!(
            turned.contains("htb rate 128kbps burst 2kb ceil 256kbps cburst 5kb quantum 12800"),
            "{turned}"
        );
        assert!(turned.contains("police rate 1000kbps burst 5120kb"), "{turned}");
    }

    #[test]
    fn what_has_no_rate_is_not_limited() {
        let floor = Bandwidth {
            inbound: Some(Rate {
                floor: Some(5),
                ..Rate::default()
            }),
            outbound: None,
        };
        assert!(!limits_anything(&floor));
        assert_eq!(limit("vnet0", &floor, Sends::ToGuest), "");
        let slow = Bandwidth {
            inbound: None,
            outbound: rate(1, None, None),
        };
        // A packet that is larger than what may come in one go would never get through.
        assert!(limit("vnet0", &slow, Sends::ToGuest).contains("rate 1kbps burst 64kb"));
    }

    #[test]
    fn a_name_is_nothing_but_a_name() {
        for good in ["vnet0", "virbr-0", "eth0.5", "a_b+c"] {
            assert!(is_word(good), "{good}");
        }
        for bad in [
            "",
            "br#0",
            "-force",
            "a b",
            "a\nqdisc",
            "\"a\"",
            "a\\b",
            "sixteen-bytes-xx",
        ] {
            assert!(!is_word(bad), "{bad}");
        }
    }

    #[test]
    fn numbers_are_those_that_the_kernel_counts_by() {
        let most = Bandwidth {
            inbound: rate(18_014_398_509_481_984, None, Some(u64::MAX)),
            outbound: rate(18_014_398_509_481_984, None, None),
        };
        let lines = limit("vnet0", &most, Sends::ToGuest);
        assert_eq!(lines.matches(" burst 4194303kb").count(), 2, "{lines}");
        assert!(lines.contains("quantum 60000"), "{lines}");
    }
}
