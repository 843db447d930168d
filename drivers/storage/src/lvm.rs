//! LVM's reports in JSON, and its names; pure.

use crate::failure::refused;
use error::{Code, Error, Result};
use serde_json::{Map, Value};
use tool::Tool;

/// The longest name of a group or volume, in bytes.
const LONGEST_NAME: usize = 127;

/// Whether a group or volume can have that name.
pub(crate) fn is_name(name: &str) -> bool {
    !matches!(name, "" | "." | "..")
        && name.len() <= LONGEST_NAME
        && !name.starts_with('-')
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"+_.-".contains(&byte))
}

/// A report of `lvs`, `pvs` or `vgs`, with sizes in bytes.
pub(crate) fn report(program: &'static str, fields: &[&str]) -> Tool {
    Tool::new(program)
        .with([
            "--reportformat",
            "json",
            "--units",
            "b",
            "--nosuffix",
            "--options",
        ])
        .with([fields.join(",")])
}

/// A row of a report.
#[derive(Debug)]
pub(crate) struct Row(Map<String, Value>);

impl Row {
    /// A field; empty where LVM says nothing.
    pub(crate) fn text(&self, field: &str) -> &str {
        self.0.get(field).and_then(Value::as_str).unwrap_or_default()
    }

    /// A number.
    ///
    /// # Errors
    /// [`Code::InternalError`] with the field.
    pub(crate) fn number(&self, field: &str) -> Result<u64> {
        let text = self.text(field);
        text.parse()
            .map_err(|_| unread(&format!("{field} '{text}' is no number")))
    }
}

/// The rows of what a report has told: each is an object named after what it is about.
///
/// # Errors
/// [`Code::InternalError`] for what is no report.
pub(crate) fn rows(told: &str, about: &str) -> Result<Vec<Row>> {
    let mut document: Value = serde_json::from_str(told).map_err(|err| unread(&err.to_string()))?;
    let reports = document.get_mut("report").and_then(Value::as_array_mut);
    let reports = reports.ok_or_else(|| unread("there is no 'report'"))?;
    let mut rows = Vec::new();
    for report in reports {
        let found = report.get_mut(about).and_then(Value::as_array_mut);
        for row in found.into_iter().flat_map(std::mem::take) {
            match row {
                Value::Object(fields) => rows.push(Row(fields)),
                _ => return Err(unread("a row is no object")),
            }
        }
    }
    Ok(rows)
}

fn unread(why: &str) -> Error {
    refused(
        Code::InternalError,
        format!("what LVM tells cannot be read: {why}"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_read() {
        let told =
            r#"{"report": [{"vg": [{"vg_name":"a", "vg_size":"4194304"}, {"vg_name":"b"}]}], "log": []}"#;
        let rows = rows(told, "vg").unwrap();
        assert_eq!(
            rows.iter().map(|row| row.text("vg_name")).collect::<Vec<_>>(),
            ["a", "b"]
        );
        assert_eq!(rows[0].number("vg_size").unwrap(), 4_194_304);
        assert!(rows[1].number("vg_size").is_err());
        assert!(super::rows("x", "vg").is_err() && super::rows("{}", "vg").is_err());
    }

    #[test]
    fn names_are_lvms() {
        for good in ["a", "HostVG", "a-b_c.d+e", ".a"] {
            assert!(is_name(good), "{good}");
        }
        let long = "a".repeat(128);
        for bad in ["", ".", "..", "-a", "a/b", "a b", "ä", &long] {
            assert!(!is_name(bad), "{bad}");
        }
    }
}
