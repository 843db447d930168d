//! What users know a procedure by: the public API's function, and the part of the system that it is about.

use crate::ProcedureInfo;
use error::Domain;

/// Words of procedures' names that functions write otherwise than with a capital letter.
const WORDS: &[(&str, &str)] = &[
    ("cpu", "CPU"),
    ("dhcp", "DHCP"),
    ("fd", "FD"),
    ("fsfreeze", "FSFreeze"),
    ("fsinfo", "FSInfo"),
    ("fsthaw", "FSThaw"),
    ("fstrim", "FSTrim"),
    ("id", "ID"),
    ("iothread", "IOThread"),
    ("mac", "MAC"),
    ("nmi", "NMI"),
    ("nwfilter", "NWFilter"),
    ("nwfilters", "NWFilters"),
    ("os", "OS"),
    ("pm", "PM"),
    ("scsi", "SCSI"),
    ("sev", "SEV"),
    ("ssh", "SSH"),
    ("tls", "TLS"),
    ("uri", "URI"),
    ("uuid", "UUID"),
    ("wwn", "WWN"),
    ("xml", "XML"),
];

/// Words that tell what a procedure is about; the first that is found counts.
const SUBJECTS: &[(&str, Domain)] = &[
    ("domain", Domain::Domain),
    ("nwfilter", Domain::Nwfilter),
    ("network", Domain::Network),
    ("storage", Domain::Storage),
    ("secret", Domain::Secret),
    ("node_device", Domain::Nodedev),
    ("interface", Domain::Interface),
    // node_list_devices
    ("devices", Domain::Nodedev),
];

impl ProcedureInfo {
    /// The public API's function: `virDomainGetXMLDesc` for `domain_get_xml_desc`.
    pub fn function(&self) -> String {
        let mut name = String::from("vir");
        for word in self.name.split('_') {
            if let Some((_, special)) = WORDS.iter().find(|(known, _)| *known == word) {
                name.push_str(special);
            } else {
                let (first, rest) = word.split_at_checked(1).unwrap_or((word, ""));
                name.push_str(&first.to_ascii_uppercase());
                name.push_str(rest);
            }
        }
        name
    }

    /// The part of the system that it is about, as errors name it; what is about a host and its guests alike is about
    /// guests.
    pub fn subject(&self) -> Domain {
        let found = SUBJECTS.iter().find(|(word, _)| self.name.contains(word));
        found.map_or(Domain::Domain, |(_, domain)| *domain)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::remote::PROGRAM;

    #[test]
    fn functions_are_named_as_users_know_them() {
        let cases = [
            (
                "domain_define_xml_flags",
                "virDomainDefineXMLFlags",
                Domain::Domain,
            ),
            (
                "domain_interface_addresses",
                "virDomainInterfaceAddresses",
                Domain::Domain,
            ),
            (
                "domain_set_block_io_tune",
                "virDomainSetBlockIoTune",
                Domain::Domain,
            ),
            ("connect_get_hostname", "virConnectGetHostname", Domain::Domain),
            ("node_get_info", "virNodeGetInfo", Domain::Domain),
            (
                "node_device_get_autostart",
                "virNodeDeviceGetAutostart",
                Domain::Nodedev,
            ),
            ("node_list_devices", "virNodeListDevices", Domain::Nodedev),
            (
                "connect_list_all_nwfilters",
                "virConnectListAllNWFilters",
                Domain::Nwfilter,
            ),
            (
                "network_get_dhcp_leases",
                "virNetworkGetDHCPLeases",
                Domain::Network,
            ),
            (
                "storage_vol_get_xml_desc",
                "virStorageVolGetXMLDesc",
                Domain::Storage,
            ),
            ("secret_get_value", "virSecretGetValue", Domain::Secret),
            (
                "interface_lookup_by_mac_string",
                "virInterfaceLookupByMACString",
                Domain::Interface,
            ),
        ];
        for (name, function, subject) in cases {
            let procedure = PROGRAM.procedures.iter().find(|one| one.name == name);
            let told = procedure.map(|procedure| (procedure.function(), procedure.subject()));
            assert_eq!(told, Some((function.to_owned(), subject)), "{name}");
        }
    }
}
