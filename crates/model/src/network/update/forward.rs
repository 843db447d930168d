//! `<interface>` in `<forward>`.

use super::super::{ForwardInterface, Network, wrong};
use super::{UpdateCommand, add, invalid, read, unsupported};
use error::Result;

pub(super) fn interface(network: &mut Network, command: UpdateCommand, text: &str) -> Result<()> {
    let name = &network.name;
    if command == UpdateCommand::Modify {
        return Err(unsupported(format!(
            "<interface>: interfaces of network '{name}' can be added and deleted, not modified"
        )));
    }
    let wanted: ForwardInterface = read(text)?;
    let Some(forward) = &mut network.forward else {
        return Err(invalid(format!(
            "<interface dev='{}'>: network '{name}' forwards nothing",
            wanted.dev
        )));
    };
    let place = forward
        .interfaces
        .iter()
        .position(|interface| interface.dev == wanted.dev);
    let told = format!("<interface dev='{}'>", wanted.dev);
    match (command, place) {
        (UpdateCommand::Delete, Some(place)) => {
            let used = forward.interfaces.remove(place).connections;
            if let Some(used) = used.filter(|used| *used > 0) {
                return Err(invalid(format!(
                    "{told}: {used} interfaces of guests are connected by it to network '{name}'"
                )));
            }
        }
        (UpdateCommand::Delete, None) => {
            return Err(invalid(format!("{told}: network '{name}' has no such interface")));
        }
        (_, Some(_)) => {
            return Err(invalid(format!(
                "{told}: network '{name}' has this interface already"
            )));
        }
        (_, None) if forward.pf.is_some() => {
            return Err(wrong(format!(
                "{told}: the pool of network '{name}' is a physical function's"
            )));
        }
        (_, None) => add(
            &mut forward.interfaces,
            command,
            ForwardInterface {
                connections: None,
                ..wanted
            },
        ),
    }
    // It is told again as the document's `dev`.
    forward.dev = None;
    Ok(())
}
