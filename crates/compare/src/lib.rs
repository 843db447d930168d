//! Documents and command lines as data: what is equal where only white space, the order of attributes or the numbers of
//! descriptors differ. For tests, and for comparisons with libvirt.

mod command_line;
mod difference;
mod document;

pub use command_line::CommandLine;
pub use difference::differences;
pub use document::{lines, missing};
