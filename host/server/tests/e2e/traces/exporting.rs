//! A collector that is away, slow, or refuses: no request waits, nothing is kept for ever, all is counted.

use std::net::SocketAddr;

use tofu_state_testing::certificates::Authority;
use tofu_state_testing::otlp::{Collector, Manner};
use tofu_state_testing::process::{eventually, free_port};
use tofu_state_testing::server::Server;

use super::{counter, of, tracing_to};
use crate::common::PATIENCE;
use crate::wire::Client;

const EXPORTED: &str = "tofu_state_spans_exported_total";
const DROPPED: &str = "tofu_state_spans_dropped_total";

/// How many spans a server keeps at most: those that wait, and a batch that is being sent.
const QUEUE: u64 = 100;
const BATCH: u64 = 50;

/// How many requests are made. Each leaves three spans or more.
const REQUESTS: usize = 200;

async fn many_requests(server: &Server) {
    let client = Client::new(server, "a/b");
    for _ in 0..REQUESTS {
        client.get().await.unwrap().expect(404);
    }
}

/// All spans but those that there is room for have been dropped, and were counted.
async fn all_else_is_dropped(server: &Server) {
    let made = REQUESTS as u64 * 3;
    eventually("dropped spans", PATIENCE, async || {
        (counter(server, DROPPED).await >= made - QUEUE - BATCH).then_some(())
    })
    .await;
    assert_eq!(counter(server, EXPORTED).await, 0);
}

fn small_queue(address: &str) -> tofu_state_testing::server::Builder {
    tracing_to(address)
        .set("OTEL_BSP_MAX_QUEUE_SIZE", &*QUEUE.to_string())
        .set("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", &*BATCH.to_string())
}

#[tokio::test]
async fn a_collector_that_is_away_costs_spans_and_nothing_else() {
    let address = SocketAddr::from(([127, 0, 0, 1], free_port()));
    let server = small_queue(&format!("http://{address}")).set("OTEL_BSP_EXPORT_TIMEOUT", "500").start().await;
    many_requests(&server).await;
    all_else_is_dropped(&server).await;
    eventually("the warning", PATIENCE, async || server.log().contains("traces cannot be sent").then_some(())).await;

    let collector = Collector::start_at(address).await;
    collector.until("spans", |spans| (!spans.is_empty()).then_some(())).await;
    eventually("the all-clear", PATIENCE, async || server.log().contains("traces can be sent again").then_some(()))
        .await;
    assert_eq!(server.log().matches("traces cannot be sent").count(), 1);
}

#[tokio::test]
async fn a_collector_that_does_not_answer_holds_up_no_request_and_no_end() {
    let collector = Collector::start().await;
    collector.set(Manner::Holds);
    let mut server = small_queue(&collector.address()).set("OTEL_EXPORTER_OTLP_TIMEOUT", "600000").start().await;
    many_requests(&server).await;
    all_else_is_dropped(&server).await;
    assert!(server.terminate().await.success(), "{}", server.log());
    assert!(collector.spans().is_empty());
}

#[tokio::test]
async fn what_is_refused_is_counted() {
    let collector = Collector::start().await;
    let server = tracing_to(&collector.address()).start().await;
    let client = Client::new(&server, "a/b");
    for (times, manner, lost) in [(1, Manner::Refuses, 3), (2, Manner::TakesAllBut(2), 5)] {
        collector.set(manner);
        client.get().await.unwrap().expect(404);
        collector.until_called(times).await;
        eventually("the count", PATIENCE, async || (counter(&server, DROPPED).await == lost).then_some(())).await;
    }
    eventually("the count", PATIENCE, async || (counter(&server, EXPORTED).await == 1).then_some(())).await;
}

#[tokio::test]
async fn what_is_refused_for_now_is_sent_again() {
    let collector = Collector::start().await;
    collector.set(Manner::Overloaded);
    let server = tracing_to(&collector.address()).start().await;
    Client::new(&server, "a/b").get().await.unwrap().expect(404);
    collector.until_called(2).await;
    collector.set(Manner::Takes);
    collector.until("the span", |spans| (of(spans, "get").len() == 1).then_some(())).await;
    assert_eq!(counter(&server, DROPPED).await, 0);
}

