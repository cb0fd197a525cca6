//! What a request is meant to do, as its client sees it: what the invariants are judged by.

/// A lock ID, in [`crate::world::Names`].
pub(crate) type LockId = u16;
/// A state's bytes, in [`crate::world::Names`].
pub(crate) type StateId = u32;
/// A state's path, in [`crate::world::Names`].
pub(crate) type PathId = u8;

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Intent {
    pub(crate) path: PathId,
    pub(crate) kind: Kind,
    /// Milliseconds since 1970.
    pub(crate) received: u64,
    /// As the scenario says it.
    pub(crate) text: String,
}

/// What a request does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Get,
    Post {
        lock: Option<LockId>,
        serial: u64,
        state: StateId,
    },
    Delete {
        lock: Option<LockId>,
    },
    Lock(LockId),
    /// By its holder.
    Unlock(LockId),
    /// By anybody; with Terraform's no ID is named.
    Break(Option<LockId>),
    /// Nothing is known of it, so it may change nothing.
    Other,
}

impl Kind {
    /// The lock that the request says is its own.
    pub(crate) fn own_lock(&self) -> Option<LockId> {
        match self {
            Self::Post { lock, .. } | Self::Delete { lock } => *lock,
            Self::Lock(id) | Self::Unlock(id) => Some(*id),
            Self::Get | Self::Break(_) | Self::Other => None,
        }
    }
}
