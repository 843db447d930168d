//! `#[derive(Fields)]` and `#[derive(Element)]`.

use proc_macro2::TokenStream as Tokens;
use quote::quote;
use syn::{Data, DataEnum, DeriveInput, Error, Fields, Result};

use crate::field::{self, Code, binding};
use crate::options::{TypeOptions, VariantName};

/// Bodies of the trait's functions.
struct Bodies {
    read: Tokens,
    write_attributes: Tokens,
    write_children: Tokens,
    claims: Tokens,
    present: Option<Tokens>,
}

pub(crate) fn expand_element(input: &DeriveInput) -> Result<Tokens> {
    let options = TypeOptions::parse(&input.attrs)?;
    let Some(element) = &options.element else {
        return Err(Error::new_spanned(
            &input.ident,
            "`Element` needs `#[xml(element = \"...\")]` on the type",
        ));
    };
    let fields = expand(input)?;
    let name = &input.ident;
    let (generics, arguments, condition) = input.generics.split_for_impl();
    Ok(quote! {
        #fields

        impl #generics ::xml::Element for #name #arguments #condition {
            const NAME: &'static str = #element;
        }
    })
}

pub(crate) fn expand(input: &DeriveInput) -> Result<Tokens> {
    let options = TypeOptions::parse(&input.attrs)?;
    let bodies = match &input.data {
        Data::Struct(data) => structure(&data.fields, &options)?,
        Data::Enum(data) => tagged(input, data, &options)?,
        Data::Union(_) => return Err(Error::new_spanned(&input.ident, "a union is no element")),
    };
    let Bodies {
        read,
        write_attributes,
        write_children,
        claims,
        present,
    } = bodies;
    let write_attributes = match &options.leading {
        None => write_attributes,
        Some(names) => {
            let names = names.value();
            let names = names.split_whitespace();
            quote!(writer.leading(&[#(#names),*], |writer| { #write_attributes });)
        }
    };
    let present = present.map(|present| {
        quote! {
            fn present(node: ::xml::Node<'_>) -> bool {
                #present
            }
        }
    });
    let name = &input.ident;
    let (generics, arguments, condition) = input.generics.split_for_impl();
    Ok(quote! {
        impl #generics ::xml::Fields for #name #arguments #condition {
            #[allow(unused_variables, reason = "a type may have no parts of some kind")]
            fn read(node: ::xml::Node<'_>) -> ::xml::Result<Self> {
                #read
            }

            #[allow(unused_variables, reason = "a type may have no parts of some kind")]
            fn write_attributes(&self, writer: &mut ::xml::Writer) {
                #write_attributes
            }

            #[allow(unused_variables, reason = "a type may have no parts of some kind")]
            fn write_children(&self, writer: &mut ::xml::Writer) {
                #write_children
            }

            #[allow(unused_variables, reason = "a type may have no parts of some kind")]
            fn claims(node: ::xml::Node<'_>) -> bool {
                #claims
            }

            #present
        }
    })
}

fn structure(fields: &Fields, options: &TypeOptions) -> Result<Bodies> {
    if let Some(tag) = &options.tag {
        return Err(Error::new_spanned(tag, "only an enum is chosen by an attribute"));
    }
    let (mut read, mut write_attributes, mut write_children, mut claims) =
        (Tokens::new(), Tokens::new(), Tokens::new(), Tokens::new());
    for field in fields {
        let Some(name) = &field.ident else {
            return Err(Error::new_spanned(field, "an element names its fields"));
        };
        let code = field::code(field, &quote!((&self.#name)), &options.namespaces)?;
        let value = code.read;
        read.extend(quote!(#name: #value,));
        write_attributes.extend(code.write_attributes);
        write_children.extend(code.write_children);
        claims.extend(code.claims);
    }
    Ok(Bodies {
        read: quote!(::std::result::Result::Ok(Self { #read })),
        write_attributes,
        write_children,
        claims: quote!(#claims false),
        present: None,
    })
}

fn tagged(input: &DeriveInput, data: &DataEnum, options: &TypeOptions) -> Result<Bodies> {
    let Some(tag) = &options.tag else {
        let message = "an enum of fields needs `#[xml(tag = \"attribute\")]` on the type";
        return Err(Error::new_spanned(&input.ident, message));
    };
    let (mut read, mut write_attributes, mut write_children, mut claims) =
        (Tokens::new(), Tokens::new(), Tokens::new(), Tokens::new());
    for variant in &data.variants {
        let words = VariantName::parse(variant, true)?;
        let (ident, name, pattern) = (&variant.ident, &words.name, words.pattern());
        let (bind, value, attributes, children) = match &variant.fields {
            Fields::Unit => (Tokens::new(), Tokens::new(), Tokens::new(), Tokens::new()),
            Fields::Unnamed(fields) if fields.unnamed.len() == 1 => {
                let kinds = fields.unnamed.iter().map(|field| &field.ty);
                claims.extend(quote!(#(<#kinds as ::xml::Fields>::claims(node) ||)*));
                (
                    quote!((value)),
                    quote!((::xml::Fields::read(node)?)),
                    quote!(::xml::Fields::write_attributes(value, writer);),
                    quote!(::xml::Fields::write_children(value, writer);),
                )
            }
            Fields::Unnamed(fields) => {
                return Err(Error::new_spanned(
                    fields,
                    "a variant holds one value, or names its fields",
                ));
            }
            Fields::Named(fields) => {
                let (mut bind, mut value) = (Tokens::new(), Tokens::new());
                let (mut attributes, mut children) = (Tokens::new(), Tokens::new());
                for (index, field) in fields.named.iter().enumerate() {
                    let (field_name, bound) = (&field.ident, binding(index));
                    let Code {
                        read,
                        write_attributes,
                        write_children,
                        claims: claim,
                    } = field::code(field, &quote!(#bound), &options.namespaces)?;
                    bind.extend(quote!(#field_name: #bound,));
                    value.extend(quote!(#field_name: #read,));
                    attributes.extend(write_attributes);
                    children.extend(write_children);
                    claims.extend(claim);
                }
                (quote!({ #bind }), quote!({ #value }), attributes, children)
            }
        };
        read.extend(quote!(#pattern => ::std::result::Result::Ok(Self::#ident #value),));
        write_attributes.extend(quote! {
            #[allow(unused_variables, reason = "a variant may have no attributes of its own")]
            Self::#ident #bind => {
                writer.attribute(#tag, #name);
                #attributes
            }
        });
        write_children.extend(quote! {
            #[allow(unused_variables, reason = "a variant may have no children of its own")]
            Self::#ident #bind => { #children }
        });
    }
    let missing = match &options.default {
        Some(default) => quote!(#default),
        None => quote! {
            return ::std::result::Result::Err(::xml::Error::MissingAttribute {
                element: node.name().to_owned(),
                attribute: #tag,
            })
        },
    };
    Ok(Bodies {
        read: quote! {
            let tag = match node.attribute(#tag) {
                ::std::option::Option::Some(tag) => tag,
                ::std::option::Option::None => #missing,
            };
            match tag {
                #read
                other => ::std::result::Result::Err(node.attribute_error(#tag, other, "")),
            }
        },
        write_attributes: quote!(match self { #write_attributes }),
        write_children: quote!(match self { #write_children }),
        claims: quote!(#claims false),
        present: Some(quote!(node.attribute(#tag).is_some())),
    })
}
