//! A domain document from anybody: refused with an error or read; what was read is written so that it reads the same.

pub(crate) fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let Ok(domain) = model::domain::Domain::from_xml(text) else {
        return;
    };
    let written = domain.to_xml();
    match model::domain::Domain::from_xml(&written) {
        Ok(again) => assert_eq!(domain, again, "a document changed on its way: {written}"),
        Err(err) => panic!("what was written is refused: {err}\n{written}"),
    }
}
