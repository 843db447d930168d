//! Capabilities kept: in a file until the binary changes, in memory while somebody asks for them.
//!
//! Who asks for a binary first does the work and all who ask meanwhile wait for the same result. What is loaded stays
//! for a minute after the last question; then the file is enough, and an idle daemon holds none of it. The file is
//! only a copy of what the binary would say: one that is missing, broken or of another state of the host is made anew.

use super::probe::{self, Manner};
use super::{BinaryCaps, arch};
use error::{Code, Domain, Error, Result};
use host::Host;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;
use tokio::sync::{Mutex as AsyncMutex, Semaphore};
use tokio::time::Instant;

/// How many binaries are asked at the same time; each costs two processes.
const PROBES_AT_ONCE: usize = 2;

/// How long capabilities stay in memory after the last question.
const KEEP: Duration = Duration::from_secs(60);

/// How long a file is believed that says KVM does not work although there is a device: the cause may pass.
const RETRY_KVM: Duration = Duration::from_secs(600);

/// Changes with the form of the files and with what is asked.
const FORMAT: u32 = 2;

/// Where binaries are looked for when the environment has no `PATH`.
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The capabilities of all binaries anybody asked for.
#[derive(Debug)]
pub struct BinaryCache {
    folder: PathBuf,
    host: Host,
    about_host: OnceLock<String>,
    search: Vec<PathBuf>,
    run_as: Option<(u32, u32)>,
    slots: Mutex<HashMap<PathBuf, Arc<Slot>>>,
    probes: Semaphore,
}

#[derive(Debug, Default)]
struct Slot {
    /// Held while the capabilities are being made, so that others wait for them.
    state: AsyncMutex<State>,
}

#[derive(Debug, Default)]
struct State {
    loaded: Option<Loaded>,
    failed: Option<Failed>,
}

#[derive(Debug)]
struct Loaded {
    stamp: Stamp,
    caps: Arc<BinaryCaps>,
    used: Instant,
}

/// A failure, for those who waited for it.
#[derive(Debug)]
struct Failed {
    at: Instant,
    code: Code,
    domain: Domain,
    detail: String,
}

/// Everything that could change what a binary says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Stamp {
    path: PathBuf,
    modified: (i64, i64),
    changed: (i64, i64),
    size: u64,
    /// When modules were installed or removed: (seconds, nanoseconds) of each folder that there is.
    modules: Vec<(i64, i64)>,
    /// Form of the file and version of this program.
    form: String,
    /// Kernel, processor and microcode: KVM's part depends on them.
    host: String,
    kvm: bool,
}

#[derive(Serialize)]
struct StoredRef<'a> {
    stamp: &'a Stamp,
    caps: &'a BinaryCaps,
}

#[derive(Deserialize)]
struct Stored {
    stamp: Stamp,
    caps: BinaryCaps,
}

impl BinaryCache {
    /// Keeps its files in `folder`, which is made when the first one is written.
    pub fn new(folder: impl Into<PathBuf>, host: Host) -> Self {
        let path = std::env::var_os("PATH")
            .filter(|path| !path.is_empty())
            .unwrap_or_else(|| DEFAULT_PATH.into());
        Self {
            folder: folder.into(),
            host,
            about_host: OnceLock::new(),
            search: std::env::split_paths(&path)
                .filter(|folder| folder.is_absolute())
                .collect(),
            run_as: None,
            slots: Mutex::default(),
            probes: Semaphore::new(PROBES_AT_ONCE),
        }
    }

    /// The same cache looking for binaries in other folders than those of `PATH`.
    #[must_use]
    pub fn searching(mut self, folders: Vec<PathBuf>) -> Self {
        self.search = folders;
        self
    }

    /// The same cache asking binaries as another user and group, for a daemon that may choose.
    #[must_use]
    pub fn asking_as(mut self, user: u32, group: u32) -> Self {
        self.run_as = Some((user, group));
        self
    }

