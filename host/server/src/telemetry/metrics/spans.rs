//! Metrics of traces.

use prometheus::IntCounter;

use super::Make;

/// Metrics of traces.
pub struct SpanMetrics {
    exported: IntCounter,
    dropped: IntCounter,
}

impl SpanMetrics {
    pub(super) fn new(make: &Make<'_>) -> prometheus::Result<Self> {
        Ok(Self {
            exported: make.counter("tofu_state_spans_exported_total", "Spans that the collector has taken.")?,
            dropped: make.counter(
                "tofu_state_spans_dropped_total",
                "Spans dropped, because the collector was away, too slow or refused them.",
            )?,
        })
    }

    /// The collector has taken so many spans.
    pub fn exported(&self, spans: u64) {
        self.exported.inc_by(spans);
    }

    /// So many spans were dropped.
    pub fn dropped(&self, spans: u64) {
        self.dropped.inc_by(spans);
    }
}
