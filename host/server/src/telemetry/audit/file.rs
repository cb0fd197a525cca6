//! A file that is appended to, whole lines only, and rotated by size.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// When a file is rotated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rotation {
    /// At which size in bytes; one record more may be in it.
    pub max_bytes: u64,
    /// How many files are kept beside the one that is written: `<file>.1` is the newest of them.
    pub keep: u32,
}

/// A file that is appended to.
pub(super) struct Appended {
    path: PathBuf,
    rotation: Rotation,
    open: File,
    bytes: u64,
}

impl Appended {
    /// Opens the file, and makes it where it is missing, readable for nobody else.
    ///
    /// # Errors
    /// Whatever the system says, and that somebody else writes it.
    pub(super) fn open(path: PathBuf, rotation: Rotation) -> io::Result<Self> {
        let (open, bytes) = open(&path)?;
        Ok(Self { path, rotation, open, bytes })
    }

    /// Appends whole lines, or nothing.
    ///
    /// # Errors
    /// Nothing was written then.
    pub(super) fn append(&mut self, lines: &[u8]) -> io::Result<()> {
        if !self.is_current() {
            // Somebody else has rotated it, or removed it.
            (self.open, self.bytes) = open(&self.path)?;
        }
        if self.bytes > 0 && self.bytes.saturating_add(lines.len() as u64) > self.rotation.max_bytes {
            self.rotate()?;
        }
        if let Err(error) = self.open.write_all(lines) {
            // A part may have been written: half a record would be none, and this file is ours alone.
            // (What is no file, a pipe or a device, cannot be cut, and does not matter.)
            let _ = self.open.set_len(self.bytes);
            return Err(error);
        }
        self.bytes = self.bytes.saturating_add(lines.len() as u64);
        Ok(())
    }

    /// Whether the path still names the open file.
    fn is_current(&self) -> bool {
        match (fs::metadata(&self.path), self.open.metadata()) {
            (Ok(there), Ok(open)) => (there.dev(), there.ino()) == (open.dev(), open.ino()),
            _ => false,
        }
    }

    /// Moves `<file>` to `<file>.1`, that to `<file>.2`, and so on; the oldest goes.
    fn rotate(&mut self) -> io::Result<()> {
        for number in (1..self.rotation.keep).rev() {
            if_there(fs::rename(self.numbered(number), self.numbered(number + 1)))?;
        }
        match self.rotation.keep {
            0 => fs::remove_file(&self.path)?,
            _ => fs::rename(&self.path, self.numbered(1))?,
        }
        (self.open, self.bytes) = open(&self.path)?;
        Ok(())
    }

    fn numbered(&self, number: u32) -> PathBuf {
        let mut name = self.path.clone().into_os_string();
        name.push(format!(".{number}"));
        name.into()
    }
}

fn if_there(done: io::Result<()>) -> io::Result<()> {
    match done {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        done => done,
    }
}

/// Opens a file for appending and takes its lock. A last line that a crash has cut ends here.
fn open(path: &Path) -> io::Result<(File, u64)> {
    let mut file = OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(path)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Err(io::Error::other("another process writes it")),
        Err(TryLockError::Error(error)) => return Err(error),
    }
    let mut bytes = file.metadata()?.len();
    if bytes > 0 {
        let mut last = [0];
        file.seek(SeekFrom::End(-1))?;
        file.read_exact(&mut last)?;
        if last != *b"\n" {
            file.write_all(b"\n")?;
            bytes += 1;
        }
    }
    Ok((file, bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    const FEW: Rotation = Rotation { max_bytes: 8, keep: 2 };

    fn read(path: &Path, number: u32) -> Option<String> {
        let path = if number == 0 { path.to_owned() } else { path.with_extension(format!("log.{number}")) };
        fs::read_to_string(path).ok()
    }

    #[test]
    fn rotated_by_size_and_the_oldest_go() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.log");
        let mut file = Appended::open(path.clone(), FEW).unwrap();
        for line in ["one\n", "two\n", "three\n", "four\n", "five, longer than a file\n", "six\n"] {
            file.append(line.as_bytes()).unwrap();
        }
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let files: Vec<_> = (0..4).map(|number| read(&path, number)).collect();
        let expected = [Some("six\n"), Some("five, longer than a file\n"), Some("four\n"), None];
        assert_eq!(files, expected.map(|text| text.map(str::to_owned)));
    }

    #[test]
    fn none_is_kept_if_none_is_wanted() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.log");
        let mut file = Appended::open(path.clone(), Rotation { max_bytes: 5, keep: 0 }).unwrap();
        file.append(b"one\n").unwrap();
        file.append(b"two\n").unwrap();
        assert_eq!((read(&path, 0).as_deref(), read(&path, 1)), (Some("two\n"), None));
    }

    #[test]
    fn opened_again_after_somebody_else_has_rotated_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.log");
        let mut file = Appended::open(path.clone(), Rotation { max_bytes: 1000, keep: 2 }).unwrap();
        file.append(b"one\n").unwrap();
        fs::rename(&path, folder.path().join("elsewhere")).unwrap();
        file.append(b"two\n").unwrap();
        fs::remove_file(&path).unwrap();
        file.append(b"three\n").unwrap();
        assert_eq!(read(&path, 0).as_deref(), Some("three\n"));
        assert_eq!(fs::read_to_string(folder.path().join("elsewhere")).unwrap(), "one\n");
    }

    #[test]
    fn a_line_cut_by_a_crash_stands_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.log");
        fs::write(&path, "one\n{\"cut").unwrap();
        let mut file = Appended::open(path.clone(), Rotation { max_bytes: 1000, keep: 2 }).unwrap();
        file.append(b"two\n").unwrap();
        assert_eq!(read(&path, 0).as_deref(), Some("one\n{\"cut\ntwo\n"));
    }

    #[test]
    fn one_writer_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.log");
        let _first = Appended::open(path.clone(), FEW).unwrap();
        let second = Appended::open(path, FEW).err().unwrap();
        assert!(second.to_string().contains("another process writes it"), "{second}");
    }
}
