//! `<portgroup>`.

use super::super::{Network, PortGroup, check};
use super::{UpdateCommand, add, invalid, read};
use error::Result;
use xml::YesNo;

pub(super) fn change(network: &mut Network, command: UpdateCommand, text: &str) -> Result<()> {
    let mut wanted: PortGroup = read(text)?;
    check::limits::port_group(&mut wanted)?;
    let name = &network.name;
    let groups = &mut network.port_groups;
    let told = format!("<portgroup name='{}'>", wanted.name);
    let place = groups.iter().position(|group| group.name == wanted.name);
    let other_default = groups
        .iter()
        .find(|group| group.default == Some(YesNo::Yes) && group.name != wanted.name);
    if let Some(other) =
        other_default.filter(|_| wanted.default == Some(YesNo::Yes) && command != UpdateCommand::Delete)
    {
        return Err(invalid(format!(
            "{told}: network '{name}' has a default, '{}', and can have one",
            other.name
        )));
    }
    match (command, place) {
        (UpdateCommand::Modify, Some(place)) => {
            if let Some(group) = groups.get_mut(place) {
                *group = wanted;
            }
        }
        (UpdateCommand::Delete, Some(place)) => {
            groups.remove(place);
        }
        (UpdateCommand::Modify | UpdateCommand::Delete, None) => {
            return Err(invalid(format!("{told}: network '{name}' has no such class")));
        }
        (_, Some(_)) => {
            return Err(invalid(format!(
                "{told}: network '{name}' has this class already"
            )));
        }
        (_, None) => add(groups, command, wanted),
    }
    Ok(())
}
