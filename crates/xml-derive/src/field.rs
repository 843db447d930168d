//! One field: where it stands in the element, and the code that reads and writes it.

use proc_macro2::TokenStream as Tokens;
use quote::{format_ident, quote, quote_spanned};
use syn::ext::IdentExt;
use syn::spanned::Spanned;
use syn::{Error, Field, GenericArgument, LitStr, PathArguments, Result, Type};

use crate::options::Namespaces;

/// Code of one field. `reference` in the writing parts is an expression of type `&FieldType`.
pub(crate) struct Code {
    pub(crate) read: Tokens,
    pub(crate) write_attributes: Tokens,
    pub(crate) write_children: Tokens,
    /// A condition on `node`, with a trailing `||`.
    pub(crate) claims: Tokens,
}

/// How often the field's value is there.
enum Shape {
    One,
    Optional,
    Many,
}

/// What `#[xml(...)]` says.
struct Place {
    kind: &'static str,
    name: Option<LitStr>,
    default: bool,
}

const KINDS: [&str; 11] = [
    "attr", "child", "children", "wrapped", "value", "flag", "text", "flatten", "choice", "raw", "extra",
];

impl Place {
    fn parse(field: &Field) -> Result<Self> {
        let mut place: Option<(&'static str, Option<LitStr>)> = None;
        let mut default = false;
        for attribute in field
            .attrs
            .iter()
            .filter(|attribute| attribute.path().is_ident("xml"))
        {
            attribute.parse_nested_meta(|meta| {
                if meta.path.is_ident("default") {
                    default = true;
                    return Ok(());
                }
                let Some(kind) = KINDS.iter().copied().find(|kind| meta.path.is_ident(kind)) else {
                    return Err(meta.error(format!("a field says one of {KINDS:?}, or `default`")));
                };
                if let Some((other, _)) = &place {
                    return Err(meta.error(format!("the field is `{other}` already")));
                }
                let name = if meta.input.peek(syn::Token![=]) {
                    Some(meta.value()?.parse()?)
                } else {
                    None
                };
                place = Some((kind, name));
                Ok(())
            })?;
        }
        let Some((kind, name)) = place else {
            return Err(Error::new_spanned(
                field,
                "the field needs an `#[xml(...)]` that says where it stands",
            ));
        };
        if default && !matches!(kind, "attr" | "child" | "value") {
            return Err(Error::new_spanned(
                field,
                format!("`default` makes no sense with `{kind}`"),
            ));
        }
        if let Some(name) = name
            .as_ref()
            .filter(|_| matches!(kind, "text" | "flatten" | "choice" | "extra"))
        {
            return Err(Error::new_spanned(name, format!("`{kind}` has no name")));
        }
        Ok(Self { kind, name, default })
    }
}

/// The code of `field`, which `reference` refers to when writing.
pub(crate) fn code(field: &Field, reference: &Tokens, namespaces: &Namespaces) -> Result<Code> {
    let place = Place::parse(field)?;
    let (shape, inner) = shape(&field.ty);
    let span = field.ty.span();
    let name = match (&place.name, &field.ident) {
        (Some(name), _) => name.clone(),
        (None, Some(ident)) => LitStr::new(&ident.unraw().to_string(), ident.span()),
        (None, None) => LitStr::new("", span),
    };
    let mut code = Code {
        read: Tokens::new(),
        write_attributes: Tokens::new(),
        write_children: Tokens::new(),
        claims: Tokens::new(),
    };
    let misfit = |wanted: &str| Error::new_spanned(&field.ty, format!("`{}` takes {wanted}", place.kind));
    if place.default && !matches!(shape, Shape::One) {
        return Err(Error::new_spanned(
            &field.ty,
            "an `Option` or a `Vec` is missing by itself, without `default`",
        ));
    }
    match place.kind {
        "attr" => {
            (code.read, code.write_attributes) = match (&shape, place.default) {
                (Shape::One, false) => (
                    quote_spanned!(span=> node.required::<#inner>(#name)?),
                    quote!(writer.value_attribute(#name, #reference);),
                ),
                (Shape::One, true) => (
                    quote_spanned!(span=> node.optional::<#inner>(#name)?.unwrap_or_default()),
                    quote!(writer.value_attribute(#name, #reference);),
                ),
                (Shape::Optional, _) => (
                    quote_spanned!(span=> node.optional::<#inner>(#name)?),
                    quote!(if let ::std::option::Option::Some(value) = #reference { writer.value_attribute(#name, value); }),
                ),
                (Shape::Many, _) => return Err(misfit("no `Vec`")),
            };
            return Ok(code);
        }
        "flatten" => {
            match shape {
                Shape::One => {
                    code.read = quote_spanned!(span=> <#inner as ::xml::Fields>::read(node)?);
                    code.write_attributes = quote!(::xml::Fields::write_attributes(#reference, writer););
                    code.write_children = quote!(::xml::Fields::write_children(#reference, writer););
                }
                Shape::Optional => {
                    code.read = quote_spanned!(span=> node.flattened::<#inner>()?);
                    code.write_attributes = quote! {
                        if let ::std::option::Option::Some(value) = #reference {
                            ::xml::Fields::write_attributes(value, writer);
                        }
                    };
                    code.write_children = quote! {
                        if let ::std::option::Option::Some(value) = #reference {
                            ::xml::Fields::write_children(value, writer);
                        }
                    };
                }
                Shape::Many => return Err(misfit("no `Vec`")),
            }
            code.claims = quote!(<#inner as ::xml::Fields>::claims(node) ||);
            return Ok(code);
        }
        "text" => {
            (code.read, code.write_children) = match shape {
                Shape::One => (
                    quote_spanned!(span=> node.own_text::<#inner>()?),
                    quote!(writer.text(&::xml::Value::format(#reference));),
                ),
                Shape::Optional => (
                    quote_spanned!(span=> node.own_value::<#inner>()?),
                    quote! {
                        if let ::std::option::Option::Some(value) = #reference {
                            writer.text(&::xml::Value::format(value));
                        }
                    },
                ),
                Shape::Many => return Err(misfit("no `Vec`")),
            };
            return Ok(code);
        }
        "choice" => {
            let each = quote!(for value in #reference { writer.choice(value); });
            (code.read, code.write_children) = match shape {
                Shape::Many => (quote_spanned!(span=> node.choices::<#inner>()?), each),
                Shape::Optional => (quote_spanned!(span=> node.choice::<#inner>()?), each),
                Shape::One => return Err(misfit("a `Vec` or an `Option`")),
            };
            code.claims = quote!(<#inner as ::xml::Choice>::claims_choice(node) ||);
            return Ok(code);
        }
        "extra" => {
            let Shape::Many = shape else {
                return Err(misfit("a `Vec<RawElement>`"));
            };
            code.read = quote_spanned! {span=>
                node.elements()
                    .filter(|node| !<Self as ::xml::Fields>::claims(*node))
                    .map(|node| node.to_raw())
                    .collect::<::std::vec::Vec<_>>()
            };
            code.write_children = quote!(for value in #reference { writer.raw(value); });
            return Ok(code);
        }
        _ => {}
    }
    if place.kind == "wrapped" {
        let Shape::Many = shape else {
            return Err(misfit("a `Vec`"));
        };
        let text = name.value();
        let Some((outer, inside)) = text.split_once('/') else {
            return Err(Error::new_spanned(&name, "expected \"wrapper/element\""));
        };
        let outer = namespaces.name(&LitStr::new(outer, name.span()))?;
        let inside = namespaces.name(&LitStr::new(inside, name.span()))?;
        code.read = quote_spanned!(span=> node.wrapped_parts::<#inner>(#outer, #inside)?);
        code.write_children = quote!(writer.wrapped(#outer, #inside, #reference););
        code.claims = quote!(node.is(#outer) ||);
        return Ok(code);
    }
    let name = namespaces.name(&name)?;
    code.claims = quote!(node.is(#name) ||);
    (code.read, code.write_children) = match (place.kind, &shape, place.default) {
        ("child", Shape::One, false) => (
            quote_spanned!(span=> node.required_part::<#inner>(#name)?),
            quote!(writer.child(#name, #reference);),
        ),
        ("child", Shape::One, true) => (
            quote_spanned!(span=> node.part::<#inner>(#name)?.unwrap_or_default()),
            quote! {
                if *#reference != <#inner as ::std::default::Default>::default() {
                    writer.child(#name, #reference);
                }
            },
        ),
        ("child", Shape::Optional, _) => (
            quote_spanned!(span=> node.part::<#inner>(#name)?),
            quote!(if let ::std::option::Option::Some(value) = #reference { writer.child(#name, value); }),
        ),
        ("children", Shape::Many, _) => (
            quote_spanned!(span=> node.parts::<#inner>(#name)?),
            quote!(for value in #reference { writer.child(#name, value); }),
        ),
        ("value", Shape::One, false) => (
            quote_spanned!(span=> node.required_value::<#inner>(#name)?),
            quote!(writer.value(#name, #reference);),
        ),
        ("value", Shape::One, true) => (
            quote_spanned!(span=> node.value::<#inner>(#name)?.unwrap_or_default()),
            quote!(writer.value(#name, #reference);),
        ),
        ("value", Shape::Optional, _) => (
            quote_spanned!(span=> node.value::<#inner>(#name)?),
            quote!(if let ::std::option::Option::Some(value) = #reference { writer.value(#name, value); }),
        ),
        ("value", Shape::Many, _) => (
            quote_spanned!(span=> node.values::<#inner>(#name)?),
            quote!(for value in #reference { writer.value(#name, value); }),
        ),
        ("flag", Shape::One, _) => (
            quote_spanned!(span=> node.child(#name).is_some()),
            quote!(if *#reference { writer.flag(#name); }),
        ),
        ("raw", Shape::Optional, _) => (
            quote_spanned!(span=> node.child(#name).map(|node| node.to_raw())),
            quote!(if let ::std::option::Option::Some(value) = #reference { writer.raw(value); }),
        ),
        ("raw", Shape::Many, _) => (
            quote_spanned!(span=> node.children(#name).map(|node| node.to_raw()).collect::<::std::vec::Vec<_>>()),
            quote!(for value in #reference { writer.raw(value); }),
        ),
        ("child", Shape::Many, _) => return Err(misfit("no `Vec`; that is `children`")),
        ("children", ..) => return Err(misfit("a `Vec`")),
        ("flag", ..) => return Err(misfit("a `bool`")),
        ("raw", ..) => return Err(misfit("an `Option` or a `Vec` of `RawElement`")),
        (other, ..) => return Err(Error::new(span, format!("`{other}` cannot be used here"))),
    };
    Ok(code)
}

/// Whether the type is an `Option` or a `Vec`, and of what.
fn shape(kind: &Type) -> (Shape, &Type) {
    let Type::Path(path) = kind else {
        return (Shape::One, kind);
    };
    let Some(last) = path.path.segments.last() else {
        return (Shape::One, kind);
    };
    let PathArguments::AngleBracketed(arguments) = &last.arguments else {
        return (Shape::One, kind);
    };
    let Some(GenericArgument::Type(inner)) = arguments.args.first() else {
        return (Shape::One, kind);
    };
    if last.ident == "Option" {
        (Shape::Optional, inner)
    } else if last.ident == "Vec" {
        (Shape::Many, inner)
    } else {
        (Shape::One, kind)
    }
}

/// The name that a field without one is bound to in a pattern.
pub(crate) fn binding(index: usize) -> syn::Ident {
    format_ident!("field_{index}")
}
