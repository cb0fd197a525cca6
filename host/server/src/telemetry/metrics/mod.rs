//! Metrics for Prometheus.
//!
//! No label holds a state's path, a caller's name or anything else that a caller makes up. Each part of the
//! server has its own, in a file of its own; they are documented in METRICS.md, which a test compares.

mod component;
mod requests;
mod server;
mod store;

use prometheus::core::Collector;
use prometheus::{
    Encoder, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry,
    TextEncoder,
};

use super::Finished;
pub use component::ComponentMetrics;
pub use requests::RequestMetrics;
pub use server::ServerMetrics;
pub use store::StoreMetrics;

/// From a hit in memory to a request that waited for a fail-over, in seconds.
const DURATIONS: &[f64] = &[0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 40.0];

/// The server's metrics.
pub struct Metrics {
    registry: Registry,
    /// Of requests.
    pub requests: RequestMetrics,
    /// Of the store and its calls.
    pub store: StoreMetrics,
    /// Of the component and its instances.
    pub component: ComponentMetrics,
    /// Of the server itself.
    pub server: ServerMetrics,
}

impl Metrics {
    /// All of them, at nought.
    ///
    /// # Errors
    /// If a metric's name were malformed or there twice.
    pub fn new() -> prometheus::Result<Self> {
        let registry = Registry::new();
        let make = Make(&registry);
        Ok(Self {
            requests: RequestMetrics::new(&make)?,
            store: StoreMetrics::new(&make)?,
            component: ComponentMetrics::new(&make)?,
            server: ServerMetrics::new(&make)?,
            registry,
        })
    }

    /// A request has ended.
    pub(super) fn ended(&self, finished: &Finished) {
        self.requests.ended(finished);
        if let Some(times) = &finished.call {
            self.component.called(times);
        }
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

/// Makes metrics and registers them.
struct Make<'a>(&'a Registry);

impl Make<'_> {
    fn keep<C: Collector + Clone + 'static>(&self, collector: C) -> prometheus::Result<C> {
        self.0.register(Box::new(collector.clone()))?;
        Ok(collector)
    }

    fn counter(&self, name: &str, help: &str) -> prometheus::Result<IntCounter> {
        self.keep(IntCounter::new(name, help)?)
    }

    fn counters(&self, name: &str, help: &str, labels: &[&str]) -> prometheus::Result<IntCounterVec> {
        self.keep(IntCounterVec::new(Opts::new(name, help), labels)?)
    }

    fn gauge(&self, name: &str, help: &str) -> prometheus::Result<IntGauge> {
        self.keep(IntGauge::new(name, help)?)
    }

    fn gauges(&self, name: &str, help: &str, labels: &[&str]) -> prometheus::Result<IntGaugeVec> {
        self.keep(IntGaugeVec::new(Opts::new(name, help), labels)?)
    }

    /// A gauge that is not there before it is set for the first time: what is not known is no nought.
    fn unknown(&self, name: &str, help: &str) -> prometheus::Result<Unknown> {
        Ok(Unknown(self.gauges(name, help, &[])?))
    }

    fn histogram(&self, name: &str, help: &str, buckets: &[f64]) -> prometheus::Result<Histogram> {
        self.keep(Histogram::with_opts(HistogramOpts::new(name, help).buckets(buckets.to_vec()))?)
    }

    fn histograms(&self, name: &str, help: &str, buckets: &[f64], labels: &[&str]) -> prometheus::Result<HistogramVec> {
        self.keep(HistogramVec::new(HistogramOpts::new(name, help).buckets(buckets.to_vec()), labels)?)
    }
}

/// See [`Make::unknown`].
struct Unknown(IntGaugeVec);

impl Unknown {
    fn set(&self, value: i64) {
        self.0.with_label_values::<&str>(&[]).set(value);
    }

    fn forget(&self) {
        self.0.reset();
    }
}

/// A number of things or bytes, as gauges hold it.
fn signed<T: TryInto<i64>>(number: T) -> i64 {
    number.try_into().unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_known_is_not_there() {
        let registry = Registry::new();
        let unknown = Make(&registry).unknown("a", "A.").unwrap();
        assert!(registry.gather().is_empty());
        unknown.set(0);
        assert_eq!(registry.gather().len(), 1);
        unknown.forget();
        assert!(registry.gather().is_empty());
    }
}
