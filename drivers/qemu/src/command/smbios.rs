//! What SMBIOS tells the guest, and entries of its firmware's configuration.

use super::line::{KeyValues, Line, unsupported};
use error::Result;
use model::domain::os::SmbiosMode;
use model::sysinfo::{Entries, Smbios, Sysinfo};

impl Line<'_> {
    pub(super) fn smbios(&mut self) -> Result<()> {
        let mode = self.domain.os.smbios.as_ref().map(|smbios| smbios.mode);
        if mode == Some(SmbiosMode::Host) {
            return Err(unsupported(
                "<smbios mode='host'>: the host's tables are not passed on yet",
            ));
        }
        for sysinfo in &self.domain.sysinfo {
            match sysinfo {
                Sysinfo::Smbios(tables) if mode == Some(SmbiosMode::Sysinfo) => self.tables(tables)?,
                // Kept in the document, but not asked for by `<os>`.
                Sysinfo::Smbios(_) => {}
                Sysinfo::Fwcfg { entries } => {
                    for entry in entries {
                        let option = KeyValues::new().set("name", &entry.name);
                        let option = match &entry.file {
                            Some(file) => option.set("file", file),
                            None => option.set("string", entry.value.as_deref().unwrap_or_default()),
                        };
                        self.option("-fw_cfg", option.finish());
                    }
                }
            }
        }
        Ok(())
    }

    fn tables(&mut self, tables: &Smbios) -> Result<()> {
        const BIOS: &[&str] = &["vendor", "version", "date", "release"];
        const SYSTEM: &[&str] = &[
            "manufacturer",
            "product",
            "version",
            "serial",
            "uuid",
            "sku",
            "family",
        ];
        const BOARD: &[&str] = &[
            "manufacturer",
            "product",
            "version",
            "serial",
            "asset",
            "location",
        ];
        const CHASSIS: &[&str] = &["manufacturer", "version", "serial", "asset", "sku"];
        let boards = tables.base_boards.iter().map(|board| (2, Some(board), BOARD));
        let all = [
            (0, tables.bios.as_ref(), BIOS),
            (1, tables.system.as_ref(), SYSTEM),
        ];
        for (number, entries, names) in
            all.into_iter()
                .chain(boards)
                .chain([(3, tables.chassis.as_ref(), CHASSIS)])
        {
            if let Some(entries) = entries {
                self.table(number, entries, names)?;
            }
        }
        if !tables.processors.is_empty() || !tables.memory_devices.is_empty() {
            return Err(unsupported(
                "<sysinfo>: <processor> and <memory_device> are told of hosts only",
            ));
        }
        if let Some(strings) = &tables.oem_strings {
            let option = strings
                .entries
                .iter()
                .fold(KeyValues::new().set("type", 11), |option, entry| {
                    option.set("value", entry)
                });
            self.option("-smbios", option.finish());
        }
        Ok(())
    }

    fn table(&mut self, number: u32, entries: &Entries, names: &[&str]) -> Result<()> {
        if let Some(entry) = entries
            .entries
            .iter()
            .find(|entry| !names.contains(&entry.name.as_str()))
        {
            return Err(unsupported(format!(
                "<sysinfo>: the entry '{}' is not known here",
                entry.name
            )));
        }
        let given = names
            .iter()
            .filter_map(|name| entries.get(name).map(|value| (*name, value)));
        let option = given.fold(KeyValues::new().set("type", number), |option, (name, value)| {
            option.set(name, value)
        });
        self.option("-smbios", option.finish());
        Ok(())
    }
}
