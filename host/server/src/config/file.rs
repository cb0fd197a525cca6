//! Small files that the configuration names: read whole, within bounds. An operator may name anything,
//! and a device or a pipe would never end, or never begin.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// The largest file that is read, in bytes.
const LARGEST: u64 = 1024 * 1024;

/// Reads a regular file of at most 1 MiB.
///
/// # Errors
/// What the operating system says, or that the file is too large, no regular file, or not UTF-8.
pub fn read(path: &Path) -> io::Result<String> {
    // Before it is opened: to open a pipe is to wait for its other end.
    if !std::fs::metadata(path)?.is_file() {
        return Err(io::Error::other("not a regular file"));
    }
    let mut text = String::new();
    File::open(path)?.take(LARGEST.saturating_add(1)).read_to_string(&mut text)?;
    if u64::try_from(text.len()).is_ok_and(|len| len <= LARGEST) {
        Ok(text)
    } else {
        Err(io::Error::other("larger than 1 MiB"))
    }
}

/// A mistake in TOML, with its line. It repeats nothing of the text.
#[must_use]
pub fn toml_mistake(text: &str, error: &toml::de::Error) -> String {
    let before = error.span().and_then(|span| text.get(..span.start));
    match before.map(|before| before.matches('\n').count().saturating_add(1)) {
        Some(line) => format!("line {line}: {}", error.message()),
        None => error.message().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neither_devices_nor_folders_nor_giants() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        let largest = usize::try_from(LARGEST).unwrap();
        std::fs::write(&file, "x".repeat(largest)).unwrap();
        assert_eq!(read(&file).unwrap().len(), largest);
        std::fs::write(&file, "x".repeat(largest + 1)).unwrap();
        assert!(read(&file).unwrap_err().to_string().contains("1 MiB"));
        for path in [Path::new("/dev/zero"), folder.path()] {
            assert!(read(path).unwrap_err().to_string().contains("regular"));
        }
        assert_eq!(read(&folder.path().join("none")).unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}
