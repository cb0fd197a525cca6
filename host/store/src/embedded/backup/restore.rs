//! Makes a store of an archive: all of it, or nothing.

use std::collections::BTreeSet;
use std::io::{self, Read};
use std::path::Path;

use super::super::MAX_DOCUMENT_BYTES;
use super::super::file;
use super::super::tables::Filler;
use super::{
    BackupError, DOCUMENTS, FORMAT, HEADER, Header, Item, LARGEST_LIST, MANIFEST, MANIFEST_DIGEST, Manifest, Summary,
    digest, stored,
};
use crate::{Key, Revision};

/// Makes a store in `folder`, which must hold none, of the archive that `input` is. The store is in its place only
/// once every digest has been compared and all of it is on the disk.
///
/// # Errors
/// See [`BackupError`].
pub fn restore(folder: &Path, input: impl Read) -> Result<Summary, BackupError> {
    if folder.join(file::FILE_NAME).try_exists()? {
        return Err(BackupError::NotEmpty(folder.to_owned()));
    }
    let mut summary = Summary::default();
    let filled = file::make(folder, |database| {
        let filler = stored(Filler::begin(database))?;
        summary = fill(filler, input)?;
        Ok::<(), BackupError>(())
    })?;
    if filled { Ok(summary) } else { Err(BackupError::NotEmpty(folder.to_owned())) }
}

fn fill(filler: Filler, input: impl Read) -> Result<Summary, BackupError> {
    let mut archive = tar::Archive::new(input);
    let mut entries = Entries { inner: archive.entries().map_err(unreadable)? };

    let header = entries.next(HEADER)?;
    let Header { format, floor } = parse(&header)?;
    if format > FORMAT {
        return Err(BackupError::Newer(format));
    }
    let (mut found, mut keys) = (Vec::new(), BTreeSet::new());
    let mut pending: Option<Pending> = None;
    let manifest = loop {
        let (name, bytes) = entries.any()?;
        let part = name.strip_prefix(DOCUMENTS).map(part_of).transpose()?;
        match (part, pending.take()) {
            // The content follows its meta.
            (Some(Part { key, revision, is_content: true }), Some(before)) if before.is(&key, revision) => {
                let item = before.item(Some(&bytes));
                stored(filler.put(&key, revision, &before.meta, Some(&bytes)))?;
                found.push(item);
            }
            (Some(Part { is_content: true, .. }), _) => {
                return Err(damaged(format!("{name} follows nothing of its own")));
            }
            (Some(Part { key, revision, .. }), before) => {
                keep_without_content(&filler, before, &mut found)?;
                keys.insert(key.as_str().to_owned());
                pending = Some(Pending { key, revision, meta: bytes });
            }
            (None, before) => {
                keep_without_content(&filler, before, &mut found)?;
                if name != MANIFEST {
                    return Err(damaged(format!("{name} does not belong into it")));
                }
                break bytes;
            }
        }
    };
    if entries.next(MANIFEST_DIGEST)? != digest(&manifest).as_bytes() {
        return Err(damaged(format!("{MANIFEST} has been changed")));
    }
    let listed: Manifest = parse(&manifest)?;
    if listed.header != digest(&header) {
        return Err(damaged(format!("{HEADER} has been changed")));
    }
    compare(&listed.revisions, &found)?;
    stored(filler.finish(floor))?;
    Ok(Summary { documents: keys.len(), revisions: found.len() })
}

/// What was found must be what the manifest lists, and in that order.
fn compare(listed: &[Item], found: &[Item]) -> Result<(), BackupError> {
    if let Some((listed, _)) = listed.iter().zip(found).find(|(listed, found)| listed != found) {
        return Err(damaged(format!("revision {} of {} has been changed, or is missing", listed.revision, listed.key)));
    }
    match listed.len() == found.len() {
        true => Ok(()),
        false => Err(damaged(format!("it holds {} revisions, and lists {}", found.len(), listed.len()))),
    }
}

/// A revision whose content may follow.
struct Pending {
    key: Key,
    revision: Revision,
    meta: Vec<u8>,
}

impl Pending {
    fn is(&self, key: &Key, revision: Revision) -> bool {
        self.key == *key && self.revision == revision
    }

    fn item(&self, content: Option<&[u8]>) -> Item {
        Item {
            key: self.key.as_str().to_owned(),
            revision: self.revision,
            meta: digest(&self.meta),
            content: content.map(digest),
        }
    }
}

fn keep_without_content(filler: &Filler, pending: Option<Pending>, found: &mut Vec<Item>) -> Result<(), BackupError> {
    if let Some(pending) = pending {
        stored(filler.put(&pending.key, pending.revision, &pending.meta, None))?;
        found.push(pending.item(None));
    }
    Ok(())
}

/// What a name below [`DOCUMENTS`] says.
struct Part {
    key: Key,
    revision: Revision,
    is_content: bool,
}

fn part_of(name: &str) -> Result<Part, BackupError> {
    let wrong = || damaged("a document's name is malformed".to_owned());
    let (key, rest) = name.rsplit_once('@').ok_or_else(wrong)?;
    let (revision, part) = rest.split_once('.').ok_or_else(wrong)?;
    let is_content = match part {
        "meta" => false,
        "content" => true,
        _ => return Err(wrong()),
    };
    let revision = revision.parse().ok().filter(|revision| *revision > 0).ok_or_else(wrong)?;
    Ok(Part { key: Key::parse(key).map_err(|_| wrong())?, revision, is_content })
}

/// The archive's files, one after the other.
struct Entries<'a, R: Read> {
    inner: tar::Entries<'a, R>,
}

impl<R: Read> Entries<'_, R> {
    /// The next file: its name and all of it.
    fn any(&mut self) -> Result<(String, Vec<u8>), BackupError> {
        let entry = self.inner.next().ok_or_else(|| damaged("it ends too early".to_owned()))?;
        let mut entry = entry.map_err(unreadable)?;
        let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let most = if name.starts_with(DOCUMENTS) {
            u64::try_from(MAX_DOCUMENT_BYTES).unwrap_or(u64::MAX)
        } else {
            LARGEST_LIST
        };
        let size = entry.size();
        if !entry.header().entry_type().is_file() || size > most {
            return Err(damaged("it holds something that is no file of a backup".to_owned()));
        }
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).map_err(unreadable)?;
        if u64::try_from(bytes.len()).ok() != Some(size) {
            return Err(damaged("it ends too early".to_owned()));
        }
        Ok((name, bytes))
    }

    /// The next file, which must have this name.
    fn next(&mut self, name: &str) -> Result<Vec<u8>, BackupError> {
        match self.any()? {
            (found, bytes) if found == name => Ok(bytes),
            _ => Err(damaged(format!("{name} is not where it has to be"))),
        }
    }
}

fn parse<T: serde::de::DeserializeOwned>(bytes: &[u8]) -> Result<T, BackupError> {
    serde_json::from_slice(bytes).map_err(|_| damaged("a list in it is not JSON as it has to be".to_owned()))
}

fn damaged(what: String) -> BackupError {
    BackupError::Damaged(what)
}

fn unreadable(error: io::Error) -> BackupError {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => damaged("it ends too early".to_owned()),
        io::ErrorKind::Other | io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput => {
            damaged("it is no tar archive".to_owned())
        }
        _ => BackupError::Io(error),
    }
}