    /// The host the binaries run on.
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// What the binary at `path` can do.
    ///
    /// # Errors
    /// Those of [`probe::probe`].
    pub async fn get(&self, path: &Path) -> Result<Arc<BinaryCaps>> {
        let asked = Instant::now();
        let stamp = self.stamp(path)?;
        let slot = Arc::clone(self.slots.lock().entry(path.to_owned()).or_default());
        let mut state = slot.state.lock().await;
        if let Some(loaded) = state.loaded.as_mut().filter(|loaded| loaded.stamp == stamp) {
            loaded.used = Instant::now();
            return Ok(Arc::clone(&loaded.caps));
        }
        if let Some(failed) = state.failed.as_ref().filter(|failed| failed.at >= asked) {
            return Err(Error::new(failed.code, failed.domain, failed.detail.clone()));
        }
        match self.make(path, &stamp).await {
            Ok(caps) => {
                let caps = Arc::new(caps);
                let fresh = state.loaded.is_none();
                state.loaded = Some(Loaded {
                    stamp,
                    caps: Arc::clone(&caps),
                    used: Instant::now(),
                });
                state.failed = None;
                if fresh {
                    tokio::spawn(let_go(Arc::downgrade(&slot)));
                }
                Ok(caps)
            }
            Err(error) => {
                let (code, domain, detail) = (error.code(), error.domain(), error.detail().to_owned());
                state.failed = Some(Failed {
                    at: Instant::now(),
                    code,
                    domain,
                    detail,
                });
                Err(error)
            }
        }
    }

    /// From the file, else from the binary itself.
    async fn make(&self, path: &Path, stamp: &Stamp) -> Result<BinaryCaps> {
        let file = self.file(path);
        let wanted = stamp.clone();
        let reading = file.clone();
        let stored = tokio::task::spawn_blocking(move || read(&reading, &wanted)).await;
        if let Ok(Some(caps)) = stored {
            return Ok(caps);
        }
        let _permit = self.probes.acquire().await;
        let caps = probe::probe(
            path,
            Manner {
                kvm: stamp.kvm,
                run_as: self.run_as,
            },
        )
        .await?;
        let text = serde_json::to_vec(&StoredRef { stamp, caps: &caps });
        let written = tokio::task::spawn_blocking(move || write(&file, &text?)).await;
        if let Ok(Err(error)) = written {
            tracing::warn!(binary = %path.display(), %error, "cannot keep a QEMU binary's capabilities");
        }
        Ok(caps)
    }

