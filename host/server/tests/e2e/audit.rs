//! The audit of real runs: what it tells, and what is left of it after crashes and on a full disk.

use std::path::Path;

use serde_json::Value;
use tofu_state_testing::cli::Cli;
use tofu_state_testing::process::eventually;
use tofu_state_testing::server::http;

use crate::common::{PATIENCE, server, set_up};
use crate::wire::{Client, state};

/// All records of a file, oldest first. Each line must be one.
pub(crate) fn records(file: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect()
}

fn words<'a>(records: &'a [Value], field: &str) -> Vec<&'a str> {
    records.iter().map(|record| record[field].as_str().unwrap_or_default()).collect()
}

#[tokio::test]
async fn a_whole_run_a_forced_unlock_and_a_denial() {
    let server = server().set("AUDIT_LOG", "audit.log").start().await;
    let file = server.folder().join("audit.log");
    let mut cli = Cli::tofu();
    set_up(&mut cli, &server, "team/app").await;
    cli.ok(&["apply", "-auto-approve"]).await;
    let run = records(&file);
    assert_eq!(words(&run, "operation"), ["lock", "write", "unlock"]);
    assert_eq!(words(&run, "outcome"), ["done"; 3]);
    let (lock, write) = (&run[0], &run[1]);
    // The CLI claims to be user@host.
    assert!(lock["lock_who"].as_str().is_some_and(|who| who.contains('@')), "{lock}");
    assert!(run.iter().all(|record| record["lock_id"] == lock["lock_id"] && record["caller"] == "shared"), "{run:?}");
    assert_eq!((&write["before"], &write["after"]["serial"]), (&Value::Null, &1.into()));
    assert_eq!(write["after"]["tool_version"], "1.12.6");

    Client::new(&server, "team/app").lock("left-behind").await.unwrap().expect(200);
    cli.ok(&["force-unlock", "-force", "left-behind"]).await;
    cli.set("TF_HTTP_PASSWORD", "not-the-token-0123456789");
    let _ = cli.run(&["plan"]).await.failure();
    let later = records(&file).split_off(run.len());
    assert_eq!(words(&later[..2], "operation"), ["lock", "force-unlock"]);
    assert_eq!((&later[1]["forced"], &later[1]["lock_id"]), (&true.into(), &"left-behind".into()));
    assert!(later.len() > 2, "the denial is missing");
    assert!(later[2..].iter().all(|record| record["status"] == 403 && record["caller"].is_null()), "{later:?}");
}

#[tokio::test]
async fn what_was_answered_has_its_record_after_kill_9() {
    let mut server = server().set("AUDIT_LOG", "audit.log").start().await;
    let file = server.folder().join("audit.log");
    let mut tasks = Vec::new();
    for number in 0..8 {
        let client = Client::new(&server, &format!("team/p{number}"));
        tasks.push(tokio::spawn(async move {
            let mut answered = 0_u64;
            // Until the server is gone.
            while let Ok(answer) = client.post(&state(answered + 1, &[]), None).await {
                assert_eq!(answer.status, 200);
                answered += 1;
            }
            answered
        }));
    }
    eventually("some records", PATIENCE, async || {
        let text = std::fs::read_to_string(&file).unwrap_or_default();
        (text.lines().count() > 50).then_some(())
    })
    .await;
    server.kill9();
    let mut answered = Vec::new();
    for task in tasks {
        answered.push(task.await.unwrap());
    }
    // Appended to, and nothing before is touched.
    server.restart().await;
    Client::new(&server, "team/after").post(&state(1, &[]), None).await.unwrap().expect(200);
    let records = records(&file);
    for (number, answered) in answered.iter().enumerate() {
        let path = format!("team/p{number}");
        let recorded = records.iter().filter(|record| record["state"] == path.as_str() && record["status"] == 200);
        let recorded = recorded.count() as u64;
        assert!(recorded >= *answered, "{path}: {answered} answered, {recorded} recorded");
    }
    assert_eq!(records.last().unwrap()["state"], "team/after");
}

#[tokio::test]
async fn rotated_by_size_without_losing_a_record_between() {
    let server = server().set("AUDIT_LOG", "audit.log").set("AUDIT_MAX_BYTES", "64KiB").set("AUDIT_KEEP_FILES", "2");
    let server = server.start().await;
    let client = Client::new(&server, "team/app");
    let file = |name: &str| server.folder().join(name);
    let mut serial = 0;
    while !file("audit.log.2").exists() {
        serial += 1;
        client.post(&state(serial, &[]), None).await.unwrap().expect(200);
    }
    let all: Vec<Value> =
        ["audit.log.2", "audit.log.1", "audit.log"].iter().flat_map(|name| records(&file(name))).collect();
    let serials: Vec<u64> = all.iter().map(|record| record["after"]["serial"].as_u64().unwrap()).collect();
    assert_eq!(serials, (1..=serial).collect::<Vec<_>>());
    for name in ["audit.log.1", "audit.log.2"] {
        assert!(std::fs::metadata(file(name)).unwrap().len() <= 64 << 10, "{name}");
    }
    let forth = async {
        while !file("audit.log.1").exists() || records(&file("audit.log.2"))[0]["after"]["serial"] == 1 {
            serial += 1;
            client.post(&state(serial, &[]), None).await.unwrap().expect(200);
        }
    };
    forth.await;
    assert!(!file("audit.log.3").exists());
}

#[tokio::test]
async fn a_full_disk_stops_no_run_and_is_told_everywhere() {
    // Linux' own full disk.
    let mut server = server().set("AUDIT_LOG", "/dev/full").start().await;
    let mut cli = Cli::tofu();
    set_up(&mut cli, &server, "team/app").await;
    cli.ok(&["apply", "-auto-approve"]).await;
    let ready = http().get(server.admin_url("readyz")).send().await.unwrap();
    assert_eq!(ready.status(), 200, "it serves");
    let ready: Value = ready.json().await.unwrap();
    assert_eq!(ready["audit"]["working"], false, "{ready}");
    let metrics = http().get(server.admin_url("metrics")).send().await.unwrap().text().await.unwrap();
    assert!(metrics.contains("tofu_state_audit_working 0\n"), "{metrics}");
    assert!(server.log().contains("audit records cannot be written"), "{}", server.log());
    // What is not written by now never will be: that is no good end.
    assert_eq!(server.terminate().await.code(), Some(1), "{}", server.log());
    assert!(server.log().contains("audit records are lost"), "{}", server.log());
}

#[tokio::test]
async fn to_standard_output_for_a_collector() {
    let mut server = server().set("AUDIT_LOG", "stdout").start().await;
    Client::new(&server, "team/app").post(&state(1, &[]), None).await.unwrap().expect(200);
    server.terminate().await;
    let log = server.log();
    let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let audit: Vec<Value> = lines.filter(|line| line["audit"] == 1).collect();
    assert_eq!(words(&audit, "operation"), ["write"], "{log}");
}
