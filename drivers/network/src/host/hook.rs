//! `/etc/libvirt/hooks/network`: what an administrator has run when networks start and stop and guests are connected.
//!
//! Those that can be executed are `network` and what lies in `network.d`, in the order of names. Each is told by its arguments
//! what happens and by its input to whom; one that fails before something begins keeps it from beginning.

use crate::failure::refused;
use error::{Code, Result};
use model::network::{Network as Document, NetworkPort as PortDocument};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

/// The longest words of a script that are passed on, in bytes.
const WORDS: usize = 2048;

/// What happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Event {
    /// A network is going to be started.
    Start,
    /// It has been started.
    Started,
    /// It has been stopped.
    Stopped,
    /// It has another document.
    Updated,
    /// A guest is connected.
    PortCreated,
    /// A guest is not connected any more.
    PortDeleted,
}

impl Event {
    /// The operation and its part, as scripts know them.
    fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Start => ("start", "begin"),
            Self::Started => ("started", "begin"),
            Self::Stopped => ("stopped", "end"),
            Self::Updated => ("updated", "begin"),
            Self::PortCreated => ("port-created", "begin"),
            Self::PortDeleted => ("port-deleted", "begin"),
        }
    }
}

/// The folder of scripts.
#[derive(Debug)]
pub(crate) struct Hooks(PathBuf);

impl Hooks {
    /// Those below a configuration folder.
    pub(crate) fn of(config: &Path) -> Self {
        Self(config.join("hooks"))
    }

    /// The scripts there are. Blocks on the disk for a moment.
    fn scripts(&self) -> Vec<PathBuf> {
        let is_script = |path: &PathBuf| {
            use std::os::unix::fs::PermissionsExt;
            path.metadata()
                .is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
        };
        let more = std::fs::read_dir(self.0.join("network.d"));
        let mut more: Vec<_> = more
            .into_iter()
            .flatten()
            .flatten()
            .map(|entry| entry.path())
            .collect();
        more.sort();
        let mut all = vec![self.0.join("network")];
        all.extend(more);
        all.retain(is_script);
        all
    }

    /// Runs all scripts, and waits for them.
    ///
    /// # Errors
    /// [`Code::HookScriptFailed`] with the words of one that fails.
    pub(crate) async fn run(
        &self,
        event: Event,
        network: &Document,
        port: Option<&PortDocument>,
    ) -> Result<()> {
        let scripts = self.scripts();
        if scripts.is_empty() {
            return Ok(());
        }
        let input = input(network, port);
        for script in scripts {
            run_one(&script, event, &network.name, &input).await?;
        }
        Ok(())
    }

    /// The same for what has happened already: a script that fails is told in the log.
    pub(crate) async fn tell(&self, event: Event, network: &Document, port: Option<&PortDocument>) {
        if let Err(err) = self.run(event, network, port).await {
            tracing::warn!(%err, network = network.name, "a hook script failed");
        }
    }
}

/// What a script reads.
fn input(network: &Document, port: Option<&PortDocument>) -> String {
    let mut text = String::from("<hookData>\n");
    let documents = std::iter::once(network.to_xml()).chain(port.map(PortDocument::to_xml));
    for document in documents {
        for line in document.lines() {
            text.push_str("  ");
            text.push_str(line);
            text.push('\n');
        }
    }
    text.push_str("</hookData>\n");
    text
}

async fn run_one(script: &Path, event: Event, network: &str, input: &str) -> Result<()> {
    let (operation, part) = event.words();
    let failed = |why: String| {
        let text = format!(
            "the hook script '{}' ({network} {operation} {part}) failed: {why}",
            script.display()
        );
        refused(Code::HookScriptFailed, text)
    };
    let mut command = Command::new(script);
    command
        .args([network, operation, part, "-"])
        .env_clear()
        .env("LC_ALL", "C")
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    for name in ["PATH", "HOME", "USER", "LOGNAME", "TMPDIR"] {
        command.envs(std::env::var_os(name).map(|value| (name, value)));
    }
    let mut child = command.spawn().map_err(|err| failed(err.to_string()))?;
    if let Some(mut stdin) = child.stdin.take() {
        // It may not want to know.
        let _ = stdin.write_all(input.as_bytes()).await;
    }
    let output = child
        .wait_with_output()
        .await
        .map_err(|err| failed(err.to_string()))?;
    if output.status.success() {
        return Ok(());
    }
    let mut words = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    words.truncate(words.floor_char_boundary(WORDS));
    Err(failed(format!("{}: {words}", output.status)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    #[tokio::test]
    async fn scripts_are_told_what_happens_and_may_refuse() {
        let dir = tempfile::tempdir().unwrap();
        let hooks = Hooks::of(dir.path());
        let document = Document::from_xml("<network><name>n</name></network>").unwrap();
        hooks.run(Event::Start, &document, None).await.unwrap();
        fs::create_dir_all(dir.path().join("hooks/network.d")).unwrap();
        let heard = dir.path().join("heard");
        let script = dir.path().join("hooks/network.d/10-a");
        let text = format!(
            "#!/bin/sh\n(echo \"$@\"; cat) > {}\necho no >&2\nexit 3\n",
            heard.display()
        );
        fs::write(&script, text).unwrap();
        // Without the right to run it, it is no script.
        hooks.run(Event::Start, &document, None).await.unwrap();
        fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
        let err = hooks.run(Event::Start, &document, None).await.unwrap_err();
        assert_eq!(err.code(), Code::HookScriptFailed);
        assert!(err.detail().ends_with("exit status: 3: no"), "{err}");
        let heard = fs::read_to_string(heard).unwrap();
        assert!(
            heard.starts_with("n start begin -\n<hookData>\n  <network>"),
            "{heard}"
        );
    }
}
