//! Files with states: whole or not there, and for their owner only, because states hold secrets.

use std::fs::File;
use std::io::Write;
use std::path::Path;

/// Writes a file in place of one of that name, whole or not at all.
///
/// # Errors
/// A sentence that names the file.
pub(crate) fn keep(file: &Path, bytes: &[u8]) -> Result<(), String> {
    let failed = |error: &dyn std::fmt::Display| format!("{} cannot be written: {error}", file.display());
    let folder = match file.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        Some(parent) => parent,
        None => Path::new("."),
    };
    let mut new = tempfile::Builder::new().prefix(".tofu-state").tempfile_in(folder).map_err(|error| failed(&error))?;
    new.write_all(bytes).map_err(|error| failed(&error))?;
    new.as_file().sync_all().map_err(|error| failed(&error))?;
    new.persist(file).map_err(|error| failed(&error.error))?;
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(|error| failed(&error))
}
