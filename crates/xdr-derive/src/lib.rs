//! `#[derive(Xdr)]`: the XDR form of a struct, an enum or a union.
//!
//! - A struct is its fields in order. `#[xdr(max = N)]` on a field states how many elements a string, an array or
//!   opaque data may have.
//! - An enum whose variants carry numbers is an XDR enum.
//! - An enum whose variants carry `#[xdr(case = N)]` and one value each is a union discriminated by `int`.

use proc_macro::TokenStream;
use proc_macro2::TokenStream as Tokens;
use quote::{quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{
    Attribute, Data, DataEnum, DataStruct, DeriveInput, Error, Expr, Fields, Result, parse_macro_input,
};

/// See the crate's documentation.
#[proc_macro_derive(Xdr, attributes(xdr))]
pub fn derive_xdr(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    expand(&input).unwrap_or_else(Error::into_compile_error).into()
}

/// The three bodies a type needs.
struct Bodies {
    encode: Tokens,
    decode: Tokens,
    schema: Tokens,
}

fn expand(input: &DeriveInput) -> Result<Tokens> {
    let Bodies {
        encode,
        decode,
        schema,
    } = match &input.data {
        Data::Struct(data) => structure(data)?,
        Data::Enum(data) if data.variants.iter().any(|variant| !variant.fields.is_empty()) => union(data)?,
        Data::Enum(data) => enumeration(&input.ident.to_string(), data)?,
        Data::Union(_) => return Err(Error::new(input.span(), "a Rust union has no XDR form")),
    };
    let name = &input.ident;
    Ok(quote! {
        impl ::xdr::Encode for #name {
            fn encode(&self, out: &mut ::std::vec::Vec<u8>) -> ::std::result::Result<(), ::xdr::Error> {
                #encode
            }
        }

        impl ::xdr::Decode for #name {
            fn decode(reader: &mut ::xdr::Reader<'_>) -> ::std::result::Result<Self, ::xdr::Error> {
                #decode
            }
        }

        impl ::xdr::Describe for #name {
            fn schema() -> ::xdr::Schema {
                #schema
            }
        }
    })
}

fn structure(data: &DataStruct) -> Result<Bodies> {
    let Fields::Named(fields) = &data.fields else {
        return Err(Error::new(
            data.fields.span(),
            "a struct on the wire names its fields",
        ));
    };
    let (mut encode, mut decode, mut schema) = (Tokens::new(), Tokens::new(), Tokens::new());
    for field in &fields.named {
        let (name, kind, span) = (&field.ident, &field.ty, field.ty.span());
        let text = name
            .as_ref()
            .map(|name| name.to_string().trim_start_matches("r#").to_owned());
        if let Some(max) = attribute(&field.attrs, "max")? {
            encode.extend(quote_spanned!(span=> ::xdr::EncodeMax::encode_max(&self.#name, #max, out)?;));
            decode.extend(
                quote_spanned!(span=> #name: <#kind as ::xdr::DecodeMax>::decode_max(#max, reader)?,),
            );
            schema.extend(quote_spanned!(span=> (#text, <#kind as ::xdr::DescribeMax>::schema_max(#max)),));
        } else {
            encode.extend(quote_spanned!(span=> ::xdr::Encode::encode(&self.#name, out)?;));
            decode.extend(quote_spanned!(span=> #name: <#kind as ::xdr::Decode>::decode(reader)?,));
            schema.extend(quote_spanned!(span=> (#text, <#kind as ::xdr::Describe>::schema()),));
        }
    }
    Ok(Bodies {
        encode: quote!(#encode ::std::result::Result::Ok(())),
        decode: quote!(::std::result::Result::Ok(Self { #decode })),
        schema: quote!(::xdr::Schema::Struct(::std::vec![#schema])),
    })
}

fn enumeration(what: &str, data: &DataEnum) -> Result<Bodies> {
    let (mut decode, mut values) = (Tokens::new(), Tokens::new());
    for variant in &data.variants {
        let Some((_, number)) = &variant.discriminant else {
            return Err(Error::new(
                variant.span(),
                "an enum on the wire numbers its variants",
            ));
        };
        let name = &variant.ident;
        decode.extend(quote!(#number => ::std::result::Result::Ok(Self::#name),));
        values.extend(quote!(#number,));
    }
    Ok(Bodies {
        encode: quote!(::xdr::Encode::encode(&(*self as i32), out)),
        decode: quote! {
            match <i32 as ::xdr::Decode>::decode(reader)? {
                #decode
                other => ::std::result::Result::Err(::xdr::Error::Invalid { what: #what, value: other.into() }),
            }
        },
        schema: quote!(::xdr::Schema::Enum(::std::vec![#values])),
    })
}

fn union(data: &DataEnum) -> Result<Bodies> {
    let (mut encode, mut decode, mut schema) = (Tokens::new(), Tokens::new(), Tokens::new());
    for variant in &data.variants {
        let name = &variant.ident;
        let Some(case) = attribute(&variant.attrs, "case")? else {
            return Err(Error::new(
                variant.span(),
                "an arm of a union names its case: #[xdr(case = N)]",
            ));
        };
        let mut fields = variant.fields.iter();
        let (Some(field), None) = (fields.next(), fields.next()) else {
            return Err(Error::new(variant.span(), "an arm of a union holds one value"));
        };
        let kind = &field.ty;
        encode.extend(quote! {
            Self::#name(value) => { ::xdr::Encode::encode(&(#case as i32), out)?; ::xdr::Encode::encode(value, out) }
        });
        decode.extend(quote!(#case => <#kind as ::xdr::Decode>::decode(reader).map(Self::#name),));
        schema.extend(quote!((#case, <#kind as ::xdr::Describe>::schema()),));
    }
    Ok(Bodies {
        encode: quote!(match self { #encode }),
        decode: quote! {
            match <i32 as ::xdr::Decode>::decode(reader)? {
                #decode
                other => ::std::result::Result::Err(::xdr::Error::Invalid { what: "union case", value: other.into() }),
            }
        },
        schema: quote!(::xdr::Schema::Union(::std::vec![#schema])),
    })
}

/// The expression of `#[xdr(key = expression)]`, where there is one.
fn attribute(attributes: &[Attribute], key: &str) -> Result<Option<Expr>> {
    let mut found = None;
    for attribute in attributes
        .iter()
        .filter(|attribute| attribute.path().is_ident("xdr"))
    {
        attribute.parse_nested_meta(|meta| {
            if !meta.path.is_ident(key) {
                return Err(meta.error(format!("only `{key}` is known here")));
            }
            found = Some(meta.value()?.parse()?);
            Ok(())
        })?;
    }
    Ok(found)
}
