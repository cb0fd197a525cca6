//! Keeping aside a state that a policy refused, for a person to accept or to discard.
//!
//! Its key is made of its digest, so that a retry finds what its first attempt has kept.

use crate::document::{self, QuarantineDocument, QuarantineRecord, StateRecord, to_hex};
use crate::outside::{Blob, Entry, Outcome, Retention, Slot, Store};
use crate::path::StatePath;
use crate::policies::Denial;
use crate::reply::Refusal;

/// Where refused states lie. No state's path begins with a dot.
pub(crate) const PREFIX: &str = ".quarantine";

/// How often a lost race is run again. All who keep a state here write the same.
const ATTEMPTS: usize = 4;

/// The key of a refused state.
pub(crate) fn key(path: &StatePath, state: &StateRecord) -> String {
    key_of(path, &state.sha256)
}

/// The key of the refused state with that digest.
pub(crate) fn key_of(path: &StatePath, sha256: &str) -> String {
    format!("{PREFIX}/{}/{sha256}", path.state_key())
}

/// Writes the state under `key`. One that is there already is written again as it is, with who sent it first: whoever
/// has begun to discard it loses the race then.
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
        discarded: false,
        state: state.clone(),
    });
    let meta = document::encode(&document);
    // A guess, and right for all but retries.
    let mut found = Slot::Absent;
    let mut written_again = None;
    for _ in 0..ATTEMPTS {
        let outcome = match whole(key, &found, &state.sha256)? {
            // Another attempt has written it since the last look.
            Some((entry, _)) if written_again.is_some_and(|before| before < entry.revision) => return Ok(()),
            Some((entry, content)) => {
                written_again = Some(entry.revision);
                store.put_cas(key, &entry.meta, Some(content), entry.revision, Retention::Latest)?
            }
            None => {
                let expected = match &found {
                    Slot::Absent => 0,
                    Slot::Entry(entry) => entry.revision,
                    Slot::Removed(revision) => *revision,
                };
                store.put_cas(key, &meta, Some(body), expected, Retention::Latest)?
            }
        };
        if outcome == Outcome::Written {
            return Ok(());
        }
        found = store.get(key)?;
    }
    Err(Refusal::Contended)
}

/// The refused state with this digest, if it is what lies there.
fn whole<'a, B: Blob>(key: &str, found: &'a Slot<B>, sha256: &str) -> Result<Option<(&'a Entry<B>, &'a B)>, Refusal> {
    let Slot::Entry(entry) = found else { return Ok(None) };
    let QuarantineDocument::Quarantined(record) = document::decode(key, &entry.meta)?;
    let content = entry.content.as_ref().filter(|kept| to_hex(&kept.digests().sha256) == sha256);
    Ok(content.filter(|_| !record.discarded).map(|content| (entry, content)))
}
