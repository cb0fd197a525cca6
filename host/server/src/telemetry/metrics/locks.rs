//! Metrics of the locks that are held, as the last look at the store showed them.

use std::collections::BTreeMap;

use prometheus::{IntGauge, IntGaugeVec};

use super::{Make, Unknown, signed};

/// Metrics of held locks.
pub struct LockMetrics {
    held: Unknown,
    oldest: Unknown,
    looks: IntGauge,
    by_group: IntGaugeVec,
    oldest_by_group: IntGaugeVec,
}

/// A lock that is held.
#[derive(Clone, Copy, Debug)]
pub struct HeldSince<'a> {
    /// The group of its state.
    pub group: &'a str,
    /// Since when, in milliseconds since 1970-01-01T00:00:00Z.
    pub since: u64,
}

impl LockMetrics {
    pub(super) fn new(make: &Make<'_>) -> prometheus::Result<Self> {
        Ok(Self {
            held: make.unknown("tofu_state_locks_held", "Locks held, in the whole store; each server tells of all.")?,
            oldest: make.unknown(
                "tofu_state_oldest_lock_timestamp_seconds",
                "Since when the oldest held lock is held; absent if none is.",
            )?,
            looks: make.gauge(
                "tofu_state_locks_looked_timestamp_seconds",
                "When the store was last looked through for locks to its end; 0 before.",
            )?,
            by_group: make.gauges(
                "tofu_state_group_locks_held",
                "Locks held, by group; only with METRICS_GROUPS=true.",
                &["group"],
            )?,
            oldest_by_group: make.gauges(
                "tofu_state_group_oldest_lock_timestamp_seconds",
                "Since when the oldest lock of a group is held; only with METRICS_GROUPS=true.",
                &["group"],
            )?,
        })
    }

    /// These locks are held; groups are told if `with_groups`.
    pub fn set_held<'a>(&self, locks: impl Iterator<Item = HeldSince<'a>>, with_groups: bool) {
        let mut groups: BTreeMap<&str, (i64, u64)> = BTreeMap::new();
        let (mut held, mut oldest) = (0, None);
        for HeldSince { group, since } in locks {
            held += 1;
            oldest = Some(oldest.map_or(since, |oldest: u64| oldest.min(since)));
            let of_group = groups.entry(group).or_insert((0, since));
            *of_group = (of_group.0 + 1, of_group.1.min(since));
        }
        self.held.set(held);
        match oldest {
            Some(since) => self.oldest.set(signed(since / 1000)),
            None => self.oldest.forget(),
        }
        self.by_group.reset();
        self.oldest_by_group.reset();
        if with_groups {
            // As many as there are locks held at once; still bounded.
            for (group, (count, since)) in groups.into_iter().take(super::groups::MOST) {
                self.by_group.with_label_values(&[group]).set(count);
                self.oldest_by_group.with_label_values(&[group]).set(signed(since / 1000));
            }
        }
    }

    /// The whole store has been looked through, at this moment in seconds since 1970.
    pub fn looked(&self, now: u64) {
        self.looks.set(signed(now));
    }
}
