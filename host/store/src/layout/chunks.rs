//! Writes and reads the chunks of one set, several at once.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use futures_util::{StreamExt, TryStreamExt, stream};

use super::envelope::{Envelope, Manifest};
use super::pack;
use super::sets::{self, SetName};
use crate::{Error, History, Key, Outcome, Retention, Slot, Write};

/// How many chunks of one content are on their way at the same time.
pub(super) const AT_ONCE: usize = 8;

/// Writes the chunks that `manifest` describes. All of them are durable when it returns.
pub(super) async fn write(
    store: &dyn History,
    key: &Key,
    manifest: &Arc<Manifest>,
    stored: &Bytes,
    chunk_bytes: usize,
) -> Result<(), Error> {
    let pieces = stored.chunks(chunk_bytes.max(1)).map(|piece| stored.slice_ref(piece));
    let pieces = stream::iter(pieces.enumerate().map(Ok));
    pieces.try_for_each_concurrent(AT_ONCE, |(number, piece)| write_one(store, key, manifest, number, piece)).await
}

async fn write_one(
    store: &dyn History,
    key: &Key,
    manifest: &Arc<Manifest>,
    number: usize,
    piece: Bytes,
) -> Result<(), Error> {
    let place = place(key, &manifest.set, number)?;
    let meta = Envelope::Chunk.around(b"");
    let write = Write { meta, content: Some(piece), expected: 0, retention: Retention::Latest };
    match store.put_cas(&place, write).await? {
        Outcome::Written(_) => Ok(()),
        // Nobody else writes there: it was the driver's own first attempt. Its bytes say so.
        Outcome::Conflict => match read_one(store, key, manifest, number).await {
            Ok(_) => Ok(()),
            Err(Trouble::Store(error)) => Err(error),
            Err(trouble) => Err(trouble.corrupt(key, manifest)),
        },
    }
}

/// Why a set could not be read.
#[derive(Debug)]
pub(super) enum Trouble {
    /// The store did not answer.
    Store(Error),
    /// This chunk is not there.
    Missing(usize),
    /// This chunk is not what the manifest says.
    Wrong(usize),
}

impl Trouble {
    /// As an error that names the document and the chunk.
    pub(super) fn corrupt(self, key: &Key, manifest: &Manifest) -> Error {
        let (number, what) = match self {
            Self::Store(error) => return error,
            Self::Missing(number) => (number, "is missing"),
            Self::Wrong(number) => (number, "is not what was written"),
        };
        let (count, set) = (manifest.count(), &manifest.set);
        Error::Corrupt(format!("chunk {number} (of {count}, from 0) of `{key}` {what}; its set is `{set}`"))
    }
}

/// Reads the chunks that `manifest` names, and checks each. All or nothing.
pub(super) async fn read(store: &dyn History, key: &Key, manifest: &Arc<Manifest>) -> Result<Bytes, Trouble> {
    let numbers = stream::iter(0..manifest.count());
    let mut pieces = numbers.map(|number| read_one(store, key, manifest, number)).buffered(AT_ONCE);
    let mut stored = BytesMut::with_capacity(manifest.stored());
    while let Some(piece) = pieces.try_next().await? {
        stored.extend_from_slice(&piece);
    }
    Ok(stored.freeze())
}

async fn read_one(store: &dyn History, key: &Key, manifest: &Arc<Manifest>, number: usize) -> Result<Bytes, Trouble> {
    let place = place(key, &manifest.set, number).map_err(Trouble::Store)?;
    let entry = match store.get(&place).await {
        Ok(Slot::Entry(entry)) => entry,
        Ok(Slot::Absent | Slot::Removed(_)) => return Err(Trouble::Missing(number)),
        Err(Error::Corrupt(_)) => return Err(Trouble::Wrong(number)),
        Err(error) => return Err(Trouble::Store(error)),
    };
    let is_chunk = matches!(Envelope::of(&entry.meta), Ok((Envelope::Chunk, _)));
    match entry.content {
        Some(piece) if is_chunk && pack::fits(manifest, number, &piece).await.map_err(Trouble::Store)? => Ok(piece),
        _ => Err(Trouble::Wrong(number)),
    }
}

fn place(key: &Key, set: &SetName, number: usize) -> Result<Key, Error> {
    sets::chunk(key, set, number).ok_or_else(|| Error::TooLarge(format!("the key `{key}` is too long for chunks")))
}
