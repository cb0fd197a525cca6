//! Audit records: of which requests there is one, what it tells, and what happens when it cannot be written.

use std::os::unix::net::UnixStream;
use std::path::Path;

use serde_json::Value;
use tofu_state_server::telemetry::audit::{Rotation, Target};
use tofu_state_testing::process::eventually;

use crate::support::{Options, PATIENCE, Server, ask, state};

fn to(file: &Path) -> Option<Target> {
    Some(Target::File(file.to_owned(), Rotation { max_bytes: 1 << 20, keep: 2 }))
}

fn records(file: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(file).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect()
}

/// Of each record: operation, outcome, status.
fn told(records: &[Value]) -> Vec<(String, String, u64)> {
    let text = |record: &Value, field: &str| record[field].as_str().unwrap_or_default().to_owned();
    records
        .iter()
        .map(|record| (text(record, "operation"), text(record, "outcome"), record["status"].as_u64().unwrap_or(0)))
        .collect()
}

#[tokio::test]
async fn changes_and_denials_have_a_record_before_they_are_answered() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("audit.log");
    let server = Server::start(Options { audit: to(&file), ..Options::default() }).await;
    let lock = r#"{"ID":"i","Who":"me@here","Operation":"OperationTypeApply"}"#;
    server.ask("LOCK", "/a/b", lock).await;
    // What has been answered is written.
    assert_eq!(records(&file).len(), 1);
    server.ask("POST", "/a/b?ID=i", &state(1, 10)).await;
    server.ask("POST", "/a/b?ID=i", &state(2, 20)).await;
    server.ask("GET", "/a/b", "").await;
    server.ask("LOCK", "/a/b", r#"{"ID":"other"}"#).await;
    server.ask("POST", "/a/b", &state(9, 1)).await;
    server.ask("UNLOCK", "/a/b", "").await;
    server.ask("POST", "/a/b", &state(3, 1)).await;
    server.ask("DELETE", "/a/b", "").await;
    server.ask("POST", "/only-one..segment/..", "{}").await;
    ask(server.address, "GET", "/a/b", &[], b"").await;
    ask(server.address, "GET", "/a/b", &[("authorization", "Bearer hunter2"), ("x-forwarded-for", "10.1.2.3")], b"")
        .await;

    let records = records(&file);
    let expected = [
        ("lock", "done", 200),
        ("write", "done", 200),
        ("write", "done", 200),
        ("lock", "locked", 409),
        ("write", "locked", 409),
        ("force-unlock", "done", 200),
        ("write", "done", 200),
        ("delete", "done", 200),
        ("none", "invalid", 400),
        ("none", "no-credentials", 401),
        ("none", "wrong-credentials", 403),
    ];
    assert_eq!(told(&records), expected.map(|(operation, outcome, status)| (operation.into(), outcome.into(), status)));

    let first = &records[0];
    assert_eq!((&first["lock_id"], &first["lock_who"]), (&"i".into(), &"me@here".into()));
    assert_eq!((&first["caller"], &first["caller_kind"]), (&"shared".into(), &"shared-token".into()));
    assert_eq!((&first["audit"], &first["state"], &first["peer"]), (&1.into(), &"a/b".into(), &"127.0.0.1".into()));
    assert!(first["time"].as_str().unwrap().ends_with('Z') && first["request_id"].is_string(), "{first}");
    let second = &records[2];
    assert_eq!((&second["before"]["serial"], &second["after"]["serial"]), (&1.into(), &2.into()), "{second}");
    assert_eq!(second["before"]["sha256"].as_str().unwrap().len(), 64);
    assert_ne!(second["before"]["sha256"], second["after"]["sha256"]);
    assert_eq!((&records[5]["forced"], &records[5]["lock_id"]), (&true.into(), &"i".into()));
    assert_eq!(records[6]["unlocked"], true);
    assert_eq!((&records[7]["before"]["serial"], &records[7]["after"]), (&3.into(), &Value::Null));
    assert_eq!(records[10]["forwarded_for"], "10.1.2.3");
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(!text.contains("hunter2") && !text.contains("filling") && !text.contains("correct-horse"), "{text}");
}

