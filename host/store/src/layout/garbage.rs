//! Removes chunk sets that nobody needs.
//!
//! A set is garbage once all of this is so:
//!
//! - the document's revision has passed the one that the set's write expected, so that this write can no
//!   longer succeed;
//! - the set is older than the longest request, in case the document was deleted meanwhile, which lets
//!   revisions start again;
//! - no revision that is kept names it.
//!
//! For the last, one revision is read: the oldest one kept of those after the expected. A set is first named
//! by the revision right after the expected one, and then at most by re-writes that follow one another
//! without a gap (see `lent.rs`); so if that revision does not name it, no later one does. It is always read
//! from the store before anything is removed; what is remembered only saves looking at sets that stay.
//!
//! Several servers may do all this at once: it rests on what lies in the store, and removing twice is no
//! error. Nothing is removed on the ground of something that is absent.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use futures_util::{StreamExt, stream};
use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;

use super::chunks::AT_ONCE;
use super::envelope::{Broken, Envelope, Manifest};
use super::sets::{self, SetName};
use super::{Settings, Surroundings};
use crate::history::Child;
#[cfg(feature = "testing")]
use crate::testing::mutation::Mutation;
use crate::{Entry, Error, History, Key, Revision, Slot};

/// How many keys are tidied at the same time.
const KEYS_AT_ONCE: usize = 2;
/// How many sets of a key are removed before another key has its turn.
const SETS_AT_ONCE: usize = 32;
/// How many keys are remembered. Forgetting one costs a look at the store.
const MAX_REMEMBERED: usize = 4096;

/// Removes garbage in the background.
pub(super) struct Collector {
    store: Arc<dyn History>,
    around: Surroundings,
    age: Duration,
    /// Whether sets are made here, and not only met.
    makes_sets: bool,
    tasks: TaskTracker,
    turns: Semaphore,
    remembered: Mutex<HashMap<Key, Known>>,
    has_complained: AtomicBool,
}

/// What is known of one key's sets.
#[derive(Default)]
struct Known {
    /// There are sets, or there may be.
    has_sets: bool,
    /// When the store was last looked at and had none.
    looked: Option<SystemTime>,
    /// The sets that revisions name.
    named: BTreeMap<Revision, Option<SetName>>,
    /// A task is at work.
    is_busy: bool,
}

/// What there is to do after one turn.
enum Left {
    Nothing,
    More,
}

impl Collector {
    pub(super) fn new(store: Arc<dyn History>, settings: &Settings) -> Arc<Self> {
        Arc::new(Self {
            store,
            around: settings.around.clone(),
            age: settings.garbage_age,
            makes_sets: settings.entry_bytes.is_some(),
            tasks: TaskTracker::new(),
            turns: Semaphore::new(KEYS_AT_ONCE),
            remembered: Mutex::default(),
            has_complained: AtomicBool::new(false),
        })
    }

    /// Waits until nothing is left to do.
    pub(super) async fn settled(&self) {
        self.tasks.close();
        self.tasks.wait().await;
        self.tasks.reopen();
    }

    fn in_background(&self, work: impl Future<Output = ()> + Send + 'static) {
        (self.around.background)(Box::pin(self.tasks.track_future(work)));
    }

    /// A set of `key` was seen.
    pub(super) fn seen(&self, key: &Key) {
        self.remember(key, |known| known.has_sets = true);
    }

    /// Whether `key` has sets, as far as is known.
    pub(super) fn knows_sets(&self, key: &Key) -> bool {
        self.remembered().get(key).is_some_and(|known| known.has_sets)
    }

    /// A revision of `key` was written, naming this set. Tidies up if there may be something to do.
    pub(super) fn written(self: &Arc<Self>, key: &Key, revision: Revision, set: Option<SetName>) {
        let now = (self.around.clock)();
        let is_due = self.remember(key, |known| {
            known.has_sets |= set.is_some();
            if known.has_sets {
                known.named.insert(revision, set);
            }
            let ago = known.looked.and_then(|looked| now.duration_since(looked).ok());
            let is_unknown = self.makes_sets && ago.is_none_or(|ago| ago > self.age);
            let is_due = !known.is_busy && (known.has_sets || is_unknown);
            known.is_busy |= is_due;
            is_due
        });
        if !is_due {
            return;
        }
        let (collector, key) = (Arc::clone(self), key.clone());
        self.in_background(async move {
            while let Ok(_turn) = collector.turns.acquire().await {
                match collector.collect(&key).await {
                    Ok(Left::Nothing) => break,
                    Ok(Left::More) => {}
                    Err(error) => {
                        collector.complain(&key, &error);
                        break;
                    }
                }
            }
            collector.remember(&key, |known| known.is_busy = false);
        });
    }

