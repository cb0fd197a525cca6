//! The folder in which zips lie while they come: on the disk where they will stay, not in the system's folder for
//! temporary files, which may be memory.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tempfile::NamedTempFile;

/// A file may be this old before it is locked: it was made just now.
const JUST_MADE: Duration = Duration::from_secs(10);
/// Where files cannot be locked, nobody writes to one of this age.
const LEFT_OVER: Duration = Duration::from_secs(24 * 60 * 60);

/// Makes the folder, and removes what processes that were killed have left there. What others are writing stays.
///
/// # Errors
/// What the operating system says.
pub fn open(folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    for entry in fs::read_dir(folder)?.flatten() {
        let age = entry.metadata().ok().filter(fs::Metadata::is_file).and_then(|it| it.modified().ok()?.elapsed().ok());
        let Some(age) = age.filter(|age| *age >= JUST_MADE) else { continue };
        let Ok(file) = File::open(entry.path()) else { continue };
        let left_over = match file.try_lock() {
            Ok(()) => true,
            Err(TryLockError::WouldBlock) => false,
            Err(TryLockError::Error(_)) => age >= LEFT_OVER,
        };
        if left_over {
            // Another process may be at the same.
            let _ = fs::remove_file(entry.path());
        }
    }
    Ok(())
}

fn file(folder: &Path) -> io::Result<NamedTempFile> {
    let file = NamedTempFile::new_in(folder)?;
    // Some network file systems have no locks.
    let _ = file.as_file().try_lock();
    Ok(file)
}

/// A new file in the folder, and the same once more, to be written. It goes when the first is dropped, or else with
/// the next [`open`].
///
/// # Errors
/// What the operating system says.
pub async fn opened(folder: PathBuf) -> io::Result<(NamedTempFile, tokio::fs::File)> {
    let made = tokio::task::spawn_blocking(move || {
        let named = file(&folder)?;
        let opened = named.reopen()?;
        Ok((named, tokio::fs::File::from_std(opened)))
    });
    made.await?
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use tempfile::TempDir;

    use super::*;

    #[test]
    fn what_the_killed_have_left_goes_and_what_is_written_stays() {
        let folder = TempDir::new().unwrap();
        let incoming = folder.path().join("incoming");
        open(&incoming).unwrap();
        let living = file(&incoming).unwrap();
        let old = SystemTime::now() - Duration::from_secs(60);
        living.as_file().set_modified(old).unwrap();
        let (dead, new) = (incoming.join("dead"), incoming.join("new"));
        File::create(&dead).unwrap().set_modified(old).unwrap();
        File::create(&new).unwrap();
        open(&incoming).unwrap();
        assert!(living.path().exists() && new.exists() && !dead.exists());
    }
}