#[tokio::test]
async fn strangers_cannot_fill_the_audit_and_what_is_left_out_is_counted() {
    const DENIALS: usize = 400;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("audit.log");
    let sha256 = hex::encode(tofu_state_server::access::tokens::digest(&"the-readers-token".into()));
    let tokens = format!("[[token]]\nname=\"reader\"\nsha256=\"{sha256}\"\npaths=[\"a/*\"]\nrights=[\"read\"]\n");
    let mut server = Server::start(Options { audit: to(&file), tokens, ..Options::default() }).await;
    for number in 0..DENIALS {
        let bearer = format!("Bearer wrong-{number}");
        let headers: &[(&str, &str)] = if number % 2 == 0 { &[] } else { &[("authorization", &bearer)] };
        let method = if number % 3 == 0 { "LOCK" } else { "GET" };
        assert!([401, 403].contains(&ask(server.address, method, "/a/b", headers, b"{}").await.status));
        if number % 100 == 99 {
            // Who is known has a record each time, whether it is let in or not.
            server.ask("POST", "/a/b", &state(number as u64, 1)).await;
            for _ in 0..50 {
                let known = [("authorization", "Bearer the-readers-token")];
                assert_eq!(ask(server.address, "POST", "/a/b", &known, b"{}").await.status, 403);
            }
        }
    }
    let metrics = server.metrics_text();
    server.auditing.take().unwrap().ended().await.unwrap();
    let records = records(&file);
    let by = |caller: Option<&str>| records.iter().filter(|record| record["caller"].as_str() == caller).count();
    assert_eq!((by(Some("shared")), by(Some("reader"))), (4, 200));
    let suppressed: u64 = records.iter().filter_map(|record| record["suppressed"].as_u64()).sum();
    let strangers = records.iter().filter(|record| record["caller"].is_null() && record["status"].is_u64()).count();
    assert_eq!(strangers + usize::try_from(suppressed).unwrap(), DENIALS);
    // Those at once, and one more in each ten seconds that the test takes.
    assert!((100..200).contains(&strangers), "{strangers}");
    assert_eq!(records.last().unwrap()["operation"], "denials-suppressed");
    assert!(metrics.contains(&format!("tofu_state_audit_denials_suppressed_total {suppressed}\n")), "{metrics}");
    assert!(metrics.contains("tofu_state_audit_records_lost_total 0"), "{metrics}");
}

#[tokio::test]
async fn what_cannot_be_written_waits_and_then_comes_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let below = folder.path().join("below");
    std::fs::create_dir(&below).unwrap();
    let file = below.join("audit.log");
    let server = Server::start(Options { audit: to(&file), ..Options::default() }).await;
    server.ask("LOCK", "/a/b", r#"{"ID":"i"}"#).await;
    // The file is moved away and cannot be made anew: its folder is gone.
    let away = folder.path().join("away");
    std::fs::rename(&below, &away).unwrap();
    assert_eq!(server.ask("POST", "/a/b?ID=i", &state(1, 1)).await.status, 200, "the change has been made");
    assert!(!server.metrics.audit.works());
    assert!(server.metrics_text().contains("tofu_state_audit_working 0"));
    assert_eq!(server.ask("UNLOCK", "/a/b", r#"{"ID":"i","Who":"x"}"#).await.status, 200);
    assert_eq!(told(&records(&away.join("audit.log"))).len(), 1);

    std::fs::create_dir(&below).unwrap();
    eventually("the records that waited", PATIENCE, async || {
        (file.exists() && records(&file).len() == 2).then_some(())
    })
    .await;
    let operations: Vec<_> = told(&records(&file)).into_iter().map(|(operation, ..)| operation).collect();
    assert_eq!(operations, ["write", "unlock"]);
    let counted = async || server.metrics_text().contains("tofu_state_audit_records_total 3").then_some(());
    eventually("the count of what was written", PATIENCE, counted).await;
    assert!(server.metrics.audit.works() && server.metrics_text().contains("tofu_state_audit_working 1"));
    assert!(server.metrics_text().contains("tofu_state_audit_records_lost_total 0"));
}

#[tokio::test]
async fn the_end_waits_for_the_last_records_and_says_if_they_cannot_be_written() {
    let folder = tempfile::tempdir().unwrap();
    let below = folder.path().join("below");
    std::fs::create_dir(&below).unwrap();
    let mut server = Server::start(Options { audit: to(&below.join("audit.log")), ..Options::default() }).await;
    std::fs::remove_dir_all(&below).unwrap();
    server.ask("LOCK", "/a/b", r#"{"ID":"i"}"#).await;
    let log = server.auditing.take().unwrap().ended().await;
    assert!(log.unwrap_err().contains("audit records"));
}

#[tokio::test]
async fn a_file_that_cannot_be_written_ends_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let metrics = std::sync::Arc::new(tofu_state_server::telemetry::Metrics::new().unwrap());
    let start = |file: &Path| {
        tofu_state_server::telemetry::Audit::start(to(file).unwrap(), std::sync::Arc::clone(&metrics)).err().unwrap()
    };
    let missing = start(&folder.path().join("nowhere/audit.log"));
    assert!(missing.starts_with("AUDIT_LOG ") && missing.contains("nowhere/audit.log"), "{missing}");
    // A socket is no file.
    let socket = folder.path().join("socket");
    let _kept = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    let _client = UnixStream::connect(&socket).unwrap();
    assert!(start(&socket).contains("cannot be written"));
}
