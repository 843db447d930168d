//! What dnsmasq runs for each lease (`--dhcp-script`), and once at its start to hear of those that there are.
//!
//! It is told what happened by its arguments and more by its environment; see dnsmasq(8).

use super::{Lease, file, read, write};
use daemon::Layout;
use std::collections::HashMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::net::IpAddr;
use std::path::Path;
use std::process::ExitCode;

/// The variable by which the daemon tells the bridge: dnsmasq itself does not tell it of each lease.
pub(crate) const BRIDGE: &str = "VIR_BRIDGE_NAME";

/// The driver's folder in paths.
const DRIVER: &str = "dnsmasq";

/// What dnsmasq says.
#[derive(Debug)]
struct Told {
    arguments: Vec<String>,
    variables: HashMap<String, String>,
}

impl Told {
    fn argument(&self, at: usize) -> Option<&str> {
        let found = self.arguments.get(at).map(String::as_str);
        found.filter(|word| !word.is_empty() && *word != "*")
    }

    fn variable(&self, name: &str) -> Option<&str> {
        let found = self.variables.get(name).map(String::as_str);
        found.filter(|word| !word.is_empty() && *word != "*")
    }

    fn bridge(&self) -> Result<&str, String> {
        let bridge = self.variable(BRIDGE).or(self.variable("DNSMASQ_INTERFACE"));
        let bridge = bridge.ok_or_else(|| format!("{BRIDGE} is not set"))?;
        if bridge.contains('/') {
            return Err(format!("{BRIDGE}={bridge} is no name of a bridge"));
        }
        Ok(bridge)
    }

    /// The lease it is about, given what was known of it.
    fn lease(&self, address: IpAddr, former: Option<&Lease>) -> Lease {
        let owned = |word: Option<&str>| word.map(str::to_owned);
        let client = owned(self.argument(1));
        let iaid = owned(self.variable("DNSMASQ_IAID"));
        let (mac_address, client_id) = match iaid {
            // Then the client is told where its address stands else.
            Some(_) => (owned(self.variable("DNSMASQ_MAC")), client),
            None => (client, owned(self.variable("DNSMASQ_CLIENT_ID"))),
        };
        let hostname = self.argument(3).or(self.variable("DNSMASQ_SUPPLIED_HOSTNAME"));
        let expires = self.variable("DNSMASQ_LEASE_EXPIRES");
        let expires = expires.and_then(|text| text.parse().ok());
        Lease {
            ip_address: address,
            hostname: owned(hostname),
            // What is not told again is as it was.
            mac_address: mac_address.or_else(|| former?.mac_address.clone()),
            client_id: client_id.or_else(|| former?.client_id.clone()),
            server_duid: owned(self.variable("DNSMASQ_SERVER_DUID")).or_else(|| former?.server_duid.clone()),
            expiry_time: expires.or(former.map(|lease| lease.expiry_time)).unwrap_or(0),
            iaid,
        }
    }

    /// Does what is asked; what is to be said goes to `out`.
    fn obey(&self, folder: &Path, out: &mut String) -> Result<(), String> {
        let words = |err: error::Error| err.to_string();
        let action = self.argument(0).unwrap_or_default();
        if !matches!(action, "init" | "add" | "old" | "del") {
            // What else dnsmasq tells is not about leases.
            return Ok(());
        }
        let path = file(folder, self.bridge()?);
        let mut leases = read(&path).map_err(words)?;
        if action == "init" {
            say(&leases, out);
            return Ok(());
        }
        let address = self.argument(2).unwrap_or_default();
        let address: IpAddr = address
            .parse()
            .map_err(|_| format!("'{address}' is no address"))?;
        let at = leases.iter().position(|lease| lease.ip_address == address);
        let former = at.map(|at| leases.remove(at));
        if action != "del" {
            let at = at.unwrap_or(leases.len());
            leases.insert(at, self.lease(address, former.as_ref()));
        }
        write(&path, &leases).map_err(words)
    }
}

/// Leases as dnsmasq keeps them in a file of its own.
fn say(leases: &[Lease], out: &mut String) {
    let (v6, v4): (Vec<_>, Vec<_>) = leases.iter().partition(|lease| lease.ip_address.is_ipv6());
    for lease in v4 {
        say_one(lease, lease.mac_address.as_deref(), out);
    }
    if let Some(server) = v6.iter().find_map(|lease| lease.server_duid.as_ref()) {
        let _ = writeln!(out, "duid {server}");
        for lease in v6 {
            say_one(lease, lease.iaid.as_deref(), out);
        }
    }
}

