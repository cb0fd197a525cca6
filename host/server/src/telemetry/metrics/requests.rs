//! Metrics of requests: how many, how they ended, how long they took, and what they did.

use std::collections::BTreeSet;

use arc_swap::ArcSwap;
use prometheus::{Histogram, HistogramVec, IntCounter, IntCounterVec, IntGauge};

use super::{DURATIONS, Make};
use crate::telemetry::Finished;

/// From an empty state (180 bytes) to the largest that is accepted (256 MiB), in bytes.
const SIZES: &[f64] = &[
    1024.0,
    4096.0,
    16_384.0,
    65_536.0,
    262_144.0,
    1_048_576.0,
    4_194_304.0,
    16_777_216.0,
    67_108_864.0,
    268_435_456.0,
];

/// Metrics of requests.
pub struct RequestMetrics {
    methods: ArcSwap<BTreeSet<String>>,
    requests: IntCounterVec,
    routes: IntCounterVec,
    duration: HistogramVec,
    in_flight: IntGauge,
    refusals: IntCounterVec,
    broken_locks: IntCounter,
    unlocked_writes: IntCounter,
    conflicts: IntCounter,
    state_sizes: Histogram,
}

impl RequestMetrics {
    pub(super) fn new(make: &Make<'_>) -> prometheus::Result<Self> {
        Ok(Self {
            methods: ArcSwap::default(),
            requests: make.counters(
                "tofu_state_requests_total",
                "Requests by method and status.",
                &["method", "status"],
            )?,
            routes: make.counters(
                "tofu_state_route_requests_total",
                "Requests that were let in, by the component's route that they took and status.",
                &["route", "status"],
            )?,
            duration: make.histograms(
                "tofu_state_request_duration_seconds",
                "From a request's head to its answer, by what it did.",
                DURATIONS,
                &["operation"],
            )?,
            in_flight: make.gauge("tofu_state_requests_in_flight", "Requests being served.")?,
            refusals: make.counters(
                "tofu_state_refusals_total",
                "Requests that the server answered itself, without or instead of the protocol, by why.",
                &["code"],
            )?,
            broken_locks: make.counter(
                "tofu_state_locks_broken_total",
                "Locks broken by a forced unlock or taken over after LOCK_TTL.",
            )?,
            unlocked_writes: make.counter(
                "tofu_state_writes_without_lock_total",
                "States written or deleted while nobody held the lock.",
            )?,
            conflicts: make.counter("tofu_state_cas_conflicts_total", "Compare-and-sets lost to another write.")?,
            state_sizes: make.histogram("tofu_state_written_state_bytes", "Sizes of the states written.", SIZES)?,
        })
    }

    /// Which methods are counted by name: those of the component's routes. All others are counted as
    /// `other`, or anybody could make up labels.
    pub fn set_methods(&self, methods: impl IntoIterator<Item = String>) {
        self.methods.store(std::sync::Arc::new(methods.into_iter().collect()));
    }

    pub(in crate::telemetry) fn began(&self) {
        self.in_flight.inc();
    }

    pub(super) fn ended(&self, finished: &Finished) {
        self.in_flight.dec();
        let methods = self.methods.load();
        let method = methods.get(&finished.method).map_or("other", String::as_str);
        let status = finished.status.to_string();
        self.requests.with_label_values(&[method, &status]).inc();
        // Routes are the component's own words, and few.
        if let Some(route) = &finished.route {
            self.routes.with_label_values(&[route, &status]).inc();
        }
        self.duration.with_label_values(&[finished.operation()]).observe(finished.duration.as_secs_f64());
        if let Some(code) = finished.refusal {
            self.refusals.with_label_values(&[code]).inc();
        }
        let Some(event) = &finished.event else { return };
        self.broken_locks.inc_by(u64::from(event.forced));
        self.unlocked_writes.inc_by(u64::from(event.unlocked));
        self.conflicts.inc_by(u64::from(event.conflicts));
        if let Some(state) = &event.after {
            #[allow(clippy::cast_precision_loss, reason = "states are far smaller than 2^53 bytes")]
            self.state_sizes.observe(state.size as f64);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::super::Metrics;
    use super::*;
    use tofu_state_component::{Event, Operation};

    fn finished(method: &str) -> Finished {
        Finished {
            generation: 1,
            request_id: "r".into(),
            method: method.into(),
            path: "/a/b".into(),
            peer: None,
            forwarded_for: None,
            host: None,
            user_agent: None,
            route: None,
            caller: None,
            right: None,
            received: SystemTime::now(),
            duration: Duration::from_millis(3),
            status: 200,
            upload: None,
            event: Some(Event {
                operation: Operation::Lock,
                outcome: "done".into(),
                path: "a/b".into(),
                lock_id: None,
                lock_who: None,
                forced: method == "LOCK",
                unlocked: false,
                before: None,
                after: None,
                conflicts: 2,
                denied_by: None,
                quarantined: None,
                run_trace: None,
            }),
            reviews: Vec::new(),
            refusal: None,
            trace: None,
            begun: None,
            call: None,
            store_calls: Vec::new(),
        }
    }

    #[test]
    fn made_up_methods_are_no_labels() {
        let metrics = Metrics::new().unwrap();
        metrics.requests.set_methods(["LOCK".to_owned()]);
        for method in ["LOCK", "HACK1", "HACK2"] {
            metrics.requests.began();
            metrics.ended(&finished(method));
        }
        let text = String::from_utf8(metrics.encode().unwrap().1).unwrap();
        assert!(text.contains("tofu_state_requests_total{method=\"LOCK\",status=\"200\"} 1"), "{text}");
        assert!(text.contains("tofu_state_requests_total{method=\"other\",status=\"200\"} 2"), "{text}");
        assert!(text.contains("tofu_state_cas_conflicts_total 6") && !text.contains("HACK"), "{text}");
        assert!(text.contains("tofu_state_locks_broken_total 1"), "{text}");
        assert!(text.contains("tofu_state_requests_in_flight 0"), "{text}");
    }

    #[test]
    fn only_what_is_kept_aside_counts_as_that() {
        let metrics = Metrics::new().unwrap();
        for operation in [Operation::Write, Operation::Accept, Operation::Discard] {
            let mut finished = finished("POST");
            let event = finished.event.as_mut().unwrap();
            (event.operation, event.quarantined) = (operation, Some(".quarantine/a/b/c".to_owned()));
            metrics.requests.began();
            metrics.ended(&finished);
        }
        let text = String::from_utf8(metrics.encode().unwrap().1).unwrap();
        assert!(text.contains("tofu_state_states_quarantined_total 1"), "{text}");
    }
}
