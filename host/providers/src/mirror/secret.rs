//! Secrets that are made once, and stay.

use std::fs;
use std::io::{self, Write};
use std::path::Path;

/// The longest that is read.
const MOST: usize = 4096;

/// What lies at `path`, or what `make` gives, which is put there. Only its owner may read it.
pub(super) fn kept(path: &Path, make: impl FnOnce() -> io::Result<Vec<u8>>) -> io::Result<Vec<u8>> {
    match fs::read(path) {
        Ok(secret) if secret.len() <= MOST => Ok(secret),
        Ok(_) => Err(io::Error::new(io::ErrorKind::InvalidData, format!("{} is no secret", path.display()))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let secret = make()?;
            let folder = path.parent().unwrap_or(Path::new("."));
            // Such files are their owner's alone.
            let mut file = tempfile::NamedTempFile::new_in(folder)?;
            file.write_all(&secret)?;
            // Half of it after a power cut would keep the server from starting.
            file.as_file().sync_all()?;
            match file.persist_noclobber(path) {
                Ok(_) => Ok(secret),
                // Another process was first.
                Err(_) => fs::read(path),
            }
        }
        Err(error) => Err(error),
    }
}
