//! The command line, as the manual page of each daemon has it. Pure: it opens nothing.

use crate::{Info, Network};
use lexopt::prelude::*;
use std::ffi::OsString;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::process::ExitCode;

/// The libvirt release whose behaviour the daemons have, as clients count it: 1,000,000 times major plus 1,000 times
/// minor plus the last.
pub const COMPATIBLE_VERSION: u64 = 11_003_000;

/// What the administrator asks for on the command line.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Flags {
    /// Log information, too, not only warnings and errors.
    pub verbose: bool,

    /// Run in the background; returns when clients are served.
    pub daemon: bool,

    /// Exit after this many seconds without clients and without anything that runs; at least one.
    pub timeout: Option<u32>,

    /// Use this configuration file.
    pub config: Option<PathBuf>,

    /// Use this pid file.
    pub pid_file: Option<PathBuf>,

    /// Listen for clients from networks, too: a flag of daemons that only do so when they are asked to.
    pub listen: bool,

    /// Set by `--daemon` for the process it leaves behind: tell readiness on the standard output.
    pub detached: bool,

    /// Set where the program before in this process hands over what it holds: the standard input has it.
    pub successor: bool,

    /// Set for a process that only tells whether this program could take over from the one that asks: the standard input
    /// has what it would be told.
    pub rehearsal: bool,
}

/// What users are told of the flags that are for them.
const OPTIONS: &str = "\
Options:
  -v, --verbose            Log information, too, not only warnings and errors
  -d, --daemon             Run in the background; returns when clients are served
  -t, --timeout <SECONDS>  Exit after this many seconds without clients and without anything that runs
  -f, --config <FILE>      Use this configuration file
  -p, --pid-file <FILE>    Use this pid file
  -V, --version            Display version information
  -h, --help               Print help
";

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

/// What a command line that is understood asks for.
enum Asked {
    Run(Flags),
    Help,
    Version,
}

impl Flags {
    /// Reads the arguments, the program's name first.
    pub fn parse_from(
        info: &Info,
        network: Network,
        arguments: impl IntoIterator<Item = OsString>,
    ) -> Parsed {
        let Info { daemon, about, .. } = info;
        let may_listen = network == Network::Asked;
        match Self::read(lexopt::Parser::from_iter(arguments), may_listen) {
            Ok(Asked::Run(flags)) => Parsed::Run(flags),
            Ok(Asked::Help) => {
                let listen = if may_listen { LISTEN } else { "" };
                Parsed::Print(format!(
                    "{about}\n\nUsage: {daemon} [OPTIONS]\n\n{OPTIONS}{listen}"
                ))
            }
            Ok(Asked::Version) => Parsed::Print(format!("{daemon} {VERSION}\n")),
            Err(refused) => Parsed::Refuse(format!("{refused}; '{daemon} --help' tells what there is")),
        }
    }

    fn read(mut arguments: lexopt::Parser, may_listen: bool) -> Result<Asked, lexopt::Error> {
        let mut flags = Self::default();
        while let Some(argument) = arguments.next()? {
            match argument {
                Short('v') | Long("verbose") => flags.verbose = true,
                Short('d') | Long("daemon") => flags.daemon = true,
                Short('t') | Long("timeout") => {
                    flags.timeout = Some(arguments.value()?.parse::<NonZeroU32>()?.get());
                }
                Short('f') | Long("config") => flags.config = Some(arguments.value()?.into()),
                Short('p') | Long("pid-file") => flags.pid_file = Some(arguments.value()?.into()),
                Short('l') | Long("listen") if may_listen => flags.listen = true,
                Short('V') | Long("version") => return Ok(Asked::Version),
                Short('h') | Long("help") => return Ok(Asked::Help),
                Long("detached") => flags.detached = true,
                Long("successor") => flags.successor = true,
                Long("rehearsal") => flags.rehearsal = true,
                other => return Err(other.unexpected()),
            }
        }
        Ok(Asked::Run(flags))
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

    /// The arguments that ask a program whether it could take this one's place.
    pub(crate) fn rehearsal_arguments(&self) -> Vec<OsString> {
        let mut arguments: Vec<OsString> = vec!["--rehearsal".into()];
        arguments.extend(self.lasting_arguments());
        arguments
    }

    fn lasting_arguments(&self) -> Vec<OsString> {
        let mut arguments = Vec::new();
        if self.verbose {
            arguments.push("--verbose".into());
        }
        if self.listen {
            arguments.push("--listen".into());
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

/// The flag that not every daemon has, as `--help` tells it.
const LISTEN: &str =
    "  -l, --listen             Listen for clients from networks, too; not with sockets that systemd opens\n";

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
        parse_as(Network::Never, arguments)
    }

    fn parse_as(network: Network, arguments: &str) -> Parsed {
        let arguments = format!("virtqemud {arguments}");
        Flags::parse_from(&INFO, network, arguments.split_whitespace().map(OsString::from))
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
    fn only_those_listen_when_asked_that_do_not_otherwise() {
        for flag in ["-l", "--listen"] {
            let parsed = parse_as(Network::Asked, flag);
            assert!(
                matches!(parsed, Parsed::Run(Flags { listen: true, .. })),
                "{parsed:?}"
            );
            for network in [Network::Never, Network::Configured] {
                assert!(
                    matches!(parse_as(network, flag), Parsed::Refuse(_)),
                    "{network:?}"
                );
            }
        }
        assert!(matches!(
            parse_as(Network::Asked, ""),
            Parsed::Run(Flags { listen: false, .. })
        ));
    }

    #[test]
    fn paths_need_not_be_text() {
        use std::os::unix::ffi::OsStringExt;
        let file = OsString::from_vec(b"/a\xff.conf".to_vec());
        let arguments = ["virtqemud".into(), "-f".into(), file.clone()];
        let Parsed::Run(flags) = Flags::parse_from(&INFO, Network::Never, arguments) else {
            panic!()
        };
        assert_eq!(flags.config, Some(file.into()));
    }

    #[test]
    fn nothing_unknown_is_taken() {
        for bad in [
            "--bogus",
            "-t 0",
            "-t x",
            "-t -1",
            "extra",
            "--listen",
            "-f",
            "-t",
            "-d=1",
            "--daemon=1",
        ] {
            let Parsed::Refuse(text) = parse(bad) else {
                panic!("{bad}")
            };
            assert!(
                text.ends_with("; 'virtqemud --help' tells what there is"),
                "{text}"
            );
        }
    }

    #[test]
    fn the_process_left_behind_has_the_same_flags() {
        let Parsed::Run(flags) = parse_as(Network::Asked, "-v -d -l -t 30 -f /a.conf -p /a.pid") else {
            panic!()
        };
        assert!(flags.listen);
        let again = Flags::parse_from(
            &INFO,
            Network::Asked,
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
