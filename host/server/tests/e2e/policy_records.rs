//! What is recorded of a policy's review: in the audit, in the trace, in the metrics.

use serde_json::Value;
use sha2::{Digest, Sha256};
use tempfile::TempDir;
use tofu_state_component::testing::FAULTY_POLICY;
use tofu_state_testing::otlp::{Collector, Span};
use tofu_state_testing::server::http;

use crate::common::server;
use crate::wire::{Client, state};

/// A label, a warning, and a failure that its entry lets pass; then a denial.
#[tokio::test]
async fn each_review_is_told_with_its_module_generation_and_time() {
    let folder = TempDir::new().unwrap();
    std::fs::write(folder.path().join("scripted.wasm"), FAULTY_POLICY).unwrap();
    let sha256 = hex::encode(Sha256::digest(FAULTY_POLICY));
    let entry = |name: &str, configuration: &str, more: &str| {
        format!(
            "[[policy]]\nname = \"{name}\"\npath = \"scripted.wasm\"\nsha256 = \"{sha256}\"\n\
             configuration = \"{configuration}\"\n{more}\n"
        )
    };
    let policies = folder.path().join("policies.toml");
    let text = [
        entry("labels", "allow", ""),
        entry("warns", "warn a-reason-for-people", ""),
        entry("fails", "panic hunter2", "on-error = \"allow\""),
        entry("denies", "deny-operation write", ""),
    ];
    std::fs::write(&policies, text.concat()).unwrap();
    let collector = Collector::start().await;
    let server = server()
        .set("POLICY_FILE", policies)
        .set("AUDIT_LOG", "audit.log")
        .set("OTEL_EXPORTER_OTLP_ENDPOINT", collector.address())
        .set("OTEL_BSP_SCHEDULE_DELAY", "200")
        .start()
        .await;
    Client::new(&server, "team/app").post(&state(1, &[]), None).await.unwrap().expect(422);

    let audit = std::fs::read_to_string(server.folder().join("audit.log")).unwrap();
    let record: Value = serde_json::from_str(audit.lines().last().unwrap()).unwrap();
    assert_eq!((&record["generation"], &record["denied_by"]), (&1.into(), &"denies".into()), "{record}");
    let told = record["policies"].as_array().unwrap();
    let words: Vec<_> = told.iter().map(|policy| (&policy["name"], &policy["verdict"], &policy["refused"])).collect();
    let (yes, no) = (Value::from(true), Value::from(false));
    let expected =
        [("labels", "allow", &no), ("warns", "warn", &no), ("fails", "error", &no), ("denies", "deny", &yes)]
            .map(|(name, verdict, refused)| (Value::from(name), Value::from(verdict), refused));
    assert_eq!(words, expected.iter().map(|(name, verdict, refused)| (name, verdict, *refused)).collect::<Vec<_>>());
    assert!(told.iter().all(|policy| policy["sha256"] == *sha256 && policy["microseconds"].is_u64()), "{record}");
    assert_eq!(told[0]["labels"], serde_json::json!([{"name": "operation", "value": "write"}]));

    let all = collector
        .until("the policies' spans", |spans| {
            let reviews: Vec<Span> = spans.iter().filter(|span| span.name.starts_with("policy ")).cloned().collect();
            (reviews.len() == 4).then(|| (reviews, spans.to_vec()))
        })
        .await;
    let (reviews, spans) = all;
    let component = spans.iter().find(|span| span.name == "component").unwrap();
    for (span, (name, verdict)) in
        reviews.iter().zip([("labels", "allow"), ("warns", "warn"), ("fails", "error"), ("denies", "deny")])
    {
        assert_eq!((span.name.as_str(), span.parent.as_ref()), (&*format!("policy {name}"), Some(&component.id)));
        assert_eq!(span.attribute("tofu_state.policy.verdict"), verdict);
        assert_eq!(span.attribute("tofu_state.policy.sha256"), sha256);
        assert_eq!(span.attribute("tofu_state.generation"), "1");
        assert_eq!(span.error.is_some(), name == "fails", "{span:?}");
        assert!(span.time.0 >= component.time.0 && span.time.1 <= component.time.1 && span.time.0 <= span.time.1);
    }
    assert_eq!(reviews[0].attribute("tofu_state.policy.label.operation"), "write");

    let metrics = http().get(server.admin_url("metrics")).send().await.unwrap().text().await.unwrap();
    for line in [
        "tofu_state_policy_reviews_total{policy=\"fails\",verdict=\"error\"} 1",
        "tofu_state_policy_review_duration_seconds_count{policy=\"denies\"} 1",
    ] {
        assert!(metrics.contains(line), "{line}: {metrics}");
    }
    let left = format!("{audit}{spans:?}{metrics}{}", server.log());
    assert!(!left.contains("hunter2") && !left.contains("a-reason-for-people"), "{left}");
}
