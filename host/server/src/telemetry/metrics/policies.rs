//! Metrics of policies.

use prometheus::{HistogramVec, IntCounter, IntCounterVec};

use super::Make;
use crate::telemetry::Finished;

/// From a small rule to a script that has used up the most time that an entry can give it, in seconds.
const REVIEWS: &[f64] =
    &[0.000_025, 0.000_05, 0.0001, 0.000_25, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.25, 1.0, 5.0];

/// Metrics of policies.
pub struct PolicyMetrics {
    reviews: IntCounterVec,
    durations: HistogramVec,
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
            durations: make.histograms(
                "tofu_state_policy_review_duration_seconds",
                "How long policies took to judge a change, by policy; waiting for memory included.",
                REVIEWS,
                &["policy"],
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
            self.durations.with_label_values(&[&*review.name]).observe(review.duration.as_secs_f64());
        }
        self.quarantined.inc_by(u64::from(finished.keeps_aside()));
    }
}