    fn file(&self, path: &Path) -> PathBuf {
        // FNV-1a: the name only has to spread; the file tells which binary it is about.
        let hash = path
            .as_os_str()
            .as_encoded_bytes()
            .iter()
            .fold(0xcbf2_9ce4_8422_2325_u64, |hash, &byte| {
                (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
            });
        self.folder.join(format!("{hash:016x}.json"))
    }

    fn stamp(&self, path: &Path) -> Result<Stamp> {
        probe::check_executable(path)?;
        let about = path.metadata().map_err(|error| {
            let detail = format!("Cannot check QEMU binary {}", path.display());
            Error::new(Code::SystemError, Domain::Qemu, detail).caused_by(error)
        })?;
        Ok(Stamp {
            path: path.to_owned(),
            modified: (about.mtime(), about.mtime_nsec()),
            changed: (about.ctime(), about.ctime_nsec()),
            size: about.size(),
            modules: self.modules(),
            form: format!("{} {FORMAT}", env!("CARGO_PKG_VERSION")),
            host: self.about_host().to_owned(),
            kvm: self.kvm_may_work(),
        })
    }

    /// Kernel, processor and its microcode. Looked up once: the kernel asks each processor for what it shows of them.
    fn about_host(&self) -> &str {
        self.about_host.get_or_init(|| {
            let kernel = rustix::system::uname();
            format!(
                "{} {} {:?} {:?}",
                kernel.release().to_string_lossy(),
                kernel.version().to_string_lossy(),
                self.host.cpuid().signature(),
                self.host.microcode(),
            )
        })
    }

    /// A text that changes whenever the capabilities of the binary at `path` may have changed.
    pub fn state(&self, path: &Path) -> String {
        self.stamp(path)
            .map_or_else(|error| error.to_string(), |stamp| format!("{stamp:?}"))
    }

    /// A binary loads parts of itself from a folder of modules, which packages fill without touching the binary.
    fn modules(&self) -> Vec<(i64, i64)> {
        let native = format!("usr/lib/{}-linux-gnu/qemu", self.host.architecture());
        let folders = [
            native.as_str(),
            "usr/lib64/qemu-kvm",
            "usr/lib64/qemu",
            "usr/lib/qemu",
        ];
        let changed = |folder: &&str| {
            self.host
                .path(folder)
                .metadata()
                .ok()
                .map(|m| (m.mtime(), m.mtime_nsec()))
        };
        folders.iter().filter_map(changed).collect()
    }

    /// Whether there is a KVM device this process may open. It is not opened: that could wait.
    fn kvm_may_work(&self) -> bool {
        use rustix::fs::{Access, access};
        access(self.host.path("dev/kvm"), Access::READ_OK | Access::WRITE_OK).is_ok()
    }

    /// The binary for guests of an architecture, if one is installed: its own, else one that also runs it.
    pub fn find(&self, guest: &str) -> Option<PathBuf> {
        let arch = arch::by_name(guest)?;
        let own = self.program(&format!("qemu-system-{}", arch.target));
        let also = || (guest == "i686").then(|| self.program("qemu-system-x86_64"))?;
        let native = || {
            let names = ["qemu-kvm", "kvm"];
            let fixed = PathBuf::from("/usr/libexec/qemu-kvm");
            let found = names.iter().find_map(|name| self.program(name));
            found.or_else(|| fixed.is_file().then_some(fixed))
        };
        own.or_else(also)
            .or_else(|| (self.host.architecture() == guest).then(native)?)
    }

    fn program(&self, name: &str) -> Option<PathBuf> {
        use rustix::fs::{Access, access};
        let runs = |path: &PathBuf| path.is_file() && access(path, Access::EXEC_OK).is_ok();
        self.search.iter().map(|folder| folder.join(name)).find(runs)
    }

    /// What the binary for guests of an architecture can do.
    ///
    /// # Errors
    /// [`Code::ConfigUnsupported`] when none is installed, else those of [`Self::get`].
    pub async fn default_for(&self, guest: &str) -> Result<Arc<BinaryCaps>> {
        let path = self.find(guest).ok_or_else(|| {
            let detail = format!("unable to find any emulator to serve '{guest}' architecture");
            Error::new(Code::ConfigUnsupported, Domain::Qemu, detail)
        })?;
        self.get(&path).await
    }

    /// All architectures that have a binary here, with its path, in the order of libvirt's documents.
    pub fn installed(&self) -> Vec<(arch::Arch, PathBuf)> {
        arch::ALL
            .iter()
            .filter_map(|&arch| Some((arch, self.find(arch.name)?)))
            .collect()
    }
}

/// Forgets a slot's capabilities once nobody asked for a while.
async fn let_go(slot: Weak<Slot>) {
    let mut wake = Instant::now() + KEEP;
    loop {
        tokio::time::sleep_until(wake).await;
        let Some(slot) = slot.upgrade() else { return };
        let mut state = slot.state.lock().await;
        match &state.loaded {
            Some(loaded) if loaded.used + KEEP > Instant::now() => wake = loaded.used + KEEP,
            _ => {
                state.loaded = None;
                return;
            }
        }
    }
}

/// The capabilities in a file, if they are of that state of the binary.
fn read(file: &Path, wanted: &Stamp) -> Option<BinaryCaps> {
    let bytes = std::fs::read(file).ok()?;
    match serde_json::from_slice::<Stored>(&bytes) {
        Ok(stored) => {
            let age = file
                .metadata()
                .and_then(|about| about.modified())
                .ok()?
                .elapsed()
                .unwrap_or_default();
            let settled = stored.caps.kvm_refused.is_none() || age < RETRY_KVM;
            (settled && stored.stamp == *wanted).then_some(stored.caps)
        }
        Err(error) => {
            tracing::info!(file = %file.display(), %error, "kept capabilities are unreadable and made anew");
            None
        }
    }
}

fn write(file: &Path, text: &[u8]) -> std::io::Result<()> {
    use std::io::Write;
    let folder = file.parent().unwrap_or(Path::new("/"));
    std::fs::create_dir_all(folder)?;
    let mut fresh = tempfile::NamedTempFile::new_in(folder)?;
    fresh.write_all(text)?;
    // A file cut short by a power failure is unreadable and made anew, so nothing is flushed here.
    fresh.persist(file)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    /// A stand-in for QEMU that answers a recording's way and counts how often it ran.
    fn binary(folder: &Path) -> PathBuf {
        let path = folder.join("qemu-system-x86_64");
        let questions = super::super::answers::for_tcg("x86_64");
        let mut script = format!(
            "#!/bin/sh\necho run >> {}/runs\ncat > /dev/null &\n",
            folder.display()
        );
        for (id, question) in questions.iter().enumerate() {
            let answer = match question.execute {
                "query-version" => r#"{"qemu":{"major":9,"minor":0,"micro":0},"package":""}"#,
                "query-target" => r#"{"arch":"x86_64"}"#,
                "query-machines" => r#"[{"name":"pc","cpu-max":1}]"#,
                "query-qmp-schema" | "qom-list-types" => "[]",
                _ => {
                    script.push_str(&format!("echo '{{\"id\":{id},\"error\":{{}}}}'\n"));
                    continue;
                }
            };
            script.push_str(&format!("echo '{{\"id\":{id},\"return\":{answer}}}'\n"));
        }
        script.push_str("wait\n");
        std::fs::write(&path, script).unwrap();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).unwrap();
        path
    }

