//! Metrics for Prometheus.
//!
//! No label holds a state's path, a caller's name or anything else that a caller makes up. Each part of the
//! server has its own, in a file of its own; they are documented in METRICS.md, which a test compares.

mod audit;
pub mod commands;
mod component;
mod generations;
mod groups;
mod locks;
mod mirror;
mod policies;
mod process;
mod recordings;
mod requests;
mod server;
mod spans;
mod store;

use std::cell::RefCell;

use prometheus::core::Collector;
use prometheus::{
    Encoder, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry,
    TextEncoder,
};

use super::Finished;
pub use audit::AuditMetrics;
pub use component::ComponentMetrics;
pub use generations::GenerationMetrics;
use groups::GroupMetrics;
pub use locks::{HeldSince, LockMetrics};
pub use mirror::MirrorMetrics;
pub use policies::PolicyMetrics;
pub use process::ProcessMetrics;
pub use recordings::RecordingMetrics;
pub use requests::RequestMetrics;
pub use server::ServerMetrics;
pub use spans::SpanMetrics;
pub use store::{StoreMetrics, TokenExpiry};

/// From a hit in memory to a request that waited for a fail-over, in seconds.
const DURATIONS: &[f64] = &[0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 40.0];

/// The server's metrics.
pub struct Metrics {
    registry: Registry,
    described: Vec<Described>,
    /// Of requests.
    pub requests: RequestMetrics,
    /// Of the store and its calls.
    pub store: StoreMetrics,
    /// Of the component and its instances.
    pub component: ComponentMetrics,
    /// Of the generations of component and policies.
    pub generations: GenerationMetrics,
    /// Of held locks.
    pub locks: LockMetrics,
    /// Of policies.
    pub policies: PolicyMetrics,
    /// Of traces.
    pub spans: SpanMetrics,
    /// Of the audit.
    pub audit: AuditMetrics,
    /// Of recordings.
    pub recordings: RecordingMetrics,
    /// Of the mirror of providers.
    pub mirror: MirrorMetrics,
    /// Of groups of states, if the operator wants them.
    groups: GroupMetrics,
    /// Of the server itself.
    pub server: ServerMetrics,
    /// Of the process.
    pub process: ProcessMetrics,
}

impl Metrics {
    /// All of them, at nought.
    ///
    /// # Errors
    /// If a metric's name were malformed or there twice.
    pub fn new() -> prometheus::Result<Self> {
        let registry = Registry::new();
        let make = Make::new(&registry);
        Ok(Self {
            requests: RequestMetrics::new(&make)?,
            store: StoreMetrics::new(&make)?,
            component: ComponentMetrics::new(&make)?,
            generations: GenerationMetrics::new(&make)?,
            locks: LockMetrics::new(&make)?,
            policies: PolicyMetrics::new(&make)?,
            spans: SpanMetrics::new(&make)?,
            audit: AuditMetrics::new(&make)?,
            recordings: RecordingMetrics::new(&make)?,
            mirror: MirrorMetrics::new(&make)?,
            groups: GroupMetrics::new(&make)?,
            server: ServerMetrics::new(&make)?,
            process: ProcessMetrics::new(&make)?,
            described: make.described.into_inner(),
            registry,
        })
    }

    /// Counts by group too, from now on: the operator has asked for it.
    pub fn count_groups(&self) {
        self.groups.begin();
    }

    /// A request has ended.
    pub(super) fn ended(&self, finished: &Finished) {
        self.requests.ended(finished);
        self.groups.ended(finished);
        self.policies.ended(finished);
        if let Some(times) = &finished.call {
            self.component.called(times);
        }
    }

    /// What there is.
    #[must_use]
    pub fn described(&self) -> &[Described] {
        &self.described
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

/// What a metric is, as METRICS.md tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Described {
    /// Its name.
    pub name: String,
    /// `counter`, `gauge` or `histogram`.
    pub kind: &'static str,
    /// Its labels.
    pub labels: Vec<String>,
    /// What it tells.
    pub help: String,
}

/// Makes metrics and registers them.
struct Make<'a> {
    registry: &'a Registry,
    described: RefCell<Vec<Described>>,
}

