//! The folder that recordings are written into.

use std::collections::VecDeque;
use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Files of recordings end so.
const WHOLE: &str = ".recording.json";

/// Those that are being written end so.
const PART: &str = ".recording.part";

/// A file that is being written takes seconds; one that was last written to before that was left by a crash.
const ABANDONED: Duration = Duration::from_secs(10 * 60);

/// How many this process has written: two of the same millisecond have different names.
static WRITTEN: AtomicU64 = AtomicU64::new(0);

/// A folder of files that takes up no more than so many bytes. What is not named as recordings are is left alone.
pub(super) struct Folder {
    path: PathBuf,
    most_bytes: u64,
    /// Its files, oldest first, and their sizes.
    files: VecDeque<(PathBuf, u64)>,
    bytes: u64,
}

impl Folder {
    /// Counts what is there, and removes what servers left that crashed while they wrote. Others may be writing into
    /// the same folder.
    pub(super) fn open(path: &Path, most_bytes: u64) -> io::Result<Self> {
        let mut files = Vec::new();
        for entry in fs::read_dir(path)? {
            let entry = entry?;
            let name = entry.file_name();
            let (is_whole, is_part) = (is_ours(&name, WHOLE), is_ours(&name, PART));
            if !is_whole && !is_part {
                continue;
            }
            let metadata = match entry.metadata() {
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                metadata => metadata?,
            };
            if is_whole {
                files.push((entry.path(), metadata.len()));
            } else if metadata.modified()?.elapsed().is_ok_and(|age| age >= ABANDONED) {
                remove(&entry.path())?;
            }
        }
        // Their names begin with their times.
        files.sort();
        let bytes = files.iter().map(|(_, size)| size).sum();
        Ok(Self { path: path.to_owned(), most_bytes, files: files.into(), bytes })
    }

    /// Writes one, and removes the oldest if there are too many now.
    pub(super) fn add(&mut self, text: &[u8]) -> io::Result<()> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
        let (process, written) = (std::process::id(), WRITTEN.fetch_add(1, Ordering::Relaxed));
        let name = format!("{now:013}-{process}-{written:06}");
        let (file, part) = (self.path.join(format!("{name}{WHOLE}")), self.path.join(format!("{name}{PART}")));
        if let Err(error) = write(&part, text).and_then(|()| fs::rename(&part, &file)) {
            // A full disk is not to be filled further.
            return remove(&part).and(Err(error));
        }
        let size = text.len() as u64;
        self.files.push_back((file, size));
        self.bytes += size;
        while self.bytes > self.most_bytes
            && let Some((oldest, size)) = self.files.pop_front()
        {
            self.bytes -= size;
            remove(&oldest)?;
        }
        Ok(())
    }
}

fn write(file: &Path, text: &[u8]) -> io::Result<()> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(file)?.write_all(text)
}

/// Removes a file that somebody else may have removed already.
fn remove(file: &Path) -> io::Result<()> {
    match fs::remove_file(file) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Whether a file is named as [`Folder::add`] names them: time, process and count.
fn is_ours(name: &std::ffi::OsStr, ending: &str) -> bool {
    let Some(stem) = name.to_str().and_then(|name| name.strip_suffix(ending)) else { return false };
    let numbers: Vec<_> = stem.split('-').collect();
    let is_number = |text: &&str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    numbers.len() == 3 && numbers.iter().all(is_number)
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn the_oldest_are_removed_also_those_of_an_older_server() {
        let folder = tempfile::TempDir::new().unwrap();
        for other in ["somebody-elses", "copy-of-the-incident.recording.json"] {
            fs::write(folder.path().join(other), "x".repeat(100)).unwrap();
        }
        let mut first = Folder::open(folder.path(), 25).unwrap();
        first.add(b"0123456789").unwrap();
        let oldest = names(folder.path())[0].clone();
        let mut second = Folder::open(folder.path(), 25).unwrap();
        second.add(b"0123456789").unwrap();
        assert_eq!(names(folder.path()).len(), 4);
        second.add(b"0123456789").unwrap();
        let left = names(folder.path());
        assert_eq!(left.len(), 4, "two, and what is none of ours");
        assert!(!left.contains(&oldest));
        assert_eq!(second.bytes, 20);
    }

    #[test]
    fn what_a_crash_left_half_written_is_removed_and_what_another_process_writes_is_not() {
        let folder = tempfile::TempDir::new().unwrap();
        let old = SystemTime::now() - ABANDONED - Duration::from_secs(1);
        let file = |name: &str, modified: SystemTime| {
            let file = File::create(folder.path().join(name)).unwrap();
            file.set_modified(modified).unwrap();
        };
        file("1764000000000-77-000000.recording.part", old);
        file("1764000000000-78-000001.recording.part", SystemTime::now());
        file("1764000000000-79-000001.recording.part", SystemTime::now() + Duration::from_secs(86400));
        file("notes.recording.part", old);
        file("1764000000000-77.recording.part", old);
        file("1764000000000-77-000000.recording.json", old);
        let opened = Folder::open(folder.path(), 25).unwrap();
        assert_eq!(
            names(folder.path()),
            [
                "1764000000000-77-000000.recording.json",
                "1764000000000-77.recording.part",
                "1764000000000-78-000001.recording.part",
                "1764000000000-79-000001.recording.part",
                "notes.recording.part",
            ]
        );
        assert_eq!(opened.files.len(), 1);
    }

    #[test]
    fn what_cannot_be_written_leaves_nothing_behind() {
        let folder = tempfile::TempDir::new().unwrap();
        let mut opened = Folder::open(folder.path(), 25).unwrap();
        fs::remove_dir(folder.path()).unwrap();
        opened.add(b"0123456789").unwrap_err();
        fs::create_dir(folder.path()).unwrap();
        opened.add(b"0123456789").unwrap();
        assert_eq!((names(folder.path()).len(), opened.bytes), (1, 10));
    }
}
