//! Every source, with the server on the embedded store; and on OpenBao.

use std::io::Write;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use reqwest::Method;
use tofu_state_testing::bao::Bao;
use tofu_state_testing::process::eventually;
use tofu_state_testing::server::TOKEN;
use tofu_state_testing::storage::Storage;

use super::{count, holds, states, write};
use crate::common::{PATIENCE, Site, server};
use crate::states::{Ended, program, run};
use crate::wire::{Client, state};

/// How many states each source has.
const MANY: usize = 1000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_states_from_a_folder_to_an_archive_and_back_from_an_http_backend_and_from_a_server() {
    let (states, folder) = (states(MANY), tempfile::tempdir().unwrap());
    let from = folder.path().join("from");
    write(&states, &from, ".tfstate");
    std::fs::write(from.join("group-1/errored.tfstate"), "{}").unwrap();
    let first = server().set("PATH_SEGMENTS", "3").start().await;
    let arguments = ["import", "folder", from.to_str().unwrap(), "--json"];

    let dry = run(&first, &arguments).await.success().json();
    assert_eq!((count(&dry, "would-import"), count(&dry, "skipped"), &dry["applied"]), (MANY, 1, &false.into()));
    Client::new(&first, "group-0/project-0").get().await.unwrap().expect(404);
    let applied = run(&first, &[&arguments[..], &["--apply"]].concat()).await.success().json();
    assert_eq!(count(&applied, "imported"), MANY);
    holds(&first, &states, "").await;
    let again = run(&first, &[&arguments[..], &["--apply"]].concat()).await.success().json();
    assert_eq!(count(&again, "present"), MANY);

    // Into an archive, and back from there into another server.
    let archive = folder.path().join("states.tar");
    run(&first, &["export", "tar", archive.to_str().unwrap()]).await.success();
    let second = server().start().await;
    let back = ["import", "tar", archive.to_str().unwrap(), "--apply", "--json"];
    assert_eq!(count(&run(&second, &back).await.success().json(), "imported"), MANY);
    holds(&second, &states, "").await;

    // By the http backend's protocol alone, as from a server that is not ours.
    let names = folder.path().join("names");
    std::fs::write(&names, states.keys().map(|name| format!("{name}\n")).collect::<String>()).unwrap();
    let mut command = program(&first.url(""));
    command.args(["import", "http", "--address", &second.url("{name}"), "--names-file", names.to_str().unwrap()]);
    command.args(["--into", "moved", "--apply", "--json"]).env("SOURCE_USERNAME", "x").env("SOURCE_PASSWORD", TOKEN);
    let report = tokio::task::spawn_blocking(move || Ended::of(command.output().unwrap())).await.unwrap();
    assert_eq!(count(&report.success().json(), "imported"), MANY);
    holds(&first, &states, "moved").await;

    // With the list that a server of ours has.
    let mut command = program(&first.url(""));
    command.args(["import", "server", "--url", &second.url(""), "--into", "again", "--apply", "--json"]);
    command.env("SOURCE_PASSWORD", TOKEN);
    let report = tokio::task::spawn_blocking(move || Ended::of(command.output().unwrap())).await.unwrap();
    assert_eq!(count(&report.success().json(), "imported"), MANY);
    holds(&first, &states, "again").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_states_from_s3() {
    let (states, folder) = (states(MANY), tempfile::tempdir().unwrap());
    write(&states, &folder.path().join("prod"), "/terraform.tfstate");
    write(&states, &folder.path().join("other"), "");
    std::fs::write(folder.path().join("prod/group-0/terraform.tfstate.tflock"), "{}").unwrap();
    let storage = Storage::start(folder.path()).await;
    let server = server().start().await;
    let import = async |secret: &str| {
        let mut command = program(&server.url(""));
        command.env("AWS_ACCESS_KEY_ID", storage.key()).env("AWS_SECRET_ACCESS_KEY", secret);
        command.args(["import", "s3", "--endpoint", storage.address(), "--path-style", "--bucket", storage.bucket()]);
        command.args(["--prefix", "prod/", "--strip", "prod", "--apply", "--json"]);
        tokio::task::spawn_blocking(move || Ended::of(command.output().unwrap())).await.unwrap()
    };
    let refused = import("hunter2").await.failure("SignatureDoesNotMatch");
    assert!(!refused.stderr.contains("hunter2") && !refused.stderr.contains("X-Amz"), "{refused:?}");
    let report = import(storage.secret()).await.success().json();
    assert_eq!((count(&report, "imported"), count(&report, "skipped")), (MANY, 1));
    holds(&server, &states, "").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_states_from_another_layout_in_kv() {
    let (states, bao) = (states(MANY), Bao::dev().await);
    bao.mount_kv("elsewhere").await;
    for (number, (name, bytes)) in states.iter().enumerate() {
        let text = match number % 4 {
            0 => String::from_utf8(bytes.clone()).unwrap(),
            1 => BASE64_STANDARD.encode(bytes),
            2 => {
                let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
                encoder.write_all(bytes).unwrap();
                BASE64_STANDARD.encode(encoder.finish().unwrap())
            }
            _ => BASE64_STANDARD.encode(zstd::encode_all(bytes.as_slice(), 1).unwrap()),
        };
        let secret = serde_json::json!({ "data": { "tfstate": text, "note": "of somebody else" } });
        bao.ok(Method::POST, &format!("elsewhere/data/terraform/{name}"), secret).await;
    }
    let lock = serde_json::json!({ "data": { "ID": "x" } });
    bao.ok(Method::POST, "elsewhere/data/terraform/group-0-lock", lock).await;
    let server = server().start().await;
    let import = async |mount: &str, field: &[&str]| {
        let mut command = program(&server.url(""));
        command.env("BAO_ADDR", bao.address()).env("BAO_TOKEN", bao.token());
        command.args(["import", "kv", "--mount", mount, "--prefix", "terraform"]).args(field);
        command.args(["--strip", "terraform", "--apply", "--json"]);
        tokio::task::spawn_blocking(move || Ended::of(command.output().unwrap())).await.unwrap()
    };
    import("nowhere", &[]).await.failure("no handler for route");
    import("elsewhere", &[]).await.failure(&format!("{MANY} of {} states need a look", MANY + 1));
    let report = import("elsewhere", &["--field", "tfstate"]).await.success().json();
    assert_eq!((count(&report, "imported"), count(&report, "skipped")), (MANY, 1));
    holds(&server, &states, "").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_import_that_is_killed_goes_on_when_it_is_run_again_on_openbao() {
    let (states, folder) = (states(60), tempfile::tempdir().unwrap());
    write(&states, folder.path(), ".tfstate");
    let site = Site::openbao().await;
    let arguments = ["import", "folder", folder.path().to_str().unwrap(), "--apply", "--json"];
    let mut command = program(&site.server.url(""));
    command.args(arguments).stdout(std::process::Stdio::null());
    let mut child = command.spawn().unwrap();
    let first = states.keys().next().unwrap();
    let client = Client::new(&site.server, first);
    eventually("the first state", PATIENCE, async || (client.get().await.ok()?.status == 200).then_some(())).await;
    child.kill().unwrap();
    child.wait().unwrap();
    let report = run(&site.server, &arguments).await.success().json();
    assert_eq!(count(&report, "imported") + count(&report, "present"), states.len());
    assert!(count(&report, "present") > 0);
    holds(&site.server, &states, "").await;
    client.lock("probe").await.unwrap().expect(200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_there_is_never_written_over_and_every_trouble_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, content: String| {
        let file = folder.path().join(name);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, content).unwrap();
    };
    file("team/newer.tfstate", state(5, &[]).to_string());
    file("team/foreign.tfstate", state(1, &[]).to_string());
    file("team/locked.tfstate", state(1, &[]).to_string());
    file("team/broken.tfstate", "{".to_owned());
    file("team/a b.tfstate", state(1, &[]).to_string());
    file("team/twice.tfstate", state(1, &[]).to_string());
    file("team/twice/terraform.tfstate", state(1, &[]).to_string());
    file("team/fine.tfstate", state(1, &[]).to_string());
    let server = server().start().await;
    let mut foreign = state(1, &[]);
    foreign["lineage"] = "another".into();
    Client::new(&server, "team/newer").post(&state(4, &[]), None).await.unwrap().expect(200);
    Client::new(&server, "team/foreign").post(&foreign, None).await.unwrap().expect(200);
    Client::new(&server, "team/locked").lock("apply").await.unwrap().expect(200);
    let arguments = ["import", "folder", folder.path().to_str().unwrap(), "--apply"];
    let ended = run(&server, &[&arguments[..], &["--json"]].concat()).await.failure("7 of 8 states need a look");
    let report = ended.json();
    let outcome = |name: &str| {
        let states = report["states"].as_array().unwrap();
        let found = states.iter().find(|state| state["name"] == name).unwrap();
        (found["outcome"].as_str().unwrap().to_owned(), found["reason"].as_str().unwrap_or_default().to_owned())
    };
    for (name, outcome_is, why) in [
        ("team/newer.tfstate", "conflict", "serial 4, here it has 5"),
        ("team/foreign.tfstate", "conflict", "another lineage"),
        ("team/locked.tfstate", "failed", "by apply@test"),
        ("team/broken.tfstate", "invalid", "not JSON"),
        ("team/a b.tfstate", "invalid", "--rename"),
        ("team/twice.tfstate", "invalid", "same path"),
        ("team/twice/terraform.tfstate", "invalid", "same path"),
        ("team/fine.tfstate", "imported", ""),
    ] {
        let (found, reason) = outcome(name);
        assert!(found == outcome_is && reason.contains(why), "{name}: {found}, {reason}");
    }
    let kept = Client::new(&server, "team/foreign").get().await.unwrap().expect(200).json();
    assert_eq!(kept, foreign);
    let text = run(&server, &arguments).await.failure("need a look").text();
    assert!(text.contains("CONFLICT") && text.contains("1 present, 2 conflict, 4 invalid, 1 failed"), "{text}");

    // An export that was changed is not brought back.
    let export = tempfile::tempdir().unwrap();
    let to = export.path().join("states");
    run(&server, &["export", "folder", to.to_str().unwrap(), "--prefix", "team/fine"]).await.success();
    run(&server, &["export", "folder", to.to_str().unwrap()]).await.failure("finished export");
    std::fs::write(to.join("team/fine.tfstate"), state(2, &[]).to_string()).unwrap();
    run(&server, &["import", "folder", to.to_str().unwrap(), "--into", "x"]).await.failure("1 of 1");
}
