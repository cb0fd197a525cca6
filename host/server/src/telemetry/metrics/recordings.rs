//! Metrics of recordings.

use prometheus::IntCounterVec;

use super::Make;

/// Metrics of recordings.
pub struct RecordingMetrics {
    ended: IntCounterVec,
}

impl RecordingMetrics {
    pub(super) fn new(make: &Make<'_>) -> prometheus::Result<Self> {
        Ok(Self {
            ended: make.counters(
                "tofu_state_recordings_total",
                "Requests that were recorded, or why they were not; only with RECORD.",
                &["outcome"],
            )?,
        })
    }

    /// A request was recorded, or left out for this reason.
    pub(crate) fn ended(&self, outcome: &str) {
        self.ended.with_label_values(&[outcome]).inc();
    }
}
