//! The catalogue's files.

use super::{Bit, Catalogue, Feature, Model, Pattern};
use crate::cpuid::Registers;
use roxmltree::{Document, Node};
use std::path::Path;

/// No file of it is nearly as large.
const MAX_FILE: u64 = 4 << 20;

impl Catalogue {
    /// Reads the part of one family of architectures from the catalogue whose index lies in `folder`.
    pub(super) fn read(folder: &Path, family: &str) -> Option<Self> {
        let mut catalogue = Self::default();
        let index = text(&folder.join("index.xml"))?;
        let index = Document::parse(&index).ok()?;
        let arch = index
            .root_element()
            .children()
            .find(|node| node.attribute("name") == Some(family))?;
        for include in arch.descendants().filter(|node| node.has_tag_name("include")) {
            let Some(name) = include.attribute("filename").filter(|name| !name.contains('/')) else {
                continue;
            };
            let Some(content) = text(&folder.join(name)) else {
                continue;
            };
            let Ok(document) = Document::parse(&content) else {
                continue;
            };
            for node in document.root_element().children().filter(Node::is_element) {
                catalogue.add(node);
            }
        }
        (!catalogue.models.is_empty()).then_some(catalogue)
    }

    fn add(&mut self, node: Node<'_, '_>) {
        let Some(name) = node.attribute("name") else {
            return;
        };
        match node.tag_name().name() {
            "vendor" => {
                if let Some(string) = node.attribute("string") {
                    self.vendors.push((name.to_owned(), string.to_owned()));
                }
            }
            "feature" => {
                let at = self.features.len();
                self.by_name.insert(name.to_owned(), at);
                for alias in node.children().filter(|child| child.has_tag_name("alias")) {
                    if let Some(alias) = alias.attribute("name") {
                        self.by_name.entry(alias.to_owned()).or_insert(at);
                    }
                }
                let bits = node.children().filter_map(bit).collect();
                let migratable = node.attribute("migratable") != Some("no");
                self.features.push(Feature {
                    name: name.to_owned(),
                    migratable,
                    bits,
                });
            }
            "model" => {
                let model = self.read_model(name, node);
                self.models.push(model);
            }
            _ => (),
        }
    }

    fn read_model(&self, name: &str, node: Node<'_, '_>) -> Model {
        let mut model = Model {
            for_host: true,
            for_guest: true,
            ..Model::default()
        };
        for child in node.children().filter(Node::is_element) {
            let named = child.attribute("name");
            match child.tag_name().name() {
                // Another model that this one starts as.
                "model" => {
                    if let Some(base) = named.and_then(|base| self.model(base)) {
                        let (for_host, for_guest) = (model.for_host, model.for_guest);
                        model = Model {
                            for_host,
                            for_guest,
                            ..base.clone()
                        };
                    }
                }
                "decode" => {
                    model.for_host = child.attribute("host") != Some("off");
                    model.for_guest = child.attribute("guest") != Some("off");
                }
                "vendor" => model.vendor = named.map(str::to_owned),
                "signature" => model.signatures.extend(pattern(child)),
                "feature" => {
                    let Some(at) = named.and_then(|feature| self.position(feature)) else {
                        continue;
                    };
                    let is = |attribute| child.attribute(attribute) == Some("yes");
                    if is("removed") {
                        model.features.0.remove(&at);
                        model.explicit.0.insert(at);
                        model.removed.0.insert(at);
                        continue;
                    }
                    model.features.0.insert(at);
                    if is("added") {
                        model.explicit.0.insert(at);
                    }
                }
                _ => (),
            }
        }
        model.name = name.to_owned();
        model
    }
}

fn text(path: &Path) -> Option<String> {
    let about = path.metadata().ok()?;
    (about.is_file() && about.len() <= MAX_FILE).then(|| std::fs::read_to_string(path).ok())?
}

fn number(node: Node<'_, '_>, attribute: &str) -> Option<u32> {
    let text = node.attribute(attribute)?;
    match text.strip_prefix("0x") {
        Some(hex) => u32::from_str_radix(hex, 16).ok(),
        None => text.parse().ok(),
    }
}

fn bit(node: Node<'_, '_>) -> Option<Bit> {
    let register = |name| number(node, name).unwrap_or(0);
    match node.tag_name().name() {
        "cpuid" => Some(Bit::Cpuid {
            leaf: number(node, "eax_in")?,
            sub_leaf: register("ecx_in"),
            mask: Registers {
                eax: register("eax"),
                ebx: register("ebx"),
                ecx: register("ecx"),
                edx: register("edx"),
            },
        }),
        "msr" => {
            let mask = u64::from(register("edx")) << 32 | u64::from(register("eax"));
            Some(Bit::Msr {
                index: number(node, "index")?,
                mask,
            })
        }
        _ => None,
    }
}

fn pattern(node: Node<'_, '_>) -> Option<Pattern> {
    let stepping = match node.attribute("stepping") {
        None => (0, u32::MAX),
        Some(text) => {
            let (first, last) = text.split_once('-').unwrap_or((text, text));
            (first.parse().ok()?, last.parse().ok()?)
        }
    };
    Some(Pattern {
        family: number(node, "family")?,
        model: number(node, "model")?,
        stepping,
    })
}
