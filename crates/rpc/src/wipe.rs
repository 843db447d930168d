//! Buffers that may have held a secret are overwritten before their memory is used for anything else.

use zeroize::Zeroize;

/// The longest part of a buffer that is overwritten: a packet with the longest value that a secret may have, and some
/// more. What is longer is streams' data and lists, and costs as much to overwrite as to send.
const LONGEST: usize = 68 * 1024;

/// Overwrites what is not needed any more.
pub(crate) fn wipe(bytes: &mut [u8]) {
    if bytes.len() <= LONGEST {
        bytes.zeroize();
    }
}
