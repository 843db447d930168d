//! A secret's document from anybody: refused with an error or read; what was read is written so that it reads the same.

pub(crate) fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let Ok(secret) = model::secret::Secret::from_xml(text) else {
        return;
    };
    let written = secret.to_xml();
    match model::secret::Secret::from_xml(&written) {
        Ok(again) => assert_eq!(secret, again, "a document changed on its way: {written}"),
        Err(err) => panic!("what was written is refused: {err}\n{written}"),
    }
}
