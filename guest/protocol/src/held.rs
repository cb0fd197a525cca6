//! Which locks are held: for whoever watches the server, and for no request.

use crate::document::{self, LockDocument, LockStatus};
use crate::outside::{Slot, Store, StoreError};
use crate::path::LOCK_SUFFIX;

/// A lock that is held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldLock {
    /// The key in the store under which it lies.
    pub key: String,
    /// The state's path.
    pub path: String,
    /// The lock's ID.
    pub id: String,
    /// `Who` of the LockInfo.
    pub who: Option<String>,
    /// Since when: milliseconds since 1970-01-01T00:00:00Z.
    pub since: u64,
}

/// Those of these keys of the store that are held locks. Keys that are no lock's are passed over, and so are
/// documents that are not of this release's making: nobody can be told to hold them.
///
/// # Errors
/// What kept the store from answering.
pub fn held_locks<S: Store>(keys: &[String], store: &S) -> Result<Vec<HeldLock>, StoreError> {
    let mut held = Vec::new();
    for key in keys {
        let Some(path) = key.strip_suffix(LOCK_SUFFIX) else { continue };
        let Slot::Entry(entry) = store.get(key)? else { continue };
        if let Ok(LockDocument { status: LockStatus::Held(lock), .. }) = document::decode(key, &entry.meta) {
            held.push(HeldLock {
                key: key.clone(),
                path: path.to_owned(),
                id: lock.id,
                who: lock.who,
                since: lock.since,
            });
        }
    }
    Ok(held)
}
