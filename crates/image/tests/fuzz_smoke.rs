//! The fuzz target's body over some thousand broken headers, so that every run of the tests tries it a little.
#![allow(clippy::panic, clippy::indexing_slicing, reason = "a test")]

#[path = "../../../fuzz/bodies/image_header.rs"]
mod image_header;

/// A sequence that looks random and is the same each time (xorshift).
fn next(state: &mut u64, below: usize) -> usize {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    usize::try_from(*state % below as u64).unwrap_or(0)
}

/// The start of a qcow2 image of version 3, with a backing file, its format and a data file.
fn qcow2() -> Vec<u8> {
    let mut image = vec![0; 1024];
    let mut put = |at: usize, bytes: &[u8]| image[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, b"QFI\xfb\0\0\0\x03");
    put(8, &200_u64.to_be_bytes());
    put(16, &9_u32.to_be_bytes());
    put(20, &16_u32.to_be_bytes());
    put(24, &(1_u64 << 30).to_be_bytes());
    put(72, &4_u64.to_be_bytes());
    put(100, &104_u32.to_be_bytes());
    put(104, b"\xe2\x79\x2a\xca\0\0\0\x05qcow2\0\0\0");
    put(120, b"DATA\0\0\0\x06a.data\0\0\0\0\0\0\0\0\0\0");
    put(200, b"/base.img");
    image
}

#[test]
fn broken_headers_are_refused_or_read() {
    let starts: Vec<Vec<u8>> = ["QED\0", "KDMV", "conectix", "WithoutFreeSpace", "LUKS"]
        .into_iter()
        .map(|mark| {
            let mut image = vec![1; 600];
            image[..mark.len()].copy_from_slice(mark.as_bytes());
            image
        })
        .chain([qcow2(), Vec::new()])
        .collect();
    let mut state = 0x9e37_79b9_7f4a_7c15;
    for start in &starts {
        image_header::run(start);
        for _ in 0..2000 {
            let mut image = start.clone();
            for _ in 0..=next(&mut state, 6) {
                if image.is_empty() {
                    break;
                }
                let at = next(&mut state, image.len().min(256));
                let value = [0, 1, 2, 0x7f, 0x80, 0xff][next(&mut state, 6)];
                image[at] = value;
            }
            image.truncate(next(&mut state, image.len() * 4 + 1));
            image_header::run(&image);
        }
    }
}
