//! What everybody does every day: init, plan, apply, pull, push, migrate, destroy.

use serde_json::Value;
use tofu_state_testing::cli::{Backend, Cli};
use tofu_state_testing::server::TOKEN;

use crate::common::{Site, set_up, with_both_clis_on_both_stores};
use crate::wire::Client;

with_both_clis_on_both_stores!(life_of_a_state, push_and_pull, migration_from_local);

async fn life_of_a_state(site: Site, mut cli: Cli) {
    set_up(&mut cli, &site.server, "team/app").await;
    let client = Client::new(&site.server, "team/app");
    client.get().await.unwrap().expect(404);

    cli.ok(&["plan"]).await.says("Plan: 1 to add, 0 to change, 0 to destroy.");
    cli.ok(&["apply", "-auto-approve"]).await.says("Apply complete! Resources: 1 added, 0 changed, 0 destroyed.");
    let first = client.get().await.unwrap().expect(200).json();
    assert_eq!(first["outputs"]["input"]["value"], "one");

    // What was written is what is read: nothing is left to do.
    cli.ok(&["plan", "-detailed-exitcode"]).await.says("No changes.");

    cli.resources(200, "two");
    cli.ok(&["apply", "-auto-approve"]).await.says("Apply complete! Resources: 199 added, 1 changed, 0 destroyed.");
    cli.ok(&["output", "-raw", "input"]).await.says("two");
    let second = client.get().await.unwrap().expect(200).json();
    assert_eq!(second["lineage"], first["lineage"]);
    assert!(second["serial"].as_u64() > first["serial"].as_u64());

    cli.ok(&["destroy", "-auto-approve"]).await.says("Destroy complete! Resources: 200 destroyed.");
    assert_eq!(client.get().await.unwrap().expect(200).json()["resources"], Value::Array(Vec::new()));
    // Each of these runs has released its lock.
    client.lock("after").await.unwrap().expect(200);
}

async fn push_and_pull(site: Site, mut cli: Cli) {
    set_up(&mut cli, &site.server, "team/app").await;
    cli.ok(&["apply", "-auto-approve"]).await;
    let mut state: Value = serde_json::from_str(&cli.ok(&["state", "pull"]).await.stdout).unwrap();
    let stored = Client::new(&site.server, "team/app").get().await.unwrap().expect(200).json();
    assert_eq!(state, stored);

    let serial = state["serial"].as_u64().unwrap();
    state["serial"] = (serial + 5).into();
    state["outputs"]["input"]["value"] = "pushed".into();
    cli.write("pushed.json", &state.to_string());
    cli.ok(&["state", "push", "pushed.json"]).await;
    cli.ok(&["output", "-raw", "input"]).await.says("pushed");

    // The CLI itself refuses to go back; forced, it sends the old state like any other.
    state["serial"] = serial.into();
    cli.write("old.json", &state.to_string());
    let _ = cli.run(&["state", "push", "old.json"]).await.failure();
}

async fn migration_from_local(site: Site, mut cli: Cli) {
    cli.resources(3, "from local");
    cli.ok(&["init"]).await;
    cli.ok(&["apply", "-auto-approve"]).await;
    let local: Value = serde_json::from_slice(&std::fs::read(cli.folder().join("terraform.tfstate")).unwrap()).unwrap();

    cli.set("TF_HTTP_USERNAME", "ci").set("TF_HTTP_PASSWORD", TOKEN);
    cli.backend(&Backend::new(&site.server.url("team/app")));
    cli.ok(&["init", "-migrate-state", "-force-copy"]).await.says("Successfully configured the backend \"http\"!");
    let remote = Client::new(&site.server, "team/app").get().await.unwrap().expect(200).json();
    // Not the lineage: both CLIs make a new one where the backend has no state yet.
    assert_eq!((&remote["resources"], &remote["outputs"]), (&local["resources"], &local["outputs"]));
    cli.ok(&["plan", "-detailed-exitcode"]).await.says("No changes.");
}
