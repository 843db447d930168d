//! Running a QEMU binary without a guest to put questions to its monitor.
//!
//! Two processes at most, each its own and short-lived: one that emulates, and one under KVM where there is such a
//! device. All questions go in at once and the answers come back in order, so a conversation is one round trip and
//! QEMU's own work. Dropping the future kills the processes.

use super::answers::{self, Answers, Question};
use super::{BinaryCaps, parse};
use error::{Code, Domain, Error, Result};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::process::Command;

/// How long a binary may take to start and to answer everything.
#[derive(Debug, Clone, Copy)]
struct Deadlines {
    tcg: Duration,
    /// A device that opens but does not work must not delay for long what works without it.
    kvm: Duration,
}

const DEADLINES: Deadlines = Deadlines {
    tcg: Duration::from_secs(30),
    kvm: Duration::from_secs(5),
};

/// The longest answer that is believed; the longest seen is 240 kB.
const MAX_ANSWER: u64 = 8 << 20;

/// The most that is kept of what a failing binary says.
const MAX_WORDS: u64 = 4096;

/// How a binary is asked.
#[derive(Debug, Clone, Copy, Default)]
pub struct Manner {
    /// Whether it is worth trying KVM.
    pub kvm: bool,
    /// The user and group to run it as, where this process may choose.
    pub run_as: Option<(u32, u32)>,
}

/// Asks the binary at `path` what it can do.
///
/// # Errors
/// [`Code::SystemError`] when the file cannot be run, [`Code::InternalError`] with the binary's own words when it ends
/// early or answers nonsense, [`Code::OperationTimeout`] when it does not answer, [`Code::ConfigUnsupported`] when it
/// is too old.
pub async fn probe(path: &Path, manner: Manner) -> Result<BinaryCaps> {
    probe_within(path, manner, DEADLINES).await
}

/// Asks the binary at `path` what it can do under emulation; the conversation as [`replay`](super::replay) reads it.
///
/// # Errors
/// As [`probe`].
pub async fn record(path: &Path) -> Result<String> {
    check_executable(path)?;
    let questions = answers::for_tcg(&target_of(path));
    let answers = converse(path, "tcg", Manner::default(), &questions, DEADLINES.tcg).await?;
    Ok(answers.recording(&questions))
}

async fn probe_within(path: &Path, manner: Manner, deadlines: Deadlines) -> Result<BinaryCaps> {
    check_executable(path)?;
    let under_kvm = async {
        match manner.kvm {
            true => Some(converse(path, "kvm", manner, &answers::for_kvm(), deadlines.kvm).await),
            false => None,
        }
    };
    let target = target_of(path);
    let questions = answers::for_tcg(&target);
    let emulated = converse(path, "tcg", manner, &questions, deadlines.tcg);
    let (emulated, under_kvm) = futures_util::future::join(emulated, under_kvm).await;
    let emulated = emulated?;
    let (kvm, refused) = match under_kvm {
        Some(Ok(answers)) => (Some(answers), None),
        Some(Err(error)) => {
            tracing::info!(binary = %path.display(), %error, "KVM is not usable");
            (None, Some(error.to_string()))
        }
        None => (None, None),
    };
    let path = path.to_owned();
    let read = move || parse::read(&path, &emulated, kvm.as_ref(), refused);
    tokio::task::spawn_blocking(read).await.unwrap_or_else(|error| {
        Err(Error::new(
            Code::InternalError,
            Domain::Qemu,
            "reading a QEMU binary's answers failed",
        )
        .caused_by(error))
    })
}

/// QEMU's name of the architecture, which one question needs before the answer is known: from the file's name, and
/// where that says nothing the host's own.
fn target_of(path: &Path) -> String {
    let name = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let name = name
        .file_name()
        .and_then(|name| name.to_str())
        .unwrap_or_default();
    let target = name
        .strip_prefix("qemu-system-")
        .unwrap_or(std::env::consts::ARCH);
    target.split('-').next().unwrap_or_default().to_owned()
}

pub(super) fn check_executable(path: &Path) -> Result<()> {
    use rustix::fs::{Access, access};
    if let Err(error) = path.metadata() {
        let detail = format!("Cannot check QEMU binary {}: {}", path.display(), plain(&error));
        return Err(Error::new(Code::SystemError, Domain::Qemu, detail).caused_by(error));
    }
    let error = match access(path, Access::EXEC_OK) {
        Ok(()) if path.is_file() => return Ok(()),
        Ok(()) => std::io::Error::from(rustix::io::Errno::ACCESS),
        Err(error) => error.into(),
    };
    let detail = format!(
        "QEMU binary {} is not executable: {}",
        path.display(),
        plain(&error)
    );
    Err(Error::new(Code::SystemError, Domain::Qemu, detail).caused_by(error))
}