    /// Removes the set of a write that has certainly ended without success: `is_sent` says whether its
    /// manifest reached the store, which may then have taken it all the same.
    pub(super) fn discard(self: &Arc<Self>, key: &Key, set: SetName, is_sent: bool) {
        self.seen(key);
        let (collector, key) = (Arc::clone(self), key.clone());
        self.in_background(async move {
            let Ok(_turn) = collector.turns.acquire().await else { return };
            let is_needed = if is_sent { collector.may_be_named(&key, &set).await } else { Ok(false) };
            let done = match is_needed {
                Ok(true) => Ok(()),
                Ok(false) => collector.remove(&key, &set).await.map(|_| ()),
                Err(error) => Err(error),
            };
            // What is left is garbage like any other, and collected with it.
            if let Err(error) = done {
                tracing::debug!(%key, %error, "the chunks of a failed write were left for later");
            }
        });
    }

    /// Removes the sets of a document that was just deleted: the one that its newest revision named, and
    /// all that are old enough. `sets` and `named` are what there was before.
    pub(super) async fn deleted(&self, key: &Key, sets: Vec<SetName>, named: Option<SetName>) {
        self.remembered().remove(key);
        let now = (self.around.clock)();
        let old = sets.into_iter().filter(|set| set.is_older_than(self.age, now));
        let doomed: HashSet<SetName> = old.chain(named).collect();
        for set in doomed {
            if let Err(error) = self.remove(key, &set).await {
                self.complain(key, &error);
            }
        }
    }

    /// The sets that revisions of `key` name which are kept. What cannot be read names none.
    pub(super) async fn named(&self, key: &Key) -> Result<HashSet<SetName>, Error> {
        let mut sets = HashSet::new();
        for revision in self.store.revisions(key).await? {
            if let Slot::Entry(raw) = self.store.revision(key, revision).await? {
                sets.extend(named_set(&raw).ok().flatten());
            }
        }
        Ok(sets)
    }

    /// Removes sets that were named by revisions of `key` which have just been erased.
    pub(super) async fn erased(&self, key: &Key, sets: HashSet<SetName>) -> Result<(), Error> {
        for set in sets {
            if !self.may_be_named(key, &set).await? {
                self.remove(key, &set).await?;
            }
        }
        Ok(())
    }

    /// The sets of `key`.
    pub(super) async fn sets(&self, key: &Key) -> Result<Vec<SetName>, Error> {
        let Some(folder) = sets::folder(key) else { return Ok(Vec::new()) };
        let children = self.store.list(&folder).await?;
        Ok(children
            .into_iter()
            .filter_map(|child| match child {
                Child::Folder(name) => SetName::try_from(name).ok(),
                Child::Document(_) => None,
            })
            .collect())
    }

    /// Removes what is garbage among the sets of `key`.
    async fn collect(&self, key: &Key) -> Result<Left, Error> {
        let now = (self.around.clock)();
        let mut sets = self.sets(key).await?;
        let is_empty = sets.is_empty();
        self.remember(key, |known| {
            known.has_sets = !is_empty;
            known.looked = is_empty.then_some(now);
            if is_empty {
                known.named.clear();
            }
        });
        sets.retain(|set| set.is_older_than(self.age, now));
        if sets.is_empty() {
            return Ok(Left::Nothing);
        }
        let kept = self.store.revisions(key).await?;
        let named = self.remember(key, |known| {
            known.named.retain(|revision, _| kept.contains(revision));
            known.named.clone()
        });
        let mut removed = 0;
        for set in sets {
            // None: the document has not passed the revision that the set's write expected.
            let Some(&first) = kept.iter().find(|&&revision| revision > set.expected()) else {
                #[cfg(feature = "testing")]
                if Mutation::CollectsUnpassed.is_chosen() {
                    self.remove(key, &set).await?;
                }
                continue;
            };
            #[cfg(feature = "testing")]
            if Mutation::CollectsNamed.is_chosen() {
                self.remove(key, &set).await?;
                continue;
            }
            if named.get(&first).is_some_and(|named| named.as_ref() == Some(&set)) {
                continue;
            }
            let Slot::Entry(entry) = self.store.revision(key, first).await? else { continue };
            let named =
                named_set(&entry).map_err(|broken| Error::Corrupt(format!("revision {first} of `{key}` {broken}")))?;
            let is_named = named.as_ref() == Some(&set);
            self.remember(key, |known| known.named.insert(first, named));
            if !is_named && self.remove(key, &set).await? > 0 {
                removed += 1;
            }
            if removed == SETS_AT_ONCE {
                return Ok(Left::More);
            }
        }
        if removed > 0 {
            tracing::debug!(%key, removed, "chunk sets that nobody needs were removed");
        }
        Ok(Left::Nothing)
    }

