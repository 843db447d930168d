//! A client of another user that makes any call, as packets: for what no stock client would ask.
//!
//! A process is one user, so the client is this test's program once more: its test [`raw_client`] makes the calls that it reads
//! from its standard input, where the environment tells it a socket.

use crate::{PATIENCE, User};
use protocol::net::{self, Header, MessageType, Status, limits};
use protocol::remote::procedure::{AuthList, AuthPolkit, ConnectOpen};
use protocol::remote::{AuthListRet, AuthType, ConnectOpenArgs};
use protocol::{Procedure, ProcedureInfo, Program};
use std::fmt::Write as _;
use std::io::{self, BufRead, BufReader, Lines, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Stdio};
use xdr::Encode;

/// Tells the client its socket.
const SOCKET: &str = "FERROVIRT_TEST_SOCKET";
/// What its answers begin with, among what the test's harness says.
const ANSWER: &str = "answer:";

/// The number of an error's code and its sentence; nothing where a call succeeded.
type Answer = Option<(i32, String)>;

/// A client of another user.
#[derive(Debug)]
pub struct RawClient {
    child: Child,
    calls: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
}

impl RawClient {
    /// Connects as `user` to a socket, authenticates, and opens a driver. The test's own file has to have a test that calls
    /// [`raw_client`] and is named so.
    ///
    /// # Panics
    /// When it cannot.
    pub fn open(user: &User, socket: &Path, uri: &str) -> Self {
        let program = user.own_copy(
            &std::env::current_exe().expect("the test's own program"),
            "raw-client",
        );
        let mut child = user
            .command(&program)
            .args(["--exact", "raw_client", "--nocapture"])
            .env(SOCKET, socket)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the client can be run");
        let calls = child.stdin.take().expect("its input");
        let answers = BufReader::new(child.stdout.take().expect("its output")).lines();
        let mut client = Self {
            child,
            calls,
            answers,
        };
        let args = ConnectOpenArgs {
            name: Some(uri.to_owned()),
            flags: 0,
        };
        assert_eq!(client.call::<ConnectOpen>(&args), None);
        client
    }

    /// Makes a call.
    pub fn call<P: Procedure>(&mut self, args: &P::Args) -> Answer {
        let args = xdr::to_bytes(args).expect("arguments");
        self.call_raw(P::PROGRAM, P::INFO, &args)
    }

    /// Makes a call with arguments as they travel.
    ///
    /// # Panics
    /// When the client or its daemon is gone.
    pub fn call_raw(&mut self, program: &Program, procedure: &ProcedureInfo, args: &[u8]) -> Answer {
        let mut hex = String::new();
        for byte in args {
            write!(hex, "{byte:02x}").expect("a string");
        }
        writeln!(self.calls, "{} {} {hex}", program.number, procedure.number).expect("the client is there");
        let mut answers = self
            .answers
            .by_ref()
            .map(|line| line.expect("the client's answer"));
        let answer = answers.find_map(|line| line.split_once(ANSWER).map(|(_, answer)| answer.to_owned()));
        let answer = answer.unwrap_or_else(|| panic!("{}: the client is gone", procedure.name));
        let (code, text) = answer.split_once(' ')?;
        Some((code.parse().expect("a code"), text.to_owned()))
    }
}

impl Drop for RawClient {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The client itself; does nothing where it is not asked to be one.
///
/// # Panics
/// When its daemon does not let it in, or goes.
#[expect(clippy::print_stdout, reason = "whoever runs it reads that")]
pub fn raw_client() {
    let Some(socket) = std::env::var_os(SOCKET) else {
        return;
    };
    let mut stream = UnixStream::connect(socket).expect("the daemon's socket");
    let remote = protocol::remote::PROGRAM.number;
    let (_, body) = exchange(&mut stream, remote, AuthList::INFO.number, &());
    let asked: AuthListRet = xdr::from_bytes(&body).expect("what is asked");
    if asked.types == [AuthType::RemoteAuthPolkit] {
        let (status, _) = exchange(&mut stream, remote, AuthPolkit::INFO.number, &());
        assert_eq!(status, Status::Ok, "it is let in");
    }
    for line in std::io::stdin().lines() {
        let line = line.expect("a call");
        let mut words = line.split(' ');
        let mut number = || {
            words
                .next()
                .and_then(|word| word.parse::<i64>().ok())
                .expect("a number")
        };
        let (program, procedure) = (number(), number());
        let hex = words.next().expect("arguments");
        let digits = hex
            .as_bytes()
            .chunks(2)
            .map(|digits| std::str::from_utf8(digits).expect("digits"));
        let args = digits.map(|digits| u8::from_str_radix(digits, 16).expect("two digits"));
        let args = args.collect();
        let program = u32::try_from(program).expect("a program");
        let procedure = i32::try_from(procedure).expect("a procedure");
        let (status, body) = exchange(&mut stream, program, procedure, &Raw(args));
        if status == Status::Ok {
            println!("{ANSWER}");
        } else {
            let error: net::Error = xdr::from_bytes(&body).expect("an error");
            let text = error.message.unwrap_or_default().replace('\n', " ");
            println!("{ANSWER}{} {text}", error.code);
        }
    }
}

struct Raw(Vec<u8>);

impl Encode for Raw {
    fn encode(&self, out: &mut Vec<u8>) -> Result<(), xdr::Error> {
        out.extend(&self.0);
        Ok(())
    }
}

/// Waits for the answer to what every daemon is asked first: how to authenticate. One that has no such call refuses it, which is an
/// answer, too.
pub(crate) fn first_answer(mut stream: UnixStream) -> io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    let remote = protocol::remote::PROGRAM.number;
    try_exchange(&mut stream, remote, AuthList::INFO.number, &()).map(drop)
}

/// Makes a call and gives how it ended, and the reply's body.
fn exchange(stream: &mut UnixStream, program: u32, procedure: i32, args: &impl Encode) -> (Status, Vec<u8>) {
    try_exchange(stream, program, procedure, args).expect("the daemon answers")
}

fn try_exchange(
    stream: &mut UnixStream,
    program: u32,
    procedure: i32,
    args: &impl Encode,
) -> io::Result<(Status, Vec<u8>)> {
    let header = Header {
        prog: program,
        vers: 1,
        proc: procedure,
        r#type: MessageType::Call,
        serial: 1,
        status: Status::Ok,
    };
    let mut packet = xdr::to_bytes(&header).expect("a header");
    args.encode(&mut packet).expect("arguments");
    let length = u32::try_from(limits::LENGTH + packet.len()).expect("a short packet");
    let packet = [&length.to_be_bytes(), packet.as_slice()].concat();
    stream.write_all(&packet)?;
    loop {
        let mut length = [0; limits::LENGTH];
        stream.read_exact(&mut length)?;
        let length = usize::try_from(u32::from_be_bytes(length)).expect("a length");
        let mut packet = vec![0; length - limits::LENGTH];
        stream.read_exact(&mut packet)?;
        let (header, body) = packet.split_at(limits::HEADER);
        let header: Header = xdr::from_bytes(header).expect("a header");
        if matches!(header.r#type, MessageType::Reply) {
            return Ok((header.status, body.to_vec()));
        }
    }
}
