//! Whose a guest is by its own document: `<seclabel type='static' model='dac'>`.

use super::Identity;
use error::{Code, Domain as ErrorDomain, Error, Result};
use model::domain::Domain as Model;
use model::domain::security::{SecLabel, SecLabelType};

/// The model whose labels are users and groups.
pub(crate) const MODEL: &str = "dac";

/// A user and a group as labels name them: `user:group`, each a name, a number, or `+` and a number.
///
/// # Errors
/// [`Code::InvalidArg`] for anything else, and for names that this host does not have.
pub(crate) fn parse(label: &str) -> Result<Identity> {
    let refused = |text: String| {
        let text = format!("security label '{label}' of the model 'dac': {text}");
        Error::new(Code::InvalidArg, ErrorDomain::Security, text)
    };
    let (user, group) = label
        .split_once([':', '.'])
        .ok_or_else(|| refused("it has the form 'user:group'".to_owned()))?;
    // A name may be nothing but digits; what begins with + is a number whatever names there are.
    let user = number(user)
        .or_else(|| uzers::get_user_by_name(user).map(|user| user.uid()))
        .or_else(|| user.parse().ok())
        .ok_or_else(|| refused(format!("there is no user '{user}'")))?;
    let group = number(group)
        .or_else(|| uzers::get_group_by_name(group).map(|group| group.gid()))
        .or_else(|| group.parse().ok())
        .ok_or_else(|| refused(format!("there is no group '{group}'")))?;
    // The number of nobody: the kernel takes it for "as before".
    if user == u32::MAX || group == u32::MAX {
        return Err(refused(format!("{} is no number of anybody", u32::MAX)));
    }
    Ok((user, group))
}

fn number(text: &str) -> Option<u32> {
    let digits = text.strip_prefix('+')?;
    digits.parse().ok()
}

/// The user and group that a guest is to have, where its document says so.
///
/// # Errors
/// As [`parse`]; [`Code::ConfigUnsupported`] for a daemon that does not run as root, which cannot give it to anybody.
pub(crate) fn identity(model: &Model, privileged: bool) -> Result<Option<Identity>> {
    let label = model.seclabels.iter().find(|label| is_fixed(label));
    let Some(label) = label.and_then(|label| label.label.as_deref()) else {
        return Ok(None);
    };
    if !privileged {
        let text = "security labels of the model 'dac' take a daemon that runs as root";
        return Err(Error::new(Code::ConfigUnsupported, ErrorDomain::Security, text));
    }
    parse(label).map(Some)
}

/// Writes into a live document whose the guest's files are, where they change hands.
pub(crate) fn tell(model: &mut Model) {
    let labels = model.seclabels.iter_mut().filter(|label| is_fixed(label));
    for label in labels.filter(|label| label.relabel.is_some_and(|relabel| relabel.is_yes())) {
        label.image_label.clone_from(&label.label);
    }
}

fn is_fixed(label: &SecLabel) -> bool {
    label.r#type == Some(SecLabelType::Static) && label.model.as_deref() == Some(MODEL)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_names_or_numbers() {
        assert_eq!(parse("+107:+108").unwrap(), (107, 108));
        assert_eq!(parse("root:root").unwrap(), (0, 0));
        assert_eq!(parse("4242:+0").unwrap(), (4242, 0));
        for wrong in [
            "",
            "root",
            "nobody-of-that-name:root",
            "+-1:+0",
            "+4294967296:+0",
            "+1:",
            "+4294967295:+0",
        ] {
            let err = parse(wrong).unwrap_err();
            assert_eq!(err.code(), Code::InvalidArg, "{wrong}");
        }
    }

    #[test]
    fn only_what_the_document_fixes_counts() {
        let identity = |label: &str, privileged| {
            let text = format!(
                "<domain type='qemu'><name>a</name><memory>1</memory><os><type>hvm</type></os>{label}</domain>"
            );
            identity(&Model::from_xml(&text).unwrap(), privileged)
        };
        let fixed = "<seclabel type='static' model='dac'><label>+1:+2</label></seclabel>";
        assert_eq!(identity(fixed, true).unwrap(), Some((1, 2)));
        assert_eq!(
            identity(fixed, false).unwrap_err().code(),
            Code::ConfigUnsupported
        );
        assert_eq!(
            identity("<seclabel type='dynamic' model='dac'/>", false).unwrap(),
            None
        );
        let other = fixed.replace("dac", "selinux");
        assert_eq!(identity(&other, true).unwrap(), None);
    }
}
