//! Metrics of policies.

use prometheus::{IntCounter, IntCounterVec};

use super::Make;
use crate::telemetry::Finished;

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
                "Changes judged, by policy (its name in the policy file) and verdict.",
                &["policy", "verdict"],
            )?,
            quarantined: make.counter(
                "tofu_state_states_quarantined_total",
                "States that a policy refused and that were kept aside.",
            )?,
        })
    }

    pub(super) fn ended(&self, finished: &Finished) {
        for review in &finished.reviews {
            self.reviews.with_label_values(&[&*review.name, review.verdict.as_str()]).inc();
        }
        self.quarantined.inc_by(u64::from(finished.quarantined().is_some()));
    }
}
