//! How contents lie in a store: compressed where it pays, and in chunks where one entry is too small.
//!
//! [`Layout`] is a store on top of a driver's. Above it nothing changes: meta and content come back byte for
//! byte. Below it, a document with content carries an envelope (`envelope.rs`) and one of three layouts: the
//! content as it is, compressed, or in a set of chunks of its own. A document without content, such as a
//! lock, is passed on as it is.
//!
//! - A set of chunks (`sets.rs`, `chunks.rs`) is never shared between writes or used again, and is durable
//!   before the manifest that names it is written, which is the document itself, by compare-and-set. So a
//!   crash or a lost race leaves the old document whole, and a set that nobody names.
//! - A read checks every chunk against the manifest before it answers anything.
//! - Sets that no revision names any more are removed in the background (`garbage.rs`).
//! - A content that is written back as it was read is not moved again (`lent.rs`).

mod chunks;
mod envelope;
mod garbage;
mod lent;
mod pack;
mod sets;

use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::future::join_all;
use uuid::Uuid;

use self::chunks::Trouble;
use self::envelope::{Broken, Envelope, MAX_CONTENT_BYTES, Manifest};
use self::garbage::Collector;
use self::lent::{Laid, Lending};
use self::pack::Packed;
use self::sets::SetName;
use crate::history::{Child, History};
use crate::{Entry, Error, Health, Key, Outcome, Retention, Revision, Slot, Store, Write};

/// What one entry of OpenBao is given, in bytes. Raft takes 1 MiB (`max_entry_size`), and less of a content:
/// base64 makes four bytes of three, and there are the meta, the key and the encryption. 700 KiB become
/// 933 KiB, which leaves 90 KiB for those.
pub const OPENBAO_ENTRY_BYTES: usize = 700 * 1024;

/// What one entry of the embedded store is given, in bytes. It takes larger ones, but rounds their space in the
/// file up to a power of two and holds that twice in memory while it writes: 64 MiB that cannot be compressed
/// took 192 MiB more and twice as long as in chunks of this size (measured). A little less than 4 MiB, so that
/// key and meta fit beside it. Nearly every state is smaller once it is compressed, and is one sync of the
/// disk.
pub const EMBEDDED_ENTRY_BYTES: usize = 4 * 1024 * 1024 - 4096;

/// How old garbage is before it is removed: longer than a request can take, and than the clocks of two
/// servers may differ.
pub const GARBAGE_AGE: Duration = Duration::from_secs(15 * 60);

/// How often a read begins again because the document has changed and its chunks were removed meanwhile.
const READS: usize = 4;

/// Tells the time.
pub type Clock = Arc<dyn Fn() -> SystemTime + Send + Sync>;

/// Work that nobody waits for.
pub type Work = Pin<Box<dyn Future<Output = ()> + Send>>;

/// What the layout reaches besides the store. All of it can be replaced, so that what a layout does depends on its
/// calls and on the store's answers alone.
#[derive(Clone)]
pub struct Surroundings {
    /// Tells how old garbage is.
    pub clock: Clock,
    /// Has work done in the background.
    pub background: Arc<dyn Fn(Work) + Send + Sync>,
    /// Ten random bytes: what tells two chunk sets of the same moment apart.
    pub chance: Arc<dyn Fn() -> [u8; 10] + Send + Sync>,
}

impl Default for Surroundings {
    /// The system's clock and randomness, and tasks of the tokio runtime that it is used in.
    fn default() -> Self {
        Self {
            clock: Arc::new(SystemTime::now),
            background: Arc::new(|work| drop(tokio::spawn(work))),
            chance: Arc::new(|| {
                let mut bytes = [0; 10];
                let random = Uuid::new_v4().into_bytes();
                // Four bits of the seventh and two of the ninth byte are no chance (RFC 9562).
                let chance = random.into_iter().enumerate().filter(|(at, _)| !matches!(at, 6 | 8));
                bytes.iter_mut().zip(chance).for_each(|(byte, (_, random))| *byte = random);
                bytes
            }),
        }
    }
}

/// How contents are to be laid out.
#[derive(Clone)]
pub struct Settings {
    /// How many bytes of meta and content one entry is given; what is larger goes into chunks of that size.
    /// None: everything goes into one entry.
    pub entry_bytes: Option<usize>,
    /// How old garbage is before it is removed.
    pub garbage_age: Duration,
    /// What the layout reaches besides the store.
    pub around: Surroundings,
}

impl Settings {
    /// For OpenBao, see [`OPENBAO_ENTRY_BYTES`].
    #[must_use]
    pub fn for_openbao() -> Self {
        Self { entry_bytes: Some(OPENBAO_ENTRY_BYTES), ..Self::undivided() }
    }

    /// For the embedded store, see [`EMBEDDED_ENTRY_BYTES`].
    #[must_use]
    pub fn for_embedded() -> Self {
        Self { entry_bytes: Some(EMBEDDED_ENTRY_BYTES), ..Self::undivided() }
    }

