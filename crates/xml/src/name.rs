//! Names of elements: plain, or in a namespace.

/// The name of an element to look for or to write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Name<'n> {
    pub(crate) namespace: Option<Namespace<'n>>,
    pub(crate) local: &'n str,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Namespace<'n> {
    /// Used when writing; a document read may choose any other.
    pub(crate) prefix: &'n str,
    pub(crate) uri: &'n str,
}

impl<'n> Name<'n> {
    /// `local` in the namespace `uri`, written as `prefix:local`.
    pub const fn qualified(prefix: &'n str, uri: &'n str, local: &'n str) -> Self {
        Self {
            namespace: Some(Namespace { prefix, uri }),
            local,
        }
    }
}

impl<'n> From<&'n str> for Name<'n> {
    /// The element `local` outside any namespace, which is where libvirt's own elements are.
    fn from(local: &'n str) -> Self {
        Self {
            namespace: None,
            local,
        }
    }
}
