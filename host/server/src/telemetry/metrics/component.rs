//! Metrics of the component: its calls, the places for instances, and which generation serves.

use prometheus::{Histogram, IntCounterVec, IntGauge, IntGaugeVec};
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
    generation: IntGaugeVec,
    loads: IntCounterVec,
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
            generation: make.gauges(
                "tofu_state_module_generation",
                "How often a module has been exchanged since the start; 1 is the one it began with.",
                &["module"],
            )?,
            loads: make.counters(
                "tofu_state_module_loads_total",
                "Modules loaded or refused since the start, by how it ended.",
                &["module", "outcome"],
            )?,
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

    /// A module (`protocol`, or a policy's name) was loaded as this generation and serves from now on.
    pub fn loaded(&self, module: &str, generation: u64) {
        self.generation.with_label_values(&[module]).set(signed(generation));
        self.loads.with_label_values(&[module, "done"]).inc();
    }

    /// A module was to be loaded, and cannot be used: the one before it goes on.
    pub fn refused(&self, module: &str) {
        self.loads.with_label_values(&[module, "failed"]).inc();
    }
}
