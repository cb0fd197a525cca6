//! Where documents lie: the [`Store`] trait and its drivers.
//!
//! A store holds documents under keys, each with a revision that grows with every write, and every
//! write is a compare-and-set. It knows no protocol: neither what a state nor what a lock is. It may
//! reach the network (OpenBao) and the disk (embedded), and nothing of WebAssembly.

pub mod blob;
pub mod carried;
pub mod embedded;
pub mod history;
pub mod key;
pub mod layout;
pub mod memory;
pub mod openbao;
pub mod patience;
pub mod remembering;
#[cfg(feature = "testing")]
pub mod testing;

use async_trait::async_trait;
use bytes::Bytes;

pub use blob::Blob;
pub use history::History;
pub use key::Key;
pub use layout::Layout;
pub use remembering::Remembering;

/// A document's revision: the store's compare-and-set number. 0 where none was ever written.
pub type Revision = u64;

/// A document as it is stored.
#[derive(Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its newest revision.
    pub revision: Revision,
    /// A small JSON document that belongs to the protocol component.
    pub meta: Bytes,
    /// The bytes that belong to it; a state.
    pub content: Option<Bytes>,
}

impl std::fmt::Debug for Entry {
    /// Sizes only: neither a lock nor a state may reach a log.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Entry")
            .field("revision", &self.revision)
            .field("meta_bytes", &self.meta.len())
            .field("content_bytes", &self.content.as_ref().map(Bytes::len))
            .finish()
    }
}

/// What lies under a key, as a node of the store known to be current says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Slot {
    /// Nothing was ever written there.
    Absent,
    /// A document.
    Entry(Entry),
    /// Somebody deleted the newest revision, which this is, in the store itself.
    Removed(Revision),
}

impl Slot {
    /// The newest revision; 0: never written.
    #[must_use]
    pub fn revision(&self) -> Revision {
        match self {
            Self::Absent => 0,
            Self::Entry(entry) => entry.revision,
            Self::Removed(revision) => *revision,
        }
    }
}

/// What was last seen of a document, without its content.
#[derive(Clone, PartialEq, Eq)]
pub struct Remembered {
    /// The revision it had.
    pub revision: Revision,
    /// See [`Entry::meta`].
    pub meta: Bytes,
}

/// What a compare-and-set is to write.
#[derive(Clone, PartialEq, Eq)]
pub struct Write {
    /// The component's own document, see [`Entry::meta`].
    pub meta: Bytes,
    /// The bytes that belong to it.
    pub content: Option<Bytes>,
    /// The revision that must be the newest; 0: the key was never written.
    pub expected: Revision,
    /// Which older revisions stay recoverable.
    pub retention: Retention,
}

/// Which older revisions of a document stay recoverable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retention {
    /// As many as the operator set (`KEEP_VERSIONS`).
    History,
    /// The same, beside what the present run has passed through: revisions right before the one that is written.
    Passing {
        /// How many of them stay for now, without counting among those. Each write makes one more of them: a
        /// store that keeps all of a run makes one place more for each.
        beside: u64,
        /// The one before those, which is not worth keeping any more.
        gone: Option<Revision>,
    },
    /// The same, and these older revisions are not worth keeping any more. A store that cannot give their places to
    /// others keeps them. The newest one is never meant.
    Thinned {
        /// The first of them.
        first: Revision,
        /// The last of them.
        last: Revision,
    },
    /// None is needed.
    Latest,
    /// None may be left: after [`Outcome::Written`], what they held is gone for good. An error can come after the
    /// write, where the store could not remove them; the text says what to do.
    Erased,
}

/// How a compare-and-set ended. A lost race is an outcome, not an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Written, and durable; the new revision.
    Written(Revision),
    /// The revision was not the expected one: nothing was written, or an earlier attempt of this very
    /// call was, whose answer was lost. Reading again tells.
    Conflict,
}

/// Why a call failed. The texts are for people and hold neither secrets nor content.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Not reachable, or in the middle of a fail-over. Nobody knows whether a write was done.
    #[error("the store is unavailable: {0}")]
    Unavailable(String),
    /// OpenBao is sealed.
    #[error("the store is sealed")]
    Sealed,
    /// The store refused the server's own credentials, or the operation.
    #[error("the store denied the server's own request: {0}")]
    Denied(String),
    /// The document is larger than the store takes.
    #[error("too large for the store: {0}")]
    TooLarge(String),
    /// No answer in time. Nobody knows whether a write was done.
    #[error("the store did not answer in time")]
    Timeout,
    /// The store answered what cannot be a document of ours.
    #[error("the store's answer makes no sense: {0}")]
    Corrupt(String),
    /// No space is left for a write.
    #[error("the store has no space left: {0}")]
    OutOfSpace(String),
}

impl Error {
    /// Whether the same call may succeed shortly, without anybody doing anything: a fail-over.
    #[must_use]
    pub fn is_passing(&self) -> bool {
        matches!(self, Self::Unavailable(_) | Self::Sealed | Self::Timeout)
    }

    /// Its name in `wit/store.wit`: one word.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Unavailable(_) => "unavailable",
            Self::Sealed => "sealed",
            Self::Denied(_) => "denied",
            Self::TooLarge(_) => "too-large",
            Self::Timeout => "timeout",
            Self::Corrupt(_) => "corrupt",
            Self::OutOfSpace(_) => "out-of-space",
        }
    }
}

/// How a store is, for `/readyz` and the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Health {
    /// Whether it would serve a write now.
    pub available: bool,
    /// A sentence for a person: what it is, or what is wrong with it.
    pub detail: String,
}

/// A store of documents. The one suite in [`testing`] states what every driver must do.
///
/// A call that is dropped half-way leaves it unknown whether it was done, so callers finish theirs.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// What lies under `key`. [`Slot::Absent`] only if a node known to be current says so.
    ///
    /// # Errors
    /// Whatever keeps the store from knowing for certain, see [`Error`].
    async fn get(&self, key: &Key) -> Result<Slot, Error>;

    /// Writes a document if the newest revision is the expected one. Durable when it returns
    /// [`Outcome::Written`]. After an error of the kinds [`Error::Unavailable`] and [`Error::Timeout`]
    /// nobody knows whether it was done; the same call may be made again.
    ///
    /// # Errors
    /// See [`Error`].
    async fn put_cas(&self, key: &Key, write: Write) -> Result<Outcome, Error>;

    /// Removes a key with all its revisions; a key that is not there is no error. For garbage only:
    /// it takes no revision.
    ///
    /// # Errors
    /// See [`Error`].
    async fn delete(&self, key: &Key) -> Result<(), Error>;

    /// What was last seen under `key`, without asking the store; see [`Remembering`]. Only a
    /// compare-and-set with its revision tells whether it still holds.
    fn recall(&self, _key: &Key) -> Option<Remembered> {
        None
    }

    /// What lists it and looks back in it, if it can be looked back in.
    fn history(&self) -> Option<&dyn History> {
        None
    }

    /// How the store is at this moment. Never waits longer than a few seconds.
    async fn health(&self) -> Health;

    /// Several documents, fetched at once, in the order of `keys`.
    async fn get_many(&self, keys: &[Key]) -> Vec<Result<Slot, Error>> {
        futures_util::future::join_all(keys.iter().map(|key| self.get(key))).await
    }
}
