//! Recordings of requests (`RECORD`), for whoever looks into an incident on another machine: a file for each, without
//! states, secrets or names, see `tofu_state_sandbox::recording`. The oldest are removed when there are too many.

use std::collections::VecDeque;
use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use tofu_state_component::Request;
use tofu_state_sandbox::recording::{Recorder, Taken, Taking};
use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;
use uuid::Uuid;

/// What all recordings of a folder may take, in bytes; the oldest are removed.
pub const MOST_BYTES: u64 = 256 << 20;

/// How many requests wait to be written; those beyond are not recorded. Each keeps its states in memory meanwhile.
const AT_ONCE: usize = 16;

/// Files of recordings end so.
const EXTENSION: &str = "recording.json";

/// How many this process has written: two of the same millisecond have different names.
static WRITTEN: AtomicU64 = AtomicU64::new(0);

/// Takes requests down and writes them into a folder.
pub struct Recordings {
    recorder: Recorder,
    folder: Arc<Mutex<Folder>>,
    places: Arc<Semaphore>,
    left_out: AtomicU64,
    has_complained: Arc<AtomicBool>,
}

impl Recordings {
    /// Records into this folder, which is made if it is not there. What older servers left there counts too.
    ///
    /// # Errors
    /// The folder cannot be made or read, or the system has no random bytes.
    pub fn open(folder: &Path) -> io::Result<Self> {
        DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        // The key is forgotten with this process: nobody can try out what a hash stands for.
        let key: Vec<u8> = (0..4).flat_map(|_| Uuid::new_v4().into_bytes()).collect();
        let key: [u8; 64] = key.try_into().map_err(|_| io::Error::other("a key of another length"))?;
        Ok(Self {
            recorder: Recorder::new(&key),
            folder: Arc::new(Mutex::new(Folder::open(folder, MOST_BYTES)?)),
            places: Arc::new(Semaphore::new(AT_ONCE)),
            left_out: AtomicU64::new(0),
            has_complained: Arc::default(),
        })
    }

    /// Begins with a request for the component with this digest.
    #[must_use]
    pub fn begin(&self, request: &Request, component: &str) -> Taking {
        self.recorder.begin(request, component)
    }

    /// Writes what was taken, in the background, in one of `tasks`. Nobody waits for it, and a request that cannot be
    /// recorded is answered all the same.
    pub fn keep(&self, taken: Taken, tasks: &TaskTracker) {
        let Ok(place) = Arc::clone(&self.places).try_acquire_owned() else {
            if self.left_out.fetch_add(1, Ordering::Relaxed) == 0 {
                tracing::warn!("requests come faster than they can be recorded: some are left out; said once");
            }
            return;
        };
        let (folder, has_complained) = (Arc::clone(&self.folder), Arc::clone(&self.has_complained));
        tasks.spawn(async move {
            let written = tokio::task::spawn_blocking(move || write(&folder, &taken)).await;
            if let Ok(Err(error)) = written
                && !has_complained.swap(true, Ordering::Relaxed)
            {
                tracing::warn!(%error, "a request was not recorded; said once");
            }
            drop(place);
        });
    }
}

fn write(folder: &Mutex<Folder>, taken: &Taken) -> io::Result<()> {
    let recording = taken.told().map_err(io::Error::other)?;
    let text = serde_json::to_vec_pretty(&recording)?;
    folder.lock().unwrap_or_else(PoisonError::into_inner).add(&text)
}

/// A folder of files that takes up no more than so many bytes.
struct Folder {
    path: PathBuf,
    most_bytes: u64,
    /// Its files, oldest first, and their sizes.
    files: VecDeque<(PathBuf, u64)>,
    bytes: u64,
}

impl Folder {
    fn open(path: &Path, most_bytes: u64) -> io::Result<Self> {
        let mut files = Vec::new();
        for entry in fs::read_dir(path)? {
            let entry = entry?;
            if entry.file_name().to_string_lossy().ends_with(EXTENSION) {
                files.push((entry.path(), entry.metadata()?.len()));
            }
        }
        // Their names begin with their times.
        files.sort();
        let bytes = files.iter().map(|(_, size)| size).sum();
        Ok(Self { path: path.to_owned(), most_bytes, files: files.into(), bytes })
    }

    fn add(&mut self, text: &[u8]) -> io::Result<()> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
        let (process, written) = (std::process::id(), WRITTEN.fetch_add(1, Ordering::Relaxed));
        let file = self.path.join(format!("{now:013}-{process}-{written:06}.{EXTENSION}"));
        let part = file.with_extension("part");
        OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&part)?.write_all(text)?;
        fs::rename(&part, &file)?;
        let size = text.len() as u64;
        self.files.push_back((file, size));
        self.bytes += size;
        while self.bytes > self.most_bytes
            && let Some((oldest, size)) = self.files.pop_front()
        {
            self.bytes -= size;
            match fs::remove_file(&oldest) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_are_removed_also_those_of_an_older_server() {
        let folder = tempfile::TempDir::new().unwrap();
        fs::write(folder.path().join("somebody-elses"), "x".repeat(100)).unwrap();
        let names = || {
            let mut names: Vec<_> =
                fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
            names.sort();
            names
        };
        let mut first = Folder::open(folder.path(), 25).unwrap();
        first.add(b"0123456789").unwrap();
        let oldest = names()[0].clone();
        let mut second = Folder::open(folder.path(), 25).unwrap();
        second.add(b"0123456789").unwrap();
        assert_eq!(names().len(), 3);
        second.add(b"0123456789").unwrap();
        assert_eq!(names().len(), 3, "two, and what is none of ours");
        assert!(!names().contains(&oldest));
        assert_eq!(second.bytes, 20);
    }
}
