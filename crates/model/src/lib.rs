//! The XML documents as types.
