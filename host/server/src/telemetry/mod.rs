//! What is told about the server's work: log lines and metrics. Neither bodies, nor tokens, nor queries.

pub mod logging;
pub mod metrics;
pub mod record;

pub use metrics::Metrics;
pub use record::Record;
