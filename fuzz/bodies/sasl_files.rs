//! The files of SASL: refused with a line, or read; users that were read are written so that they read the same.

use sasl::{Config, Users, prepare};

pub(crate) fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    if let Ok(config) = Config::parse(text) {
        assert!(!config.mechanisms.is_empty());
    }
    if let Ok(users) = Users::parse(text) {
        assert_eq!(Users::parse(&users.written()).as_ref(), Ok(&users));
        for name in users.names() {
            assert_eq!(prepare(name).ok().as_deref(), Some(name));
        }
    }
    if let Ok(name) = prepare(text) {
        assert_eq!(prepare(&name).ok(), Some(name));
    }
}
