//! What a disk begins with: the kind of its partition table, by a few bytes that each has in a place of its own.

/// The words of what is known, where it stands, and what it is. The first one that is there counts: a table of one kind may have a
/// table of another in front of it, for those who know only that.
const LABELS: &[(&str, usize, &[u8])] = &[
    ("lvm2", 0x218, b"LVM2 001"),
    ("gpt", 0x200, b"EFI PART"),
    ("dvh", 0, &[0x0b, 0xe5, 0xa9, 0x41]),
    ("mac", 0, b"ER"),
    ("bsd", 0x40, &[0x57, 0x45, 0x56, 0x82]),
    ("sun", 0x1fc, &[0xda, 0xbe]),
    ("dos", 0x1fe, &[0x55, 0xaa]),
];

/// What is there where none of it is, or nobody can read it.
const UNKNOWN: &str = "unknown";

/// The word for the label of a disk that begins so.
pub(crate) fn label(head: &[u8]) -> &'static str {
    let found = LABELS
        .iter()
        .find(|(_, at, bytes)| head.get(*at..).is_some_and(|there| there.starts_with(bytes)));
    found.map_or(UNKNOWN, |(word, ..)| word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_that_counts_is_told() {
        assert_eq!(label(&[]), UNKNOWN);
        let mut head = [0; 1024];
        assert_eq!(label(&head), UNKNOWN);
        head[0x1fe..0x200].copy_from_slice(&[0x55, 0xaa]);
        assert_eq!(label(&head), "dos");
        head[0x200..0x208].copy_from_slice(b"EFI PART");
        assert_eq!(label(&head), "gpt");
    }
}
