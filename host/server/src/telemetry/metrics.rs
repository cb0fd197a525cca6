//! Metrics for Prometheus. No label holds a state's path or a caller's name.

use std::collections::BTreeSet;
use std::time::Duration;

use prometheus::core::Collector;
use prometheus::{
    Encoder, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, Opts, Registry, TextEncoder,
};

/// From a hit in memory to a request that waited for a fail-over, in seconds.
const BUCKETS: &[f64] = &[0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 40.0];

/// The server's metrics.
pub struct Metrics {
    registry: Registry,
    methods: BTreeSet<String>,
    requests: IntCounterVec,
    duration: HistogramVec,
    in_flight: IntGauge,
    forced_unlocks: IntCounter,
    unlocked_writes: IntCounter,
    conflicts: IntCounter,
    body_memory: IntGauge,
    store_available: IntGauge,
    tokens_current: IntGauge,
}

/// What one finished request counts for.
pub struct Counted<'a> {
    /// The method as it was sent.
    pub method: &'a str,
    /// The HTTP status; 499 where the caller went away before there was one.
    pub status: u16,
    /// What it tried to do, a word from a fixed set.
    pub operation: &'static str,
    /// How long it took.
    pub duration: Duration,
    /// It broke a lock.
    pub forced: bool,
    /// It changed a state that nobody had locked.
    pub unlocked: bool,
    /// How many compare-and-sets it lost.
    pub conflicts: u32,
}

impl Metrics {
    /// Metrics that name these methods; all others are counted as `other`, or anybody could make up
    /// labels.
    ///
    /// # Errors
    /// If a metric's name were malformed or there twice.
    pub fn new(methods: impl IntoIterator<Item = String>) -> prometheus::Result<Self> {
        let registry = Registry::new();
        let metrics = Self {
            methods: methods.into_iter().collect(),
            requests: keep(
                &registry,
                IntCounterVec::new(
                    Opts::new("tofu_state_requests_total", "Requests by method and status."),
                    &["method", "status"],
                )?,
            )?,
            duration: keep(
                &registry,
                HistogramVec::new(
                    HistogramOpts::new(
                        "tofu_state_request_duration_seconds",
                        "From a request's head to its answer, by what it did.",
                    )
                    .buckets(BUCKETS.to_vec()),
                    &["operation"],
                )?,
            )?,
            in_flight: gauge(&registry, "tofu_state_requests_in_flight", "Requests being served.")?,
            forced_unlocks: counter(
                &registry,
                "tofu_state_locks_broken_total",
                "Locks broken by a forced unlock or taken over after LOCK_TTL.",
            )?,
            unlocked_writes: counter(
                &registry,
                "tofu_state_writes_without_lock_total",
                "States written or deleted while nobody held the lock.",
            )?,
            conflicts: counter(&registry, "tofu_state_cas_conflicts_total", "Compare-and-sets lost to another write.")?,
            body_memory: gauge(&registry, "tofu_state_body_memory_bytes", "Memory that bodies in flight take.")?,
            store_available: gauge(
                &registry,
                "tofu_state_store_available",
                "1 if the store served a write at the last look, else 0.",
            )?,
            tokens_current: gauge(
                &registry,
                "tofu_state_tokens_current",
                "1 if the callers' tokens in use are those in their files, 0 if the files have become wrong.",
            )?,
            registry,
        };
        // No server starts with tokens that are wrong.
        metrics.set_tokens_current(true);
        Ok(metrics)
    }

    /// A request has begun.
    pub fn begin(&self) {
        self.in_flight.inc();
    }

    /// A request has ended.
    pub fn end(&self, counted: &Counted<'_>) {
        let Counted { method, status, operation, duration, forced, unlocked, conflicts } = counted;
        let method = if self.methods.contains(*method) { method } else { "other" };
        self.in_flight.dec();
        self.requests.with_label_values(&[method, status.to_string().as_str()]).inc();
        self.duration.with_label_values(&[operation]).observe(duration.as_secs_f64());
        self.forced_unlocks.inc_by(u64::from(*forced));
        self.unlocked_writes.inc_by(u64::from(*unlocked));
        self.conflicts.inc_by(u64::from(*conflicts));
    }

    /// How many bytes bodies take now.
    pub fn set_body_memory(&self, bytes: usize) {
        self.body_memory.set(i64::try_from(bytes).unwrap_or(i64::MAX));
    }

    /// Whether the store would serve a write.
    pub fn set_store_available(&self, available: bool) {
        self.store_available.set(i64::from(available));
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

    /// All of them in Prometheus' text format, with its content type.
    ///
    /// # Errors
    /// If they cannot be encoded.
    pub fn encode(&self) -> prometheus::Result<(String, Vec<u8>)> {
        let encoder = TextEncoder::new();
        let mut text = Vec::new();
        encoder.encode(&self.registry.gather(), &mut text)?;
        Ok((encoder.format_type().to_owned(), text))
    }
}

fn keep<C: Collector + Clone + 'static>(registry: &Registry, collector: C) -> prometheus::Result<C> {
    registry.register(Box::new(collector.clone()))?;
    Ok(collector)
}

fn counter(registry: &Registry, name: &str, help: &str) -> prometheus::Result<IntCounter> {
    keep(registry, IntCounter::new(name, help)?)
}

fn gauge(registry: &Registry, name: &str, help: &str) -> prometheus::Result<IntGauge> {
    keep(registry, IntGauge::new(name, help)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn made_up_methods_are_no_labels() {
        let metrics = Metrics::new(["LOCK".to_owned()]).unwrap();
        for method in ["LOCK", "HACK1", "HACK2"] {
            metrics.begin();
            metrics.end(&Counted {
                method,
                status: 200,
                operation: "lock",
                duration: Duration::from_millis(3),
                forced: method == "LOCK",
                unlocked: false,
                conflicts: 2,
            });
        }
        let text = String::from_utf8(metrics.encode().unwrap().1).unwrap();
        assert!(text.contains("tofu_state_requests_total{method=\"LOCK\",status=\"200\"} 1"), "{text}");
        assert!(text.contains("tofu_state_requests_total{method=\"other\",status=\"200\"} 2"), "{text}");
        assert!(text.contains("tofu_state_cas_conflicts_total 6") && !text.contains("HACK"), "{text}");
        assert!(text.contains("tofu_state_locks_broken_total 1"), "{text}");
    }
}