    fn runs(folder: &Path) -> usize {
        std::fs::read_to_string(folder.join("runs"))
            .unwrap_or_default()
            .lines()
            .count()
    }

    fn cache(folder: &Path) -> BinaryCache {
        BinaryCache::new(folder.join("cache"), Host::at(folder)).searching(vec![folder.to_owned()])
    }

    #[tokio::test]
    async fn a_binary_is_asked_once_whoever_asks_and_whenever() {
        let folder = tempfile::tempdir().unwrap();
        let (folder, path) = (folder.path(), binary(folder.path()));
        let first = cache(folder);
        let (a, b) = futures_util::future::join(first.get(&path), first.default_for("x86_64")).await;
        assert!(Arc::ptr_eq(&a.unwrap(), &b.unwrap()));
        let kept = cache(folder).get(&path).await.unwrap();
        assert_eq!((runs(folder), kept.version.major), (1, 9));
    }

    #[tokio::test]
    async fn a_changed_binary_or_a_broken_file_is_asked_again() {
        let folder = tempfile::tempdir().unwrap();
        let (folder, path) = (folder.path(), binary(folder.path()));
        let cached = cache(folder);
        cached.get(&path).await.unwrap();
        std::fs::write(cached.file(&path), "{").unwrap();
        cache(folder).get(&path).await.unwrap();
        assert_eq!(runs(folder), 2);
        std::fs::write(&path, std::fs::read_to_string(&path).unwrap() + "\n").unwrap();
        cached.get(&path).await.unwrap();
        assert_eq!(runs(folder), 3);
    }

    #[tokio::test]
    async fn a_missing_architecture_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let error = cache(folder.path()).default_for("aarch64").await.unwrap_err();
        let expected =
            "unsupported configuration: unable to find any emulator to serve 'aarch64' architecture";
        assert_eq!(error.to_string(), expected);
    }
}
