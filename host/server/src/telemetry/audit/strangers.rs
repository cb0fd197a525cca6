//! How many denials of strangers get a record of their own: those of requests without a token that is known.
//!
//! Anybody who reaches the port can be denied as often as they like. Were each denial recorded, they could fill
//! the disk, or where the file is rotated push out what it is kept for. With one in ten seconds, and records of
//! 3.5 KB at most, strangers write 30 MB a day: 11 files of 64 MiB (the defaults) keep three weeks of it, beside
//! what callers do. The hundred at once keep a pipeline with an old token, and the first steps of somebody who
//! guesses, whole.
//!
//! What is left out is counted. Requests of callers who are known are no concern of this: all their changes, and
//! all their denials, have a record.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use time::OffsetDateTime;
use tokio::time::Instant;

/// How many denials may be recorded at once after a quiet time.
pub const AT_ONCE: u32 = 100;

/// How often one may be recorded beyond that.
pub const EVERY: Duration = Duration::from_secs(10);

/// Denials that have no record of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct LeftOut {
    /// How many.
    pub(super) count: u64,
    /// When the first of them came.
    pub(super) since: OffsetDateTime,
}

/// Decides which denials of strangers are recorded, and counts the others.
#[derive(Default)]
pub(super) struct Strangers(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    /// When [`AT_ONCE`] may be recorded again: each record puts it off by [`EVERY`]
    /// (<https://en.wikipedia.org/wiki/Generic_cell_rate_algorithm>).
    rested: Option<Instant>,
    left_out: Option<LeftOut>,
}

impl Strangers {
    /// Whether a denial at this moment is recorded; it is counted if not.
    pub(super) fn admit(&self, now: Instant, received: OffsetDateTime) -> bool {
        let mut inner = self.inner();
        let rested = inner.rested.map_or(now, |rested| rested.max(now));
        if rested.duration_since(now) + EVERY > EVERY * AT_ONCE {
            let left_out = inner.left_out.get_or_insert(LeftOut { count: 0, since: received });
            left_out.count = left_out.count.saturating_add(1);
            return false;
        }
        inner.rested = Some(rested + EVERY);
        true
    }

    /// What was left out since this was asked last.
    pub(super) fn take(&self) -> Option<LeftOut> {
        self.inner().left_out.take()
    }

    /// Takes back what could not be told.
    pub(super) fn put_back(&self, untold: LeftOut) {
        let mut inner = self.inner();
        let since = inner.left_out.map_or(0, |left_out| left_out.count);
        inner.left_out = Some(LeftOut { count: untold.count.saturating_add(since), ..untold });
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_recorded_and_then_one_in_ten_seconds() {
        let strangers = Strangers::default();
        let begin = Instant::now();
        let wall = OffsetDateTime::UNIX_EPOCH;
        let admitted = |at: Instant, tries: u32| (0..tries).filter(|_| strangers.admit(at, wall)).count();
        assert_eq!(admitted(begin, 250), 100);
        assert_eq!(strangers.take(), Some(LeftOut { count: 150, since: wall }));
        assert_eq!((strangers.take(), admitted(begin + EVERY / 2, 3)), (None, 0));
        assert_eq!(admitted(begin + EVERY, 3), 1);
        // A day of it: 100 and one each ten seconds.
        let day = (2..=8640).map(|step| admitted(begin + EVERY * step, 5)).sum::<usize>();
        assert_eq!(day, 8639);
        assert_eq!(admitted(begin + EVERY * 8640 + EVERY * 1000, 250), 100, "it is quiet for long");
    }

    #[test]
    fn what_could_not_be_told_is_told_later() {
        let strangers = Strangers::default();
        let (now, first) = (Instant::now(), OffsetDateTime::UNIX_EPOCH);
        let later = first + time::Duration::HOUR;
        while strangers.admit(now, first) {}
        let untold = strangers.take().unwrap();
        assert!(!strangers.admit(now, later));
        strangers.put_back(untold);
        assert_eq!(strangers.take(), Some(LeftOut { count: 2, since: first }));
    }
}
