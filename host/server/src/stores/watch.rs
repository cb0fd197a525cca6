//! Looks at the store now and then, so that `/readyz` and the metrics can tell how it is without
//! waiting for it.

use std::sync::Arc;
use std::time::Duration;

use tofu_state_store::{Health, Store};
use tokio::sync::watch;

use crate::telemetry::Metrics;

/// How often the store is looked at.
const INTERVAL: Duration = Duration::from_secs(5);

/// How the store was at the last look.
pub type LastLook = watch::Receiver<Health>;

/// What is told before the first look.
#[must_use]
pub fn unknown() -> Health {
    Health { available: false, detail: "not looked at yet".to_owned() }
}

/// Looks at the store for ever. A change is logged once.
pub async fn look(store: Arc<dyn Store>, metrics: Arc<Metrics>, seen: watch::Sender<Health>) {
    let mut ticks = tokio::time::interval(INTERVAL);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut first = true;
    loop {
        ticks.tick().await;
        let health = store.health().await;
        metrics.store.set_available(health.available);
        let changed = seen.borrow().available != health.available;
        match (health.available, changed || first) {
            (true, true) => tracing::info!(detail = health.detail, "the store is available"),
            (false, true) => tracing::warn!(detail = health.detail, "the store is not available"),
            (_, false) => {}
        }
        first = false;
        seen.send_replace(health);
    }
}
