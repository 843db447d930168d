//! What kinds of pools there can be here: the document about it.

use crate::backend;
use model::storage::PoolKind;
use xml::Writer;

/// The word of a format of volumes, as the kind of pool has it.
pub(crate) fn volume_format(kind: PoolKind, word: &str) -> Option<&'static str> {
    kind.volume_formats().iter().copied().find(|known| *known == word)
}

/// `<storagepoolCapabilities>`.
pub(crate) fn document() -> String {
    let mut writer = Writer::new();
    writer.element("storagepoolCapabilities", |writer| {
        for kind in PoolKind::ALL {
            writer.element("pool", |writer| pool(writer, *kind));
        }
    });
    writer.finish()
}

fn pool(writer: &mut Writer, kind: PoolKind) {
    let supported = backend::of(kind).is_ok_and(backend::Backend::is_usable);
    writer.attribute("type", kind.as_str());
    writer.attribute("supported", if supported { "yes" } else { "no" });
    options(
        writer,
        "poolOptions",
        kind.default_source_format(),
        "sourceFormatType",
        kind.source_formats(),
    );
    options(
        writer,
        "volOptions",
        kind.default_volume_format(),
        "targetFormatType",
        kind.volume_formats(),
    );
}

fn options(writer: &mut Writer, name: &str, default: Option<&str>, of: &str, words: &[&str]) {
    let Some(default) = default else { return };
    writer.element(name, |writer| {
        writer.element("defaultFormat", |writer| writer.attribute("type", default));
        writer.element("enum", |writer| {
            writer.attribute("name", of);
            for word in words {
                writer.value("value", &(*word).to_owned());
            }
        });
    });
}

#[cfg(test)]
mod tests {
    #[test]
    fn what_is_not_built_is_not_promised() {
        let document = super::document();
        assert!(
            document.starts_with(
                "<storagepoolCapabilities>\n  <pool type='dir' supported='yes'>\n    <volOptions>"
            )
        );
        assert!(
            document.contains("<pool type='sheepdog' supported='no'/>"),
            "{document}"
        );
        assert!(document.contains("<defaultFormat type='lvm2'/>"));
    }
}
