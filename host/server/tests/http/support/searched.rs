//! Searches what a server in this process leaves behind.

use std::path::PathBuf;
use std::sync::Arc;

use tofu_state_server::telemetry::Metrics;
use tofu_state_server::telemetry::audit::Target;
use tofu_state_testing::secrets;

use super::TOKEN;

/// Dropped with its server.
pub(crate) struct Searched {
    metrics: Arc<Metrics>,
    audit: Option<PathBuf>,
}

impl Searched {
    /// From now on the log of all servers of this process is searched; when this is dropped, so are the metrics
    /// and the audit of its own.
    pub(crate) fn begin(metrics: &Arc<Metrics>, audit: Option<&Target>) -> Self {
        secrets::search_own_log();
        secrets::keep(TOKEN);
        let audit = audit.and_then(|target| match target {
            Target::File(file, _) => Some(file.clone()),
            Target::Stdout => None,
        });
        Self { metrics: Arc::clone(metrics), audit }
    }
}

impl Drop for Searched {
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        let (_, metrics) = self.metrics.encode().unwrap();
        secrets::look_in("the metrics", &String::from_utf8_lossy(&metrics));
        // Tests move it away or make it impossible to write.
        if let Some(text) = self.audit.as_ref().and_then(|file| std::fs::read_to_string(file).ok()) {
            secrets::look_in("the audit", &text);
        }
        secrets::none_was_found();
    }
}
