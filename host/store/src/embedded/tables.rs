//! The tables in the file, and what is read from them.
//!
//! | table | key | value |
//! |---|---|---|
//! | `numbers` | name | `format`: of these tables; `floor`: see below |
//! | `newest` | document's key | its newest revision |
//! | `documents` | document's key, revision | meta, content |
//! | `gaps` | document's key | how many revisions are missing between the oldest kept and the newest; absent: none |
//!
//! Revisions of a key follow each other without gaps when they are written; some in between are thinned out later. (A
//! release that knows no `gaps` thins nothing, and counts by the numbers alone: it drops older ones sooner.) A key that is deleted leaves no trace but the
//! floor, the highest revision that any deleted key had: new keys begin above it. So no revision ever
//! comes back under a key, and the traces of deleted chunks do not pile up.

use std::ops::RangeInclusive;

use bytes::Bytes;
use redb::{
    Durability, Range, ReadOnlyTable, ReadTransaction, ReadableDatabase, ReadableTable, ReadableTableMetadata,
    TableDefinition, WriteTransaction,
};

use crate::history::Child;
use crate::{Entry, Error, Key, Revision, Slot};

/// The format of the tables that this release reads and writes.
pub(super) const FORMAT: u64 = 1;

/// Meta and content, as they are stored.
pub(super) type Stored<'a> = (&'a [u8], Option<&'a [u8]>);

pub(super) const NUMBERS: TableDefinition<'_, &str, u64> = TableDefinition::new("numbers");
pub(super) const NEWEST: TableDefinition<'_, &str, Revision> = TableDefinition::new("newest");
pub(super) const DOCUMENTS: TableDefinition<'_, (&str, Revision), Stored<'_>> = TableDefinition::new("documents");

pub(super) const GAPS: TableDefinition<'_, &str, u64> = TableDefinition::new("gaps");

const FORMAT_NAME: &str = "format";
pub(super) const FLOOR_NAME: &str = "floor";
pub(super) const TRIAL_NAME: &str = "trial";

/// Why something could not be read or written.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    /// By redb: the disk, or what lies on it.
    #[error(transparent)]
    Redb(redb::Error),
    /// The tables contradict each other.
    #[error("{0}")]
    Contradiction(String),
}

/// redb has an error type for each step; all of them become its general one.
impl<E: Into<redb::Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::Redb(error.into())
    }
}

impl From<&Failure> for Error {
    fn from(failure: &Failure) -> Self {
        use std::io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
        match failure {
            Failure::Redb(redb::Error::Io(error))
                if matches!(error.kind(), StorageFull | QuotaExceeded | FileTooLarge) =>
            {
                Self::OutOfSpace(error.to_string())
            }
            Failure::Redb(redb::Error::Corrupted(what)) => Self::Corrupt(what.clone()),
            Failure::Redb(redb::Error::ValueTooLarge(bytes)) => Self::TooLarge(format!("{bytes} bytes")),
            Failure::Redb(error) => Self::Unavailable(error.to_string()),
            Failure::Contradiction(what) => Self::Corrupt(what.clone()),
        }
    }
}

/// Makes the tables in an empty database.
pub(super) fn initialise(database: &redb::Database) -> Result<(), Failure> {
    let transaction = begin(database)?;
    transaction.open_table(NUMBERS)?.insert(FORMAT_NAME, FORMAT)?;
    transaction.open_table(NEWEST)?;
    transaction.open_table(DOCUMENTS)?;
    Ok(transaction.commit()?)
}

/// The format that the file says it has; none if it is not one of ours.
pub(super) fn format(database: &impl ReadableDatabase) -> Result<Option<u64>, Failure> {
    let numbers = match database.begin_read()?.open_table(NUMBERS) {
        Ok(numbers) => numbers,
        Err(redb::TableError::Storage(error)) => return Err(error.into()),
        Err(_) => return Ok(None),
    };
    Ok(numbers.get(FORMAT_NAME)?.map(|format| format.value()))
}

/// A write transaction whose commit is on the disk when it returns, and after which a crash needs no
/// repair that reads the whole file.
pub(super) fn begin(database: &redb::Database) -> Result<WriteTransaction, Failure> {
    let mut transaction = database.begin_write()?;
    transaction.set_durability(Durability::Immediate)?;
    transaction.set_quick_repair(true);
    Ok(transaction)
}

/// All revisions of a key.
pub(super) fn all_of(key: &Key) -> RangeInclusive<(&str, Revision)> {
    (key.as_str(), 0)..=(key.as_str(), Revision::MAX)
}

/// One commit, as a reader sees it.
pub(super) struct Reader {
    newest: ReadOnlyTable<&'static str, Revision>,
    documents: ReadOnlyTable<(&'static str, Revision), Stored<'static>>,
}

impl Reader {
    pub(super) fn new(transaction: &ReadTransaction) -> Result<Self, Failure> {
        Ok(Self { newest: transaction.open_table(NEWEST)?, documents: transaction.open_table(DOCUMENTS)? })
    }

    fn revision(&self, key: &Key, revision: Revision) -> Result<Option<Entry>, Failure> {
        let stored = self.documents.get((key.as_str(), revision))?;
        Ok(stored.map(|stored| {
            let (meta, content) = stored.value();
            Entry { revision, meta: Bytes::copy_from_slice(meta), content: content.map(Bytes::copy_from_slice) }
        }))
    }