#[tokio::test]
async fn spans_are_sent_at_the_end_with_the_headers_that_are_set() {
    let collector = Collector::start().await;
    let mut server = tracing_to(&collector.address())
        .set("OTEL_BSP_SCHEDULE_DELAY", "600000")
        .set("OTEL_EXPORTER_OTLP_HEADERS", "x-api-key=opens%3Dsesame, other=1")
        .set("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip")
        .set("OTEL_SERVICE_NAME", "states")
        .set("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=test,service.name=ignored")
        .start()
        .await;
    Client::new(&server, "a/b").get().await.unwrap().expect(404);
    assert!(server.terminate().await.success());
    let spans = collector.spans();
    assert_eq!((spans.len(), of(&spans, "get").len()), (3, 1), "{spans:?}");
    let resource = &spans[0].resource;
    assert_eq!((&*resource["service.name"], &*resource["deployment.environment.name"]), ("states", "test"));
    assert_eq!(resource["service.version"], env!("CARGO_PKG_VERSION"));
    let headers = &collector.headers()[0];
    assert_eq!((&*headers["x-api-key"], &*headers["other"]), ("opens=sesame", "1"));
    assert!(!server.log().contains("sesame"));
}

#[tokio::test]
async fn nothing_is_sent_where_traces_are_off() {
    for off in ["OTEL_SDK_DISABLED=true", "OTEL_TRACES_EXPORTER=none"] {
        let collector = Collector::start().await;
        let (name, value) = off.split_once('=').unwrap();
        let mut server = tracing_to(&collector.address()).set(name, value).start().await;
        Client::new(&server, "a/b").get().await.unwrap().expect(404);
        assert!(server.terminate().await.success());
        assert!(collector.headers().is_empty(), "{off}");
    }
}

#[tokio::test]
async fn over_tls_to_a_collector_that_a_private_authority_vouches_for() {
    let authority = Authority::new();
    let collector = Collector::start_tls(&authority.issue(), None).await;
    assert!(collector.address().starts_with("https://"));
    let mut server =
        tracing_to(&collector.address()).set("OTEL_EXPORTER_OTLP_CERTIFICATE", authority.file()).start().await;
    Client::new(&server, "a/b").get().await.unwrap().expect(404);
    collector.until("the span", |spans| (of(spans, "get").len() == 1).then_some(())).await;
    assert_eq!(counter(&server, DROPPED).await, 0);
    assert!(server.terminate().await.success());
    assert!(!server.log().contains("traces cannot be sent"), "{}", server.log());
}

#[tokio::test]
async fn a_collector_that_another_authority_vouches_for_is_told_and_holds_up_nothing() {
    let (ours, theirs) = (Authority::new(), Authority::new());
    let collector = Collector::start_tls(&theirs.issue(), None).await;
    // What the system trusts is no private authority either.
    for trusted in [Some(ours.file()), None] {
        let mut server = small_queue(&collector.address()).set("OTEL_BSP_EXPORT_TIMEOUT", "500");
        if let Some(file) = &trusted {
            server = server.set("OTEL_EXPORTER_OTLP_CERTIFICATE", file);
        }
        let mut server = server.start().await;
        many_requests(&server).await;
        all_else_is_dropped(&server).await;
        let told = async || server.log().contains("traces cannot be sent").then_some(());
        eventually("the warning", PATIENCE, told).await;
        let log = server.log();
        let warning = log.lines().find(|line| line.contains("traces cannot be sent")).unwrap();
        assert!(warning.contains("WARN") && warning.contains("invalid peer certificate"), "{warning}");
        assert!(warning.contains("OTEL_EXPORTER_OTLP_CERTIFICATE"), "{warning}");
        assert!(server.terminate().await.success(), "{}", server.log());
    }
    assert!(collector.headers().is_empty(), "nothing was said to whom nobody vouched for");
}

#[tokio::test]
async fn a_collector_that_wants_a_certificate_is_shown_one() {
    let authority = Authority::new();
    let collector = Collector::start_tls(&authority.issue(), Some(&authority)).await;
    let folder = tempfile::tempdir().unwrap();
    let (certificate, key) = authority.issue().write(folder.path());
    let trusting = || small_queue(&collector.address()).set("OTEL_EXPORTER_OTLP_CERTIFICATE", authority.file());

    let without = trusting().set("OTEL_BSP_EXPORT_TIMEOUT", "500").start().await;
    many_requests(&without).await;
    all_else_is_dropped(&without).await;
    let told = async || without.log().contains("traces cannot be sent").then_some(());
    eventually("the warning", PATIENCE, told).await;
    assert!(collector.spans().is_empty());

    let with = trusting()
        .set("OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE", certificate)
        .set("OTEL_EXPORTER_OTLP_CLIENT_KEY", key)
        .start()
        .await;
    Client::new(&with, "a/b").get().await.unwrap().expect(404);
    collector.until("the span", |spans| (of(spans, "get").len() == 1).then_some(())).await;
    assert!(!with.log().contains("traces cannot be sent"), "{}", with.log());
}
