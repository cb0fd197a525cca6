//! What is kept of a request while it is recorded, and how much that may be.

use std::iter;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use rustc_hash::FxHashSet;
use tofu_state_component::{Reply, ReplyBody, Request};
use tofu_state_store::{Blob, Error, Key, Outcome, Remembered, Slot, Write};

/// More calls than a request needs that does not wait for a fail-over.
const MOST_CALLS: usize = 256;

/// The most that a request's states and documents take, all together, in bytes.
const MOST_BYTES: usize = 4 << 20;

/// What a call or a request takes beside its texts and documents, in bytes; more than it really does.
const BESIDE: usize = 1024;

/// A request is not recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotRecorded {
    /// It made too many calls.
    #[error("it made more than {MOST_CALLS} calls of the store")]
    Calls,
    /// It looked at older revisions, or at a list.
    #[error("it asked for the history of documents, which is not recorded")]
    History,
    /// Its states are too large.
    #[error("its states and documents have more than {} MiB together", MOST_BYTES >> 20)]
    Size,
    /// Too much is kept of other requests.
    #[error("the requests in progress have used up the memory for recordings")]
    Memory,
}

impl NotRecorded {
    /// A word for it, for instance in a metric's label.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Calls => "calls",
            Self::History => "history",
            Self::Size => "size",
            Self::Memory => "memory",
        }
    }
}

/// How many bytes all requests of a recorder keep.
pub(super) struct Kept {
    bytes: AtomicUsize,
    most: usize,
}

impl Kept {
    pub(super) fn new(most: usize) -> Self {
        Self { bytes: AtomicUsize::new(0), most }
    }

    /// Takes so many bytes, all or none.
    fn take(&self, more: usize) -> bool {
        let fits = |taken: usize| taken.checked_add(more).filter(|taken| *taken <= self.most);
        self.bytes.try_update(Ordering::Relaxed, Ordering::Relaxed, fits).is_ok()
    }

    fn give_back(&self, bytes: usize) {
        self.bytes.fetch_sub(bytes, Ordering::Relaxed);
    }
}

/// A request and its calls, as they were.
pub(super) struct Notes {
    pub(super) request: Request,
    pub(super) calls: Vec<RawMade>,
    all: Arc<Kept>,
    /// How many of the bytes in `all` are these.
    bytes: usize,
    /// Where the documents lie that have been counted: one is in several calls, and takes its memory once.
    counted: FxHashSet<(usize, usize)>,
}

/// A call with all that belongs to it.
pub(super) struct RawMade {
    pub(super) call: RawCall,
    /// None: the request ended first.
    pub(super) answer: Option<RawAnswer>,
}

pub(super) enum RawCall {
    Get(Key),
    GetMany(Vec<Key>),
    Recall(Key),
    Put(Key, Write),
    Delete(Key),
}

pub(super) enum RawAnswer {
    Slots(Vec<Result<Slot, Error>>),
    Recalled(Option<Remembered>),
    Put(Result<Outcome, Error>),
    Deleted(Result<(), Error>),
}

impl Notes {
    pub(super) fn of(request: &Request, all: Arc<Kept>) -> Result<Self, NotRecorded> {
        let counted = FxHashSet::default();
        let mut notes = Self { request: request.clone(), calls: Vec::new(), all, bytes: 0, counted };
        let texts: usize = request.path.iter().chain(&request.query).map(String::len).sum();
        let headers: usize = request.headers.iter().map(|(name, value)| name.len() + value.len()).sum();
        notes.keep(BESIDE + texts + headers, request.body.as_ref().map(Blob::bytes))?;
        Ok(notes)
    }

    /// A call begins: its place in the list.
    pub(super) fn asked(&mut self, call: RawCall) -> Result<usize, NotRecorded> {
        let place = self.calls.len();
        if place >= MOST_CALLS {
            return Err(NotRecorded::Calls);
        }
        match &call {
            RawCall::Put(_, Write { meta, content, .. }) => self.keep(BESIDE, iter::once(meta).chain(content)),
            RawCall::GetMany(keys) => self.keep(BESIDE.saturating_mul(keys.len()), []),
            RawCall::Get(_) | RawCall::Recall(_) | RawCall::Delete(_) => self.keep(BESIDE, []),
        }?;
        self.calls.push(RawMade { call, answer: None });
        Ok(place)
    }

    /// The call at this place has ended.
    pub(super) fn answered(&mut self, place: usize, answer: RawAnswer) -> Result<(), NotRecorded> {
        match &answer {
            RawAnswer::Slots(slots) => {
                let entries = slots.iter().filter_map(|slot| match slot {
                    Ok(Slot::Entry(entry)) => Some(entry),
                    _ => None,
                });
                self.keep(0, entries.flat_map(|entry| iter::once(&entry.meta).chain(&entry.content)))?;
            }
            RawAnswer::Recalled(seen) => self.keep(0, seen.iter().map(|seen| &seen.meta))?,
            RawAnswer::Put(_) | RawAnswer::Deleted(_) => {}
        }
        if let Some(made) = self.calls.get_mut(place) {
            made.answer = Some(answer);
        }
        Ok(())
    }

    /// The request was answered.
    pub(super) fn replied(&mut self, reply: &Reply) -> Result<(), NotRecorded> {
        match &reply.body {
            ReplyBody::None => Ok(()),
            ReplyBody::Bytes(bytes) | ReplyBody::State(bytes) => self.keep(0, [bytes]),
        }
    }

    /// Counts what is about to be kept.
    fn keep<'a>(&mut self, beside: usize, documents: impl IntoIterator<Item = &'a Bytes>) -> Result<(), NotRecorded> {
        let mut more = beside;
        for document in documents {
            if self.counted.insert((document.as_ptr().addr(), document.len())) {
                more = more.saturating_add(document.len());
            }
        }
        if self.bytes.saturating_add(more) > MOST_BYTES {
            return Err(NotRecorded::Size);
        }
        if !self.all.take(more) {
            return Err(NotRecorded::Memory);
        }
        self.bytes += more;
        Ok(())
    }
}

impl Drop for Notes {
    fn drop(&mut self) {
        self.all.give_back(self.bytes);
    }
}
