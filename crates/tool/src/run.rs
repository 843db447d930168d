//! Running a program: what it is told, what it says, and its end, all waited for at once on the thread that started it.

use crate::{Cancel, Manner, Tool, refused};
use error::{Code, Error, Result};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::{AsFd, OwnedFd};
use rustix::io::{Errno, ioctl_fionbio};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open};
use std::borrow::Cow;
use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// The longest words of a program that are passed on, in bytes.
const WORDS: usize = 2048;

/// The most that a program may say on its standard output, in bytes: lists of a hundred thousand volumes.
const OUTPUT: usize = 64 << 20;

/// What is taken of a pipe at a time, in bytes.
const PIECE: usize = 64 << 10;

impl Tool {
    /// Runs it to its end; what it said on its standard output. Blocks.
    ///
    /// # Errors
    /// [`Code::InternalError`] with its words where it fails, [`Code::NoSupport`] where it is not installed,
    /// [`Code::OperationTimeout`] after its deadline, [`Code::OperationAborted`].
    pub fn run(&self, cancel: &Cancel) -> Result<String> {
        let said = self.run_for_bytes(cancel)?;
        Ok(String::from_utf8_lossy(&said).into_owned())
    }

    /// The same where that is no text.
    ///
    /// # Errors
    /// As [`Self::run`].
    pub fn run_for_bytes(&self, cancel: &Cancel) -> Result<Vec<u8>> {
        let input = self.input.as_deref().map(|input| Cow::Borrowed(input.as_slice()));
        self.converse(cancel, input.is_some(), &mut input.into_iter())
    }

    /// The same where nobody stops waiting: only its deadline ends it, and the end of the daemon. Blocks.
    ///
    /// # Errors
    /// As [`Self::run`].
    pub fn run_to_end(&self) -> Result<String> {
        self.run(&Cancel::default())
    }

    /// The same with these pieces on its standard input, which are asked for when it takes them. What it says is lost.
    ///
    /// # Errors
    /// As [`Self::run`].
    pub fn run_telling(&self, pieces: &mut dyn Iterator<Item = Vec<u8>>) -> Result<()> {
        self.converse(&Cancel::default(), true, &mut pieces.map(Cow::Owned))
            .map(drop)
    }

    fn converse(&self, cancel: &Cancel, is_told: bool, input: Pieces<'_, '_>) -> Result<Vec<u8>> {
        self.hold_to_end(cancel, is_told, input)
            .map_err(|err| err.in_domain(self.domain))
    }

    fn hold_to_end(&self, cancel: &Cancel, is_told: bool, input: Pieces<'_, '_>) -> Result<Vec<u8>> {
        let path = self.path()?;
        let cannot = |err| {
            let text = format!("cannot run '{}' by setpriv (package util-linux)", self.program);
            system(text, err)
        };
        let mut command = self.command(path, is_told);
        let kept = self.hear(&mut command).map_err(cannot)?;
        let (mut child, handle) = {
            let mut ending = cancel.hold();
            ending.check()?;
            let mut child = command.spawn().map_err(cannot)?;
            let pid = Pid::from_child(&child);
            let handle = pidfd_open(pid, PidfdFlags::empty()).map_err(|err| {
                end_at_once(&mut child);
                cannot(err.into())
            })?;
            if self.manner != Manner::Unbroken {
                ending.of(pid);
            }
            (child, handle)
        };
        // It holds the file as long as it is there.
        drop(command);
        let mut conversation = Conversation::new(&mut child, handle, self, input);
        let pid = Pid::from_child(&child);
        let ended = conversation.hold(cancel, pid);
        if ended.is_err() {
            let _ = kill_process_group(pid, Signal::KILL);
        }
        cancel.hold().of_nobody();
        let status = child.wait();
        cancel.check()?;
        let failed = |err| system(format!("cannot wait for '{}'", self.program), err);
        ended.map_err(failed)?;
        if conversation.late {
            let patience = self.patience.unwrap_or_default().as_secs();
            let text = format!("'{}' did not end within {patience} s", self.program);
            return Err(refused(Code::OperationTimeout, text));
        }
        if let Some(kept) = kept {
            conversation.complaint = words_in(kept).map_err(failed)?;
        }
        self.judge(status.map_err(failed)?, conversation)
    }

    /// Prepares for what it is going to say. A pipe would have no end as long as what it leaves behind holds it, and would end
    /// a program that goes on without the daemon: complaints of those are kept in a file.
    fn hear(&self, command: &mut Command) -> io::Result<Option<File>> {
        if self.manner == Manner::Heard {
            command.stdout(Stdio::piped()).stderr(Stdio::piped());
            return Ok(None);
        }
        let kept = tempfile::tempfile()?;
        command.stdout(Stdio::null()).stderr(kept.try_clone()?);
        Ok(Some(kept))
    }

