//! What daemons tell is in the journal, with its fields.

use crate::host::{daemon, run, virsh, wait_for};

/// The last entry of the daemon's journal that has these words, as one line of JSON.
fn entry(words: &str) -> String {
    wait_for("the journal to have it", || {
        let entries = run(
            "journalctl",
            &["--unit=virtqemud", "--boot", "--output=json", "--no-pager"],
        );
        entries
            .lines()
            .rev()
            .find(|line| line.contains(words))
            .map(str::to_owned)
    })
}

#[test]
#[ignore = "runs in the guest of cargo xtask testbed"]
fn an_error_is_there_with_its_priority_and_its_place_in_the_source() {
    daemon("virtqemud").restart();
    // A client that is refused something tells nobody but the client; a broken document on disk is told to the journal.
    let folder = "/etc/libvirt/qemu";
    std::fs::create_dir_all(folder).unwrap();
    let file = format!("{folder}/broken-for-the-journal.xml");
    std::fs::write(&file, "<domain").unwrap();
    daemon("virtqemud").restart();
    virsh(&["list", "--all"]);
    let entry = entry("broken-for-the-journal");
    std::fs::remove_file(file).unwrap();
    for field in [
        r#""SYSLOG_IDENTIFIER":"virtqemud""#,
        r#""_SYSTEMD_UNIT":"virtqemud.service""#,
        r#""CODE_FILE":"#,
        r#""CODE_LINE":"#,
        r#""TARGET":"#,
    ] {
        assert!(entry.contains(field), "{field} is not in {entry}");
    }
    let priorities = [r#""PRIORITY":"3""#, r#""PRIORITY":"4""#];
    assert!(
        priorities.iter().any(|priority| entry.contains(priority)),
        "{entry}"
    );
    // Whoever asks the journal by name and gravity finds it.
    let asked = [
        "-t",
        "virtqemud",
        "-p",
        "warning",
        "--boot",
        "--no-pager",
        "--output=json",
    ];
    assert!(run("journalctl", &asked).contains("broken-for-the-journal"));
}