/// The system's words without the number behind them.
fn plain(error: &std::io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or_default().to_owned()
}

#[derive(Deserialize)]
struct Reply {
    id: Option<usize>,
    #[serde(rename = "return")]
    answer: Option<Box<RawValue>>,
}

async fn converse(
    path: &Path,
    accel: &str,
    manner: Manner,
    questions: &[Question],
    deadline: Duration,
) -> Result<Answers> {
    tokio::time::timeout(deadline, run(path, accel, manner, questions))
        .await
        .unwrap_or_else(|_| {
            let detail = format!(
                "QEMU binary {} (accel={accel}) did not answer within {deadline:?}",
                path.display()
            );
            Err(Error::new(Code::OperationTimeout, Domain::Qemu, detail))
        })
}

async fn run(path: &Path, accel: &str, manner: Manner, questions: &[Question]) -> Result<Answers> {
    let failed = |what: &str, error: std::io::Error| {
        let detail = format!("cannot {what} QEMU binary {}: {}", path.display(), plain(&error));
        Error::new(Code::SystemError, Domain::Qemu, detail).caused_by(error)
    };
    let machine = format!("none,accel={accel}");
    let mut command = Command::new(path);
    if let Some((user, group)) = manner.run_as {
        command.uid(user).gid(group);
    }
    let mut child = command
        .args([
            "-S",
            "-no-user-config",
            "-nodefaults",
            "-display",
            "none",
            "-monitor",
            "none",
        ])
        .args(["-machine", &machine, "-qmp", "stdio"])
        .current_dir("/")
        .env_clear()
        .env("LC_ALL", "C")
        .env(super::orphans::ASKER, std::process::id().to_string())
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| failed("run", error))?;
    let (Some(mut stdin), Some(stdout), Some(stderr)) =
        (child.stdin.take(), child.stdout.take(), child.stderr.take())
    else {
        return Err(Error::new(
            Code::InternalError,
            Domain::Qemu,
            "a child without pipes",
        ));
    };
    let mut lines = String::from("{\"execute\":\"qmp_capabilities\"}\n");
    for (id, question) in questions.iter().enumerate() {
        lines.push_str(&question.line(id));
    }
    // QEMU reads no further while its answers wait to be read, so writing and reading go side by side.
    let ask = async {
        // A binary that ended shows in what it does not answer.
        let _ = stdin.write_all(lines.as_bytes()).await;
        let _ = stdin.flush().await;
        stdin
    };
    let words = tokio::spawn(words_of(stderr));
    let (_stdin, answers) = futures_util::future::join(ask, listen(stdout, questions)).await;
    // Without a guest there is nothing to shut down, and waiting for QEMU's own end costs time.
    let _ = child.start_kill();
    let _ = child.wait().await;
    match answers {
        Ok(Some(answers)) => {
            words.abort();
            Ok(answers)
        }
        Ok(None) => {
            let words = words.await.unwrap_or_default();
            let words = if words.is_empty() {
                "it said nothing".to_owned()
            } else {
                words
            };
            let detail = format!(
                "Failed to probe QEMU binary {} (accel={accel}): {words}",
                path.display()
            );
            Err(Error::new(Code::InternalError, Domain::Qemu, detail))
        }
        Err(error) => Err(failed("hear", error)),
    }
}

/// What the binary says on its standard error; the rest is drained so that it does not block.
async fn words_of(mut stderr: tokio::process::ChildStderr) -> String {
    let mut words = Vec::new();
    let _ = (&mut stderr).take(MAX_WORDS).read_to_end(&mut words).await;
    if words.len() as u64 == MAX_WORDS {
        let _ = tokio::io::copy(&mut stderr, &mut tokio::io::sink()).await;
    }
    String::from_utf8_lossy(&words).trim().to_owned()
}

