//! Metrics of policies.

use prometheus::{IntCounter, IntCounterVec};

use super::Make;

/// Metrics of policies.
pub struct PolicyMetrics {
    reviews: IntCounterVec,
    quarantined: IntCounter,
}

impl PolicyMetrics {
    pub(super) fn new(make: &Make<'_>) -> prometheus::Result<Self> {
        Ok(Self {
            reviews: make.counters(
                "tofu_state_policy_reviews_total",
                "Changes judged, by policy and verdict.",
                &["policy", "verdict"],
            )?,
            quarantined: make.counter(
                "tofu_state_states_quarantined_total",
                "States that a policy refused and that were kept aside.",
            )?,
        })
    }

    /// A policy (its name in the policy file) has judged; the verdict is a word from a fixed set.
    pub fn reviewed(&self, policy: &str, verdict: &'static str) {
        self.reviews.with_label_values(&[policy, verdict]).inc();
    }

    /// A refused state was kept aside.
    pub fn quarantined(&self) {
        self.quarantined.inc();
    }
}
