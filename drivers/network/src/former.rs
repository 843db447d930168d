//! Rules that libvirt's own daemon set for a network that is taken over from it: its status document tells of them.

use crate::host::tool;
use xml::Element;

/// `<firewall>`: what libvirt would do when it stops the network.
#[derive(Debug, Clone, PartialEq, Eq, Default, Element)]
#[xml(element = "firewall")]
pub(crate) struct FormerRules {
    /// By which means the rules were set.
    #[xml(attr)]
    backend: Option<String>,
    #[xml(children = "group")]
    groups: Vec<Group>,
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Element)]
#[xml(element = "group")]
struct Group {
    #[xml(children = "action")]
    actions: Vec<Action>,
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Element)]
#[xml(element = "action")]
struct Action {
    #[xml(attr, default)]
    layer: String,
    #[xml(child)]
    args: Option<Arguments>,
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Element)]
#[xml(element = "args")]
struct Arguments {
    #[xml(value = "item")]
    items: Vec<String>,
}

impl FormerRules {
    /// Whether they are tables of nftables, which are removed in the same step that ours are set in.
    pub(crate) fn are_tables(&self) -> bool {
        self.backend.as_deref() == Some("nftables")
    }

    /// Removes those of iptables, as libvirt would: each that is there. Blocks.
    pub(crate) fn remove(&self) {
        if self.backend.as_deref() != Some("iptables") {
            return;
        }
        for action in self.groups.iter().flat_map(|group| &group.actions) {
            let program = match action.layer.as_str() {
                "ipv4" => "iptables",
                "ipv6" => "ip6tables",
                _ => continue,
            };
            let arguments = action.args.iter().flat_map(|args| args.items.iter().cloned());
            let removal = tool(program).with(["-w"]).with(arguments);
            if let Err(err) = removal.run_to_end() {
                tracing::debug!(%err, "a rule of libvirt's was gone already");
            }
        }
    }
}
