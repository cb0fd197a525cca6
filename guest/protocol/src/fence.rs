//! The fence: a re-write of the state document with the same content and a new revision.
//!
//! Who breaks a lock cannot call back a write that has already checked that lock. But such a write has
//! read the state's revision before, so after the fence its compare-and-set fails.

use crate::Call;
use crate::document::{self, StateDocument};
use crate::outside::{Entry, Outcome, Retention, Slot, Store};
use crate::reply::Refusal;
use crate::retention;

/// Fences the state. A lost race is as good as a won one: what won came after our look, so every
/// write that looked earlier has lost as well, and every later one sees the broken lock.
pub(crate) fn fence<S: Store>(call: &mut Call<'_, S>) -> Result<(), Refusal> {
    let key = call.path.state_key();
    let outcome = match call.store.get(key)? {
        Slot::Absent => {
            let none = document::encode(&StateDocument::NoState);
            call.store.put_cas(key, &none, None, 0, Retention::History)?
        }
        Slot::Entry(Entry { revision, meta, content }) => {
            let retention = retention::again(&document::decode(key, &meta)?);
            call.store.put_cas(key, &meta, content.as_ref(), revision, retention)?
        }
        // There is no content to write again, and a record of any other kind would turn doubt into
        // "no state". The lock stays broken until somebody has settled it.
        Slot::Removed(revision) => return Err(Refusal::RemovedInStore { key: key.to_owned(), revision }),
    };
    if outcome == Outcome::Conflict {
        call.event.conflicts += 1;
    }
    Ok(())
}
