//! The command line, as the manual page of each daemon has it. Pure: it opens nothing.

use crate::Info;
use clap::{ArgAction, CommandFactory, FromArgMatches, Parser};
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

/// The libvirt release whose behaviour the daemons have, as clients count it: 1,000,000 times major plus 1,000 times
/// minor plus the last.
pub const COMPATIBLE_VERSION: u64 = 11_003_000;

/// What the administrator asks for on the command line.
#[derive(Debug, Clone, PartialEq, Eq, Parser)]
#[command(disable_version_flag = true)]
pub struct Flags {
    /// Log information, too, not only warnings and errors
    #[arg(short, long)]
    pub verbose: bool,

    /// Run in the background; returns when clients are served
    #[arg(short, long)]
    pub daemon: bool,

    /// Exit after this many seconds without clients and without anything that runs
    #[arg(short, long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..))]
    pub timeout: Option<u32>,

    /// Use this configuration file
    #[arg(short = 'f', long, value_name = "FILE")]
    pub config: Option<PathBuf>,

    /// Use this pid file
    #[arg(short, long, value_name = "FILE")]
    pub pid_file: Option<PathBuf>,

    /// Display version information
    #[arg(short = 'V', long, action = ArgAction::Version)]
    version: Option<bool>,

    /// Set by `--daemon` for the process it leaves behind: tell readiness on the standard output
    #[arg(long, hide = true)]
    pub detached: bool,

    /// Set where the program before in this process hands over what it holds: the standard input has it
    #[arg(long, hide = true)]
    pub successor: bool,
}

/// How a daemon ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// It did what it was asked to.
    Success = 0,
    /// The command line or the configuration is refused, or another instance runs.
    Refused = 1,
    /// A folder that it needs cannot be made.
    Folders = 2,
    /// The process cannot be set up: threads, signals, logging.
    Setup = 3,
    /// A socket cannot be opened.
    Sockets = 6,
    /// The driver cannot be opened.
    Driver = 10,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// What a command line comes to.
#[derive(Debug, PartialEq, Eq)]
pub enum Parsed {
    /// Run like this.
    Run(Flags),
    /// Print this and end well: help or version.
    Print(String),
    /// Print this as an error and end.
    Refuse(String),
}

impl Flags {
    /// Reads the arguments, the program's name first.
    pub fn parse_from(info: &Info, arguments: impl IntoIterator<Item = OsString>) -> Parsed {
        let command = Self::command()
            .name(info.daemon)
            .bin_name(info.daemon)
            .about(info.about)
            .version(VERSION);
        let flags = command
            .try_get_matches_from(arguments)
            .and_then(|matches| Self::from_arg_matches(&matches));
        match flags {
            Ok(flags) => Parsed::Run(flags),
            Err(other) if other.use_stderr() => Parsed::Refuse(other.to_string()),
            Err(other) => Parsed::Print(other.to_string()),
        }
    }

    /// The arguments that give the process that `--daemon` leaves behind the same flags.
    pub fn detached_arguments(&self) -> Vec<OsString> {
        let mut arguments: Vec<OsString> = vec!["--detached".into()];
        arguments.extend(self.lasting_arguments());
        arguments
    }

    /// The arguments that give the program that takes this one's place the same flags.
    pub(crate) fn successor_arguments(&self) -> Vec<OsString> {
        let mut arguments: Vec<OsString> = vec!["--successor".into()];
        if self.detached {
            arguments.push("--detached".into());
        }
        arguments.extend(self.lasting_arguments());
        arguments
    }

    fn lasting_arguments(&self) -> Vec<OsString> {
        let mut arguments = Vec::new();
        if self.verbose {
            arguments.push("--verbose".into());
        }
        if let Some(seconds) = self.timeout {
            arguments.extend(["--timeout".into(), seconds.to_string().into()]);
        }
        for (flag, file) in [("--config", &self.config), ("--pid-file", &self.pid_file)] {
            if let Some(file) = file {
                // The process left behind works in another folder.
                let file = std::path::absolute(file).unwrap_or_else(|_| file.clone());
                arguments.extend([flag.into(), file.into()]);
            }
        }
        arguments
    }
}

/// Scripts read the first line as they do libvirt's; the second says what it is.
const VERSION: &str = concat!("(libvirt) 11.3.0\nFerrovirt ", env!("CARGO_PKG_VERSION"));

#[cfg(test)]
mod tests {
    use super::*;

    const INFO: Info = Info {
        daemon: "virtqemud",
        about: "libvirt QEMU management daemon",
        driver: "qemu",
    };

    fn parse(arguments: &str) -> Parsed {
        Flags::parse_from(
            &INFO,
            format!("virtqemud {arguments}")
                .split_whitespace()
                .map(OsString::from),
        )
    }

    fn run(arguments: &str) -> Flags {
        match parse(arguments) {
            Parsed::Run(flags) => flags,
            other => panic!("{arguments}: {other:?}"),
        }
    }

    #[test]
    fn short_and_long_are_the_same() {
        let short = run("-v -d -t 30 -f a.conf -p a.pid");
        assert_eq!(
            short,
            run("--verbose --daemon --timeout=30 --config a.conf --pid-file a.pid")
        );
        assert_eq!(
            (short.verbose, short.daemon, short.timeout),
            (true, true, Some(30))
        );
    }

    #[test]
    fn version_and_help_are_printed() {
        let Parsed::Print(version) = parse("--version") else {
            panic!()
        };
        assert!(
            version.starts_with("virtqemud (libvirt) 11.3.0\nFerrovirt "),
            "{version}"
        );
        assert_eq!(parse("-V"), Parsed::Print(version));
        let Parsed::Print(help) = parse("--help") else {
            panic!()
        };
        assert!(
            help.contains("--pid-file") && help.contains(INFO.about) && !help.contains("detached"),
            "{help}"
        );
    }

    #[test]
    fn nothing_unknown_is_taken() {
        for bad in [
            "--bogus", "-t 0", "-t x", "-t -1", "extra", "--listen", "-f", "-t",
        ] {
            assert!(matches!(parse(bad), Parsed::Refuse(_)), "{bad}");
        }
    }

    #[test]
    fn the_process_left_behind_has_the_same_flags() {
        let flags = run("-v -d -t 30 -f /a.conf -p /a.pid");
        let again = Flags::parse_from(
            &INFO,
            std::iter::once("virtqemud".into()).chain(flags.detached_arguments()),
        );
        assert_eq!(
            again,
            Parsed::Run(Flags {
                daemon: false,
                detached: true,
                ..flags
            })
        );
    }
}
