//! What is told about the server's work: log lines, metrics, traces and audit records. Neither bodies, nor tokens,
//! nor queries.
//!
//! Each request ends as one [`Finished`]: all that is known of it. [`Telemetry`] hands it to the parts, and
//! each part takes what it tells. A new part is added there and nowhere else.

pub mod audit;
pub mod finished;
mod line;
pub mod logging;
pub mod metrics;
pub mod record;
pub mod store_calls;
pub mod traces;

use std::sync::Arc;

pub use audit::Audit;
use audit::Pending;
pub use finished::{Finished, Upload};
pub use metrics::Metrics;
pub use record::Record;
pub use traces::Traces;

/// The parts that are told of requests.
pub struct Telemetry {
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// What makes spans of them; none: nothing is traced.
    pub traces: Option<Traces>,
    /// What is kept of changes and denials, if anything.
    pub audit: Option<Audit>,
}

impl Telemetry {
    /// A request has begun.
    fn began(&self) {
        self.metrics.requests.began();
    }

    /// A request has ended.
    fn ended(&self, finished: &Finished) -> Pending {
        line::write(finished);
        self.metrics.ended(finished);
        if let Some(traces) = &self.traces {
            traces.ended(finished);
        }
        self.audit.as_ref().map_or(Pending::NONE, |audit| audit.ended(finished))
    }
}
