//! Frames at a guest's port, from the guest or from anybody who reaches it: each is read within its bounds, and tells of nothing but
//! addresses that a host can have. What is learned of them all is bounded, and is read from its file as it was written.

use driver_nwfilter::learning::{Leases, Lesson, Method, Seen, read};
use model::Mac;
use std::net::Ipv4Addr;
use std::time::{Duration, UNIX_EPOCH};

/// Whose addresses are learned, in seeds too.
const GUEST: Mac = Mac([0x52, 0x54, 0, 0, 0, 7]);

/// The server that is believed where one is named.
const SERVER: Ipv4Addr = Ipv4Addr::new(10, 7, 0, 1);

/// Frames one after another, each behind its length in two bytes; the last may be shorter than it says.
fn frames(mut data: &[u8]) -> Vec<&[u8]> {
    let mut found = Vec::new();
    while let Some((length, rest)) = data.split_first_chunk() {
        let length = usize::from(u16::from_be_bytes(*length)).min(rest.len());
        let (frame, rest) = rest.split_at(length);
        found.push(frame);
        data = rest;
    }
    found
}

pub(crate) fn run(data: &[u8]) {
    let frames = frames(data);
    for method in [Method::Any, Method::Dhcp] {
        for servers in [vec![], vec![SERVER]] {
            let lesson = Lesson {
                method,
                mac: GUEST,
                servers,
            };
            let mut leases = Leases::default();
            for (second, frame) in (1..).zip(&frames) {
                let Some(seen) = read(&lesson, frame) else {
                    continue;
                };
                check(seen, &lesson, frame);
                leases.learn(method, seen, UNIX_EPOCH + Duration::from_secs(second));
            }
            let addresses = leases.addresses();
            let most = if method == Method::Any { 1 } else { 32 };
            assert!(addresses.len() <= most, "{addresses:?}");
            assert_eq!(Leases::from_text(&leases.to_text()), leases);
        }
    }
}

/// That the frame can tell what was seen in it.
fn check(seen: Seen, lesson: &Lesson, frame: &[u8]) {
    match seen {
        Seen::Uses(address) | Seen::Leased(address, _) => {
            let is_of_a_host =
                !address.is_unspecified() && !address.is_multicast() && !address.is_broadcast();
            assert!(is_of_a_host, "{address}");
        }
        Seen::GaveBack(_) => {}
    }
    let holds = |part: &[u8]| frame.windows(part.len()).any(|window| window == part);
    assert!(holds(&lesson.mac.octets()), "it is about another guest: {seen:?}");
    if let Seen::Leased(..) = seen {
        let is_believed = lesson.servers.iter().all(|server| holds(&server.octets()));
        assert!(is_believed, "a server that is not named was believed: {seen:?}");
    }
}
