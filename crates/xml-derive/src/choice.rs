//! `#[derive(Choice)]`.

use proc_macro2::TokenStream as Tokens;
use quote::quote;
use syn::{Data, DeriveInput, Error, Fields, Result};

use crate::options::{TypeOptions, VariantName};

pub(crate) fn expand(input: &DeriveInput) -> Result<Tokens> {
    let Data::Enum(data) = &input.data else {
        return Err(Error::new_spanned(&input.ident, "only an enum is a choice"));
    };
    let options = TypeOptions::parse(&input.attrs)?;
    let (mut read, mut write, mut claims) = (Tokens::new(), Tokens::new(), Tokens::new());
    for variant in &data.variants {
        let words = VariantName::parse(variant, true)?;
        let (ident, name) = (&variant.ident, options.namespaces.name(&words.name)?);
        let names = words
            .aliases
            .iter()
            .map(|alias| options.namespaces.name(alias))
            .collect::<Result<Vec<_>>>()?;
        claims.extend(quote!(node.is(#name) #(|| node.is(#names))* ||));
        let (value, body) = match &variant.fields {
            Fields::Unit => (quote!(Self::#ident), None),
            Fields::Unnamed(fields) if fields.unnamed.len() == 1 => {
                (quote!(Self::#ident(::xml::Fields::read(node)?)), Some(()))
            }
            _ => {
                return Err(Error::new_spanned(
                    &variant.fields,
                    "an alternative holds one value or none",
                ));
            }
        };
        read.extend(quote! {
            if node.is(#name) #(|| node.is(#names))* {
                return ::std::result::Result::Ok(::std::option::Option::Some(#value));
            }
        });
        write.extend(match body {
            Some(()) => quote!(Self::#ident(value) => writer.child(#name, value),),
            None => quote!(Self::#ident => writer.flag(#name),),
        });
    }
    let name = &input.ident;
    let (generics, arguments, condition) = input.generics.split_for_impl();
    Ok(quote! {
        impl #generics ::xml::Choice for #name #arguments #condition {
            fn read_choice(node: ::xml::Node<'_>) -> ::xml::Result<::std::option::Option<Self>> {
                #read
                ::std::result::Result::Ok(::std::option::Option::None)
            }

            fn write_choice(&self, writer: &mut ::xml::Writer) {
                match self { #write }
            }

            fn claims_choice(node: ::xml::Node<'_>) -> bool {
                #claims false
            }
        }
    })
}
