//! `#[xml(...)]` of types and variants.

use proc_macro2::TokenStream as Tokens;
use quote::quote;
use syn::parse::ParseStream;
use syn::{Attribute, Error, LitStr, Result, Token};

/// What a type says about itself.
#[derive(Default)]
pub(crate) struct TypeOptions {
    pub(crate) element: Option<LitStr>,
    pub(crate) tag: Option<LitStr>,
    pub(crate) default: Option<LitStr>,
    /// Names of attributes that are written first, separated by blanks.
    pub(crate) leading: Option<LitStr>,
    pub(crate) namespaces: Namespaces,
}

impl TypeOptions {
    pub(crate) fn parse(attributes: &[Attribute]) -> Result<Self> {
        let mut options = Self::default();
        for attribute in attributes
            .iter()
            .filter(|attribute| attribute.path().is_ident("xml"))
        {
            attribute.parse_nested_meta(|meta| {
                if meta.path.is_ident("element") {
                    options.element = Some(meta.value()?.parse()?);
                } else if meta.path.is_ident("tag") {
                    options.tag = Some(meta.value()?.parse()?);
                } else if meta.path.is_ident("default") {
                    options.default = Some(meta.value()?.parse()?);
                } else if meta.path.is_ident("leading") {
                    options.leading = Some(meta.value()?.parse()?);
                } else if meta.path.is_ident("namespace") {
                    meta.parse_nested_meta(|namespace| {
                        let prefix = namespace.path.require_ident()?.to_string();
                        options.namespaces.0.push((prefix, namespace.value()?.parse()?));
                        Ok(())
                    })?;
                } else {
                    return Err(meta.error(
                        "a type says `element`, `tag`, `default`, `leading` or `namespace(prefix = \"uri\")`",
                    ));
                }
                Ok(())
            })?;
        }
        Ok(options)
    }
}

/// Prefixes with their URIs.
#[derive(Default)]
pub(crate) struct Namespaces(Vec<(String, LitStr)>);

impl Namespaces {
    /// The expression of an `xml::Name`.
    pub(crate) fn name(&self, name: &LitStr) -> Result<Tokens> {
        let text = name.value();
        let Some((prefix, local)) = text.split_once(':') else {
            return Ok(quote!(::xml::Name::from(#name)));
        };
        let Some((_, uri)) = self.0.iter().find(|(known, _)| known == prefix) else {
            let message = format!("the type has no `#[xml(namespace({prefix} = \"...\"))]`");
            return Err(Error::new(name.span(), message));
        };
        Ok(quote!(::xml::Name::qualified(#prefix, #uri, #local)))
    }
}

/// What a variant of `Choice`, `Value` or a tagged enum says: its word or name, and other words.
pub(crate) struct VariantName {
    pub(crate) name: LitStr,
    pub(crate) aliases: Vec<LitStr>,
}

impl VariantName {
    /// From `#[xml("word")]` or, `keyed`, `#[xml(name = "word")]`.
    pub(crate) fn parse(variant: &syn::Variant, keyed: bool) -> Result<Self> {
        let form = if keyed {
            "#[xml(name = \"...\")]"
        } else {
            "#[xml(\"...\")]"
        };
        let mut attributes = variant
            .attrs
            .iter()
            .filter(|attribute| attribute.path().is_ident("xml"));
        let (Some(attribute), None) = (attributes.next(), attributes.next()) else {
            return Err(Error::new_spanned(
                &variant.ident,
                format!("the variant needs one `{form}`"),
            ));
        };
        attribute.parse_args_with(|input: ParseStream<'_>| {
            if keyed {
                let key: syn::Ident = input.parse()?;
                if key != "name" {
                    return Err(Error::new(key.span(), format!("expected `{form}`")));
                }
                input.parse::<Token![=]>()?;
            }
            let name = input.parse()?;
            let mut aliases = Vec::new();
            while input.parse::<Option<Token![,]>>()?.is_some() && !input.is_empty() {
                let key: syn::Ident = input.parse()?;
                if key != "alias" {
                    return Err(Error::new(key.span(), "only `alias = \"...\"` may follow"));
                }
                input.parse::<Token![=]>()?;
                aliases.push(input.parse()?);
            }
            Ok(Self { name, aliases })
        })
    }

    /// The pattern of all words.
    pub(crate) fn pattern(&self) -> Tokens {
        let (name, aliases) = (&self.name, &self.aliases);
        quote!(#name #(| #aliases)*)
    }
}
