//! The URI that a client opens: it names a driver and for whom it works, and no way to get there.

use client::Uri;
use error::{Code, Domain, Error, Result};

/// A client's URI, which may not tell how to reach the daemon: that is this host's choice.
///
/// # Errors
/// `VIR_ERR_INVALID_ARG` for what is no URI and for one that tells a way; `VIR_ERR_NO_SUPPORT` for one that leads to another
/// host.
pub fn parse(name: &str) -> Result<Uri> {
    let uri = Uri::parse(name)?;
    if uri.of_driver() == name {
        return Ok(uri);
    }
    let text = format!("URI '{name}' tells how to reach the daemon, which only the daemon here may choose");
    Err(Error::new(Code::InvalidArg, Domain::Uri, text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_way_is_not_the_clients_to_choose() {
        assert!(parse("qemu:///system").is_ok());
        for (uri, code) in [
            ("qemu+unix:///system?socket=/etc/passwd", Code::InvalidArg),
            ("qemu+unix:///system", Code::InvalidArg),
            ("qemu:///system?mode=legacy", Code::InvalidArg),
            ("qemu+tcp://elsewhere/system", Code::NoSupport),
            ("qemu://elsewhere/system", Code::NoSupport),
            ("nonsense", Code::InvalidArg),
        ] {
            assert_eq!(parse(uri).unwrap_err().code(), code, "{uri}");
        }
    }
}
