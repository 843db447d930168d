//! XML documents to types and back, with errors that name the element.
