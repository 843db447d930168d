//! The fuzz target's body over some thousand broken headers, so that every run of the tests tries it a little.
#![allow(
    clippy::panic,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test"
)]

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

/// A VHDX image up to its size: the table of regions, the metadata, and the size in it.
fn vhdx() -> Vec<u8> {
    const REGIONS: usize = 192 << 10;
    const METADATA: usize = 200 << 10;
    let mut image = vec![0; METADATA + 128];
    let mut put = |at: usize, bytes: &[u8]| image[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, b"vhdxfile");
    put(REGIONS, b"regi\0\0\0\0\x01\0\0\0");
    put(
        REGIONS + 16,
        b"\x06\xa2\x7c\x8b\x90\x47\x9a\x4b\xb8\xfe\x57\x5f\x05\x0f\x88\x6e",
    );
    put(REGIONS + 32, &(METADATA as u64).to_le_bytes());
    put(METADATA, b"metadata\0\0\x01\0");
    put(
        METADATA + 32,
        b"\x24\x42\xa5\x2f\x1b\xcd\x76\x48\xb2\x11\x5d\xbe\xd8\x3b\xf4\xb8",
    );
    put(METADATA + 48, &100_u32.to_le_bytes());
    put(METADATA + 100, &(7_u64 << 20).to_le_bytes());
    image
}

#[test]
fn a_vhdx_leads_to_its_size_or_nowhere() {
    use image::{Format, Header};
    let image = vhdx();
    let read = |image: &[u8]| Header::read(image, Format::Vhdx, image.len() as u64);
    assert_eq!(read(&image).unwrap().capacity, Some(7 << 20));
    // Whatever its tables say of places and numbers.
    for at in [
        (192 << 10) + 8,
        (192 << 10) + 32,
        (200 << 10) + 10,
        (200 << 10) + 48,
    ] {
        for value in [0, 1, 0x7f, 0xff] {
            let mut image = image.clone();
            image[at..at + 8].fill(value);
            image_header::run(&image);
        }
    }
    for length in [0, 8, 192 << 10, (192 << 10) + 40, 200 << 10, (200 << 10) + 50] {
        assert!(read(&image[..length]).is_err(), "{length}");
    }
}

#[test]
fn broken_headers_are_refused_or_read() {
    const MARKS: [&[u8]; 12] = [
        b"QFI\xfb\0\0\0\x01",
        b"QED\0",
        b"KDMV",
        b"COWD",
        b"# Disk DescriptorFile\nRW 99999999999999999 FLAT \"a\" 0\nparentCID=1\n",
        b"conectix",
        b"WithoutFreeSpace",
        b"WithouFreSpacExt",
        b"LUKS\xba\xbe\0\x01",
        b"Bochs Virtual HD Image",
        b"#!/bin/sh\n#V2.0 Format\nmodprobe cloop",
        b"koly",
    ];
    let marked = MARKS.into_iter().map(|mark| {
        // The last 512 bytes begin with it as well.
        let mut image = [vec![1; 88], vec![1; 512]].concat();
        image[88..88 + mark.len()].copy_from_slice(mark);
        image[..mark.len()].copy_from_slice(mark);
        image
    });
    let starts: Vec<Vec<u8>> = marked.chain([qcow2(), Vec::new()]).collect();
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
