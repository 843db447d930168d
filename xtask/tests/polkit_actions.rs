//! polkit's actions are those of the protocol's table; this holds the file to them, and writes it where `FERROVIRT_WRITE=1`
//! asks.
#![allow(clippy::unwrap_used, reason = "a test")]

use std::fmt::Write;
use std::path::Path;

fn actions() -> String {
    let mut text = String::from(concat!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n",
        "<!DOCTYPE policyconfig PUBLIC \"-//freedesktop//DTD polkit Policy Configuration 1.0//EN\" ",
        "\"http://www.freedesktop.org/software/polkit/policyconfig-1.dtd\">\n",
        "<!-- Who may make which call, where access_drivers says [ \"polkit\" ]. Everybody may look; rules allow more. -->\n",
        "<policyconfig>\n",
        "  <vendor>Ferrovirt</vendor>\n",
    ));
    for ((object, permission), looking) in protocol::permissions() {
        let id = protocol::action(object, permission);
        let (object, permission) = (object.replace('_', " "), permission.replace('_', " "));
        let default = if looking { "yes" } else { "no" };
        write!(
            text,
            "  <action id=\"{id}\">\n    \
               <description>{object}: {permission}</description>\n    \
               <message>No rule allows this user \"{permission}\" on this {object}</message>\n    \
               <defaults>\n      \
                 <allow_any>{default}</allow_any>\n      \
                 <allow_inactive>{default}</allow_inactive>\n      \
                 <allow_active>{default}</allow_active>\n    \
               </defaults>\n  \
             </action>\n"
        )
        .unwrap();
    }
    text.push_str("</policyconfig>\n");
    text
}

#[test]
fn the_file_has_every_permission_of_the_table() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../packaging/polkit/org.libvirt.api.policy");
    let actions = actions();
    if std::env::var_os("FERROVIRT_WRITE").is_some() {
        std::fs::write(&path, &actions).unwrap();
    }
    let file = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        file == actions,
        "{} is out of date: run FERROVIRT_WRITE=1 cargo test -p xtask --test polkit_actions",
        path.display()
    );
}
