//! The host's name and UUID.

use crate::Host;

impl Host {
    /// The host's name, fully qualified if the kernel knows it so.
    pub fn hostname(&self) -> String {
        rustix::system::uname().nodename().to_string_lossy().into_owned()
    }

    /// A UUID that stays the host's own: the firmware's, else one made of `/etc/machine-id`.
    ///
    /// Firmware of poor make carries the same digit everywhere; such a UUID names no host and is passed over.
    pub fn uuid(&self) -> Option<[u8; 16]> {
        let firmware = self
            .text("sys/class/dmi/id/product_uuid")
            .and_then(|text| parse_uuid(&text));
        let firmware = firmware.or_else(|| self.smbios()?.system_uuid());
        firmware
            .filter(|uuid| !is_dull(uuid))
            .or_else(|| self.machine_id())
    }

    /// The machine id as a UUID.
    pub fn machine_id(&self) -> Option<[u8; 16]> {
        let id = self.text("etc/machine-id").and_then(|text| parse_uuid(&text));
        id.filter(|uuid| !is_dull(uuid))
    }
}

/// Whether all digits are the same.
fn is_dull(uuid: &[u8; 16]) -> bool {
    let first = uuid.first().copied().unwrap_or_default();
    first >> 4 == first & 15 && uuid.iter().all(|&byte| byte == first)
}

fn parse_uuid(text: &str) -> Option<[u8; 16]> {
    let mut digits = text.chars().filter(|c| *c != '-');
    let mut uuid = [0; 16];
    for byte in &mut uuid {
        let high = digits.next()?.to_digit(16)?;
        let low = digits.next()?.to_digit(16)?;
        *byte = u8::try_from(high << 4 | low).ok()?;
    }
    digits.next().is_none().then_some(uuid)
}

#[cfg(test)]
mod tests {
    use crate::tree::Tree;

    #[test]
    fn the_firmware_names_the_host_before_the_system_does() {
        let tree = Tree::new(&[
            (
                "sys/class/dmi/id/product_uuid",
                "0a1b2c3d-0000-0000-0000-000000000001\n",
            ),
            ("etc/machine-id", "3d1219c7c4c5404aaa1f6d2a48adfda4\n"),
        ]);
        assert_eq!(tree.host().uuid().unwrap()[..4], [0x0a, 0x1b, 0x2c, 0x3d]);
        tree.put(
            "sys/class/dmi/id/product_uuid",
            b"ffffffff-ffff-ffff-ffff-ffffffffffff",
        );
        assert_eq!(tree.host().uuid().unwrap()[..2], [0x3d, 0x12]);
        tree.put("etc/machine-id", b"uninitialized");
        assert_eq!(tree.host().uuid(), None);
    }
}