/// Collects the answers; nothing if the binary ended before the last one.
async fn listen(
    stdout: tokio::process::ChildStdout,
    questions: &[Question],
) -> std::io::Result<Option<Answers>> {
    let mut stdout = BufReader::with_capacity(64 << 10, stdout);
    let mut answers = Answers::default();
    let mut line = Vec::new();
    loop {
        line.clear();
        let length = (&mut stdout)
            .take(MAX_ANSWER)
            .read_until(b'\n', &mut line)
            .await?;
        if length == 0 || line.last() != Some(&b'\n') {
            return Ok(None);
        }
        let reply: Reply = serde_json::from_slice(&line)?;
        let Some((id, question)) = reply.id.and_then(|id| Some((id, questions.get(id)?))) else {
            continue;
        };
        if let Some(answer) = reply.answer {
            answers.insert(question.clone(), answer);
        }
        if id + 1 == questions.len() {
            return Ok(Some(answers));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    const KVM: Manner = Manner {
        kvm: true,
        run_as: None,
    };

    /// Another process writes the program: what this one has open for writing, a test beside this one may inherit between fork and
    /// exec, and a program that is open for writing cannot be run.
    fn script(folder: &Path, text: &str) -> PathBuf {
        let (source, path) = (folder.join("source"), folder.join("qemu-system-x86_64"));
        std::fs::write(&source, format!("#!/bin/sh\n{text}\n")).unwrap();
        let mut install = std::process::Command::new("install");
        let installed = install.args(["-m", "755"]).args([&source, &path]).status();
        assert!(installed.unwrap().success());
        path
    }

    #[tokio::test]
    async fn what_cannot_be_asked_is_told_by_name() {
        let error = probe(Path::new("/nonexist"), Manner::default())
            .await
            .unwrap_err();
        assert_eq!(
            error.to_string(),
            "Cannot check QEMU binary /nonexist: No such file or directory"
        );
        assert_eq!(error.code(), Code::SystemError);
        let error = probe(Path::new("/"), Manner::default()).await.unwrap_err();
        assert_eq!(
            error.to_string(),
            "QEMU binary / is not executable: Permission denied"
        );
        let error = probe(Path::new("/bin/true"), Manner::default())
            .await
            .unwrap_err();
        assert_eq!(error.code(), Code::InternalError);
        assert!(error.detail().contains("/bin/true"), "{error}");
    }

    #[tokio::test]
    async fn the_binarys_own_words_reach_the_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = script(folder.path(), "echo 'cannot load libfoo' >&2\nexit 1");
        let error = probe(&path, KVM).await.unwrap_err();
        assert!(error.detail().contains("cannot load libfoo"), "{error}");
    }

    #[tokio::test]
    async fn a_binary_that_never_answers_ends_by_its_deadline() {
        let folder = tempfile::tempdir().unwrap();
        let path = script(folder.path(), "exec sleep 1000");
        let deadlines = Deadlines {
            tcg: Duration::from_millis(50),
            kvm: Duration::from_millis(50),
        };
        let error = probe_within(&path, KVM, deadlines).await.unwrap_err();
        assert_eq!(error.code(), Code::OperationTimeout);
    }

    #[tokio::test]
    async fn nonsense_and_endless_lines_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = script(folder.path(), "echo '{\"id\":\"x\"'");
        let error = probe(&path, Manner::default()).await.unwrap_err();
        assert!(error.detail().contains("qemu-system-x86_64"), "{error}");
        let path = script(folder.path(), "exec cat /dev/zero");
        let error = probe(&path, Manner::default()).await.unwrap_err();
        assert_eq!(error.code(), Code::InternalError);
    }

    #[tokio::test]
    async fn a_kvm_that_hangs_costs_only_itself() {
        let folder = tempfile::tempdir().unwrap();
        let mut text = String::from("case \"$*\" in *accel=kvm*) exec sleep 1000;; esac\n");
        for (id, question) in answers::for_tcg("x86_64").iter().enumerate() {
            let answer = match question.execute {
                "query-version" => r#"{"qemu":{"major":9,"minor":0,"micro":0},"package":""}"#,
                "query-target" => r#"{"arch":"x86_64"}"#,
                _ => "[]",
            };
            let refused = question.execute == "query-cpu-model-expansion";
            let key = if refused { "error" } else { "return" };
            text.push_str(&format!("echo '{{\"id\":{id},\"{key}\":{answer}}}'\n"));
        }
        let path = script(folder.path(), &text);
        let deadlines = Deadlines {
            kvm: Duration::from_millis(50),
            ..DEADLINES
        };
        let caps = probe_within(&path, KVM, deadlines).await.unwrap();
        assert!(caps.kvm.is_none());
        assert!(caps.kvm_refused.unwrap().contains("did not answer within"));
    }
}