    fn judge(&self, status: ExitStatus, conversation: Conversation<'_, '_>) -> Result<Vec<u8>> {
        if status.success() {
            return Ok(conversation.output);
        }
        let mut words = String::from_utf8_lossy(&conversation.complaint).trim().to_owned();
        words.truncate(words.floor_char_boundary(WORDS));
        Err(refused(
            Code::InternalError,
            format!("'{}' failed ({status}): {words}", self.program),
        ))
    }
}

/// What the host's kernel says, with what was tried.
fn system(what: String, cause: io::Error) -> Error {
    Error::system(error::Domain::None, what, cause)
}

fn words_in(mut kept: File) -> io::Result<Vec<u8>> {
    let mut words = Vec::new();
    kept.rewind()?;
    kept.take(WORDS as u64).read_to_end(&mut words)?;
    Ok(words)
}

fn end_at_once(child: &mut Child) {
    let _ = child.kill();
    let _ = child.wait();
}

/// What a program is told.
type Pieces<'a, 'tool> = &'a mut dyn Iterator<Item = Cow<'tool, [u8]>>;

/// The pipe to a program, and what is still to be told.
struct Telling<'a, 'tool> {
    pipe: ChildStdin,
    piece: Cow<'tool, [u8]>,
    /// How much of the piece is told.
    told: usize,
    next: Pieces<'a, 'tool>,
}

/// What is said and heard until everything is.
struct Conversation<'a, 'tool> {
    input: Option<Telling<'a, 'tool>>,
    out: Option<OwnedFd>,
    err: Option<OwnedFd>,
    /// Readable when the program has ended.
    handle: Option<OwnedFd>,
    deadline: Option<Instant>,
    output: Vec<u8>,
    complaint: Vec<u8>,
    late: bool,
}

impl<'a, 'tool> Conversation<'a, 'tool> {
    fn new(child: &mut Child, handle: OwnedFd, tool: &Tool, next: Pieces<'a, 'tool>) -> Self {
        let input = child.stdin.take().map(|pipe| Telling {
            pipe,
            piece: Cow::Borrowed(&[]),
            told: 0,
            next,
        });
        let deadline = tool.patience.filter(|_| tool.manner != Manner::Unbroken);
        Self {
            input,
            out: child.stdout.take().map(OwnedFd::from),
            err: child.stderr.take().map(OwnedFd::from),
            handle: Some(handle),
            deadline: deadline.map(|patience| Instant::now() + patience),
            output: Vec::new(),
            complaint: Vec::new(),
            late: false,
        }
    }

    /// Until the program has ended and nobody holds its pipes, or nobody waits for that any more.
    fn hold(&mut self, cancel: &Cancel, group: Pid) -> io::Result<()> {
        for pipe in [&self.out, &self.err].into_iter().flatten() {
            ioctl_fionbio(pipe, true)?;
        }
        if let Some(telling) = &self.input {
            ioctl_fionbio(&telling.pipe, true)?;
        }
        while self.handle.is_some() || self.out.is_some() || self.err.is_some() {
            let ready = self.wait()?;
            if ready.is_none() && !self.late {
                self.late = true;
                // It may have ended by itself.
                let _ = kill_process_group(group, Signal::KILL);
            }
            let [told, out, err, ended] = ready.unwrap_or_default();
            if told {
                self.tell()?;
            }
            if out {
                hear(&mut self.out, &mut self.output, OUTPUT, false)?;
            }
            if err {
                // It shall not end for what nobody reads.
                hear(&mut self.err, &mut self.complaint, WORDS, true)?;
            }
            if ended {
                self.handle = None;
                self.input = None;
            }
            // Whoever escaped from the group may hold its pipes for ever.
            if self.handle.is_none() && (self.late || cancel.check().is_err()) {
                return Ok(());
            }
        }
        Ok(())
    }

