//! A real Prometheus, and what ships for it: the metrics themselves, the alert rules, the dashboard.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde_json::Value;
use tofu_state_server::telemetry::Metrics;
use tofu_state_testing::prometheus::{Prometheus, promtool};
use tofu_state_testing::server::{Server, http};

use crate::common::server;
use crate::wire::{Client, state};

fn chart(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../chart/tofu-state").join(file)
}

fn rules() -> PathBuf {
    chart("alerts/tofu-state.yaml")
}

fn read(file: &Path) -> String {
    std::fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

/// Requests of every kind, so that every metric that can have something to tell has.
async fn load(server: &Server, path: &str) {
    let client = Client::new(server, path);
    client.lock("a").await.unwrap().expect(200);
    client.post(&state(1, &[]), Some("a")).await.unwrap().expect(200);
    client.lock("b").await.unwrap().expect(409);
    client.unlock("a").await.unwrap().expect(200);
    client.get().await.unwrap().expect(200);
    client.post(&state(2, &[]), None).await.unwrap().expect(200);
    client.lock("c").await.unwrap().expect(200);
    client.send("UNLOCK", "", "").await.unwrap().expect(200);
    client.send("BREW", "", "").await.unwrap().expect(405);
    client.send("DELETE", "", "").await.unwrap().expect(200);
    client.lock("stays").await.unwrap().expect(200);
    assert_eq!(http().get(server.url(path)).send().await.unwrap().status(), 401);
}

#[tokio::test]
async fn the_metrics_are_clean() {
    let server = server().set("AUDIT_LOG", "audit.log").set("METRICS_GROUPS", "true").start().await;
    load(&server, "team/app").await;
    let text = http().get(server.admin_url("metrics")).send().await.unwrap().bytes().await.unwrap();
    let (fine, said) = promtool(&["check", "metrics"], &text);
    assert!(fine && said.trim().is_empty(), "{said}");
    let (fine, said) = promtool(&["check", "metrics"], b"# TYPE a counter\na 1\n");
    assert!(!fine, "promtool finds nothing wrong: {said}");
}

#[test]
fn the_alert_rules_are_sound_and_fire_when_they_should() {
    let rules = rules();
    let (fine, said) = promtool(&["check", "rules", &rules.to_string_lossy()], b"");
    assert!(fine, "{said}");
    let tests = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/e2e/alerts.test.yaml");
    let (fine, said) = promtool(&["test", "rules", tests], b"");
    assert!(fine, "{said}");
    // Each alert is expected to fire somewhere.
    for alert in read(&rules).lines().filter_map(|line| line.trim().strip_prefix("- alert: ")) {
        assert!(read(Path::new(tests)).contains(&format!("alertname=\"{alert}\"")), "{alert} is not tested");
    }
}

/// All queries of the dashboard, with its variables as Grafana fills them in.
fn dashboard_queries() -> Vec<String> {
    let dashboard: Value = serde_json::from_str(&read(&chart("dashboards/tofu-state.json"))).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let targets = panels.iter().filter_map(|panel| panel["targets"].as_array()).flatten();
    targets
        .map(|target| target["expr"].as_str().unwrap().replace("$job", ".*").replace("$__rate_interval", "30s"))
        .collect()
}

/// The names of metrics in a query, without what a histogram adds to its own.
fn names(query: &str) -> BTreeSet<String> {
    let words = query.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    let ours = words.filter(|word| word.starts_with("tofu_state_") || word.starts_with("process_"));
    ours.map(|name| {
        ["_bucket", "_sum", "_count"].iter().find_map(|end| name.strip_suffix(end)).unwrap_or(name).to_owned()
    })
    .collect()
}

/// What nothing in this test gives anything to tell: a token of the store, TLS, and a lock that was looked for long ago.
const ABSENT: [&str; 6] = [
    "tofu_state_store_token_expiry_timestamp_seconds",
    "tofu_state_store_token_lifetime_seconds",
    "tofu_state_certificate_expiry_timestamp_seconds",
    "tofu_state_certificate_lifetime_seconds",
    "tofu_state_certificate_current",
    "tofu_state_oldest_lock_timestamp_seconds",
];

/// The same in queries of the dashboard.
const SILENT: [&str; 3] = [ABSENT[0], ABSENT[1], "tofu_state_requests_total{job=~\".*\",status=~\"5..\"}"];

#[tokio::test]
async fn every_query_of_dashboard_and_alerts_finds_what_it_asks_for() {
    let server = server().set("AUDIT_LOG", "audit.log").set("METRICS_GROUPS", "true").start().await;
    let target = server.admin_url("").trim_start_matches("http://").trim_end_matches('/').to_owned();
    let prometheus = Prometheus::start(std::slice::from_ref(&target), &rules()).await;
    // A first look, so that what follows is an increase.
    prometheus.until("tofu_state_build_info").await;
    load(&server, "team/app").await;
    load(&server, "other/app").await;
    prometheus.until("increase(tofu_state_locks_broken_total[30s]) > 0").await;
    prometheus.until("rate(tofu_state_group_requests_total{group=\"team\"}[30s])").await;

    let known: BTreeMap<String, &str> =
        Metrics::new().unwrap().described().iter().map(|metric| (metric.name.clone(), metric.kind)).collect();
    let queries = dashboard_queries();
    assert!(queries.len() > 30, "{queries:?}");
    for query in &queries {
        let series = prometheus.query(query).await.unwrap();
        for name in names(query) {
            assert!(known.contains_key(&name), "{query} asks for {name}, which is not there");
        }
        let may_be_silent = SILENT.iter().any(|silent| query.contains(silent));
        assert!(may_be_silent || !series.is_empty() || locks_only(query), "{query} finds nothing");
    }
    for alert in read(&rules()).split("expr:").skip(1) {
        let end = ["for:", "labels:"].iter().filter_map(|key| alert.find(&format!("\n        {key}"))).min();
        let expression = alert[..end.unwrap()].trim_start_matches(" >-");
        for name in names(expression) {
            assert!(known.contains_key(&name), "an alert asks for {name}, which is not there: {expression}");
        }
        // Whether it fires is `alerts.test.yaml`'s business; here it is one that Prometheus can evaluate, on series that
        // are there.
        prometheus.query(expression).await.unwrap();
        for name in names(expression).iter().filter(|name| !ABSENT.contains(&name.as_str())) {
            let found = prometheus.query(&format!("{{__name__=~\"{name}(_bucket)?\"}}")).await.unwrap();
            assert!(!found.is_empty(), "an alert asks for {name}, and nothing was scraped of it");
        }
    }
    // The rules run on what was scraped: locks were broken, and states written without one.
    for alert in ["TofuStateLockBroken", "TofuStateWritesWithoutLock"] {
        prometheus.until(&format!("ALERTS{{alertname=\"{alert}\",alertstate=\"firing\"}}")).await;
    }
    let failing = prometheus.query("ALERTS{alertname=\"TofuStateAuditFailing\"}").await.unwrap();
    assert!(failing.is_empty(), "{failing:?}");
}

/// Asks for held locks, which a server looks for once a minute: whether there are any by now is chance.
fn locks_only(query: &str) -> bool {
    names(query).iter().all(|name| name.contains("oldest_lock"))
}

#[tokio::test]
async fn a_held_lock_is_known_after_a_restart_and_to_every_server() {
    let mut server = server().start().await;
    Client::new(&server, "team/app").lock("left-behind").await.unwrap().expect(200);
    server.restart().await;
    tofu_state_testing::process::eventually("the lock in the metrics", crate::common::PATIENCE, async || {
        let text = http().get(server.admin_url("metrics")).send().await.unwrap().text().await.unwrap();
        text.contains("tofu_state_locks_held 1\n").then_some(())
    })
    .await;
}
