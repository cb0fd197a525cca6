//! Metrics of the server itself.

use prometheus::IntGauge;

use super::{Make, Unknown, signed};
use crate::tls::Standing;

/// Metrics of the server itself.
pub struct ServerMetrics {
    body_memory: IntGauge,
    body_memory_limit: IntGauge,
    tokens_current: IntGauge,
    certificate_current: Unknown,
    certificate_expiry: Unknown,
    certificate_lifetime: Unknown,
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
            certificate_current: make.unknown(
                "tofu_state_certificate_current",
                "1 if the certificate in use is the one in its file, 0 if the files have become wrong; absent without TLS.",
            )?,
            certificate_expiry: make.unknown(
                "tofu_state_certificate_expiry_timestamp_seconds",
                "When the certificate that states are served with expires; absent without TLS.",
            )?,
            certificate_lifetime: make.unknown(
                "tofu_state_certificate_lifetime_seconds",
                "How long the certificate that states are served with is valid altogether; absent without TLS.",
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

    /// How the certificate in use is.
    pub fn set_certificate(&self, standing: &Standing) {
        self.certificate_current.set(i64::from(standing.current));
        self.certificate_expiry.set(standing.expires.unix_timestamp());
        self.certificate_lifetime.set(standing.lifetime.whole_seconds());
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
