//! Sizes of the images of shut-off domains, of many at once.
//!
//! ```text
//!  documents ──► queue ──► thread ──► each disk's last known sizes
//!                  └─────► another thread, when one has not moved on for a while; its folder is left alone
//! ```

use super::{Reader, Reading, header_format};
use crate::domain::Document;
use image::{Format, Sizes};
use model::domain::devices::Disk;
use parking_lot::Mutex;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::Instant;

/// How long a call over many domains waits for the sizes of all their images together.
const PATIENCE: Duration = Duration::from_millis(200);

/// How long one image may keep the others waiting.
const STALL: Duration = Duration::from_millis(50);

/// A disk of a definition, with what was last known of its image.
#[derive(Debug)]
pub(crate) struct DiskFigures {
    /// `vda`.
    pub target: Box<str>,
    /// What lies behind it, where that is a path.
    pub path: Option<Box<str>>,
    format: Format,
    sizes: Mutex<Option<Sizes>>,
}

impl DiskFigures {
    /// Those of a document's disk, nothing known yet.
    pub(crate) fn of(disk: &Disk) -> Self {
        Self {
            target: disk.target.dev.as_str().into(),
            path: disk.source_path().map(Into::into),
            format: disk.format().map_or(Format::Raw, header_format),
            sizes: Mutex::default(),
        }
    }

    /// The last known sizes; none of an image that was not there.
    pub(crate) fn sizes(&self) -> Option<Sizes> {
        *self.sizes.lock()
    }

    /// Looks at the image, unless it lies where somebody is waiting already.
    fn measure(&self, reading: &Reading) {
        let Some(path) = self.path.as_deref().map(Path::new) else {
            return;
        };
        if reading.enter(path).is_ok() {
            let sizes = Sizes::of(path, self.format);
            *self.sizes.lock() = sizes.ok();
        }
    }
}

/// Documents whose disks are measured.
#[derive(Debug)]
struct Queue {
    documents: Vec<Arc<Document>>,
    /// How many were taken.
    taken: AtomicUsize,
}

impl Queue {
    fn work(&self, reading: &Reading) {
        while let Some(document) = self.documents.get(self.taken.fetch_add(1, Ordering::Relaxed)) {
            document.disks.iter().for_each(|disk| disk.measure(reading));
        }
    }

    fn is_left(&self) -> bool {
        self.taken.load(Ordering::Relaxed) < self.documents.len()
    }

    /// Waits for a thread; whether there is nothing more to wait for, or else it does not move on.
    async fn is_done_or_late(&self, mut done: oneshot::Receiver<()>, until: Instant) -> bool {
        loop {
            let seen = self.taken.load(Ordering::Relaxed);
            if tokio::time::timeout(STALL, &mut done).await.is_ok() || Instant::now() >= until {
                return true;
            }
            if self.taken.load(Ordering::Relaxed) == seen {
                return false;
            }
        }
    }
}

impl Reader {
    /// Measures the images of all disks, as far as that takes no longer than the patience of a call; what is late stays
    /// as it was last known, and is known to the next call.
    pub(crate) async fn measure(&self, mut documents: Vec<Arc<Document>>) {
        documents.retain(|document| document.disks.iter().any(|disk| disk.path.is_some()));
        if documents.is_empty() {
            return;
        }
        let until = Instant::now() + PATIENCE;
        let queue = Arc::new(Queue {
            documents,
            taken: AtomicUsize::new(0),
        });
        while queue.is_left() {
            let own = Arc::clone(&queue);
            let (reading, done) = match self.spawn(move |reading| own.work(reading)) {
                Ok(started) => started,
                Err(err) => return tracing::warn!(%err, "sizes of images stay as they were"),
            };
            if queue.is_done_or_late(done, until).await {
                return;
            }
            let err = reading.give_up(STALL);
            tracing::warn!(%err, "its folder is left alone until the reader comes back");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::domain::Domain as Model;

    fn document(path: &Path) -> Arc<Document> {
        let text = format!(
            "<domain type='qemu'><name>a</name><memory>1024</memory><os><type>hvm</type></os><devices>\
             <disk type='file' device='disk'><driver name='qemu' type='raw'/><source file='{}'/>\
             <target dev='vda' bus='virtio'/></disk></devices></domain>",
            path.display()
        );
        Document::of(&Model::from_xml(&text).unwrap())
    }

    #[tokio::test]
    async fn what_is_not_there_has_no_sizes_and_what_is_dead_keeps_nobody() {
        let folder = tempfile::tempdir().unwrap();
        let there = folder.path().join("there");
        std::fs::write(&there, "12345").unwrap();
        let reader = Reader::default();

        // Somebody waits in another folder for ever.
        let dead = folder.path().join("dead");
        std::fs::create_dir(&dead).unwrap();
        let (_never, wait) = std::sync::mpsc::channel::<()>();
        let path = dead.join("a");
        let stuck = reader.run(Duration::from_millis(1), move |reading| {
            reading.enter(&path)?;
            let _ = wait.recv();
            Ok(())
        });
        assert!(stuck.await.is_err());
        std::fs::write(dead.join("b"), "1").unwrap();

        let documents = [dead.join("b"), folder.path().join("gone"), there].map(|path| document(&path));
        let known = |number: usize| documents[number].disks[0].sizes().map(|sizes| sizes.capacity);
        // The machine may be too busy for one call's patience.
        while known(2).is_none() {
            reader.measure(documents.to_vec()).await;
        }
        assert_eq!((known(0), known(1), known(2)), (None, None, Some(5)));
    }
}
