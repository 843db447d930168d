//! Sets of processor or NUMA node numbers, written as `0-3,^2,8`.

use std::borrow::Cow;
use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;

/// A set of small numbers. Printed as the shortest list of ranges, without exclusions.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct CpuSet {
    /// Sorted, disjoint, not adjacent.
    ranges: Vec<(u32, u32)>,
}

impl CpuSet {
    /// Numbers in a set are smaller.
    pub const LIMIT: u32 = 16384;

    /// Adds the numbers from `first` to `last`.
    pub fn insert(&mut self, first: u32, last: u32) {
        if first > last {
            return;
        }
        let (mut first, mut last) = (first, last);
        self.ranges.retain(|&(from, to)| {
            let apart = from > last.saturating_add(1) || to.saturating_add(1) < first;
            if !apart {
                first = first.min(from);
                last = last.max(to);
            }
            apart
        });
        let at = self.ranges.partition_point(|&(from, _)| from < first);
        self.ranges.insert(at, (first, last));
    }

    /// Takes a number out.
    pub fn remove(&mut self, number: u32) {
        let Some(at) = self
            .ranges
            .iter()
            .position(|&(from, to)| from <= number && number <= to)
        else {
            return;
        };
        let (from, to) = self.ranges.remove(at);
        if number < to {
            self.ranges.insert(at, (number + 1, to));
        }
        if from < number {
            self.ranges.insert(at, (from, number - 1));
        }
    }

    /// Whether the number is in the set.
    pub fn contains(&self, number: u32) -> bool {
        self.ranges
            .iter()
            .any(|&(from, to)| from <= number && number <= to)
    }

    /// Whether there is no number in the set.
    pub fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// How many numbers are in the set.
    pub fn len(&self) -> usize {
        self.ranges
            .iter()
            .map(|&(from, to)| (to - from) as usize + 1)
            .sum()
    }

    /// The largest number.
    pub fn last(&self) -> Option<u32> {
        self.ranges.last().map(|&(_, to)| to)
    }

    /// The numbers, in order.
    pub fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        self.ranges.iter().flat_map(|&(from, to)| from..=to)
    }

    /// The ranges, in order.
    pub fn ranges(&self) -> impl Iterator<Item = RangeInclusive<u32>> + '_ {
        self.ranges.iter().map(|&(from, to)| from..=to)
    }
}

impl FromIterator<u32> for CpuSet {
    fn from_iter<I: IntoIterator<Item = u32>>(numbers: I) -> Self {
        let mut set = Self::default();
        numbers.into_iter().for_each(|number| set.insert(number, number));
        set
    }
}

impl fmt::Display for CpuSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (from, to)) in self.ranges.iter().enumerate() {
            if index > 0 {
                f.write_str(",")?;
            }
            if from == to {
                write!(f, "{from}")?
            } else {
                write!(f, "{from}-{to}")?
            }
        }
        Ok(())
    }
}

/// The text is no list of numbers and ranges.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotACpuSet;

impl fmt::Display for NotACpuSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a list of numbers and ranges")
    }
}

impl std::error::Error for NotACpuSet {}

impl FromStr for CpuSet {
    type Err = NotACpuSet;

    fn from_str(text: &str) -> Result<Self, NotACpuSet> {
        let number = |text: &str| {
            let text = text.trim();
            let plain = !text.is_empty() && text.bytes().all(|digit| digit.is_ascii_digit());
            let number = if plain { text.parse().ok() } else { None };
            number.filter(|number| *number < Self::LIMIT).ok_or(NotACpuSet)
        };
        let mut set = Self::default();
        for part in text.split(',') {
            let part = part.trim();
            if let Some(excluded) = part.strip_prefix('^') {
                set.remove(number(excluded)?);
            } else if let Some((first, last)) = part.split_once('-') {
                let (first, last) = (number(first)?, number(last)?);
                if last < first {
                    return Err(NotACpuSet);
                }
                set.insert(first, last);
            } else {
                let only = number(part)?;
                set.insert(only, only);
            }
        }
        if set.is_empty() { Err(NotACpuSet) } else { Ok(set) }
    }
}

impl xml::Value for CpuSet {
    const EXPECTED: &'static str = "list of numbers and ranges";

    fn parse(text: &str) -> Option<Self> {
        text.parse().ok()
    }

    fn format(&self) -> Cow<'_, str> {
        Cow::Owned(self.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_put_in_order() {
        let normal = |text: &str| text.parse::<CpuSet>().map(|set| set.to_string());
        assert_eq!(normal("3,1-2,8"), Ok("1-3,8".into()));
        assert_eq!(normal("0-7,^3,^7,^0"), Ok("1-2,4-6".into()));
        assert_eq!(normal("1-5,3-9,20"), Ok("1-9,20".into()));
        assert_eq!(normal(" 4 , 6-7 "), Ok("4,6-7".into()));
        for bad in [
            "",
            "a",
            "1-",
            "-1",
            "3-1",
            "0,^0",
            "16384",
            "1,,2",
            "+1",
            "99999999999",
        ] {
            assert_eq!(normal(bad), Err(NotACpuSet), "{bad}");
        }
    }

    #[test]
    fn members_are_counted() {
        let set: CpuSet = "0-3,^2,8".parse().unwrap();
        assert_eq!(set.iter().collect::<Vec<_>>(), [0, 1, 3, 8]);
        assert_eq!(
            (set.len(), set.last(), set.contains(2), set.contains(3)),
            (4, Some(8), false, true)
        );
        assert_eq!(set, [8, 3, 1, 0].into_iter().collect());
    }
}
