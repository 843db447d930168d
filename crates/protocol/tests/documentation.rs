//! Holds the table's permissions against libvirt's documentation, where that is installed (`libvirt-doc`); where it is not,
//! this test says so and passes.
#![allow(clippy::expect_used, clippy::print_stdout, reason = "a test")]

use protocol::{AclRule, Kind, When};
use std::collections::BTreeSet;
use std::path::Path;

/// Where Debian has the reference of the public functions.
const REFERENCE: &str = "/usr/share/doc/libvirt-doc/html/html";

/// Functions that have permissions although the reference shows none.
const UNTOLD: &[&str] = &[
    "virDomainOpenGraphicsFD",
    "virNodeGetSEVInfo",
    "virDomainAuthorizedSSHKeysGet",
    "virDomainAuthorizedSSHKeysSet",
    "virDomainFDAssociate",
];

/// A rule in the reference's words: object, permission, condition.
type Rule = (String, String, String);

/// What stands between two words, and the rest.
fn between<'t>(text: &'t str, before: &str, after: &str) -> Option<(&'t str, &'t str)> {
    let (_, rest) = text.split_once(before)?;
    rest.split_once(after)
}

/// A table's rows as the texts of their cells.
fn rows(table: &str) -> Vec<Vec<String>> {
    let rows = table.split("<tr>").skip(1);
    rows.map(|row| {
        let cells = row.split("<td>").skip(1);
        cells
            .map(|cell| {
                let cell = cell.split("</td>").next().unwrap_or_default();
                let text: String = cell
                    .split('<')
                    .map(|part| part.split_once('>').map_or(part, |(_, text)| text))
                    .collect();
                text.replace('-', "_")
            })
            .collect()
    })
    .filter(|cells: &Vec<String>| !cells.is_empty())
    .collect()
}

fn rules(rows: Vec<Vec<String>>) -> BTreeSet<Rule> {
    rows.into_iter()
        .map(|cells| {
            let cell = |at: usize| cells.get(at).cloned().unwrap_or_default();
            (cell(0), cell(1), cell(2).trim_matches('_').to_owned())
        })
        .collect()
}

fn told(rules: &[AclRule]) -> BTreeSet<Rule> {
    let rules = rules.iter().filter(|rule| rule.object != "none");
    rules
        .map(|rule| {
            let condition = match rule.when {
                // The reference does not tell what a rule of another field depends on.
                When::Always | When::Field(..) => String::new(),
                When::Set(flags) => flags.to_owned(),
                When::Unset(flags) => format!("!{flags}"),
            };
            (rule.object.to_owned(), rule.permission.to_owned(), condition)
        })
        .collect()
}

#[test]
fn permissions_are_those_of_the_reference() {
    let Ok(pages) = std::fs::read_dir(REFERENCE) else {
        println!("SKIPPED: no documentation of libvirt at {REFERENCE}");
        return;
    };
    let pages: String = pages
        .flatten()
        .filter(|page| page.path().extension().is_some_and(|kind| kind == "html"))
        .map(|page| std::fs::read_to_string(page.path()).expect("a page"))
        .collect();
    let (mut compared, mut untold) = (0, Vec::new());
    for program in [
        &protocol::remote::PROGRAM,
        &protocol::qemu::PROGRAM,
        &protocol::lxc::PROGRAM,
    ] {
        for procedure in program.procedures {
            let function = procedure.function();
            let heading = format!("<h3><a id=\"{function}\">");
            let Some((_, rest)) = pages.split_once(&heading) else {
                continue;
            };
            let section = rest.split("<h3>").next().unwrap_or_default();
            if !matches!(procedure.kind, Kind::Call { .. }) {
                continue;
            }
            let Some((checks, after)) = between(section, "parameter checks</h5><table>", "</table>") else {
                if !told(procedure.acl).is_empty() {
                    untold.push(function);
                }
                continue;
            };
            assert_eq!(told(procedure.acl), rules(rows(checks)), "{function}");
            let filters = between(after, "return value filters</h5><table>", "</table>");
            let filters = filters
                .map(|(filters, _)| rules(rows(filters)))
                .unwrap_or_default();
            assert_eq!(told(procedure.filter), filters, "{function}: filters");
            compared += 1;
        }
    }
    println!("{compared} functions compared");
    assert_eq!(untold, UNTOLD);
    assert!(compared > 300, "{compared}");
}

#[test]
fn what_is_for_looking_is_open_to_everybody_as_documented() {
    let page = Path::new(REFERENCE).with_file_name("acl.html");
    let Ok(page) = std::fs::read_to_string(&page) else {
        println!("SKIPPED: no documentation of libvirt at {}", page.display());
        return;
    };
    let mut documented = BTreeSet::new();
    for row in page.split("<a id=\"perm_").skip(1) {
        let row = row.split("</tr>").next().unwrap_or_default();
        let name = row.split('"').next().unwrap_or_default();
        let cells = row.split("<td").collect::<Vec<_>>();
        let anonymous = cells.last().is_some_and(|cell| cell.contains("yes"));
        documented.insert((name.replace('-', "_"), anonymous));
    }
    let own: BTreeSet<_> = protocol::permissions()
        .into_iter()
        .map(|((object, permission), looking)| (format!("{object}_{permission}"), looking))
        .collect();
    assert_eq!(own, documented);
}
