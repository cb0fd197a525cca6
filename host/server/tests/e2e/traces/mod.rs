//! Traces, as a real collector receives them: of whole runs, of what a mirror does, and when the collector is away, slow or refuses.

mod exporting;
mod mirror;
mod runs;

use reqwest::Method;
use tofu_state_testing::otlp::{Collector, Span};
use tofu_state_testing::server::{Builder, Server, TOKEN, http};

use crate::common::server;
use crate::wire::Answer;

/// A server on the embedded store that sends its traces there, soon.
fn tracing_to(address: &str) -> Builder {
    server().set("OTEL_EXPORTER_OTLP_ENDPOINT", address).set("OTEL_BSP_SCHEDULE_DELAY", "200")
}

/// The spans of requests that did this.
fn of<'a>(spans: &'a [Span], operation: &str) -> Vec<&'a Span> {
    spans.iter().filter(|span| span.attribute("tofu_state.operation") == operation).collect()
}

/// Waits for the only request that did this.
async fn only(collector: &Collector, operation: &str) -> Span {
    let found = collector.until(operation, |spans| of(spans, operation).first().map(|span| (*span).clone())).await;
    assert_eq!(of(&collector.spans(), operation).len(), 1);
    found
}

/// One request within the caller's own trace.
async fn within(server: &Server, method: &str, path: &str, body: String, traceparent: &str) -> Answer {
    let method = Method::from_bytes(method.as_bytes()).unwrap();
    let request = http().request(method, server.url(path)).bearer_auth(TOKEN).body(body);
    let response = request.header("traceparent", traceparent).header("tracestate", "vendor=x").send().await.unwrap();
    Answer { status: response.status().as_u16(), retry_after: None, body: response.bytes().await.unwrap() }
}

/// What a counter stands at, all its labels together.
async fn counter(server: &Server, name: &str) -> u64 {
    let text = http().get(server.admin_url("metrics")).send().await.unwrap().text().await.unwrap();
    let lines = text.lines().filter(|line| line.starts_with(name) && !line.starts_with('#'));
    lines.map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap()).sum()
}