impl<'a> Make<'a> {
    fn new(registry: &'a Registry) -> Self {
        Self { registry, described: RefCell::default() }
    }

    fn keep<C: Collector + Clone + 'static>(&self, kind: &'static str, collector: C) -> prometheus::Result<C> {
        let described = collector.desc().into_iter().map(|desc| Described {
            name: desc.fq_name.clone(),
            kind,
            labels: desc.variable_labels.clone(),
            help: desc.help.clone(),
        });
        self.described.borrow_mut().extend(described);
        self.registry.register(Box::new(collector.clone()))?;
        Ok(collector)
    }

    fn counter(&self, name: &str, help: &str) -> prometheus::Result<IntCounter> {
        self.keep("counter", IntCounter::new(name, help)?)
    }

    fn counters(&self, name: &str, help: &str, labels: &[&str]) -> prometheus::Result<IntCounterVec> {
        self.keep("counter", IntCounterVec::new(Opts::new(name, help), labels)?)
    }

    fn gauge(&self, name: &str, help: &str) -> prometheus::Result<IntGauge> {
        self.keep("gauge", IntGauge::new(name, help)?)
    }

    fn gauges(&self, name: &str, help: &str, labels: &[&str]) -> prometheus::Result<IntGaugeVec> {
        self.keep("gauge", IntGaugeVec::new(Opts::new(name, help), labels)?)
    }

    /// A gauge that is not there before it is set for the first time: what is not known is no nought.
    fn unknown(&self, name: &str, help: &str) -> prometheus::Result<Unknown> {
        Ok(Unknown(self.gauges(name, help, &[])?))
    }

    fn histogram(&self, name: &str, help: &str, buckets: &[f64]) -> prometheus::Result<Histogram> {
        self.keep("histogram", Histogram::with_opts(HistogramOpts::new(name, help).buckets(buckets.to_vec()))?)
    }

    fn histograms(&self, name: &str, help: &str, buckets: &[f64], labels: &[&str]) -> prometheus::Result<HistogramVec> {
        let options = HistogramOpts::new(name, help).buckets(buckets.to_vec());
        self.keep("histogram", HistogramVec::new(options, labels)?)
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
        let unknown = Make::new(&registry).unknown("a", "A.").unwrap();
        assert!(registry.gather().is_empty());
        unknown.set(0);
        assert_eq!(registry.gather().len(), 1);
        unknown.forget();
        assert!(registry.gather().is_empty());
    }

    fn table(metrics: &[Described]) -> String {
        let mut rows = String::from("| name | kind | labels | meaning |\n|---|---|---|---|\n");
        for Described { name, kind, labels, help } in metrics {
            let labels: Vec<_> = labels.iter().map(|label| format!("`{label}`")).collect();
            rows += &format!("| `{name}` | {kind} | {} | {help} |\n", labels.join(" "));
        }
        rows
    }

    /// `BLESS=1` writes the tables anew.
    #[test]
    fn metrics_md_describes_all_of_them() {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../METRICS.md");
        let mut text = std::fs::read_to_string(file).unwrap();
        let (server, commands) = (Metrics::new().unwrap(), commands::CommandMetrics::new().unwrap());
        for (heading, described) in [("# Metrics", server.described()), ("## Commands", commands.described())] {
            let begin = text.find(&format!("{heading}\n")).unwrap();
            let begin = begin + text[begin..].find("| name |").unwrap();
            let end = begin + text[begin..].find("|\n\n").unwrap() + 2;
            let rows = table(described);
            if std::env::var_os("BLESS").is_some() {
                text.replace_range(begin..end, &rows);
                std::fs::write(file, &text).unwrap();
            } else {
                assert_eq!(text[begin..end], rows, "run with BLESS=1");
            }
        }
    }
}