    /// Every revision of every document, in the order of keys and revisions.
    pub(super) fn all(&self) -> Result<Range<'static, (&'static str, Revision), Stored<'static>>, Failure> {
        Ok(self.documents.range::<(&str, Revision)>(..)?)
    }

    fn get(&self, key: &Key) -> Result<Slot, Failure> {
        let Some(newest) = self.newest.get(key.as_str())? else { return Ok(Slot::Absent) };
        let newest = newest.value();
        let entry = self.revision(key, newest)?;
        entry.map(Slot::Entry).ok_or_else(|| Failure::Contradiction(format!("{key}: revision {newest} is not there")))
    }
}

/// See the head of this file.
pub(super) fn floor(transaction: &ReadTransaction) -> Result<Revision, Failure> {
    Ok(transaction.open_table(NUMBERS)?.get(FLOOR_NAME)?.map_or(0, |floor| floor.value()))
}

/// Fills an empty database with what another held, in one commit.
pub(super) struct Filler(WriteTransaction);

impl Filler {
    pub(super) fn begin(database: &redb::Database) -> Result<Self, Failure> {
        Ok(Self(begin(database)?))
    }

    /// One revision; the highest of a key becomes its newest.
    pub(super) fn put(
        &self,
        key: &Key,
        revision: Revision,
        meta: &[u8],
        content: Option<&[u8]>,
    ) -> Result<(), Failure> {
        let mut newest = self.0.open_table(NEWEST)?;
        let before = newest.get(key.as_str())?.map_or(0, |revision| revision.value());
        if revision > before {
            newest.insert(key.as_str(), revision)?;
            let missing = revision.saturating_sub(before).saturating_sub(1);
            if before > 0 && missing > 0 {
                let mut gaps = self.0.open_table(GAPS)?;
                let known = gaps.get(key.as_str())?.map_or(0, |gaps| gaps.value());
                gaps.insert(key.as_str(), known.saturating_add(missing))?;
            }
        }
        self.0.open_table(DOCUMENTS)?.insert((key.as_str(), revision), (meta, content))?;
        Ok(())
    }

    /// Puts all of it on the disk.
    pub(super) fn finish(self, floor: Revision) -> Result<(), Failure> {
        self.0.open_table(NUMBERS)?.insert(FLOOR_NAME, floor)?;
        Ok(self.0.commit()?)
    }
}

/// What lies under `key`.
pub(super) fn get(database: &redb::Database, key: &Key) -> Result<Slot, Failure> {
    Reader::new(&database.begin_read()?)?.get(key)
}

/// What lies under `keys`, in their order, as one commit left it.
pub(super) fn get_many(database: &redb::Database, keys: &[Key]) -> Result<Vec<Slot>, Failure> {
    let reader = Reader::new(&database.begin_read()?)?;
    keys.iter().map(|key| reader.get(key)).collect()
}

/// The revisions of `key` that are kept, oldest first.
pub(super) fn revisions(database: &redb::Database, key: &Key) -> Result<Vec<Revision>, Failure> {
    let reader = Reader::new(&database.begin_read()?)?;
    let mut revisions = Vec::new();
    for kept in reader.documents.range(all_of(key))? {
        revisions.push(kept?.0.value().1);
    }
    Ok(revisions)
}

/// One revision of `key`, if it is kept.
pub(super) fn revision(database: &redb::Database, key: &Key, revision: Revision) -> Result<Option<Entry>, Failure> {
    Reader::new(&database.begin_read()?)?.revision(key, revision)
}

/// One revision of `key`, or the newest, with an empty content where there is some.
pub(super) fn outline(database: &redb::Database, key: &Key, revision: Option<Revision>) -> Result<Slot, Failure> {
    let reader = Reader::new(&database.begin_read()?)?;
    let newest = reader.newest.get(key.as_str())?.map(|newest| newest.value());
    let Some(revision) = revision.or(newest) else { return Ok(Slot::Absent) };
    let stored = reader.documents.get((key.as_str(), revision))?;
    Ok(stored.map_or(Slot::Absent, |stored| {
        let (meta, content) = stored.value();
        let (meta, content) = (Bytes::copy_from_slice(meta), content.map(|_| Bytes::new()));
        Slot::Entry(Entry { revision, meta, content })
    }))
}

/// What lies directly below `folder`, or at the top. Jumps over what lies deeper.
pub(super) fn children(database: &redb::Database, folder: Option<&Key>) -> Result<Vec<Child>, Failure> {
    let newest = Reader::new(&database.begin_read()?)?.newest;
    let below = folder.map(|folder| format!("{folder}/")).unwrap_or_default();
    let mut children = Vec::new();
    // `0` is the character after `/`: the first that no key below a folder can have there.
    // At the top, `~` comes after all characters of keys.
    let end = folder.map_or_else(|| "~".to_owned(), |folder| format!("{folder}0"));
    let mut from = below.clone();
    while let Some(next) = newest.range(from.as_str()..end.as_str())?.next() {
        let next = next?.0;
        let name = next.value().strip_prefix(&below).unwrap_or_default();
        match name.split_once('/') {
            Some((name, _)) => {
                children.push(Child::Folder(name.to_owned()));
                from = format!("{below}{name}0");
            }
            None => {
                children.push(Child::Document(name.to_owned()));
                from = format!("{below}{name}\0");
            }
        }
    }
    Ok(children)
}

/// How many documents there are.
pub(super) fn count(database: &redb::Database) -> Result<u64, Failure> {
    Ok(Reader::new(&database.begin_read()?)?.newest.len()?)
}
