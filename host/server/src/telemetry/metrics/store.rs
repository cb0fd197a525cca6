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
    token_lifetime: Unknown,
}

/// Until when the server's own token for OpenBao holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TokenExpiry {
    /// When it expires, unless it is renewed.
    pub at: SystemTime,
    /// For how long it was given or renewed last.
    pub lifetime: Duration,
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
            token_lifetime: make.unknown(
                "tofu_state_store_token_lifetime_seconds",
                "For how long the server's own token for OpenBao was given or renewed last; absent if it never expires.",
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

    /// Until when the server's own token for OpenBao holds; none: for ever, or it is not known.
    pub fn set_service_token_expiry(&self, expiry: Option<TokenExpiry>) {
        match expiry {
            Some(TokenExpiry { at, lifetime }) => {
                self.token_expiry.set(signed(at.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()));
                self.token_lifetime.set(signed(lifetime.as_secs()));
            }
            None => {
                self.token_expiry.forget();
                self.token_lifetime.forget();
            }
        }
    }
}