    /// Whether a revision that is kept may name `set`, whatever its age.
    async fn may_be_named(&self, key: &Key, set: &SetName) -> Result<bool, Error> {
        let newest = match self.store.get(key).await? {
            Slot::Absent => return Ok(false),
            Slot::Removed(_) => return Ok(true),
            Slot::Entry(entry) => entry,
        };
        if newest.revision <= set.expected() {
            return Ok(false);
        }
        let kept = self.store.revisions(key).await?;
        let Some(&first) = kept.iter().find(|&&revision| revision > set.expected()) else { return Ok(true) };
        let first =
            if first == newest.revision { Slot::Entry(newest) } else { self.store.revision(key, first).await? };
        match first {
            Slot::Entry(entry) => Ok(named_set(&entry).map_or(true, |named| named.as_ref() == Some(set))),
            Slot::Absent | Slot::Removed(_) => Ok(true),
        }
    }

    /// Removes a set, chunk by chunk, and tells how many there were. What is left if it fails is still a set.
    async fn remove(&self, key: &Key, set: &SetName) -> Result<usize, Error> {
        let Some(folder) = sets::set_folder(key, set) else { return Ok(0) };
        let numbers = self.store.list(&folder).await?.into_iter().filter_map(|child| match child {
            Child::Document(name) => name.parse().ok(),
            // What lies deeper is another key's: one whose name has a set's for a segment.
            Child::Folder(_) => None,
        });
        let chunks: Vec<Key> = numbers.filter_map(|number| sets::chunk(key, set, number)).collect();
        let count = chunks.len();
        let deletions = stream::iter(chunks).map(|chunk| async move { self.store.delete(&chunk).await });
        let mut done = deletions.buffer_unordered(AT_ONCE);
        let mut first_error = Ok(());
        while let Some(ended) = done.next().await {
            first_error = first_error.and(ended);
        }
        first_error.map(|()| count)
    }

    /// Says once, aloud, that tidying up does not work; a policy that lacks a right would fill the log.
    fn complain(&self, key: &Key, error: &Error) {
        if error.is_passing() || self.has_complained.swap(true, Ordering::Relaxed) {
            tracing::debug!(%key, %error, "old chunks were not removed");
        } else {
            tracing::warn!(%key, %error, "old chunks cannot be removed, and take up space; said once");
        }
    }

    /// Changes what is known of `key`.
    fn remember<T>(&self, key: &Key, change: impl FnOnce(&mut Known) -> T) -> T {
        let mut remembered = self.remembered();
        if remembered.len() >= MAX_REMEMBERED && !remembered.contains_key(key) {
            remembered.retain(|_, known| known.is_busy);
        }
        change(remembered.entry(key.clone()).or_default())
    }

    /// A panic elsewhere cannot leave it wrong: whatever is in it is confirmed in the store.
    fn remembered(&self) -> MutexGuard<'_, HashMap<Key, Known>> {
        self.remembered.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The set that a raw document names.
pub(super) fn named_set(raw: &Entry) -> Result<Option<SetName>, Broken> {
    let Some(content) = &raw.content else { return Ok(None) };
    match Envelope::of(&raw.meta)?.0 {
        Envelope::Chunks => Manifest::of(content).map(|manifest| Some(manifest.set)),
        Envelope::Plain | Envelope::Zstd { .. } | Envelope::Chunk => Ok(None),
    }
}
