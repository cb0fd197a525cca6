//! Metrics of the component: its calls and the places for instances.

use prometheus::{Histogram, IntGauge};
use tofu_state_component::{Engine, Times};

use super::{DURATIONS, Make, signed};

/// From an instance that only looks up a lock to one that reads a state of 64 MiB, in seconds.
const COMPUTING: &[f64] = &[0.000_25, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0];

/// Metrics of the component.
pub struct ComponentMetrics {
    queued: Histogram,
    duration: Histogram,
    computing: Histogram,
    places: IntGauge,
    places_taken: IntGauge,
    running: IntGauge,
}

impl ComponentMetrics {
    pub(super) fn new(make: &Make<'_>) -> prometheus::Result<Self> {
        Ok(Self {
            queued: make.histogram(
                "tofu_state_instance_queue_seconds",
                "How long requests waited for a place for their instance.",
                DURATIONS,
            )?,
            duration: make.histogram(
                "tofu_state_instance_duration_seconds",
                "How long instances lived: made, run, its store calls included.",
                DURATIONS,
            )?,
            computing: make.histogram(
                "tofu_state_instance_computing_seconds",
                "How long instances computed, being made included and store calls not.",
                COMPUTING,
            )?,
            places: make.gauge("tofu_state_instance_places", "How many instances may run at once.")?,
            places_taken: make.gauge("tofu_state_instance_places_taken", "How many of these places are taken.")?,
            running: make
                .gauge("tofu_state_instances_running", "Instances that run, also for callers who went away.")?,
        })
    }

    pub(super) fn called(&self, times: &Times) {
        let Times { queued, ran, computed } = times;
        self.queued.observe(queued.as_secs_f64());
        if let Some((_, duration)) = ran {
            self.duration.observe(duration.as_secs_f64());
            self.computing.observe(computed.as_secs_f64());
        }
    }

    /// Looks at the engine as it is now.
    pub fn look(&self, engine: &Engine) {
        self.places.set(signed(engine.places()));
        self.places_taken.set(signed(engine.places_taken()));
        self.running.set(signed(engine.in_flight()));
    }
}
