//! Metrics of the server itself.

use prometheus::IntGauge;

use super::{Make, signed};

/// Metrics of the server itself.
pub struct ServerMetrics {
    body_memory: IntGauge,
    body_memory_limit: IntGauge,
    tokens_current: IntGauge,
}

impl ServerMetrics {
    pub(super) fn new(make: &Make<'_>) -> prometheus::Result<Self> {
        make.gauges("tofu_state_build_info", "1; its labels tell what runs.", &["version"])?
            .with_label_values(&[env!("CARGO_PKG_VERSION")])
            .set(1);
        let metrics = Self {
            body_memory: make.gauge("tofu_state_body_memory_bytes", "Memory that bodies in flight take.")?,
            body_memory_limit: make.gauge("tofu_state_body_memory_limit_bytes", "MAX_BODY_MEMORY.")?,
            tokens_current: make.gauge(
                "tofu_state_tokens_current",
                "1 if the callers' tokens in use are those in their files, 0 if the files have become wrong.",
            )?,
        };
        // No server starts with tokens that are wrong.
        metrics.set_tokens_current(true);
        Ok(metrics)
    }

    /// How many bytes bodies take now, and how many they may.
    pub fn set_body_memory(&self, taken: usize, limit: usize) {
        self.body_memory.set(signed(taken));
        self.body_memory_limit.set(signed(limit));
    }

    /// Whether the callers' tokens in use are those in their files, or older ones because the files have
    /// become wrong.
    pub fn set_tokens_current(&self, current: bool) {
        self.tokens_current.set(i64::from(current));
    }

    /// What [`set_tokens_current`](Self::set_tokens_current) was last told; true before.
    #[must_use]
    pub fn tokens_current(&self) -> bool {
        self.tokens_current.get() != 0
    }
}
