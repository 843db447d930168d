//! The programs of the wire protocol: types and one table of procedures.
