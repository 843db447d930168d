//! What a task tells while it works: a line a step, and on long steps how far they are, as a bar on a terminal and as
//! lines elsewhere.

use indicatif::{ProgressBar, ProgressStyle};
use std::io::IsTerminal;
use std::time::Duration;

/// A line on standard output.
#[expect(
    clippy::print_stdout,
    reason = "talking to the user is this program's purpose"
)]
pub(crate) fn say(text: &str) {
    println!("{text}");
}

/// How far a long step is. The bar goes with the value.
pub(crate) struct Progress {
    /// Where there is a terminal.
    bar: Option<ProgressBar>,
    told: String,
}

impl Progress {
    /// A step whose end is known in percent.
    pub(crate) fn of_hundred() -> Self {
        Self::with("    [{bar:32}] {percent:>3} % {wide_msg}", Some(100))
    }

    /// A step that takes as long as it takes.
    pub(crate) fn of_unknown() -> Self {
        Self::with("    {spinner} {elapsed} {wide_msg}", None)
    }

    fn with(template: &str, length: Option<u64>) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = length.map_or_else(ProgressBar::new_spinner, ProgressBar::new);
            if let Ok(style) = ProgressStyle::with_template(template) {
                bar.set_style(style.progress_chars("=> "));
            }
            bar.enable_steady_tick(Duration::from_millis(200));
            bar
        });
        Self {
            bar,
            told: String::new(),
        }
    }

    /// Tells how far a stage of it is, and with what.
    pub(crate) fn at(&mut self, stage: &str, percent: u64, detail: &str) {
        if let Some(bar) = &self.bar {
            bar.set_position(percent);
            bar.set_message(format!("{stage}: {detail}"));
            return;
        }
        // A line each quarter: nobody wants to read a hundred of them.
        let line = format!("    {stage}: {} %", percent / 25 * 25);
        if line != self.told {
            say(&line);
            self.told = line;
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
