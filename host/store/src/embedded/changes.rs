//! Changes to the tables: what is written, and what goes for it.

use std::ops::RangeInclusive;

use redb::{ReadableTable, Table, WriteTransaction};

use super::tables::{DOCUMENTS, FLOOR_NAME, Failure, GAPS, NEWEST, NUMBERS, Stored, TRIAL_NAME, all_of, begin};
use super::writer::{Change, Done};
use crate::{Key, Outcome, Retention, Revision, Write};

/// Makes `changes` in order and commits them together; each sees those before it.
pub(super) fn apply<'a>(
    database: &redb::Database,
    changes: impl Iterator<Item = &'a Change>,
    keep_versions: u32,
) -> Result<Vec<Done>, Failure> {
    let transaction = begin(database)?;
    let mut changer = Changer::new(&transaction, keep_versions)?;
    let mut done = Vec::new();
    for change in changes {
        done.push(match change {
            Change::Put { key, write } => Done::Put(changer.put(key, write)?),
            Change::Delete { key } => changer.delete(key).map(|()| Done::Other)?,
            Change::Trial => changer.trial().map(|()| Done::Other)?,
        });
    }
    let changed = changer.changed;
    drop(changer);
    // Lost races alone are not worth a sync: what they lost to is on the disk already.
    if changed {
        transaction.commit()?;
    } else {
        transaction.abort()?;
    }
    Ok(done)
}

/// The tables in a write transaction.
struct Changer<'t> {
    numbers: Table<'t, &'static str, u64>,
    newest: Table<'t, &'static str, Revision>,
    documents: Table<'t, (&'static str, Revision), Stored<'static>>,
    gaps: Table<'t, &'static str, u64>,
    keep_versions: u64,
    changed: bool,
}

impl<'t> Changer<'t> {
    fn new(transaction: &'t WriteTransaction, keep_versions: u32) -> Result<Self, Failure> {
        Ok(Self {
            numbers: transaction.open_table(NUMBERS)?,
            newest: transaction.open_table(NEWEST)?,
            documents: transaction.open_table(DOCUMENTS)?,
            gaps: transaction.open_table(GAPS)?,
            keep_versions: u64::from(keep_versions),
            changed: false,
        })
    }

    fn newest(&self, key: &Key) -> Result<Option<Revision>, Failure> {
        Ok(self.newest.get(key.as_str())?.map(|revision| revision.value()))
    }

    fn floor(&self) -> Result<Revision, Failure> {
        Ok(self.numbers.get(FLOOR_NAME)?.map_or(0, |floor| floor.value()))
    }

    fn put(&mut self, key: &Key, write: &Write) -> Result<Outcome, Failure> {
        let newest = self.newest(key)?;
        if newest.unwrap_or(0) != write.expected {
            return Ok(Outcome::Conflict);
        }
        let before = match newest {
            Some(newest) => newest,
            None => self.floor()?,
        };
        let revision = before
            .checked_add(1)
            .ok_or_else(|| Failure::Contradiction(format!("{key}: no revision follows {before}")))?;
        self.changed = true;
        self.documents.insert((key.as_str(), revision), (&*write.meta, write.content.as_deref()))?;
        self.newest.insert(key.as_str(), revision)?;
        match write.retention {
            Retention::History => self.drop_surplus(key, revision, 0)?,
            Retention::Passing { beside, gone } => {
                if let Some(gone) = gone.filter(|&gone| gone < before) {
                    self.remove(key, gone)?;
                }
                self.drop_surplus(key, revision, beside)?;
            }
            Retention::Thinned { first, last } => {
                let last = last.min(before.saturating_sub(1));
                self.thin(key, first..=last)?;
                self.drop_surplus(key, revision, 0)?;
            }
            Retention::Latest => {
                self.documents.remove((key.as_str(), before))?;
            }
            Retention::Erased => {
                self.documents.retain_in((key.as_str(), 0)..=(key.as_str(), before), |_, _| false)?;
                self.gaps.remove(key.as_str())?;
            }
        }
        Ok(Outcome::Written(revision))
    }

    /// The oldest revision of `key` that is kept.
    fn oldest(&self, key: &Key) -> Result<Option<Revision>, Failure> {
        self.oldest_of(key, &(0..=Revision::MAX))
    }

    /// The oldest of these revisions of `key` that is kept.
    fn oldest_of(&self, key: &Key, revisions: &RangeInclusive<Revision>) -> Result<Option<Revision>, Failure> {
        if revisions.is_empty() {
            return Ok(None);
        }
        let range = (key.as_str(), *revisions.start())..=(key.as_str(), *revisions.end());
        Ok(self.documents.range(range)?.next().transpose()?.map(|kept| kept.0.value().1))
    }

    fn gaps(&self, key: &Key) -> Result<u64, Failure> {
        Ok(self.gaps.get(key.as_str())?.map_or(0, |gaps| gaps.value()))
    }

    /// Drops these revisions of `key`, and remembers that they leave gaps.
    fn thin(&mut self, key: &Key, revisions: RangeInclusive<Revision>) -> Result<(), Failure> {
        // A span may be far longer than what there is of it.
        while let Some(revision) = self.oldest_of(key, &revisions)? {
            self.remove(key, revision)?;
        }
        Ok(())
    }

    /// Drops the oldest revisions of `key` until no more are left than are to be kept, beside so many that do not
    /// count.
    fn drop_surplus(&mut self, key: &Key, newest: Revision, beside: u64) -> Result<(), Failure> {
        let most = self.keep_versions.saturating_add(beside);
        // The floor may lie below the first revision, and gaps only make it fewer.
        while let Some(oldest) = self.oldest(key)? {
            let kept = newest.saturating_sub(oldest).saturating_add(1).saturating_sub(self.gaps(key)?);
            if kept <= most || oldest == newest {
                break;
            }
            self.remove(key, oldest)?;
        }
        Ok(())
    }

    /// Drops one revision, if it is there, and counts the revisions that are missing between the oldest and the
    /// newest: so that whoever wants to know how many there are need not walk through them.
    fn remove(&mut self, key: &Key, revision: Revision) -> Result<(), Failure> {
        let oldest = self.oldest(key)?;
        if self.documents.remove((key.as_str(), revision))?.is_none() {
            return Ok(());
        }
        let gaps = self.gaps(key)?;
        let gaps = if oldest == Some(revision) {
            let next = self.oldest(key)?.unwrap_or(revision);
            gaps.saturating_sub(next.saturating_sub(revision).saturating_sub(1))
        } else {
            gaps.saturating_add(1)
        };
        if gaps == 0 {
            self.gaps.remove(key.as_str())?;
        } else {
            self.gaps.insert(key.as_str(), gaps)?;
        }
        Ok(())
    }

    fn delete(&mut self, key: &Key) -> Result<(), Failure> {
        let Some(newest) = self.newest(key)? else { return Ok(()) };
        self.changed = true;
        if newest > self.floor()? {
            self.numbers.insert(FLOOR_NAME, newest)?;
        }
        self.newest.remove(key.as_str())?;
        self.gaps.remove(key.as_str())?;
        self.documents.retain_in(all_of(key), |_, _| false)?;
        Ok(())
    }

    /// A write that changes no document.
    fn trial(&mut self) -> Result<(), Failure> {
        self.changed = true;
        let trials = self.numbers.get(TRIAL_NAME)?.map_or(0, |trials| trials.value());
        self.numbers.insert(TRIAL_NAME, trials.wrapping_add(1))?;
        Ok(())
    }
}
