//! The record of a target, in iscsiadm's own files: CHAP's password gets there without anybody seeing it among arguments, which
//! is the only other way there is.

use super::admin::Node;
use crate::failure::{invalid, system};
use error::Result;
use std::fs;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use xdr::SecretBytes;

/// Where open-iscsi keeps records: on Debian until now, and where it has moved to since.
const FOLDERS: [&str; 2] = ["/etc/iscsi/nodes", "/var/lib/iscsi/nodes"];

/// The interface that all use who name none.
const DEFAULT: &str = "default";

/// The last line of a record.
const END: &str = "# END RECORD";

/// Has a login prove who logs in.
///
/// # Errors
/// The password is none that a record can hold; there is no record.
pub(super) fn authenticate(node: &Node<'_>, user: &str, password: &SecretBytes) -> Result<()> {
    let password = std::str::from_utf8(password.expose()).ok();
    let plain = |word: &&str| !word.is_empty() && !word.contains(char::is_control) && word.len() < 256;
    let (Some(password), Some(user)) = (password.filter(plain), Some(user).filter(plain)) else {
        return Err(invalid(
            "CHAP: names and passwords are of one line with up to 255 bytes of UTF-8",
        ));
    };
    let path = FOLDERS
        .iter()
        .find_map(|folder| find(Path::new(folder), node))
        .ok_or_else(|| invalid(format!("iscsiadm has no record of target '{}'", node.target)))?;
    let failed = |err| system(format!("cannot write '{}'", path.display()), err);
    let record = fs::read_to_string(&path).map_err(failed)?;
    let record = with(
        &record,
        &[
            ("node.session.auth.authmethod", "CHAP"),
            ("node.session.auth.username", user),
            ("node.session.auth.password", password),
        ],
    );
    // In place: whatever else lies in that folder would be taken for a record.
    let file = fs::OpenOptions::new()
        .write(true)
        .truncate(true)
        .mode(0o600)
        .open(&path);
    let mut file = file.map_err(failed)?;
    rustix::fs::fchmod(&file, rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR)
        .map_err(|err| failed(err.into()))?;
    file.write_all(record.as_bytes()).map_err(failed)
}

/// The record of a node: a file named after address, port and, where it is known, group; or a folder of that name with a file for
/// each interface.
fn find(folder: &Path, node: &Node<'_>) -> Option<PathBuf> {
    let place = format!("{},{}", node.portal.host(), node.portal.port());
    let is_it = |name: &str| {
        name.strip_prefix(&place)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with(','))
    };
    let entries = fs::read_dir(folder.join(node.target)).ok()?;
    let mut found = entries
        .flatten()
        .filter(|entry| is_it(&entry.file_name().to_string_lossy()))
        .map(|entry| entry.path())
        .map(|path| match path.is_dir() {
            true => path.join(node.interface.unwrap_or(DEFAULT)),
            false => path,
        });
    found.find(|path| path.is_file())
}

/// A record with other values.
fn with(record: &str, values: &[(&str, &str)]) -> String {
    let is_set = |line: &str| {
        values
            .iter()
            .any(|(name, _)| line.split(" = ").next() == Some(name))
    };
    let mut changed = String::with_capacity(record.len() + 256);
    for line in record.lines().filter(|line| !is_set(line) && *line != END) {
        changed.push_str(line);
        changed.push('\n');
    }
    for (name, value) in values {
        changed.push_str(&format!("{name} = {value}\n"));
    }
    changed.push_str(END);
    changed.push('\n');
    changed
}

#[cfg(test)]
mod tests {
    use super::super::admin::Portal;
    use super::*;

    #[test]
    fn values_take_the_place_of_former_ones() {
        let record = "# BEGIN RECORD 2.1.8\nnode.name = iqn.t\nnode.session.auth.authmethod = None\n\
                      node.session.auth.password_in = x\n# END RECORD\n";
        let values = [
            ("node.session.auth.authmethod", "CHAP"),
            ("node.session.auth.password", "a = b"),
        ];
        let changed = with(record, &values);
        assert_eq!(
            changed,
            "# BEGIN RECORD 2.1.8\nnode.name = iqn.t\nnode.session.auth.password_in = x\n\
             node.session.auth.authmethod = CHAP\nnode.session.auth.password = a = b\n# END RECORD\n"
        );
        assert_eq!(with(&changed, &values), changed);
    }

    #[test]
    fn a_record_is_a_file_or_a_file_of_a_folder() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("iqn.t");
        fs::create_dir_all(target.join("192.0.2.2,3260,1")).unwrap();
        for file in [
            "192.0.2.1,3260",
            "192.0.2.1,32600",
            "192.0.2.2,3260,1/own",
            "192.0.2.2,3260,1/default",
        ] {
            fs::write(target.join(file), "").unwrap();
        }
        for (host, interface, file) in [
            ("192.0.2.1", None, Some("192.0.2.1,3260")),
            ("192.0.2.2", None, Some("192.0.2.2,3260,1/default")),
            ("192.0.2.2", Some("own"), Some("192.0.2.2,3260,1/own")),
            ("192.0.2.3", None, None),
        ] {
            let portal = Portal::of(host, None).unwrap();
            let node = Node {
                portal: &portal,
                target: "iqn.t",
                interface,
            };
            assert_eq!(find(dir.path(), &node), file.map(|file| target.join(file)));
        }
    }
}
