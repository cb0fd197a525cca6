//! What the logic can reach: a store and bytes that stay on the host. In the component these are its
//! imports (`wit/store.wit`, `wit/blobs.wit`); in native tests, a store in memory.

/// A document's revision; 0 where none was ever written.
pub type Revision = u64;

/// The digests of a blob's bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Digests {
    /// MD5.
    pub md5: [u8; 16],
    /// SHA-256.
    pub sha256: [u8; 32],
}

/// Bytes that stay on the host.
pub trait Blob {
    /// Size in bytes.
    fn len(&self) -> u64;
    /// At most `len` bytes from `offset` on; fewer at the end, none beyond it.
    fn read(&self, offset: u64, len: u32) -> Vec<u8>;
    /// The digests of all its bytes.
    fn digests(&self) -> Digests;
    /// Whether there are no bytes.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A document as it is stored.
#[derive(Clone, Debug)]
pub struct Entry<B> {
    /// Its newest revision.
    pub revision: Revision,
    /// Our own document about it, see `document.rs`.
    pub meta: Vec<u8>,
    /// The state.
    pub content: Option<B>,
}

/// What lies under a key.
#[derive(Clone, Debug)]
pub enum Slot<B> {
    /// Nothing was ever written there.
    Absent,
    /// A document.
    Entry(Entry<B>),
    /// Somebody deleted the newest revision, which this is, in the store itself.
    Removed(Revision),
}

/// What was last seen of a document, without its content.
#[derive(Clone, Debug)]
pub struct Remembered {
    /// The revision it had.
    pub revision: Revision,
    /// See [`Entry::meta`].
    pub meta: Vec<u8>,
}

/// How a compare-and-set ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Written, and durable.
    Written,
    /// Another revision was there, perhaps by an earlier attempt of this very call.
    Conflict,
}

/// Which older revisions stay recoverable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retention {
    /// As many as the operator set.
    History,
    /// The same, beside what the present run has passed through: revisions right before the one that is written.
    Passing {
        /// How many of them stay for now, without counting among those.
        beside: u64,
        /// The one before those, which is not worth keeping any more.
        gone: Option<Revision>,
    },
    /// The same, and these older revisions are not worth keeping any more.
    Thinned {
        /// The first of them.
        first: Revision,
        /// The last of them.
        last: Revision,
    },
    /// None is needed.
    Latest,
    /// None may be left: once this is written, what they held is gone for good.
    Erased,
}

/// Why a call failed, see `wit/store.wit`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreError {
    /// Not reachable, or failing over.
    Unavailable(String),
    /// Sealed.
    Sealed,
    /// The server's own credentials were refused.
    Denied(String),
    /// The document is larger than the store takes.
    TooLarge(String),
    /// No answer in time.
    Timeout,
    /// An answer that makes no sense.
    Corrupt(String),
    /// No space left.
    OutOfSpace(String),
}

/// Documents under keys. Every write is a compare-and-set.
pub trait Store {
    /// The store's bytes.
    type Blob: Blob;

    /// What lies under `key`, as a current node says.
    ///
    /// # Errors
    /// Whatever keeps the store from knowing for certain.
    fn get(&self, key: &str) -> Result<Slot<Self::Blob>, StoreError>;

    /// What lies under each of several keys, fetched at once.
    fn get_many<const N: usize>(&self, keys: [&str; N]) -> [Result<Slot<Self::Blob>, StoreError>; N];

    /// What was last seen under `key`: a hint that only a compare-and-set confirms.
    fn recall(&self, key: &str) -> Option<Remembered>;

    /// Writes the document if its revision is `expected`.
    ///
    /// # Errors
    /// See [`StoreError`]; after some of them nobody knows whether it was done.
    fn put_cas(
        &self,
        key: &str,
        meta: &[u8],
        content: Option<&Self::Blob>,
        expected: Revision,
        retention: Retention,
    ) -> Result<Outcome, StoreError>;
}
