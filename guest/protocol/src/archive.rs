//! What only the recovery API reaches, beyond the [`Store`]: older revisions, what lies where, and what the host
//! makes of whole states. In the component these are its imports (`wit/history.wit`, `wit/inspection.wit`,
//! `wit/access.wit`).

use crate::outside::{Revision, Slot, Store, StoreError};

/// A name directly below a folder. A name can be both.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Child {
    /// A document.
    Document(String),
    /// A folder.
    Folder(String),
}

/// A revision of a document; none: the newest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The document's key.
    pub key: String,
    /// Which revision.
    pub revision: Option<Revision>,
}

/// One version of a state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Version {
    /// Its revision.
    pub revision: Revision,
    /// SHA-256 of its bytes, as the document about it says.
    pub sha256: [u8; 32],
}

/// Why a state is not inspected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// The store failed.
    Store(StoreError),
    /// This revision is not kept any more.
    Gone(Revision),
    /// Its bytes are not those that the document about it tells of.
    Damaged(Revision),
    /// It is not a state in the clear.
    Unreadable(String),
    /// Other states are being inspected.
    Busy,
}

/// A store that can be looked back in.
pub trait Archive: Store {
    /// What lies directly below `folder`, or at the top.
    ///
    /// # Errors
    /// As [`Store::get`].
    fn list(&self, folder: Option<&str>) -> Result<Vec<Child>, StoreError>;

    /// The revisions of `key` that are kept, oldest first.
    ///
    /// # Errors
    /// As [`Store::get`].
    fn revisions(&self, key: &str) -> Result<Vec<Revision>, StoreError>;

    /// One revision of `key`; absent if it is not kept.
    ///
    /// # Errors
    /// As [`Store::get`].
    fn revision(&self, key: &str, revision: Revision) -> Result<Slot<Self::Blob>, StoreError>;

    /// Documents without their contents, fetched at once: at most [`MOST_OUTLINES`].
    fn outlines(&self, places: Vec<Place>) -> Vec<Result<Slot<Self::Blob>, StoreError>>;

    /// Removes a key with all its revisions.
    ///
    /// # Errors
    /// See [`StoreError`].
    fn delete(&self, key: &str) -> Result<(), StoreError>;

    /// Whether the caller may read the state at `path`.
    fn may_read(&self, path: &str) -> bool;

    /// The outputs of a state as JSON, see `wit/inspection.wit`.
    ///
    /// # Errors
    /// See [`Trouble`].
    fn outputs(&self, key: &str, version: Version, sensitive: bool) -> Result<Vec<u8>, Trouble>;

    /// What differs between two versions of a state as JSON, see `wit/inspection.wit`.
    ///
    /// # Errors
    /// See [`Trouble`].
    fn difference(
        &self,
        key: &str,
        before: Option<Version>,
        after: Option<Version>,
        sensitive: bool,
    ) -> Result<Vec<u8>, Trouble>;
}

/// The most that [`Archive::outlines`] fetches at once.
pub const MOST_OUTLINES: usize = 64;
