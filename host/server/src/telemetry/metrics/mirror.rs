//! Metrics of the mirror of providers.

use prometheus::{IntCounter, IntCounterVec, IntGauge};
use tofu_state_providers::mirror::Counts;

use super::{Make, signed};

/// Metrics of the mirror.
pub struct MirrorMetrics {
    requests: IntCounterVec,
    served: IntCounter,
    downloaded: IntCounter,
    downloaded_bytes: IntCounter,
    evicted: IntCounter,
    changed: IntCounter,
    stale: IntCounter,
    failed: IntCounter,
    damaged: IntCounter,
    uploaded: IntCounter,
    bytes: IntGauge,
}

impl MirrorMetrics {
    pub(super) fn new(make: &Make<'_>) -> prometheus::Result<Self> {
        Ok(Self {
            requests: make.counters(
                "tofu_state_mirror_requests_total",
                "Requests to the mirror of providers, by what was asked for.",
                &["kind", "status"],
            )?,
            served: make
                .counter("tofu_state_mirror_hits_total", "Packages that were on disk when they were asked for.")?,
            downloaded: make
                .counter("tofu_state_mirror_downloads_total", "Packages that were fetched from registries.")?,
            downloaded_bytes: make.counter(
                "tofu_state_mirror_downloaded_bytes_total",
                "Bytes of packages that were fetched from registries.",
            )?,
            evicted: make.counter(
                "tofu_state_mirror_evictions_total",
                "Packages that were let go because MIRROR_MAX_BYTES was reached.",
            )?,
            changed: make.counter(
                "tofu_state_mirror_upstream_changes_total",
                "Times a registry no longer said of a release what it had said before: each is an alert.",
            )?,
            stale: make.counter(
                "tofu_state_mirror_stale_answers_total",
                "Old lists of versions that were given because the registry did not answer.",
            )?,
            failed: make.counter("tofu_state_mirror_upstream_failures_total", "Requests to registries that failed.")?,
            damaged: make.counter(
                "tofu_state_mirror_damaged_packages_total",
                "Packages on the mirror's disk that were no longer what they had been.",
            )?,
            uploaded: make.counter("tofu_state_mirror_uploads_total", "Packages that were uploaded.")?,
            bytes: make.gauge("tofu_state_mirror_bytes", "Bytes of packages on the mirror's disk.")?,
        })
    }

    /// A request was answered.
    pub(crate) fn answered(&self, kind: &str, status: u16) {
        self.requests.with_label_values(&[kind, &status.to_string()]).inc();
    }

    /// What the mirror has done so far.
    pub(crate) fn counted(&self, counts: &Counts, bytes: u64) {
        for (counter, count) in [
            (&self.served, counts.served),
            (&self.downloaded, counts.downloaded),
            (&self.downloaded_bytes, counts.downloaded_bytes),
            (&self.evicted, counts.evicted),
            (&self.changed, counts.changed),
            (&self.stale, counts.stale),
            (&self.failed, counts.failed),
            (&self.damaged, counts.damaged),
            (&self.uploaded, counts.uploaded),
        ] {
            counter.inc_by(count.saturating_sub(counter.get()));
        }
        self.bytes.set(signed(bytes));
    }
}
