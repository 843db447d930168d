//! Lists of objects: which of them a client asks for, and how many it takes.

use error::{Code, Domain, Error, Result};

/// A bit, and whether it lets an object through.
pub type Bit<T> = (u32, fn(&T) -> bool);

/// The filter bits of a `virConnectListAll...` call, in groups. Within a group any bit is enough; of
/// several groups each must agree, and one of which no bit is asked agrees.
pub struct Filter<T: 'static>(pub &'static [&'static [Bit<T>]]);

impl<T> Filter<T> {
    /// Every bit it has.
    pub fn known(&self) -> u32 {
        let all = self.0.iter().flat_map(|group| group.iter());
        all.fold(0, |known, (bit, _)| known | bit)
    }

    /// Whether an object passes those bits.
    pub fn passes(&self, object: &T, bits: u32) -> bool {
        self.0.iter().all(|group| {
            let mut asked = group.iter().filter(|(bit, _)| bits & bit != 0).peekable();
            asked.peek().is_none() || asked.any(|(_, test)| test(object))
        })
    }
}

impl<T> std::fmt::Debug for Filter<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Filter").field(&self.known()).finish()
    }
}

/// How many entries a client wants that says so in `field`, at most `max` of them.
///
/// # Errors
/// [`Code::Rpc`] for a number that is none or too large.
pub fn room(field: &str, wanted: i32, max: usize) -> Result<usize> {
    let refused = |why: String| Error::new(Code::Rpc, Domain::Rpc, format!("{field} {why}"));
    let wanted = usize::try_from(wanted).map_err(|_| refused("must be non-negative".to_owned()))?;
    if wanted > max {
        return Err(refused(format!("is {wanted}, which is above {max}")));
    }
    Ok(wanted)
}

/// A number of objects as older calls tell it.
pub fn count(number: usize) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}

/// What a `virConnectListAll...` call answers: the objects, unless the client only counts, and their number.
pub fn answer<T, W>(found: &[T], need_results: i32, wire: impl Fn(&T) -> W) -> (Vec<W>, u32) {
    let number = u32::try_from(found.len()).unwrap_or(u32::MAX);
    let objects = if need_results == 0 {
        Vec::new()
    } else {
        found.iter().map(wire).collect()
    };
    (objects, number)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILTER: Filter<i32> = Filter(&[
        &[(1, |number| *number > 0), (2, |number| *number <= 0)],
        &[(4, |number| number % 2 == 0), (8, |number| number % 2 != 0)],
    ]);

    #[test]
    fn bits_of_a_group_add_up_and_groups_agree() {
        assert_eq!(FILTER.known(), 15);
        for bits in [0, 1, 1 | 2, 1 | 8, 4 | 8, 15] {
            assert!(FILTER.passes(&3, bits), "{bits}");
        }
        for bits in [2, 4, 2 | 8, 1 | 4] {
            assert!(!FILTER.passes(&3, bits), "{bits}");
        }
    }

    #[test]
    fn room_is_a_number_within_bounds() {
        assert_eq!(room("maxids", 0, 4).unwrap(), 0);
        assert_eq!(room("maxids", 4, 4).unwrap(), 4);
        for bad in [-1, 5] {
            let refused = room("maxids", bad, 4).unwrap_err();
            assert_eq!(refused.code(), Code::Rpc);
            assert!(refused.to_string().starts_with("maxids "), "{refused}");
        }
    }

    #[test]
    fn who_only_counts_gets_no_objects() {
        assert_eq!(answer(&[1, 2], 0, |one| *one), (vec![], 2));
        assert_eq!(answer(&[1, 2], 1, |one| *one), (vec![1, 2], 2));
    }
}
