//! Which versions are worth keeping: a long apply writes every 20 seconds, and the state that it ends with, like that of
//! every run before it, is worth more than what it passed through. So while a run goes on, the newest few of its
//! versions stay, and once another begins, only its last.
//!
//! Revisions of a key follow one another without a gap, and while a lock is held nothing but its holder's writes
//! changes the state. So the `step` that a document carries tells how far back its run goes, and nothing has to be
//! looked up. A fence writes the same document again, and makes the run reach further back than its step says: that only
//! keeps more.

use crate::document::StateDocument;
use crate::outside::{Retention, Revision};

/// How many versions of a run are kept beside its newest while it goes on: more than six minutes of an apply that
/// writes every 20 seconds.
pub(crate) const KEPT_STEPS: u64 = 20;

/// How many states the run has written before the one that is wanted, which is to follow `stored`.
pub(crate) fn step(wanted: &StateDocument, stored: Option<&StateDocument>) -> u64 {
    match (wanted, stored) {
        (StateDocument::State(wanted), Some(StateDocument::State(stored)))
            if wanted.written.lock_id.is_some() && wanted.written.lock_id == stored.written.lock_id =>
        {
            stored.step.saturating_add(1)
        }
        _ => 0,
    }
}

/// What is to be kept when a document of this step follows `stored`, at that revision.
pub(crate) fn after(step: u64, stored: Option<&StateDocument>, revision: Revision) -> Retention {
    if step > 0 {
        let gone = revision.checked_sub(KEPT_STEPS).filter(|&gone| gone > 0 && step > KEPT_STEPS);
        return Retention::Passing { beside: step.min(KEPT_STEPS), gone };
    }
    // Another run begins: what the one before passed through goes. Most of it has gone already.
    let before = match stored {
        Some(StateDocument::State(stored)) => stored.step.min(KEPT_STEPS),
        Some(StateDocument::Deleted(_) | StateDocument::NoState) | None => 0,
    };
    match (revision.checked_sub(before), revision.checked_sub(1)) {
        (Some(first @ 1..), Some(last)) if first <= last => Retention::Thinned { first, last },
        _ => Retention::History,
    }
}

/// What is to be kept when a document is written again as it is: nothing more is passed through.
pub(crate) fn again(document: &StateDocument) -> Retention {
    match document {
        StateDocument::State(state) if state.step > 0 => {
            Retention::Passing { beside: state.step.min(KEPT_STEPS), gone: None }
        }
        StateDocument::State(_) | StateDocument::Deleted(_) | StateDocument::NoState => Retention::History,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::{StateRecord, Written};

    fn document(lock_id: Option<&str>, step: u64) -> StateDocument {
        StateDocument::State(StateRecord {
            size: 1,
            sha256: String::new(),
            serial: 1,
            lineage: String::new(),
            tool_version: None,
            encrypted: false,
            empty: None,
            step,
            written: Written { written: 1, by: String::new(), lock_id: lock_id.map(str::to_owned) },
        })
    }

    /// Runs of these lengths, one after the other; which run each version that is left is of, oldest first.
    fn left_of(runs: &[u64]) -> Vec<usize> {
        let mut kept: Vec<(Revision, usize)> = Vec::new();
        let (mut stored, mut revision) = (None, 0);
        for (run, writes) in runs.iter().enumerate() {
            for _ in 0..*writes {
                let mut wanted = document(Some(&run.to_string()), 0);
                let step = step(&wanted, stored.as_ref());
                match after(step, stored.as_ref(), revision) {
                    Retention::History => {}
                    Retention::Passing { beside, gone } => {
                        kept.retain(|(revision, _)| Some(*revision) != gone);
                        let passed = kept.iter().filter(|(_, of)| *of == run).count();
                        assert_eq!(passed as u64, beside, "what does not count is what the run has passed through");
                    }
                    Retention::Thinned { first, last } => {
                        assert!(last < revision, "what is stored stays");
                        kept.retain(|(revision, _)| !(first..=last).contains(revision));
                    }
                    Retention::Latest | Retention::Erased => panic!("a state keeps its history"),
                }
                if let StateDocument::State(wanted) = &mut wanted {
                    wanted.step = step;
                }
                revision += 1;
                kept.push((revision, run));
                stored = Some(wanted);
            }
        }
        kept.into_iter().map(|(_, run)| run).collect()
    }

    #[test]
    fn every_run_leaves_its_last_version_and_the_present_one_a_few_more() {
        assert_eq!(left_of(&[1, 1, 1]), [0, 1, 2]);
        assert_eq!(left_of(&[5, 3, 1]), [0, 1, 2]);
        assert_eq!(left_of(&[500, 1, 21, 22, 1]), [0, 1, 2, 3, 4]);
        assert_eq!(left_of(&[3]), [0, 0, 0]);
        for writes in 21..200 {
            let left = left_of(&[writes, writes]);
            assert_eq!((left[0], left.len()), (0, 22), "{writes}");
        }
    }

    #[test]
    fn writes_without_a_lock_are_no_run() {
        let (wanted, stored) = (document(None, 0), document(None, 0));
        assert_eq!(step(&wanted, Some(&stored)), 0);
        assert_eq!(after(0, Some(&stored), 9), Retention::History);
        assert_eq!(after(0, None, 0), Retention::History);
    }

    #[test]
    fn a_count_that_cannot_be_right_thins_nothing_that_is_not_there() {
        let stored = document(Some("a"), u64::MAX);
        assert_eq!(step(&document(Some("a"), 0), Some(&stored)), u64::MAX);
        assert_eq!(after(u64::MAX, Some(&stored), 20), Retention::Passing { beside: 20, gone: None });
        assert_eq!(after(0, Some(&stored), 3), Retention::History);
    }
}
