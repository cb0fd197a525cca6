//! The scripted store: raw documents below the layout, as values that can be copied, compared and hashed.

pub(crate) mod contents;
pub(crate) mod scripted;
pub(crate) mod snapshot;
pub(crate) mod tables;

use std::sync::Arc;

use tofu_state_store::{Error, Revision};

/// A key, in [`tables::Tables`].
pub(crate) type KeyId = u32;
/// What a document holds (`meta` and `content`), in [`tables::Tables`].
pub(crate) type BodyId = u32;

/// What a fault makes of a call's answer. The texts that the component gets are fixed, so that it cannot tell two
/// runs apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Failed {
    /// [`Error::Unavailable`].
    Unavailable,
    /// [`Error::Timeout`].
    Timeout,
    /// [`Error::Denied`].
    Denied,
}

impl Failed {
    pub(crate) fn error(self) -> Error {
        match self {
            Self::Unavailable => Error::Unavailable("the sandbox says so".to_owned()),
            Self::Timeout => Error::Timeout,
            Self::Denied => Error::Denied("the sandbox says so".to_owned()),
        }
    }
}

/// A slot whose content is in the tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Seen {
    Absent,
    Entry(Revision, BodyId),
    Removed(Revision),
}

impl Seen {
    pub(crate) fn revision(self) -> Revision {
        match self {
            Self::Absent => 0,
            Self::Entry(revision, _) | Self::Removed(revision) => revision,
        }
    }
}

/// What becomes of a document's older revisions when it is written. Thinning is left out: it removes too little for
/// anything to count on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Older {
    Kept,
    Unneeded,
    Erased,
}

/// A call of the raw store.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Call {
    Get(KeyId),
    Put { key: KeyId, body: BodyId, expected: Revision, older: Older },
    Delete(KeyId),
    List(KeyId),
    Top,
    Revisions(KeyId),
    Revision(KeyId, Revision),
}

impl Call {
    /// The key that it is about; for `List`, the folder.
    pub(crate) fn key(&self) -> Option<KeyId> {
        match self {
            Self::Get(key)
            | Self::Put { key, .. }
            | Self::Delete(key)
            | Self::List(key)
            | Self::Revisions(key)
            | Self::Revision(key, _) => Some(*key),
            Self::Top => None,
        }
    }

    /// Whether it may change what lies in the store.
    pub(crate) fn is_write(&self) -> bool {
        matches!(self, Self::Put { .. } | Self::Delete(_))
    }
}

/// The answer to a [`Call`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Answer {
    Recalled(Option<(Revision, BodyId)>),
    Slot(Seen),
    Written(Revision),
    Conflict,
    Done,
    /// Names, and whether each is a folder.
    Children(Arc<[(bool, String)]>),
    Revisions(Arc<[Revision]>),
    Failed(Failed),
}

/// What a server learns from an answer above the layout, for its memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Lesson {
    /// The document was seen with this revision and `meta`.
    Seen(KeyId, Revision, BodyId),
    /// It was written by this server.
    Written(KeyId, Revision, BodyId),
    /// It is not there.
    Absent(KeyId),
    /// Nothing is known of it any more.
    Unknown(KeyId),
}
