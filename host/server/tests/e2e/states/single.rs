//! `state pull`, `lock`, `unlock` and `rm`.

use tofu_state_testing::server::TOKEN;

use super::{Ended, program, run};
use crate::common::server;
use crate::wire::{Client, state};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_state_is_pulled_as_it_was_sent() {
    let server = server().start().await;
    run(&server, &["state", "pull", "team/app"]).await.failure("there is no state at team/app");
    let client = Client::new(&server, "team/app");
    // Spaces that no program would write in this way.
    let sent = state(3, &["secret".to_owned()]).to_string().replace(':', " :\n ");
    client.send("POST", "", sent.clone()).await.unwrap().expect(200);
    let pulled = run(&server, &["state", "pull", "team/app"]).await.success();
    assert_eq!(pulled.text(), sent);

    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("app.tfstate");
    let said = run(&server, &["state", "--json", "pull", "team/app", "--to", file.to_str().unwrap()]).await.success();
    assert_eq!(said.json()["serial"], 3);
    assert_eq!(std::fs::read_to_string(&file).unwrap(), sent);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o077, 0, "states hold secrets");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_server_and_the_state_are_those_of_the_cli() {
    let server = server().start().await;
    let client = Client::new(&server, "team/app");
    client.post(&state(1, &[]), None).await.unwrap().expect(200);
    let mut command = program("");
    command.env_remove("TOFU_STATE_SERVER").env("TF_HTTP_ADDRESS", server.url("team/app"));
    command.env("TF_HTTP_LOCK_ADDRESS", server.url("-/lock/team/app")).env("TF_HTTP_LOCK_METHOD", "POST");
    command.env("TF_HTTP_UNLOCK_ADDRESS", server.url("-/lock/team/app")).env("TF_HTTP_UNLOCK_METHOD", "DELETE");
    command.args(["state", "lock", "--reason", "the network is rebuilt", "--json"]);
    let locked = Ended::of(command.output().unwrap()).success().json();
    assert_eq!(locked["path"], "team/app");
    client.post(&state(2, &[]), None).await.unwrap().expect(409);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lock_keeps_others_out_and_says_why() {
    let server = server().start().await;
    let client = Client::new(&server, "team/app");
    let reason = "the network is rebuilt until noon";
    let locked = run(&server, &["state", "lock", "team/app", "--reason", reason]).await.success();
    assert!(locked.text().contains("tofu-state state unlock team/app "), "{locked:?}");
    let holder = client.lock("apply").await.unwrap().expect(409).json();
    assert_eq!((holder["Info"].as_str(), holder["Operation"].as_str()), (Some(reason), Some("maintenance")));
    let refused = run(&server, &["state", "lock", "team/app", "--reason", "me, too"]).await;
    refused.failure(&format!("for maintenance, since {}", holder["Created"].as_str().unwrap())).failure(reason);

    run(&server, &["state", "unlock", "team/app", "another"]).await.failure("team/app is locked");
    run(&server, &["state", "unlock", "team/app", holder["ID"].as_str().unwrap()]).await.success();
    client.lock("apply").await.unwrap().expect(200);
    // A forced one breaks it: what its holder still sends is refused.
    run(&server, &["state", "unlock", "team/app", "apply", "--force"]).await.success();
    client.post(&state(1, &[]), Some("apply")).await.unwrap().expect(409);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_state_is_removed_under_its_lock_and_only_when_asked() {
    let server = server().start().await;
    let client = Client::new(&server, "team/app");
    client.post(&state(7, &[]), None).await.unwrap().expect(200);
    run(&server, &["state", "rm", "team/app"]).await.failure("serial 7").failure("say --yes");
    client.lock("apply").await.unwrap().expect(200);
    run(&server, &["state", "rm", "team/app", "--yes"]).await.failure("by apply@test, for OperationTypeApply");
    client.get().await.unwrap().expect(200);
    client.unlock("apply").await.unwrap().expect(200);
    run(&server, &["state", "rm", "team/app", "--yes"]).await.success();
    client.get().await.unwrap().expect(404);
    let again = run(&server, &["state", "rm", "team/app", "--yes"]).await.success();
    assert!(again.text().contains("nothing to delete"), "{again:?}");
    client.lock("another").await.unwrap().expect(200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refusals_say_what_to_do_and_nothing_secret() {
    let server = server().start().await;
    let mut command = program(&server.url(""));
    command.env("TF_HTTP_PASSWORD", "hunter2").args(["state", "pull", "team/app"]);
    let refused = Ended::of(command.output().unwrap()).failure("status 403").failure("right token");
    assert!(!refused.stderr.contains("hunter2") && !refused.stderr.contains(TOKEN), "{refused:?}");
    let mut command = program("");
    command.env_remove("TOFU_STATE_SERVER").args(["state", "pull", "team/app"]);
    let unknown = Ended::of(command.output().unwrap());
    assert_eq!(unknown.code, Some(2), "{unknown:?}");
    assert!(unknown.stderr.contains("which server?"), "{unknown:?}");
    run(&server, &["state", "pull", "team/a/b"]).await.failure("PATH_SEGMENTS");
}
