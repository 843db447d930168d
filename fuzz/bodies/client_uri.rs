//! A URI from any client: refused or read; what the driver gets of it is read the same.

use client::Uri;

pub(crate) fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let Ok(uri) = Uri::parse(text) else { return };
    let plain = uri.of_driver();
    match Uri::parse(&plain) {
        Ok(again) => {
            assert_eq!(again.of_driver(), plain);
            assert_eq!(again.daemon().ok(), uri.daemon().ok());
            assert_eq!(again.named_socket(), None);
        }
        Err(failure) => panic!("what a driver gets is refused: {failure}"),
    }
    // However it ends: there may be no such daemon, and no folder for it.
    let _ = (uri.socket(true), uri.socket(false));
}