    /// What is ready: the input, the output, complaints, the end; nothing after the deadline.
    fn wait(&self) -> io::Result<Option<[bool; 4]>> {
        let places = [
            self.input
                .as_ref()
                .map(|telling| (telling.pipe.as_fd(), PollFlags::OUT)),
            self.out.as_ref().map(|pipe| (pipe.as_fd(), PollFlags::IN)),
            self.err.as_ref().map(|pipe| (pipe.as_fd(), PollFlags::IN)),
            self.handle.as_ref().map(|handle| (handle.as_fd(), PollFlags::IN)),
        ];
        let mut asked: Vec<_> = places
            .iter()
            .flatten()
            .map(|(place, flags)| PollFd::from_borrowed_fd(*place, *flags))
            .collect();
        loop {
            let left = self.deadline.filter(|_| !self.late);
            let left = left.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            let timeout = left.map(timespec);
            match poll(&mut asked, timeout.as_ref()) {
                Ok(0) => return Ok(None),
                Ok(_) => break,
                Err(Errno::INTR) => {}
                Err(err) => return Err(err.into()),
            }
        }
        let mut answers = asked.iter().map(|place| !place.revents().is_empty());
        Ok(Some(
            places.map(|place| place.is_some() && answers.next().unwrap_or(false)),
        ))
    }

    /// Tells the program what it takes of its input now. One that does not listen says why at its end.
    fn tell(&mut self) -> io::Result<()> {
        let Some(telling) = &mut self.input else {
            return Ok(());
        };
        while telling.told >= telling.piece.len() {
            let Some(piece) = telling.next.next() else {
                self.input = None;
                return Ok(());
            };
            (telling.piece, telling.told) = (piece, 0);
        }
        match telling
            .pipe
            .write(telling.piece.get(telling.told..).unwrap_or_default())
        {
            Ok(written) => telling.told += written,
            Err(err) if is_for_later(&err) => {}
            Err(err) if err.kind() == io::ErrorKind::BrokenPipe => self.input = None,
            Err(err) => return Err(err),
        }
        Ok(())
    }
}

/// Takes what is in a pipe. At its end it is closed; so it is where more comes than that many bytes, unless the rest is to be
/// `drained`.
fn hear(pipe: &mut Option<OwnedFd>, into: &mut Vec<u8>, most: usize, drained: bool) -> io::Result<()> {
    let Some(open) = pipe else { return Ok(()) };
    let mut piece = [0; PIECE];
    let length = match rustix::io::read(&*open, &mut piece) {
        Ok(length) => length,
        Err(err) if is_for_later(&err.into()) => return Ok(()),
        Err(err) => return Err(err.into()),
    };
    let room = most - into.len();
    into.extend(piece.iter().take(length.min(room)));
    if length == 0 || (length > room && !drained) {
        *pipe = None;
    }
    Ok(())
}

