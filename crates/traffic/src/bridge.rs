//! A network's own bridge: limits of all its guests together, and what is kept for some of them.
//!
//! ```text
//!  1:  ─► 1:1 everything ─► 1:2 guests of whom nothing is said
//!                        ─► 1:3, 1:4 ... guests with a floor, by the address of their cards
//! ```

use super::{Class, line, police};
use model::Mac;
use model::domain::devices::bandwidth::{Bandwidth, Rate};
use std::ops::RangeInclusive;

/// The class that lends to all others what they do not have themselves.
pub const WHOLE: u32 = 1;

/// The class of guests of whom nothing is said.
const OTHERS: u32 = 2;

/// What the kernel asks of the bridge's filters, in one table: the one that mends checksums, then those by guests' addresses. It
/// numbers those itself that are given no number, from here on.
const FILTERS: &str = "parent 1: protocol ip prio 2";
const FIRST: u32 = 0x800;

/// Numbers of classes of guests with a floor.
pub const CLASSES: RangeInclusive<u32> = 3..=0x7ff;

/// What a bridge is to send and receive.
#[derive(Debug, Clone)]
pub struct Bridge<'a> {
    /// The link.
    pub link: &'a str,
    /// Limits of all guests together.
    pub bandwidth: Option<&'a Bandwidth>,
    /// What is kept for some of them.
    pub floors: Vec<Floor>,
}

/// What is kept for a guest of what all are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Floor {
    /// The number of its class, one of [`CLASSES`].
    pub class: u32,
    /// The address of its card.
    pub mac: Mac,
    /// What is kept, in kilobytes a second.
    pub rate: u64,
}

impl Bridge<'_> {
    /// The lines that limit it; it has no limits.
    pub fn limit(&self) -> String {
        let mut lines = String::new();
        if let Some(all) = self.all() {
            line(
                &mut lines,
                &["qdisc add dev", self.link, "root handle 1: htb default 2"],
            );
            // It lends what it has; a burst is for who sends.
            let whole = Rate {
                burst: None,
                ..all.clone()
            };
            if let Some(class) = Class::of(&whole) {
                let words = [
                    "class add dev",
                    self.link,
                    "parent 1: classid 1:1 htb",
                    &class.words,
                ];
                line(&mut lines, &words);
            }
            lines.push_str(&self.others("add", all));
            for floor in &self.floors {
                lines.push_str(&self.class("add", floor));
                lines.push_str(&self.filter("add", floor));
            }
        }
        if let Some(outbound) = self.bandwidth.and_then(|bandwidth| bandwidth.outbound.as_ref()) {
            police(&mut lines, self.link, outbound);
        }
        lines
    }

    /// The lines that keep something for one more guest, which is in `floors` already.
    pub fn keep(&self, floor: &Floor) -> String {
        self.class("add", floor) + &self.filter("add", floor) + &self.change_others()
    }

    /// The lines that keep something else for a guest, which is in `floors` already.
    pub fn keep_else(&self, floor: &Floor) -> String {
        self.class("change", floor) + &self.change_others()
    }

    /// The lines that keep nothing for a guest any more, which is in `floors` no longer.
    pub fn keep_no_more(&self, floor: &Floor) -> String {
        let (link, class) = (self.link, floor.class);
        format!(
            "filter del dev {link} {FILTERS} handle 800::{:x} u32\nclass del dev {link} classid 1:{class:x}\n",
            FIRST + class
        ) + &self.change_others()
    }

    /// The lines that keep for everybody what is to be kept, where there are the classes for it already.
    pub fn keep_all(&self) -> String {
        let floors = self.floors.iter();
        let floors = floors.map(|floor| self.class("change", floor) + &self.filter("replace", floor));
        floors.chain([self.change_others()]).collect()
    }

    /// The lines that have checksums of replies of DHCP computed on the bridge, which not every kernel can. Cards leave that to the
    /// last moment, which never comes on the way to a guest, and clients of old guests look at them.
    pub fn mend_checksums(&self) -> String {
        let mut lines = String::new();
        if self.all().is_none() {
            line(
                &mut lines,
                &["qdisc add dev", self.link, "root handle 1: htb default 2"],
            );
        }
        let words = "u32 match ip dport 68 0xffff action csum ip and udp";
        line(&mut lines, &["filter add dev", self.link, FILTERS, words]);
        lines
    }

    /// The classes there are of guests, by number, of which flows may take turns.
    pub fn classes(&self) -> Vec<u32> {
        let others = self.all().map(|_| OTHERS);
        let floors = self.floors.iter().map(|floor| floor.class);
        others.into_iter().chain(floors).collect()
    }

    /// What all guests get together.
    fn all(&self) -> Option<&Rate> {
        let inbound = self.bandwidth?.inbound.as_ref()?;
        inbound.average.is_some().then_some(inbound)
    }

    fn change_others(&self) -> String {
        self.all()
            .map(|all| self.others("change", all))
            .unwrap_or_default()
    }

    /// The class of guests of whom nothing is said: they are sure of what is kept for nobody else, and may take all that nobody
    /// else wants.
    fn others(&self, how: &str, all: &Rate) -> String {
        let average = all.average.unwrap_or_default();
        let kept = self
            .floors
            .iter()
            .fold(0_u64, |sum, floor| sum.saturating_add(floor.rate));
        let class = Class::between(average.saturating_sub(kept).max(1), Some(most(all)), all.burst);
        format!(
            "class {how} dev {} parent 1:1 classid 1:2 htb {}\n",
            self.link, class.words
        )
    }

    fn class(&self, how: &str, floor: &Floor) -> String {
        let most = self.all().map(most);
        let class = Class::between(floor.rate.max(1), most, None);
        format!(
            "class {how} dev {} parent 1:1 classid 1:{:x} htb {}\n",
            self.link, floor.class, class.words
        )
    }

    /// What goes to the guest's address is of its class.
    fn filter(&self, how: &str, floor: &Floor) -> String {
        let [a, b, c, d, e, f] = floor.mac.octets();
        format!(
            "filter {how} dev {} {FILTERS} handle 800::{:x} u32 match u16 0x0800 0xffff at -2 \
             match u32 0x{c:02x}{d:02x}{e:02x}{f:02x} 0xffffffff at -12 match u16 0x{a:02x}{b:02x} 0xffff at -14 flowid 1:{:x}\n",
            self.link,
            FIRST + floor.class,
            floor.class
        )
    }
}