fn say_one(lease: &Lease, who: Option<&str>, out: &mut String) {
    let _ = writeln!(
        out,
        "{} {} {} {} {}",
        lease.expiry_time,
        who.unwrap_or("*"),
        lease.ip_address,
        lease.hostname.as_deref().unwrap_or("*"),
        lease.client_id.as_deref().unwrap_or("*")
    );
}

/// The program.
pub fn main() -> ExitCode {
    let lossy = |word: std::ffi::OsString| word.to_string_lossy().into_owned();
    let told = Told {
        arguments: std::env::args_os().skip(1).map(lossy).collect(),
        variables: std::env::vars_os()
            .map(|(name, value)| (lossy(name), lossy(value)))
            .collect(),
    };
    let mut out = String::new();
    let done = Layout::detect()
        .map_err(|err| err.to_string())
        .and_then(|layout| told.obey(&layout.driver_lib_dir(DRIVER), &mut out));
    let said = std::io::stdout().write_all(out.as_bytes());
    match done.and(said.map_err(|err| err.to_string())) {
        Ok(()) => ExitCode::SUCCESS,
        Err(err) => {
            // dnsmasq has it in its log.
            let _ = writeln!(std::io::stderr(), "{err}");
            ExitCode::FAILURE
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(arguments: &str, variables: &[(&str, &str)]) -> Told {
        let both = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let mut variables: HashMap<_, _> = variables.iter().map(both).collect();
        variables.insert(BRIDGE.to_owned(), "virbr7".to_owned());
        Told {
            arguments: arguments.split(' ').map(str::to_owned).collect(),
            variables,
        }
    }

    #[test]
    fn leases_come_are_renewed_told_and_go() {
        let dir = tempfile::tempdir().unwrap();
        let obey = |told: Told| {
            let mut out = String::new();
            told.obey(dir.path(), &mut out).map(|()| out)
        };
        let until = |second| [("DNSMASQ_LEASE_EXPIRES", second), ("DNSMASQ_CLIENT_ID", "01:02")];
        obey(told("add 52:54:00:00:00:01 10.0.0.2 one", &until("100"))).unwrap();
        obey(told("add 52:54:00:00:00:02 10.0.0.3", &until("100"))).unwrap();
        obey(told(
            "old 52:54:00:00:00:01 10.0.0.2 one",
            &[("DNSMASQ_LEASE_EXPIRES", "200")],
        ))
        .unwrap();
        let six = [
            ("DNSMASQ_IAID", "77"),
            ("DNSMASQ_MAC", "52:54:00:00:00:03"),
            ("DNSMASQ_SERVER_DUID", "00:01:ff"),
            ("DNSMASQ_LEASE_EXPIRES", "300"),
        ];
        obey(told("add 00:03:00:01 fd00::9 six", &six)).unwrap();
        obey(told("tftp 12 10.0.0.2 /file", &[])).unwrap();
        assert_eq!(
            obey(told("init", &[])).unwrap(),
            "200 52:54:00:00:00:01 10.0.0.2 one 01:02\n100 52:54:00:00:00:02 10.0.0.3 * 01:02\n\
             duid 00:01:ff\n300 77 fd00::9 six 00:03:00:01\n"
        );
        obey(told("del 52:54:00:00:00:02 10.0.0.3", &[])).unwrap();
        let leases = read(&file(dir.path(), "virbr7")).unwrap();
        assert_eq!(leases.len(), 2);
        assert_eq!(leases[1].mac_address.as_deref(), Some("52:54:00:00:00:03"));
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let mut out = String::new();
        assert!(told("add a nonsense", &[]).obey(dir.path(), &mut out).is_err());
        let mut elsewhere = told("init", &[]);
        elsewhere
            .variables
            .insert(BRIDGE.to_owned(), "../../etc/x".to_owned());
        assert!(elsewhere.obey(dir.path(), &mut out).is_err());
        elsewhere.variables.clear();
        assert!(elsewhere.obey(dir.path(), &mut out).is_err());
    }
}
