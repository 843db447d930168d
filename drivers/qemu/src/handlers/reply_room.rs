//! How much of a list a client has room for.

/// As many of `all` as a client has room for, and how many that are; one without room asks how many there would be.
pub(super) fn fitting<T>(mut all: Vec<T>, room: i32) -> (Vec<T>, i32) {
    let count = i32::try_from(all.len()).unwrap_or(i32::MAX);
    let room = usize::try_from(room).unwrap_or(0);
    let given = if room == 0 {
        count
    } else {
        count.min(i32::try_from(room).unwrap_or(i32::MAX))
    };
    all.truncate(room);
    (all, given)
}
