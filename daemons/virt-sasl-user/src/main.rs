//! virt-sasl-user: makes and removes the users whom daemons let in by SASL, in `/etc/libvirt/passwd.scram`.
//!
//! What saslpasswd2 is for Cyrus SASL. Daemons read the file anew for each client, so a change counts at once.

use clap::{Parser, Subcommand};
use daemon::access::users_file;
use daemon::{Layout, durable};
use rustix::fs::{FlockOperation, flock};
use sasl::{Keys, Store, Users, prepare};
use std::error::Error;
use std::fs::File;
use std::io::{self, BufRead, IsTerminal, Write};
use std::path::Path;
use std::process::ExitCode;
use zeroize::Zeroizing;

type Outcome<T = ()> = Result<T, Box<dyn Error>>;

/// The longest password, in bytes.
const PASSWORD_MAX: usize = 1024;

/// Makes and removes the users whom libvirt's daemons let in by SASL.
#[derive(Debug, Parser)]
#[command(name = "virt-sasl-user", version)]
struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Make a user, or give one a new password: asked for twice, or the first line of the standard input
    Set {
        /// The user's name
        name: String,
    },
    /// Remove a user
    Remove {
        /// The user's name
        name: String,
    },
    /// List the names of the users
    List,
}

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(other) => {
            // Whoever cannot read it has no use for it either.
            let _ = other.print();
            return ExitCode::from(u8::from(other.use_stderr()));
        }
    };
    let done = Layout::detect()
        .map_err(Into::into)
        .and_then(|layout| run(&arguments.what, &users_file(&layout), password));
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            let _ = writeln!(io::stderr(), "virt-sasl-user: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn run(what: &What, file: &Path, password: impl FnOnce() -> Outcome<Zeroizing<String>>) -> Outcome {
    let store = Store::new(file.to_owned())?;
    match what {
        What::Set { name } => {
            let name = prepare(name)?;
            let password = password()?;
            if password.is_empty() || password.len() > PASSWORD_MAX {
                return Err(format!("a password has from 1 to {PASSWORD_MAX} bytes").into());
            }
            let keys = Keys::of_password(&password)?;
            change(&store, |users| {
                users.set(&name, keys);
                Ok(())
            })
        }
        What::Remove { name } => {
            let name = prepare(name)?;
            change(&store, |users| {
                if users.remove(&name) {
                    Ok(())
                } else {
                    Err(format!("there is no user '{name}' in {}", file.display()).into())
                }
            })
        }
        What::List => {
            let users = read(&store)?;
            let mut out = io::stdout().lock();
            for name in users.names() {
                writeln!(out, "{name}")?;
            }
            Ok(())
        }
    }
}

/// The users; nobody where there is no file yet.
fn read(store: &Store) -> Outcome<Users> {
    if store.path().try_exists()? {
        Ok(store.read()?)
    } else {
        Ok(Users::nobody()?)
    }
}

/// Changes the file in one step, one after the other where several do.
fn change(store: &Store, change: impl FnOnce(&mut Users) -> Outcome) -> Outcome {
    let path = store.path();
    let folder = path.parent().unwrap_or(path);
    let failed = |failure: io::Error| format!("{}: {failure}", folder.display());
    let folder = File::open(folder).map_err(failed)?;
    flock(&folder, FlockOperation::LockExclusive).map_err(|failure| failed(failure.into()))?;
    let mut users = read(store)?;
    change(&mut users)?;
    durable::replace(path, users.written().as_bytes())?;
    Ok(())
}

fn password() -> Outcome<Zeroizing<String>> {
    if !io::stdin().is_terminal() {
        let mut line = Zeroizing::new(String::new());
        io::stdin().lock().read_line(&mut line)?;
        return Ok(Zeroizing::new(line.trim_end_matches(['\r', '\n']).to_owned()));
    }
    let password = Zeroizing::new(rpassword::prompt_password("Password: ")?);
    let again = Zeroizing::new(rpassword::prompt_password("Again: ")?);
    if password == again {
        Ok(password)
    } else {
        Err("the two passwords are not the same; nothing was changed".into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn users_come_and_go() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("passwd.scram");
        let set = |name: &str, word: &str| {
            let what = What::Set {
                name: name.to_owned(),
            };
            run(&what, &file, || Ok(Zeroizing::new(word.to_owned())))
        };
        let names = || {
            let users = Store::new(file.clone()).unwrap().read().unwrap();
            users.names().map(str::to_owned).collect::<Vec<_>>()
        };
        set("joe", "secret").unwrap();
        set("fred", "secret").unwrap();
        assert_eq!(names(), ["fred", "joe"]);
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        let before = fs::read_to_string(&file).unwrap();
        set("fred", "other").unwrap();
        let after = fs::read_to_string(&file).unwrap();
        let line = |text: &str, begin: &str| {
            text.lines()
                .find(|line| line.starts_with(begin))
                .map(str::to_owned)
        };
        assert_ne!(line(&before, "fred:"), line(&after, "fred:"));
        // What strangers are answered does not change with it.
        assert_eq!(line(&before, ":"), line(&after, ":"));
        assert!(!after.contains("secret") && !after.contains("other"));
        for bad in [
            set("", "x"),
            set("a:b", "x"),
            set("joe", ""),
            set("joe", &"x".repeat(1025)),
        ] {
            assert!(bad.is_err());
        }
        let remove = || {
            let what = What::Remove {
                name: "joe".to_owned(),
            };
            run(&what, &file, || unreachable!())
        };
        remove().unwrap();
        assert!(remove().unwrap_err().to_string().contains("no user 'joe'"));
        assert_eq!(names(), ["fred"]);
    }
}