    /// Everything in one entry, however large: for memory.
    #[must_use]
    pub fn undivided() -> Self {
        Self { entry_bytes: None, garbage_age: GARBAGE_AGE, around: Surroundings::default() }
    }
}

/// A store that lays contents out in another one.
pub struct Layout {
    store: Arc<dyn History>,
    entry_bytes: Option<usize>,
    around: Surroundings,
    lending: Lending,
    collector: Arc<Collector>,
}

impl Layout {
    /// Lays contents out in `store`. Nothing but layouts may write there.
    #[must_use]
    pub fn new(store: Arc<dyn History>, settings: Settings) -> Self {
        let collector = Collector::new(Arc::clone(&store), &settings);
        let Settings { entry_bytes, around, .. } = settings;
        Self { store, entry_bytes, around, lending: Lending::default(), collector }
    }

    /// Waits until nothing goes on in the background: before the process ends, and in tests.
    pub async fn settled(&self) {
        self.collector.settled().await;
    }

    /// What a raw slot of `key` means; none if its chunks are gone because it is no longer current.
    async fn open(&self, key: &Key, slot: Slot) -> Result<Slot, Unread> {
        let raw = match slot {
            Slot::Entry(raw) => raw,
            Slot::Absent | Slot::Removed(_) => return Ok(slot),
        };
        let Entry { revision, meta, content: Some(content) } = raw else { return Ok(Slot::Entry(raw)) };
        let corrupt = |broken: Broken| Error::Corrupt(format!("`{key}` {broken}"));
        let (envelope, meta) = Envelope::of(&meta).map_err(corrupt)?;
        let content = match envelope {
            Envelope::Plain => content,
            Envelope::Zstd { size } => {
                let laid = Laid { envelope, raw: content.clone(), set: None };
                let unpacked = pack::unpack(content, size).await?.map_err(corrupt)?;
                self.lending.lend(key, revision, unpacked, laid)
            }
            Envelope::Chunks => {
                let manifest = Arc::new(Manifest::of(&content).map_err(corrupt)?);
                self.collector.seen(key);
                let laid = Laid { envelope, raw: content, set: Some(manifest.set.clone()) };
                let stored = match chunks::read(&*self.store, key, &manifest).await {
                    Ok(stored) => stored,
                    Err(missing @ Trouble::Missing(_)) => {
                        return Err(Unread::Incomplete(revision, missing.corrupt(key, &manifest)));
                    }
                    Err(trouble) => return Err(trouble.corrupt(key, &manifest).into()),
                };
                let content = if manifest.zstd {
                    pack::unpack(stored, manifest.size).await?.map_err(corrupt)?
                } else {
                    stored.into()
                };
                self.lending.lend(key, revision, content, laid)
            }
            Envelope::Chunk => return Err(corrupt(Broken::Contradiction("is a part of another document")).into()),
        };
        Ok(Slot::Entry(Entry { revision, meta, content: Some(content) }))
    }

    /// As [`Layout::open`], from the newest revision. Begins again while the document is written faster than
    /// it can be read.
    async fn open_newest(&self, key: &Key, mut slot: Slot) -> Result<Slot, Error> {
        let mut reads = 1;
        loop {
            let (revision, error) = match self.open(key, slot).await {
                Ok(slot) => return Ok(slot),
                Err(Unread::Failed(error)) => return Err(error),
                Err(Unread::Incomplete(revision, error)) => (revision, error),
            };
            slot = self.store.get(key).await?;
            if matches!(&slot, Slot::Entry(entry) if entry.revision == revision) {
                return Err(error);
            }
            if reads == READS {
                return Err(Error::Unavailable(format!("`{key}` changes faster than it can be read")));
            }
            reads += 1;
        }
    }

    /// How `content` is to lie in the store. Chunks, if there are any, are written when it returns.
    async fn lay_out(&self, key: &Key, meta: &Bytes, content: Bytes, expected: Revision) -> Result<Laid, Error> {
        let size = content.len() as u64;
        if size > MAX_CONTENT_BYTES {
            return Err(Error::TooLarge(format!("{size} bytes; the largest possible state has {MAX_CONTENT_BYTES}")));
        }
        let Packed { stored, zstd } = pack::pack(content).await?;
        match self.entry_bytes {
            Some(limit) if meta.len().saturating_add(stored.len()) > limit => {
                self.lay_out_chunks(key, size, zstd, stored, expected, limit).await
            }
            _ => {
                let envelope = if zstd { Envelope::Zstd { size } } else { Envelope::Plain };
                Ok(Laid { envelope, raw: stored, set: None })
            }
        }
    }

    async fn lay_out_chunks(
        &self,
        key: &Key,
        size: u64,
        zstd: bool,
        stored: Bytes,
        expected: Revision,
        chunk_bytes: usize,
    ) -> Result<Laid, Error> {
        let set = SetName::new(expected, (self.around.clock)(), (self.around.chance)());
        let manifest = Arc::new(pack::manifest(set.clone(), size, zstd, stored.clone(), chunk_bytes).await?);
        if let Err(error) = chunks::write(&*self.store, key, &manifest, &stored, chunk_bytes).await {
            self.collector.discard(key, set, false);
            return Err(error);
        }
        Ok(Laid { envelope: Envelope::Chunks, raw: manifest.to_bytes(), set: Some(set) })
    }

