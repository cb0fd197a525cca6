//! Metrics of generations: which one serves, and whether it is the one that is configured.

use prometheus::{IntCounter, IntGauge};

use super::{Make, signed};
use crate::generations::Generations;

/// Metrics of generations.
pub struct GenerationMetrics {
    number: IntGauge,
    alive: IntGauge,
    modules_current: IntGauge,
    failures: IntCounter,
}

impl GenerationMetrics {
    pub(super) fn new(make: &Make<'_>) -> prometheus::Result<Self> {
        Ok(Self {
            number: make.gauge("tofu_state_generation", "The number of the generation that serves.")?,
            alive: make.gauge(
                "tofu_state_generations_alive",
                "Generations in memory: the one that serves, the one kept for a roll-back, and those on which requests end.",
            )?,
            modules_current: make.gauge(
                "tofu_state_modules_current",
                "1 if the component and policies that are configured can be used, 0 if older ones serve in their place.",
            )?,
            failures: make.counter(
                "tofu_state_generation_load_failures_total",
                "How often components or policies were found that cannot be used.",
            )?,
        })
    }

    /// Looks at the generations as they are now.
    pub fn look(&self, generations: &Generations) {
        self.number.set(signed(generations.current().number));
        self.alive.set(signed(generations.alive()));
        self.modules_current.set(i64::from(generations.failure().is_none()));
    }

    /// What was found cannot be used.
    pub fn failed(&self) {
        self.failures.inc();
    }
}
