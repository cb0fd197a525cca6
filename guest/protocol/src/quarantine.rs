//! Keeping aside a state that a policy refused, for a person to accept or to discard.
//!
//! Its key is made of its digest, so that a retry finds what its first attempt has kept.

use crate::document::{self, QuarantineDocument, QuarantineRecord, StateRecord, to_hex};
use crate::outside::{Blob, Outcome, Retention, Slot, Store};
use crate::path::StatePath;
use crate::policies::Denial;
use crate::reply::Refusal;

/// Where refused states lie. No state's path begins with a dot.
pub(crate) const PREFIX: &str = ".quarantine";

/// How often a lost race is run again. All who write here write the same.
const ATTEMPTS: usize = 4;

/// The key of a refused state.
pub(crate) fn key(path: &StatePath, state: &StateRecord) -> String {
    key_of(path, &state.sha256)
}

/// The key of the refused state with that digest.
pub(crate) fn key_of(path: &StatePath, sha256: &str) -> String {
    format!("{PREFIX}/{}/{sha256}", path.state_key())
}

/// Writes the state under `key`, unless it is there already, whole.
pub(crate) fn keep<S: Store>(
    store: &S,
    key: &str,
    body: &S::Blob,
    state: &StateRecord,
    denial: &Denial,
) -> Result<(), Refusal> {
    let document = QuarantineDocument::Quarantined(QuarantineRecord {
        policy: denial.policy.clone(),
        reason: denial.reason.clone(),
        state: state.clone(),
    });
    let meta = document::encode(&document);
    let mut expected = 0;
    for _ in 0..ATTEMPTS {
        if store.put_cas(key, &meta, Some(body), expected, Retention::Latest)? == Outcome::Written {
            return Ok(());
        }
        expected = match store.get(key)? {
            Slot::Absent => 0,
            Slot::Removed(revision) => revision,
            Slot::Entry(entry) => {
                let _: QuarantineDocument = document::decode(key, &entry.meta)?;
                let whole = entry.content.is_some_and(|kept| to_hex(&kept.digests().sha256) == state.sha256);
                if whole {
                    return Ok(());
                }
                entry.revision
            }
        };
    }
    Err(Refusal::Contended)
}