/// As much as anybody gets.
fn most(all: &Rate) -> u64 {
    all.peak.or(all.average).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bandwidth(peak: Option<u64>) -> Bandwidth {
        Bandwidth {
            inbound: Some(Rate {
                average: Some(1000),
                peak,
                burst: Some(40),
                floor: None,
            }),
            outbound: None,
        }
    }

    fn floor(class: u32, rate: u64) -> Floor {
        Floor {
            class,
            mac: Mac::qemu([0x11, 0x22, 0x33]),
            rate,
        }
    }

    #[test]
    fn what_is_kept_for_some_is_not_sure_for_the_others() {
        let limits = bandwidth(Some(5000));
        let mut bridge = Bridge {
            link: "virbr0",
            bandwidth: Some(&limits),
            floors: vec![floor(3, 300)],
        };
        assert_eq!(
            bridge.limit(),
            "qdisc add dev virbr0 root handle 1: htb default 2\n\
             class add dev virbr0 parent 1: classid 1:1 htb rate 1000kbps burst 20kb ceil 5000kbps cburst 100kb quantum 60000\n\
             class add dev virbr0 parent 1:1 classid 1:2 htb rate 700kbps burst 40kb ceil 5000kbps cburst 100kb quantum 60000\n\
             class add dev virbr0 parent 1:1 classid 1:3 htb rate 300kbps burst 6kb ceil 5000kbps cburst 100kb quantum 30000\n\
             filter add dev virbr0 parent 1: protocol ip prio 2 handle 800::803 u32 match u16 0x0800 0xffff at -2 \
             match u32 0x00112233 0xffffffff at -12 match u16 0x5254 0xffff at -14 flowid 1:3\n"
        );
        assert_eq!(bridge.classes(), [2, 3]);
        let again = bridge.keep_all();
        assert_eq!(again.matches("class change dev virbr0").count(), 2, "{again}");
        let second = floor(0x10, 900);
        bridge.floors.push(second);
        let lines = bridge.keep(&second);
        assert!(lines.contains("classid 1:10 htb rate 900kbps"), "{lines}");
        assert!(
            lines.contains("class change dev virbr0 parent 1:1 classid 1:2 htb rate 1kbps"),
            "{lines}"
        );
        bridge.floors.pop();
        let lines = bridge.keep_no_more(&second);
        assert!(
            lines.contains("handle 800::810 u32\nclass del dev virbr0 classid 1:10\n"),
            "{lines}"
        );
        assert!(
            lines.ends_with(
                "classid 1:2 htb rate 700kbps burst 40kb ceil 5000kbps cburst 100kb quantum 60000\n"
            ),
            "{lines}"
        );
    }

    #[test]
    fn a_bridge_without_limits_has_classes_only_for_checksums() {
        let bridge = Bridge {
            link: "virbr0",
            bandwidth: None,
            floors: Vec::new(),
        };
        assert_eq!(bridge.limit(), "");
        assert!(bridge.classes().is_empty());
        assert!(bridge.mend_checksums().starts_with("qdisc add dev virbr0 root"));
        let limits = bandwidth(None);
        let limited = Bridge {
            bandwidth: Some(&limits),
            ..bridge
        };
        assert!(limited.mend_checksums().starts_with("filter add"));
    }
}
