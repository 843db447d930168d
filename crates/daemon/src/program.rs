//! Programs that are an interface of the host, and whose failures are a driver's: nft, tc, dnsmasq, ovs-vsctl.

use error::{Domain, Result};
use std::ffi::OsString;
use std::time::Duration;
use tool::{Cancel, Tool};

/// How long one may take: they ask nobody, and what takes longest are tables of ten thousand rules on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// A program with its arguments, which ends with the daemon.
#[derive(Debug)]
pub struct Program {
    domain: Domain,
    tool: Tool,
}

impl Program {
    /// A program by its name, without arguments. What goes wrong is told as an error of `domain`.
    pub fn new(domain: Domain, name: &'static str) -> Self {
        let tool = Tool::new(name).within(PATIENCE);
        Self { domain, tool }
    }

    /// The same with more arguments.
    #[must_use]
    pub fn with<A: Into<OsString>>(mut self, arguments: impl IntoIterator<Item = A>) -> Self {
        self.tool = self.tool.with(arguments);
        self
    }

    /// The same with a variable in its environment.
    #[must_use]
    pub fn with_variable(mut self, name: &'static str, value: impl AsRef<[u8]>) -> Self {
        self.tool = self.tool.with_variable(name, value);
        self
    }

    /// Runs it to its end, and tells it `input`. What it leaves running behind it is not waited for. Blocks.
    ///
    /// # Errors
    /// [`Tool::run`]'s.
    pub fn run(&self, input: &[u8]) -> Result<()> {
        let tool = self.tool.clone().leaving_a_server();
        let ran = tool.with_input(input).run(&Cancel::default());
        ran.map(drop).map_err(|err| err.in_domain(self.domain))
    }

    /// Runs it to its end, and gives what it says. Blocks.
    ///
    /// # Errors
    /// [`Tool::run`]'s.
    pub fn answer(&self) -> Result<Vec<u8>> {
        let said = self.tool.run(&Cancel::default());
        said.map(String::into_bytes)
            .map_err(|err| err.in_domain(self.domain))
    }
}
