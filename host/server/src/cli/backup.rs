//! `tofu-state backup`: copies of the embedded store, and stores made of them.

use std::fs::File;
use std::io::{BufReader, BufWriter, Write};
use std::path::Path;

use tofu_state_store::embedded::backup::{self, Summary};

/// Copies the store in `folder` to the file `to`, whole or not at all, readable by its owner only: states hold secrets.
/// What it has done, in a sentence.
///
/// # Errors
/// A sentence.
pub fn create(folder: &Path, to: &Path) -> Result<String, String> {
    let failed = |error: &dyn std::fmt::Display| format!("the backup {} cannot be made: {error}", to.display());
    let beside = match to.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        Some(parent) => parent,
        None => Path::new("."),
    };
    let new =
        tempfile::Builder::new().prefix(".tofu-state-backup").tempfile_in(beside).map_err(|error| failed(&error))?;
    let mut out = BufWriter::new(new.as_file());
    let summary = backup::create(folder, &mut out).map_err(|error| failed(&error))?;
    out.flush().map_err(|error| failed(&error))?;
    drop(out);
    new.as_file().sync_all().map_err(|error| failed(&error))?;
    new.persist(to).map_err(|error| failed(&error.error))?;
    File::open(beside).and_then(|folder| folder.sync_all()).map_err(|error| failed(&error))?;
    Ok(format!("copied {} to {}", told(summary), to.display()))
}

/// Makes a store in `folder`, which must hold none, of the backup `from`. What it has done, in a sentence.
///
/// # Errors
/// A sentence; the folder then holds no store.
pub fn restore(folder: &Path, from: &Path) -> Result<String, String> {
    let failed = |error: &dyn std::fmt::Display| format!("the backup {} cannot be restored: {error}", from.display());
    let file = File::open(from).map_err(|error| failed(&error))?;
    let summary = backup::restore(folder, BufReader::new(file)).map_err(|error| failed(&error))?;
    Ok(format!("restored {} to {}", told(summary), folder.display()))
}

fn told(Summary { documents, revisions }: Summary) -> String {
    format!("{documents} documents in {revisions} revisions")
}
