//! Metrics by group, the first segment of states' paths. Only where the operator asks for them
//! (`METRICS_GROUPS`): groups can be many, and whoever may read metrics need not know them.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use prometheus::IntCounterVec;

use super::Make;
use crate::telemetry::Finished;

/// How many groups are counted by name; the others are counted as [`OTHER`].
pub(super) const MOST: usize = 200;

/// What is counted for groups without a count of their own. No group is called so: it begins with a `-`.
const OTHER: &str = "-other";

/// Metrics by group.
pub(super) struct GroupMetrics {
    wanted: AtomicBool,
    known: Mutex<BTreeSet<String>>,
    requests: IntCounterVec,
}

impl GroupMetrics {
    pub(super) fn new(make: &Make<'_>) -> prometheus::Result<Self> {
        Ok(Self {
            wanted: AtomicBool::new(false),
            known: Mutex::default(),
            requests: make.counters(
                "tofu_state_group_requests_total",
                "Requests by group, what they did and how they ended; only with METRICS_GROUPS=true.",
                &["group", "operation", "outcome"],
            )?,
        })
    }

    pub(super) fn begin(&self) {
        self.wanted.store(true, Ordering::Relaxed);
    }

    pub(super) fn ended(&self, finished: &Finished) {
        if !self.wanted.load(Ordering::Relaxed) {
            return;
        }
        let Some(event) = &finished.event else { return };
        let Some(group) = finished.state_path().and_then(|path| path.split('/').next()) else { return };
        let group = if self.is_known(group, finished.status < 300) { group } else { OTHER };
        self.requests.with_label_values(&[group, finished.operation(), &event.outcome]).inc();
    }

    /// Groups become known by a request that succeeds: asking for what is not there makes no label.
    fn is_known(&self, group: &str, succeeded: bool) -> bool {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.contains(group) || (succeeded && known.len() < MOST && known.insert(group.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_bounded_and_not_made_up() {
        let metrics = GroupMetrics::new(&Make::new(&prometheus::Registry::new())).unwrap();
        assert!(!metrics.is_known("a", false) && metrics.is_known("a", true) && metrics.is_known("a", false));
        for number in 1..MOST {
            assert!(metrics.is_known(&format!("g{number}"), true));
        }
        assert!(!metrics.is_known("one-more", true) && metrics.is_known("a", true));
    }
}