    /// Writes a document, whatever becomes of the chunks of those before it.
    async fn write(&self, key: &Key, write: Write) -> Result<Outcome, Error> {
        let Write { meta, content, expected, retention } = write;
        let Some(content) = content else {
            let outcome = self.store.put_cas(key, Write { meta, content: None, expected, retention }).await?;
            if let Outcome::Written(revision) = outcome
                && self.collector.knows_sets(key)
            {
                self.collector.written(key, revision, None);
            }
            return Ok(outcome);
        };
        let known = self.lending.find(key, expected, &content);
        let is_new = known.is_none();
        let laid = match known {
            Some(laid) => laid,
            None => self.lay_out(key, &meta, content, expected).await?,
        };
        let Laid { envelope, raw, set } = laid;
        let write = Write { meta: envelope.around(&meta), content: Some(raw), expected, retention };
        let ended = self.store.put_cas(key, write).await;
        match (&ended, set) {
            (Ok(Outcome::Written(revision)), set) => self.collector.written(key, *revision, set),
            (Ok(Outcome::Conflict), Some(set)) if is_new => self.collector.discard(key, set, true),
            // After any other error nobody knows whether the write is still to be done.
            (Err(error), Some(set)) if is_new && !error.is_passing() => self.collector.discard(key, set, true),
            (Err(_), Some(_)) => self.collector.seen(key),
            _ => {}
        }
        ended
    }
}

/// Why a raw document could not be opened.
enum Unread {
    Failed(Error),
    /// A chunk of this revision is missing.
    Incomplete(Revision, Error),
}

impl From<Error> for Unread {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

#[async_trait]
impl Store for Layout {
    async fn get(&self, key: &Key) -> Result<Slot, Error> {
        let slot = self.store.get(key).await?;
        self.open_newest(key, slot).await
    }

    async fn put_cas(&self, key: &Key, write: Write) -> Result<Outcome, Error> {
        if write.retention != Retention::Erased {
            return self.write(key, write).await;
        }
        // Afterwards nobody can tell what they named.
        let named = self.collector.named(key).await?;
        self.collector.seen(key);
        let outcome = self.write(key, write).await?;
        if matches!(outcome, Outcome::Written(_)) {
            self.collector.erased(key, named).await?;
        }
        Ok(outcome)
    }

    /// Its chunks go with it: at once those of the newest revision, those of older ones if they are old.
    async fn delete(&self, key: &Key) -> Result<(), Error> {
        let sets = self.collector.sets(key).await.unwrap_or_default();
        let named = match self.store.get(key).await {
            Ok(Slot::Entry(raw)) => garbage::named_set(&raw).ok().flatten(),
            _ => None,
        };
        self.store.delete(key).await?;
        self.lending.forget(key);
        self.collector.deleted(key, sets, named).await;
        Ok(())
    }

    fn history(&self) -> Option<&dyn History> {
        Some(self)
    }

    async fn health(&self) -> Health {
        self.store.health().await
    }

    async fn get_many(&self, keys: &[Key]) -> Vec<Result<Slot, Error>> {
        let slots = self.store.get_many(keys).await;
        join_all(keys.iter().zip(slots).map(|(key, slot)| async move { self.open_newest(key, slot?).await })).await
    }
}

#[async_trait]
impl History for Layout {
    async fn list(&self, folder: &Key) -> Result<Vec<Child>, Error> {
        self.store.list(folder).await
    }

    async fn top(&self) -> Result<Vec<Child>, Error> {
        self.store.top().await
    }

    async fn revisions(&self, key: &Key) -> Result<Vec<Revision>, Error> {
        self.store.revisions(key).await
    }

    /// [`Slot::Absent`] also if it was dropped, and its chunks removed, while it was read.
    async fn revision(&self, key: &Key, revision: Revision) -> Result<Slot, Error> {
        let slot = self.store.revision(key, revision).await?;
        match self.open(key, slot).await {
            Ok(slot) => Ok(slot),
            Err(Unread::Failed(error)) => Err(error),
            Err(Unread::Incomplete(_, error)) => match self.store.revision(key, revision).await? {
                Slot::Entry(_) => Err(error),
                gone => Ok(gone),
            },
        }
    }

    async fn outline(&self, key: &Key, revision: Option<Revision>) -> Result<Slot, Error> {
        let slot = self.store.outline(key, revision).await?;
        let Slot::Entry(Entry { revision, meta, content }) = slot else { return Ok(slot) };
        let meta = match content {
            Some(_) => Envelope::of(&meta).map_err(|broken| Error::Corrupt(format!("`{key}` {broken}")))?.1,
            None => meta,
        };
        Ok(Slot::Entry(Entry { revision, meta, content }))
    }
}
