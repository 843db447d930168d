//! Maps of the host's processors as calls carry them: one bit each, the lowest first.

use error::{Code, Domain, Error, Result};
use model::CpuSet;
use protocol::remote;

/// The processors of a map, one bit each, the lowest first.
pub(super) fn set_of(map: &[u8]) -> CpuSet {
    let bits = map.iter().zip(0_u32..).flat_map(|(byte, index)| {
        (0..8)
            .filter(move |bit| byte & (1 << bit) != 0)
            .map(move |bit| index * 8 + bit)
    });
    bits.filter(|cpu| *cpu < CpuSet::LIMIT).collect()
}

/// The map of a set, `bytes` long.
pub(super) fn map_of(cpus: impl IntoIterator<Item = u32>, bytes: usize) -> Vec<u8> {
    let mut map = vec![0_u8; bytes];
    for cpu in cpus {
        if let Some(byte) = map.get_mut(cpu as usize / 8) {
            *byte |= 1 << (cpu % 8);
        }
    }
    map
}

/// How many maps of how many bytes a reply can hold.
pub(super) fn room(maps: i32, length: i32) -> Result<(usize, usize)> {
    let maps = usize::try_from(maps).map_err(|_| invalid(format!("{maps} maps of processors")))?;
    let length = usize::try_from(length).map_err(|_| invalid(format!("maps of {length} bytes")))?;
    if maps.saturating_mul(length) > remote::limits::CPUMAPS_MAX {
        let text = "the processor maps asked for are larger than a reply may be";
        return Err(Error::new(Code::Rpc, Domain::Rpc, text));
    }
    Ok((maps, length))
}

fn invalid(text: String) -> Error {
    Error::new(Code::InvalidArg, Domain::Qemu, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_map_and_its_set() {
        let set = set_of(&[0b0000_0101, 0b1000_0000]);
        assert_eq!(set.to_string(), "0,2,15");
        assert_eq!(map_of(set.iter(), 2), [0b0000_0101, 0b1000_0000]);
        // Processors behind the end of a map are left out.
        assert_eq!(map_of([0, 99], 1), [1]);
        assert!(set_of(&[0; 2048]).is_empty());
        assert_eq!(set_of(&[0xff; 4096]).last(), Some(CpuSet::LIMIT - 1));
    }

    #[test]
    fn more_maps_than_a_reply_holds() {
        assert_eq!(room(i32::MAX, i32::MAX).unwrap_err().code(), Code::Rpc);
        assert_eq!(room(-1, 1).unwrap_err().code(), Code::InvalidArg);
        assert_eq!(room(4, 2).unwrap(), (4, 2));
    }
}
