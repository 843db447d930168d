//! Derives the XDR form of a struct, an enum or a union.
