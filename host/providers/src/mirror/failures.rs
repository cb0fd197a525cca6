//! What failed is not tried again at once: a package that is unsound would be downloaded anew for each who asks.

use std::collections::HashMap;
use std::io;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::MirrorError;
use crate::sources::SourceError;

/// How long failures are remembered that may pass by themselves.
const BRIEFLY: Duration = Duration::from_secs(10);

/// No more are remembered at once.
const MOST: usize = 10_000;

/// Failures, by what was asked for.
pub(super) struct Failures {
    wary: Duration,
    failed: Mutex<HashMap<String, (Instant, Failure)>>,
}

/// A failure that can be told again.
#[derive(Clone)]
enum Failure {
    NotFound(String),
    Upstream(SourceError),
    Changed(String),
    Unsound(String),
    Lost(String),
    Disk(io::ErrorKind, String),
}

impl Failures {
    /// `wary`: how long the failures are remembered that do not pass until somebody has mended the release.
    pub(super) fn new(wary: Duration) -> Self {
        Self { wary, failed: Mutex::default() }
    }

    /// What was the matter when it was last asked for, if that was not long ago.
    pub(super) fn of(&self, what: &str) -> Option<MirrorError> {
        self.at(what, Instant::now())
    }

    fn at(&self, what: &str, now: Instant) -> Option<MirrorError> {
        let failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        let (until, failure) = failed.get(what).filter(|(until, _)| *until > now)?;
        let error = Box::new(failure.clone().into());
        Some(MirrorError::Remembered { error, seconds: until.duration_since(now).as_secs().saturating_add(1) })
    }

    /// Remembers a failure, if it is one of what was asked for.
    pub(super) fn keep(&self, what: String, error: &MirrorError) {
        self.keep_at(what, error, Instant::now());
    }

    fn keep_at(&self, what: String, error: &MirrorError, now: Instant) {
        let (failure, time) = match error {
            MirrorError::NotFound(what) => (Failure::NotFound(what.clone()), BRIEFLY.min(self.wary)),
            MirrorError::Upstream(error @ SourceError::Untrusted { .. }) => {
                (Failure::Upstream(error.clone()), self.wary)
            }
            MirrorError::Upstream(error) => (Failure::Upstream(error.clone()), BRIEFLY.min(self.wary)),
            MirrorError::Changed(what) => (Failure::Changed(what.clone()), self.wary),
            MirrorError::Unsound(what) => (Failure::Unsound(what.clone()), self.wary),
            MirrorError::Lost(what) => (Failure::Lost(what.clone()), BRIEFLY.min(self.wary)),
            // A full disk would have each package come anew until it is full again.
            MirrorError::Disk(error) => (Failure::Disk(error.kind(), error.to_string()), BRIEFLY.min(self.wary)),
            _ => return,
        };
        let mut failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        if failed.len() >= MOST {
            failed.retain(|_, (until, _)| *until > now);
        }
        if failed.len() < MOST {
            failed.insert(what, (now + time, failure));
        }
    }

    /// Forgets it: it went well.
    pub(super) fn forget(&self, what: &str) {
        self.failed.lock().unwrap_or_else(PoisonError::into_inner).remove(what);
    }
}

impl From<Failure> for MirrorError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::NotFound(what) => Self::NotFound(what),
            Failure::Upstream(error) => Self::Upstream(error),
            Failure::Changed(what) => Self::Changed(what),
            Failure::Unsound(what) => Self::Unsound(what),
            Failure::Lost(what) => Self::Lost(what),
            Failure::Disk(kind, what) => Self::Disk(io::Error::new(kind, what)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_pass_is_forgotten_sooner() {
        let failures = Failures::new(Duration::from_secs(300));
        let now = Instant::now();
        let unsound = MirrorError::Unsound("a zip".to_owned());
        let missing = MirrorError::NotFound("nothing".to_owned());
        failures.keep_at("one".to_owned(), &unsound, now);
        failures.keep_at("two".to_owned(), &missing, now);
        failures.keep_at("three".to_owned(), &MirrorError::Conflict("not a registry's".to_owned()), now);
        let full = MirrorError::Disk(io::ErrorKind::StorageFull.into());
        failures.keep_at("four".to_owned(), &full, now);
        assert!(failures.at("four", now).unwrap().is_out_of_space());
        let after = |what, seconds| failures.at(what, now + Duration::from_secs(seconds)).map(|it| it.to_string());
        assert!(after("one", 299).unwrap().starts_with("a zip"));
        assert!(after("two", 9).is_some() && after("two", 10).is_none() && after("three", 0).is_none());
        assert!(after("one", 300).is_none());
        failures.forget("one");
        assert!(after("one", 0).is_none());
    }

    #[test]
    fn there_is_an_end_to_what_is_remembered() {
        let failures = Failures::new(Duration::from_secs(300));
        let now = Instant::now();
        let missing = MirrorError::NotFound("nothing".to_owned());
        for number in 0..MOST + 1 {
            failures.keep_at(number.to_string(), &missing, now);
        }
        assert!(failures.at("0", now).is_some() && failures.at(&MOST.to_string(), now).is_none());
        // Those that are over make room.
        let later = now + BRIEFLY;
        failures.keep_at("new".to_owned(), &missing, later);
        assert!(failures.at("new", later).is_some());
        assert_eq!(failures.failed.lock().unwrap().len(), 1);
    }
}
