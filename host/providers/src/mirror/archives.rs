//! The zips that are kept, each under the name of its SHA-256, and how the oldest go when there are too many.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use tempfile::NamedTempFile;

use crate::fetch::incoming;
use crate::hashing::Sha256Sum;

/// A folder of zips. All of it blocks, for a moment.
#[derive(Clone, Debug)]
pub(super) struct Archives {
    folder: PathBuf,
    most: u64,
}

impl Archives {
    pub(super) fn open(folder: PathBuf, most: u64) -> io::Result<Self> {
        incoming::open(&folder.join("incoming"))?;
        Ok(Self { folder, most })
    }

    /// Where zips are put while they come.
    pub(super) fn incoming(&self) -> PathBuf {
        self.folder.join("incoming")
    }

    fn path(&self, sha256: &Sha256Sum) -> PathBuf {
        let name = sha256.to_string();
        let shelf: String = name.chars().take(2).collect();
        self.folder.join(shelf).join(name)
    }

    /// An open file and its length. It is marked as used.
    pub(super) fn get(&self, sha256: &Sha256Sum) -> Option<(File, u64)> {
        let file = File::open(self.path(sha256)).ok()?;
        // A folder that cannot be written still serves.
        let _ = file.set_modified(SystemTime::now());
        let length = file.metadata().ok()?.len();
        Some((file, length))
    }

    pub(super) fn path_of(&self, sha256: &Sha256Sum) -> Option<PathBuf> {
        Some(self.path(sha256)).filter(|path| path.is_file())
    }

    /// Keeps a zip with that SHA-256, safely on disk, and lets old ones go. Those for which `stays` holds never go.
    pub(super) fn put(
        &self,
        sha256: &Sha256Sum,
        file: NamedTempFile,
        stays: impl Fn(&Sha256Sum) -> bool,
    ) -> io::Result<usize> {
        let path = self.path(sha256);
        fs::create_dir_all(path.parent().unwrap_or(&self.folder))?;
        file.as_file().sync_all()?;
        file.persist(&path)?;
        Ok(self.evict(&path, stays))
    }

    /// How many bytes are kept.
    pub(super) fn bytes(&self) -> u64 {
        self.all().iter().map(|(_, bytes, _)| bytes).sum()
    }

    fn all(&self) -> Vec<(SystemTime, u64, PathBuf)> {
        let shelves = fs::read_dir(&self.folder).into_iter().flatten().flatten();
        let shelves = shelves.filter(|shelf| shelf.file_name().len() == 2);
        let files = shelves.flat_map(|shelf| fs::read_dir(shelf.path()).into_iter().flatten().flatten());
        let facts = |entry: fs::DirEntry| {
            let facts = entry.metadata().ok()?;
            Some((facts.modified().ok()?, facts.len(), entry.path()))
        };
        files.filter_map(facts).collect()
    }

    /// Removes what was not used for longest until all fits; never what has just come.
    fn evict(&self, new: &Path, stays: impl Fn(&Sha256Sum) -> bool) -> usize {
        let mut all = self.all();
        let mut bytes: u64 = all.iter().map(|(_, bytes, _)| bytes).sum();
        all.sort();
        let mut gone = 0_usize;
        for (_, length, path) in all {
            if bytes <= self.most {
                break;
            }
            let sum = path.file_name().and_then(|name| name.to_str()?.parse::<Sha256Sum>().ok());
            if path != new && sum.is_none_or(|sum| !stays(&sum)) && fs::remove_file(&path).is_ok() {
                bytes = bytes.saturating_sub(length);
                gone = gone.saturating_add(1);
            }
        }
        gone
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::time::Duration;

    use tempfile::TempDir;

    use super::*;

    #[test]
    fn what_was_not_used_for_longest_goes_first() {
        let folder = TempDir::new().unwrap();
        let archives = Archives::open(folder.path().to_owned(), 25).unwrap();
        let put = |text: &str, stays: &str| {
            let mut file = NamedTempFile::new_in(archives.incoming()).unwrap();
            file.write_all(text.as_bytes()).unwrap();
            let stays = Sha256Sum::of(stays.as_bytes());
            archives.put(&Sha256Sum::of(text.as_bytes()), file, |sum| *sum == stays).unwrap()
        };
        let has = |text: &str| archives.path_of(&Sha256Sum::of(text.as_bytes())).is_some();
        let age = |text: &str, seconds: u64| {
            let path = archives.path_of(&Sha256Sum::of(text.as_bytes())).unwrap();
            File::options()
                .append(true)
                .open(path)
                .unwrap()
                .set_modified(SystemTime::now() - Duration::from_secs(seconds))
                .unwrap();
        };
        let (one, two, three, four) = ("one 567890", "two 567890", "three 7890", "four 67890");
        assert_eq!((put(one, ""), put(two, "")), (0, 0));
        age(one, 90);
        age(two, 60);
        assert_eq!(archives.get(&Sha256Sum::of(one.as_bytes())).unwrap().1, 10);
        assert_eq!(put(three, ""), 1);
        assert!(has(one) && !has(two) && has(three));
        age(one, 90);
        assert_eq!(put(four, one), 1, "what stays, stays");
        assert!(has(one) && !has(three) && has(four));
        assert_eq!(archives.bytes(), 20);
    }
}
