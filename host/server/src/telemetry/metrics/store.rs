//! Metrics of the store: how it is, and the calls that requests make of it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use prometheus::{HistogramVec, IntCounterVec, IntGauge};

use super::{DURATIONS, Make, Unknown, signed};

/// Metrics of the store.
pub struct StoreMetrics {
    calls: IntCounterVec,
    duration: HistogramVec,
    available: IntGauge,
    token_expiry: Unknown,
}

impl StoreMetrics {
    pub(super) fn new(make: &Make<'_>) -> prometheus::Result<Self> {
        Ok(Self {
            calls: make.counters(
                "tofu_state_store_calls_total",
                "Calls of the store for requests, by what was asked and how it ended.",
                &["operation", "outcome"],
            )?,
            duration: make.histograms(
                "tofu_state_store_call_duration_seconds",
                "How long calls of the store took.",
                DURATIONS,
                &["operation"],
            )?,
            available: make.gauge(
                "tofu_state_store_available",
                "1 if the store would have served a write at the last look, else 0.",
            )?,
            token_expiry: make.unknown(
                "tofu_state_store_token_expiry_timestamp_seconds",
                "When the server's own token for OpenBao expires; absent if it never does, or nobody knows.",
            )?,
        })
    }

    /// A call has ended.
    pub(in crate::telemetry) fn called(&self, operation: &str, outcome: &str, duration: Duration) {
        self.calls.with_label_values(&[operation, outcome]).inc();
        self.duration.with_label_values(&[operation]).observe(duration.as_secs_f64());
    }

    /// Whether the store would serve a write.
    pub fn set_available(&self, available: bool) {
        self.available.set(i64::from(available));
    }

    /// When the server's own token for OpenBao expires; none: never, or it is not known.
    pub fn set_service_token_expiry(&self, expires: Option<SystemTime>) {
        match expires {
            Some(expires) => {
                self.token_expiry.set(signed(expires.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()))
            }
            None => self.token_expiry.forget(),
        }
    }
}