fn is_for_later(err: &io::Error) -> bool {
    matches!(err.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
}

fn timespec(duration: Duration) -> Timespec {
    // What does not fit is longer than anything here lives.
    Timespec::try_from(duration).unwrap_or(Timespec {
        tv_sec: i64::MAX,
        tv_nsec: 0,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use error::Domain;
    use std::path::Path;
    use std::sync::Arc;

    fn shell(script: &str) -> Tool {
        Tool::new("sh").with(["-c", script])
    }

    fn wait_until(is_so: impl Fn() -> bool) {
        while !is_so() {
            std::thread::yield_now();
        }
    }

    /// Runs it on a thread of its own, until it has been started.
    fn started(tool: Tool, cancel: &Arc<Cancel>) -> std::thread::JoinHandle<Result<String>> {
        let own = Arc::clone(cancel);
        let thread = std::thread::spawn(move || tool.run(&own));
        wait_until(|| cancel.has_child());
        thread
    }

    #[test]
    fn a_program_is_run_and_its_words_are_passed_on() {
        let cancel = Cancel::default();
        assert_eq!(Tool::new("echo").with(["a  b"]).run(&cancel).unwrap(), "a  b\n");
        let error = Tool::new("ls").with(["/no/such/place"]).run(&cancel).unwrap_err();
        assert_eq!(error.code(), Code::InternalError);
        assert!(error.detail().contains("/no/such/place"), "{error}");
        let error = Tool::new("no-such-program").run(&cancel).unwrap_err();
        assert_eq!(error.code(), Code::NoSupport);
        let error = shell("echo \"$WORD\" >&2; exit 3").with_variable("WORD", "x  y");
        assert_eq!(error.run(&cancel).unwrap_err().domain(), Domain::None);
        let error = error.of(Domain::Network).run_to_end().unwrap_err();
        assert!(error.detail().ends_with("3): x  y"), "{error}");
        assert_eq!(error.domain(), Domain::Network);
    }

    #[test]
    fn a_program_hears_what_it_is_told_however_much_and_says_as_much_meanwhile() {
        let cancel = Cancel::default();
        let much = "word\n".repeat(200_000);
        let heard = Tool::new("cat").with_input(much.clone()).run(&cancel);
        assert_eq!(heard.unwrap(), much);
        let mut told = 0;
        let mut pieces = (0..200_000).map(|_| {
            told += 1;
            b"word\n".to_vec()
        });
        let counts = shell("test \"$(wc -c)\" = 1000000");
        counts.run_telling(&mut pieces).unwrap();
        assert_eq!(told, 200_000);
        let empty = shell("test \"$(wc -c)\" = 0");
        empty.run_telling(&mut std::iter::empty()).unwrap();
        assert!(empty.run_telling(&mut std::iter::once(vec![0])).is_err());
        // One that does not listen.
        let deaf = shell("exec <&-; echo done").with_input(much);
        assert_eq!(deaf.run(&cancel).unwrap(), "done\n");
        assert_eq!(Tool::new("cat").run(&cancel).unwrap(), "");
    }

    #[test]
    fn much_is_heard_on_both_pipes() {
        let much = "yes complaint | head -c 300000 >&2; yes word | head -c 300000; exit 3";
        let error = shell(much).run(&Cancel::default()).unwrap_err();
        assert!(error.detail().contains("exit status: 3"), "{error}");
        assert!(error.detail().contains("complaint") && error.detail().len() < 2 * WORDS);
    }

    #[test]
    fn a_program_that_nobody_waits_for_ends() {
        let cancel = Arc::new(Cancel::default());
        let thread = started(Tool::new("sleep").with(["1000"]), &cancel);
        cancel.end();
        assert_eq!(thread.join().unwrap().unwrap_err().code(), Code::OperationAborted);
        let late = Tool::new("echo").run(&cancel).unwrap_err();
        assert_eq!(late.code(), Code::OperationAborted);
    }

    #[test]
    fn a_programs_helpers_end_with_it() {
        let cancel = Arc::new(Cancel::default());
        // The shell waits for its child, which has the pipes too.
        let thread = started(shell("sleep 1000; true"), &cancel);
        cancel.end();
        assert_eq!(thread.join().unwrap().unwrap_err().code(), Code::OperationAborted);
    }

    #[test]
    fn one_that_is_late_ends_with_its_helpers_and_does_not_wait_for_who_escaped() {
        let dir = tempfile::tempdir().unwrap();
        let note = dir.path().join("note");
        let script = "setsid sh -c 'echo $$ > \"$0\"; exec sleep 1000' \"$0\" & sleep 1000";
        let tool = shell(script).with([&note]).within(Duration::from_millis(300));
        let error = tool.run(&Cancel::default()).unwrap_err();
        assert_eq!(error.code(), Code::OperationTimeout);
        assert!(error.detail().contains("'sh' did not end"), "{error}");
        end_noted(&note);
        let punctual = shell("echo x").within(Duration::from_secs(600));
        assert_eq!(punctual.run(&Cancel::default()).unwrap(), "x\n");
    }

    /// Ends the process whose number is in a file.
    fn end_noted(note: &Path) {
        let number = || std::fs::read_to_string(note).ok()?.trim().parse().ok();
        wait_until(|| number().is_some());
        let pid = number().and_then(Pid::from_raw).unwrap();
        rustix::process::kill_process(pid, Signal::KILL).unwrap();
    }

    #[test]
    fn what_it_leaves_running_is_not_waited_for() {
        let note = tempfile::NamedTempFile::new().unwrap();
        let tool = shell("(exec sleep 300) & echo $! > \"$0\"").with([note.path()]);
        tool.leaving_a_server().run(&Cancel::default()).unwrap();
        end_noted(note.path());
        let error = shell("echo no >&2; exit 1").leaving_a_server();
        let error = error.run(&Cancel::default()).unwrap_err();
        assert!(error.detail().ends_with("1): no"), "{error}");
    }

    #[test]
    fn a_program_that_is_unbroken_goes_on_when_nobody_waits() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        let script = "cd \"$0\"; : > began; while ! [ -e go ]; do sleep 0.01; done; : > done";
        let tool = shell(script).with([dir.path()]).within(Duration::ZERO);
        let tool = tool.locking(dir.path(), true).unbroken();
        let cancel = Arc::new(Cancel::default());
        let own = Arc::clone(&cancel);
        let thread = std::thread::spawn(move || tool.run(&own));
        wait_until(|| path("began").exists());
        cancel.end();
        std::fs::write(path("go"), "").unwrap();
        assert_eq!(thread.join().unwrap().unwrap_err().code(), Code::OperationAborted);
        assert!(path("done").exists());
        let tool = Tool::new("ls").with(["/no/such/place"]).unbroken();
        let error = tool.run(&Cancel::default()).unwrap_err();
        assert!(error.detail().contains("/no/such/place"), "{error}");
    }
}
