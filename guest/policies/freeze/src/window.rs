//! When a window is open. Times are those on the wall in its time zone.
//!
//! A boundary that falls into the hour that summer time skips or repeats makes the window longer rather than
//! shorter: it begins at the earlier of the two instants that could be meant, and ends at the later.

use jiff::civil::{DateTime, Time, Weekday};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan, Zoned};

/// A window.
#[derive(Debug)]
pub(crate) struct Window {
    pub(crate) span: Span,
    pub(crate) zone: TimeZone,
    pub(crate) reason: Option<String>,
}

/// From when (inclusive) to when (exclusive).
#[derive(Debug)]
pub(crate) enum Span {
    /// In every week.
    Weekly { from: Boundary, to: Boundary },
    /// Once.
    Dates { from: DateTime, to: DateTime },
}

/// A time in the week.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Boundary {
    pub(crate) day: Weekday,
    pub(crate) time: Time,
}

/// A window that is open.
#[derive(Debug)]
pub(crate) struct Frozen {
    pub(crate) until: Zoned,
    pub(crate) reason: Option<String>,
}

impl Window {
    /// What there is to tell, if it is open at `now`.
    pub(crate) fn frozen(&self, now: Timestamp) -> Option<Frozen> {
        let until = match self.span {
            Span::Dates { from, to } => self.until(from, to, now),
            Span::Weekly { from, to } => self.weekly(from, to, now),
        }?;
        Some(Frozen { until, reason: self.reason.clone() })
    }

    /// The end of the weekly window that is open at `now`: one that began in the last eight days, or one that
    /// begins tomorrow in an hour that is skipped.
    fn weekly(&self, from: Boundary, to: Boundary, now: Timestamp) -> Option<Zoned> {
        let today = now.to_zoned(self.zone.clone()).date();
        let days = i32::from(from.day.until(to.day));
        let days = if days == 0 && to.time <= from.time { 7 } else { days };
        (-8..=1).find_map(|offset: i32| {
            let begins = today.checked_add(offset.days()).ok().filter(|date| date.weekday() == from.day)?;
            let ends = begins.checked_add(days.days()).ok()?;
            self.until(begins.to_datetime(from.time), ends.to_datetime(to.time), now)
        })
    }

    /// The end, if `now` is within.
    fn until(&self, from: DateTime, to: DateTime, now: Timestamp) -> Option<Zoned> {
        let begins = self.zone.to_ambiguous_zoned(from).earlier().ok()?;
        let ends = self.zone.to_ambiguous_zoned(to).later().ok()?;
        (begins.timestamp() <= now && now < ends.timestamp()).then_some(ends)
    }
}
