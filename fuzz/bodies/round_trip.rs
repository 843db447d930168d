//! What bodies that feed documents have in common.

/// Reads a document, writes what was read, and reads that again: it has to be the same.
pub(crate) fn comes_back<T: PartialEq + std::fmt::Debug>(
    text: &str,
    read: impl Fn(&str) -> error::Result<T>,
    write: impl Fn(&T) -> String,
) {
    let Ok(document) = read(text) else { return };
    let written = write(&document);
    match read(&written) {
        Ok(again) => assert_eq!(document, again, "a document changed on its way: {written}"),
        Err(err) => panic!("what was written is refused: {err}\n{written}"),
    }
}
