//! Metrics of the audit.

use std::sync::atomic::{AtomicBool, Ordering};

use prometheus::IntCounter;

use super::{Make, Unknown};

/// Metrics of the audit.
pub struct AuditMetrics {
    written: IntCounter,
    lost: IntCounter,
    left_out: IntCounter,
    failures: IntCounter,
    working: Unknown,
    failing: AtomicBool,
}

impl AuditMetrics {
    pub(super) fn new(make: &Make<'_>) -> prometheus::Result<Self> {
        Ok(Self {
            written: make.counter("tofu_state_audit_records_total", "Audit records written.")?,
            lost: make.counter(
                "tofu_state_audit_records_lost_total",
                "Audit records lost, because they could not be written and no more of them could wait in memory.",
            )?,
            left_out: make.counter(
                "tofu_state_audit_denials_suppressed_total",
                "Denials of unknown callers without an audit record of their own, because there were too many.",
            )?,
            failures: make
                .counter("tofu_state_audit_write_failures_total", "Attempts to write audit records that failed.")?,
            working: make.unknown(
                "tofu_state_audit_working",
                "1 if the last attempt to write audit records succeeded, else 0; absent without AUDIT_LOG.",
            )?,
            failing: AtomicBool::new(false),
        })
    }

    /// There is an audit.
    pub(in crate::telemetry) fn begin(&self) {
        self.working.set(1);
    }

    pub(in crate::telemetry) fn written(&self, records: usize) {
        self.written.inc_by(records as u64);
        if self.failing.swap(false, Ordering::Relaxed) {
            tracing::info!("audit records are written again");
        }
        self.working.set(1);
    }

    /// Records could not be written; `why` is logged when that begins.
    pub(in crate::telemetry) fn failed(&self, why: &str) {
        self.failures.inc();
        if !self.failing.swap(true, Ordering::Relaxed) {
            tracing::error!("{why}");
        }
        self.working.set(0);
    }

    pub(in crate::telemetry) fn lost(&self) {
        self.lost.inc();
    }

    pub(in crate::telemetry) fn left_out(&self) {
        self.left_out.inc();
    }

    /// Whether records are being written, as far as is known; true where there is no audit.
    #[must_use]
    pub fn works(&self) -> bool {
        !self.failing.load(Ordering::Relaxed)
    }
}
