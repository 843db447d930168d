//! The derives of crate `xml`: `Element`, `Fields`, `Choice` and `Value`.
//!
//! Every derive reads its instructions from `#[xml(...)]`. On a field:
//!
//! | | |
//! |---|---|
//! | `attr`, `attr = "name"` | an attribute; an `Option` may be missing, with `default` it is written always |
//! | `child`, `child = "name"` | a child element; an `Option` may be missing, with `default` it is written unless default |
//! | `children = "name"` | a `Vec` of child elements |
//! | `wrapped = "outer/inner"` | a `Vec` of elements inside one wrapper |
//! | `value = "name"` | a child element with a text: an `Option`, a `Vec`, or, required, anything else |
//! | `flag = "name"` | a child element that is there or not, as `bool` |
//! | `text` | the element's own text; an `Option` is absent when empty |
//! | `flatten` | attributes and children of another type, in the same element |
//! | `choice` | a `Vec` or an `Option` of alternatives |
//! | `raw = "name"` | a child element kept verbatim, as `Option` or `Vec` of `RawElement` |
//! | `extra` | a `Vec` of all child elements that no other field claims |
//!
//! The name is the field's own where none is given. A name `prefix:local` is in the namespace that the type names with
//! `#[xml(namespace(prefix = "uri"))]`.

mod choice;
mod field;
mod fields;
mod options;
mod value;

use proc_macro::TokenStream;
use syn::{DeriveInput, Error, parse_macro_input};

/// The attributes and children of an element, from a struct or from an enum chosen by an attribute
/// (`#[xml(tag = "type")]`, or `#[xml(tag = "type", default = "file")]` where it may be missing).
#[proc_macro_derive(Fields, attributes(xml))]
pub fn derive_fields(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    fields::expand(&input)
        .unwrap_or_else(Error::into_compile_error)
        .into()
}

/// As `Fields`, and the name as a document's root: `#[xml(element = "disk")]`. Attributes are written in the order of the
/// fields, but for those that `leading = "type device"` puts first.
#[proc_macro_derive(Element, attributes(xml))]
pub fn derive_element(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    fields::expand_element(&input)
        .unwrap_or_else(Error::into_compile_error)
        .into()
}

/// One of several child elements: an enum whose variants say `#[xml(name = "disk")]`.
#[proc_macro_derive(Choice, attributes(xml))]
pub fn derive_choice(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    choice::expand(&input)
        .unwrap_or_else(Error::into_compile_error)
        .into()
}

/// A closed vocabulary: an enum whose variants say `#[xml("word")]`, or `#[xml("word", alias = "other")]` for a
/// second word that is understood and not written.
#[proc_macro_derive(Value, attributes(xml))]
pub fn derive_value(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    value::expand(&input)
        .unwrap_or_else(Error::into_compile_error)
        .into()
}
