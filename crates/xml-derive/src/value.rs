//! `#[derive(Value)]`.

use proc_macro2::TokenStream as Tokens;
use quote::quote;
use syn::{Data, DeriveInput, Error, Fields, Result};

use crate::options::VariantName;

pub(crate) fn expand(input: &DeriveInput) -> Result<Tokens> {
    let Data::Enum(data) = &input.data else {
        return Err(Error::new_spanned(
            &input.ident,
            "only an enum is a closed vocabulary; implement `Value` by hand",
        ));
    };
    let (mut parse, mut print, mut all) = (Tokens::new(), Tokens::new(), Tokens::new());
    for variant in &data.variants {
        if !matches!(variant.fields, Fields::Unit) {
            return Err(Error::new_spanned(
                &variant.fields,
                "a word carries no data; implement `Value` by hand",
            ));
        }
        let word = VariantName::parse(variant, false)?;
        let (ident, name, pattern) = (&variant.ident, &word.name, word.pattern());
        parse.extend(quote!(#pattern => ::std::option::Option::Some(Self::#ident),));
        print.extend(quote!(Self::#ident => #name,));
        all.extend(quote!(Self::#ident,));
    }
    let name = &input.ident;
    let (generics, arguments, condition) = input.generics.split_for_impl();
    Ok(quote! {
        impl #generics #name #arguments #condition {
            /// All words of the vocabulary.
            pub const ALL: &'static [Self] = &[#all];

            /// The word as documents have it.
            pub const fn as_str(&self) -> &'static str {
                match self { #print }
            }
        }

        impl #generics ::xml::Value for #name #arguments #condition {
            fn parse(text: &str) -> ::std::option::Option<Self> {
                match text {
                    #parse
                    _ => ::std::option::Option::None,
                }
            }

            fn format(&self) -> ::std::borrow::Cow<'_, str> {
                ::std::borrow::Cow::Borrowed(self.as_str())
            }
        }

        impl #generics ::std::fmt::Display for #name #arguments #condition {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                f.write_str(self.as_str())
            }
        }
    })
}
