//! Derives reading and writing of an XML element from a type.
