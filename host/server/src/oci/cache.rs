//! A folder of what was pulled, each file named by the SHA-256 of its bytes.

use std::fs::{self, DirBuilder, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;
use std::time::SystemTime;

use bytes::Bytes;
use sha2::{Digest, Sha256};

/// How many files are kept. The ones that were used last stay: a chain has a few modules of two files each.
const KEPT: usize = 256;

/// The folder. Cheap to clone. All of it blocks.
#[derive(Clone, Debug)]
pub struct Cache {
    folder: PathBuf,
}

impl Cache {
    /// The folder is made when something is first put into it.
    #[must_use]
    pub fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// What has that SHA-256 and at most `most` bytes, if it is there. A file with other bytes counts as none, and is
    /// removed: a disk may spoil what it keeps, and others may write where they should not.
    #[must_use]
    pub fn get(&self, sha256: &str, most: usize) -> Option<Bytes> {
        let path = self.folder.join(sha256);
        let file = File::open(&path).ok()?;
        let mut bytes = Vec::new();
        (&file).take(most as u64 + 1).read_to_end(&mut bytes).ok()?;
        if hex::encode(Sha256::digest(&bytes)) != sha256 {
            tracing::warn!(path = %path.display(), "a kept component is not what its name says: it is pulled again");
            // Replaced by the next put, if it cannot be removed.
            let _ = fs::remove_file(&path);
            return None;
        }
        // What is in use stays; a folder that cannot be written keeps all.
        let _ = file.set_modified(SystemTime::now());
        Some(bytes.into())
    }

    /// Keeps `bytes`, which have that SHA-256: either all of them or, when the power fails, none.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn put(&self, sha256: &str, bytes: &[u8]) -> io::Result<()> {
        DirBuilder::new().recursive(true).mode(0o700).create(&self.folder)?;
        let mut file = tempfile::NamedTempFile::new_in(&self.folder)?;
        file.write_all(bytes)?;
        file.as_file().sync_all()?;
        file.persist(self.folder.join(sha256)).map_err(|error| error.error)?;
        self.forget_the_oldest()
    }

    fn forget_the_oldest(&self) -> io::Result<()> {
        let mut files = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            let entry = entry?;
            // Only what has such a name is ours to remove.
            let ours = entry
                .file_name()
                .to_str()
                .is_some_and(|name| name.len() == 64 && name.bytes().all(|byte| byte.is_ascii_hexdigit()));
            if ours {
                files.push((entry.metadata()?.modified()?, entry.path()));
            }
        }
        files.sort_by_key(|(modified, _)| std::cmp::Reverse(*modified));
        for (_, path) in files.iter().skip(KEPT) {
            fs::remove_file(path)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gives_back_what_it_was_given_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::new(folder.path().join("a/b"));
        let name = |bytes: &[u8]| hex::encode(Sha256::digest(bytes));
        assert!(cache.get(&name(b"one"), 10).is_none());
        cache.put(&name(b"one"), b"one").unwrap();
        assert_eq!(cache.get(&name(b"one"), 3).unwrap(), "one");
        let path = folder.path().join("a/b").join(name(b"one"));
        for spoilt in [&b"two"[..], b"on", b"one more"] {
            cache.put(&name(b"one"), b"one").unwrap();
            fs::write(&path, spoilt).unwrap();
            assert!(cache.get(&name(b"one"), 10).is_none());
            assert!(!path.exists());
        }
        for number in 0..KEPT + 5 {
            let bytes = number.to_string();
            cache.put(&name(bytes.as_bytes()), bytes.as_bytes()).unwrap();
        }
        assert_eq!(fs::read_dir(folder.path().join("a/b")).unwrap().count(), KEPT);
        assert!(cache.get(&name(b"260"), 10).is_some());
    }
}
