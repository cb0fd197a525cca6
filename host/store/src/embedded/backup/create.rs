//! Copies a store into an archive.

use std::io::{self, Write};
use std::path::Path;

use redb::ReadableDatabase;

use super::super::file;
use super::super::tables::{self, Reader};
use super::{
    BackupError, DOCUMENTS, FORMAT, HEADER, Header, Item, MANIFEST, MANIFEST_DIGEST, Manifest, Summary, digest, stored,
};

/// How much memory redb may use as a cache meanwhile, in bytes.
const CACHE_BYTES: usize = 32 * 1024 * 1024;

/// Writes all of the store in `folder` to `out`, as one commit left it. No server may use the store meanwhile.
///
/// # Errors
/// See [`BackupError`]; what was written to `out` until then is no archive.
pub fn create(folder: &Path, out: impl Write) -> Result<Summary, BackupError> {
    let path = folder.join(file::FILE_NAME);
    if !path.try_exists()? {
        return Err(BackupError::NoStore(folder.to_owned()));
    }
    let database = file::open(&path, CACHE_BYTES, &file::open_plainly)?;
    copy(&database, out)
}

fn copy(database: &redb::Database, out: impl Write) -> Result<Summary, BackupError> {
    // A reader sees one commit, whatever is written meanwhile.
    let transaction = stored(database.begin_read())?;
    let reader = stored(Reader::new(&transaction))?;
    let mut archive = tar::Builder::new(out);
    let header = json(&Header { format: FORMAT, floor: stored(tables::floor(&transaction))? })?;
    append(&mut archive, HEADER, &header)?;

    let mut revisions: Vec<Item> = Vec::new();
    let mut documents = 0;
    for stored_revision in stored(reader.all())? {
        let (key, value) = stored(stored_revision)?;
        let ((key, revision), (meta, content)) = (key.value(), value.value());
        let name = |part: &str| format!("{DOCUMENTS}{key}@{revision}.{part}");
        append(&mut archive, &name("meta"), meta)?;
        if let Some(content) = content {
            append(&mut archive, &name("content"), content)?;
        }
        if revisions.last().is_none_or(|last| last.key != key) {
            documents += 1;
        }
        revisions.push(Item { key: key.to_owned(), revision, meta: digest(meta), content: content.map(digest) });
    }
    let summary = Summary { documents, revisions: revisions.len() };
    let manifest = json(&Manifest { header: digest(&header), revisions })?;
    append(&mut archive, MANIFEST, &manifest)?;
    append(&mut archive, MANIFEST_DIGEST, digest(&manifest).as_bytes())?;
    archive.into_inner()?.flush()?;
    Ok(summary)
}

fn json(value: &impl serde::Serialize) -> Result<Vec<u8>, BackupError> {
    serde_json::to_vec(value).map_err(|error| BackupError::Io(io::Error::other(error)))
}

fn append(archive: &mut tar::Builder<impl Write>, name: &str, bytes: &[u8]) -> Result<(), BackupError> {
    let mut header = tar::Header::new_gnu();
    header.set_size(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
    header.set_mode(0o600);
    Ok(archive.append_data(&mut header, name, bytes)?)
}
