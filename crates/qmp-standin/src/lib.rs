//! A scripted stand-in for QEMU's monitor, for tests of faults and of scale.
//!
//! It is used in two ways: the program `qmp-standin` takes QEMU's command line, so that it can be a domain's
//! `<emulator>`, one small process per guest; and [`Standin`] runs one on a thread of a test. Either answers what a
//! management daemon asks at start, in probing and for figures, keeps the state that follows (running, paused, how
//! much memory), and deviates from good behaviour exactly where its [`Script`] says so. It emulates no guest.

mod channel;
mod command_line;
mod machine;
mod probing;
mod script;
mod serve;
mod standin;

pub use channel::Channel;
pub use command_line::{CommandLine, MonitorAt};
pub use script::{Fault, Script, ScriptError};
pub use serve::{Ending, World};
pub use standin::Standin;
