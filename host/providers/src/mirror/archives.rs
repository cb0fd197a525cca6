//! The zips that are kept, each under the name of its SHA-256, and how the oldest go when there are too many.
//!
//! A disk may lose what was written to it. So each zip is read whole once before it is first served, and its length is
//! looked at each time.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Seek};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use tempfile::NamedTempFile;

use crate::fetch::incoming;
use crate::hashing::Sha256Sum;

/// A folder of zips. All of it blocks.
#[derive(Debug)]
pub(super) struct Archives {
    folder: PathBuf,
    most: u64,
    /// The zips that were seen to be sound since the start, and their lengths.
    sound: Mutex<BTreeMap<Sha256Sum, u64>>,
}

/// A zip on the shelf that was looked at.
#[derive(Debug)]
pub(super) enum Checked {
    Missing,
    Sound(File, u64),
    /// What is wrong.
    Damaged(String),
}

impl Archives {
    pub(super) fn open(folder: PathBuf, most: u64) -> io::Result<Self> {
        incoming::open(&folder.join("incoming"))?;
        Ok(Self { folder, most, sound: Mutex::default() })
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

    fn sound(&self) -> MutexGuard<'_, BTreeMap<Sha256Sum, u64>> {
        self.sound.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn file(&self, sha256: &Sha256Sum) -> io::Result<Option<(File, u64)>> {
        let file = match File::open(self.path(sha256)) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let length = file.metadata()?.len();
        Ok(Some((file, length)))
    }

    /// An open file and its length, if it is known to be sound; else see [`Self::check`]. It is marked as used.
    pub(super) fn get(&self, sha256: &Sha256Sum) -> io::Result<Option<(File, u64)>> {
        let Some(known) = self.sound().get(sha256).copied() else { return Ok(None) };
        let found = self.file(sha256)?.filter(|(_, length)| *length == known);
        if let Some((file, _)) = &found {
            // A folder that cannot be written still serves.
            let _ = file.set_modified(SystemTime::now());
        }
        Ok(found)
    }

    /// Reads a zip whole, unless it is known to be sound.
    pub(super) fn check(&self, sha256: &Sha256Sum) -> io::Result<Checked> {
        if let Some((file, length)) = self.get(sha256)? {
            return Ok(Checked::Sound(file, length));
        }
        let Some((mut file, length)) = self.file(sha256)? else { return Ok(Checked::Missing) };
        match Sha256Sum::of_open(&mut file) {
            Ok(found) if found == *sha256 => {
                file.rewind()?;
                let _ = file.set_modified(SystemTime::now());
                self.sound().insert(*sha256, length);
                Ok(Checked::Sound(file, length))
            }
            Ok(found) => Ok(Checked::Damaged(format!("its {length} bytes have the SHA-256 {found}"))),
            Err(error) => Ok(Checked::Damaged(format!("it cannot be read: {error}"))),
        }
    }

    /// Removes a zip that is no longer what it was, or puts it aside. Gives where it lies then.
    pub(super) fn discard(&self, sha256: &Sha256Sum, aside: bool) -> io::Result<Option<PathBuf>> {
        self.sound().remove(sha256);
        let path = self.path(sha256);
        if !aside {
            return fs::remove_file(path).map(|()| None);
        }
        let folder = self.folder.join("damaged");
        fs::create_dir_all(&folder)?;
        let to = folder.join(sha256.to_string());
        fs::rename(path, &to)?;
        Ok(Some(to))
    }

    pub(super) fn path_of(&self, sha256: &Sha256Sum) -> Option<PathBuf> {
        Some(self.path(sha256)).filter(|path| path.is_file())
    }

    /// Keeps a zip with that SHA-256, safely on disk, and lets old ones go. Those for which `stays` holds never go.
    /// Gives the open file, which is there whatever goes meanwhile, and how many went.
    pub(super) fn put(
        &self,
        sha256: &Sha256Sum,
        file: NamedTempFile,
        stays: impl Fn(&Sha256Sum) -> bool,
    ) -> io::Result<(File, usize)> {
        let path = self.path(sha256);
        let shelf = path.parent().unwrap_or(&self.folder);
        fs::create_dir_all(shelf)?;
        file.as_file().sync_all()?;
        let mut file = file.persist(&path)?;
        for folder in [shelf, &self.folder] {
            File::open(folder)?.sync_all()?;
        }
        file.rewind()?;
        self.sound().insert(*sha256, file.metadata()?.len());
        let gone = self.evict(&path, stays);
        Ok((file, gone))
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
                sum.and_then(|sum| self.sound().remove(&sum));
                bytes = bytes.saturating_sub(length);
                gone = gone.saturating_add(1);
            }
        }
        gone
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
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
            archives.put(&Sha256Sum::of(text.as_bytes()), file, |sum| *sum == stays).unwrap().1
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
        assert_eq!(archives.get(&Sha256Sum::of(one.as_bytes())).unwrap().unwrap().1, 10);
        assert_eq!(put(three, ""), 1);
        assert!(has(one) && !has(two) && has(three));
        age(one, 90);
        assert_eq!(put(four, one), 1, "what stays, stays");
        assert!(has(one) && !has(three) && has(four));
        assert_eq!(archives.bytes(), 20);
    }

    #[test]
    fn what_the_disk_has_lost_is_not_served() {
        let folder = TempDir::new().unwrap();
        let archives = Archives::open(folder.path().to_owned(), 1000).unwrap();
        let sum = Sha256Sum::of(b"one 567890");
        let put = || {
            let mut file = NamedTempFile::new_in(archives.incoming()).unwrap();
            file.write_all(b"one 567890").unwrap();
            let (mut file, _) = archives.put(&sum, file, |_| false).unwrap();
            let mut text = String::new();
            file.read_to_string(&mut text).unwrap();
            assert_eq!(text, "one 567890");
        };
        put();
        assert!(archives.get(&sum).unwrap().is_some());
        // Shorter than it was: told by its length.
        let path = archives.path_of(&sum).unwrap();
        fs::write(&path, "one").unwrap();
        assert!(archives.get(&sum).unwrap().is_none());
        assert!(matches!(archives.check(&sum).unwrap(), Checked::Damaged(what) if what.contains("3 bytes")));
        assert_eq!(archives.discard(&sum, false).unwrap(), None);
        assert!(matches!(archives.check(&sum).unwrap(), Checked::Missing));
        // Of the right length: told by its sum, after a start.
        put();
        fs::write(&path, "one 567891").unwrap();
        let archives = Archives::open(folder.path().to_owned(), 1000).unwrap();
        assert!(archives.get(&sum).unwrap().is_none(), "it was not looked at yet");
        assert!(matches!(archives.check(&sum).unwrap(), Checked::Damaged(_)));
        let aside = archives.discard(&sum, true).unwrap().unwrap();
        assert_eq!((fs::read_to_string(aside).unwrap().as_str(), archives.bytes()), ("one 567891", 0));
        // And one that is sound is read whole once, and can be read again.
        fs::write(&path, "one 567890").unwrap();
        let Checked::Sound(mut file, 10) = archives.check(&sum).unwrap() else { panic!("it is sound") };
        let mut text = String::new();
        file.read_to_string(&mut text).unwrap();
        assert_eq!(text, "one 567890");
        assert!(archives.get(&sum).unwrap().is_some());
    }
}
