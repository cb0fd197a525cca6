//! `state list`, `versions`, `show`, `diff`, `restore` and `mv`, with the real `tofu`, on both stores, and killed at every
//! request.

use serde_json::Value;
use tofu_state_testing::cli::Cli;
use tofu_state_testing::server::Server;

use super::cut::{Cut, Side, interrupted, killed};
use super::{Ended, program, run};
use crate::common::{Site, server, set_up};
use crate::wire::{Client, state};

const PATH: &str = "team/app";
const APPLIES: usize = 10;
const FOURTH: usize = 4;

/// The revision of the version with this serial.
async fn revision(server: &Server, serial: u64) -> String {
    revision_at(server, PATH, serial).await
}

async fn revision_at(server: &Server, path: &str, serial: u64) -> String {
    let versions = run(server, &["state", "versions", path, "--json"]).await.success().json();
    let found = versions.as_array().unwrap().iter().find(|version| version["serial"] == serial);
    found.unwrap_or_else(|| panic!("no serial {serial} in {versions}"))["revision"].to_string()
}

/// What a plan would do: its resource changes as `address: action`.
async fn planned(cli: &Cli) -> Vec<String> {
    cli.ok(&["plan", "-out=plan", "-refresh=false"]).await;
    let shown = cli.ok(&["show", "-json", "plan"]).await;
    let plan: Value = serde_json::from_str(&shown.stdout).unwrap();
    let mut changes: Vec<_> = plan["resource_changes"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|change| change["change"]["actions"] != serde_json::json!(["no-op"]))
        .map(|change| {
            let action = match change["change"]["actions"].to_string().as_str() {
                r#"["create"]"# => "added",
                r#"["delete"]"# => "removed",
                _ => "changed",
            };
            format!("{}: {action}", change["address"].as_str().unwrap())
        })
        .collect();
    changes.sort();
    changes
}

async fn the_fourth_of_ten_applies_comes_back(site: Site) {
    let server = &site.server;
    let mut cli = Cli::tofu();
    set_up(&mut cli, server, PATH).await;
    let (mut fourth, mut present) = (String::new(), Value::Null);
    for apply in 1..=APPLIES {
        // A resource more each time, and one that changes each time.
        cli.write(
            "main.tf",
            &format!(
                "resource \"terraform_data\" \"item\" {{\n  count = {apply}\n  input = \"item ${{count.index}}\"\n}}\n\n\
                 resource \"terraform_data\" \"turn\" {{\n  input = \"turn {apply}\"\n}}\n\n\
                 output \"turn\" {{\n  value = {apply}\n}}\n"
            ),
        );
        cli.ok(&["apply", "-auto-approve"]).await.says("Apply complete!");
        present = run(server, &["state", "versions", PATH, "--json"]).await.success().json()[0].clone();
        if apply == FOURTH {
            fourth = present["revision"].to_string();
        }
    }
    let serial = present["serial"].as_u64().unwrap();
    let tenth = run(server, &["state", "pull", PATH]).await.success();
    let shown = run(server, &["state", "show", PATH]).await.success();
    assert!(shown.text().contains(&format!("(serial {serial})")), "{shown:?}");
    let listed = run(server, &["state", "list", "team"]).await.success();
    assert!(listed.text().contains(PATH) && listed.text().ends_with("1 state\n"), "{listed:?}");

    // From the fourth to the present: what a plan has to do after the fourth is restored.
    let diff = run(server, &["state", "diff", PATH, &fourth, "--json"]).await.success().json();
    let mut expected: Vec<_> = diff["difference"]["resources"]
        .as_array()
        .unwrap()
        .iter()
        .map(|change| format!("{}: {}", change["address"].as_str().unwrap(), change["change"].as_str().unwrap()))
        .collect();
    expected.sort();
    assert_eq!(expected.len(), 7, "{diff}");

    run(server, &["state", "restore", PATH, &fourth]).await.failure("say --yes").failure("6 removed, 1 changed");
    assert_eq!(run(server, &["state", "pull", PATH]).await.success().stdout, tenth.stdout, "nobody said yes");
    let restored = run(server, &["state", "restore", PATH, &fourth, "--yes", "--json"]).await.success().json();
    assert_eq!((restored["serial"].as_u64(), restored["written"].as_bool()), (Some(serial + 1), Some(true)));
    let mut present = run(server, &["state", "pull", PATH]).await.success().json();
    let old = run(server, &["state", "pull", PATH, "--revision", &fourth]).await.success().json();
    present["serial"] = old["serial"].clone();
    assert_eq!(present, old);

    assert_eq!(planned(&cli).await, expected, "the plan shows what the diff said");
    let again = run(server, &["state", "restore", PATH, &fourth, "--yes", "--json"]).await.success().json();
    assert_eq!((again["serial"].as_u64(), again["written"].as_bool()), (Some(serial + 1), Some(false)));
    cli.ok(&["apply", "-auto-approve"]).await.says("Apply complete!");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restore_on_the_embedded_store() {
    the_fourth_of_ten_applies_comes_back(Site::embedded().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restore_on_openbao() {
    the_fourth_of_ten_applies_comes_back(Site::openbao().await).await;
}

async fn restores_killed_at_every_request(site: Site) {
    let server = &site.server;
    let client = Client::new(server, PATH);
    for serial in 1..=3 {
        client.post(&state(serial, &[format!("entry {serial}")]), None).await.unwrap().expect(200);
    }
    let first = revision(server, 1).await;
    let arguments = ["state", "restore", PATH, &first, "--yes"];
    let (mut kills, mut serial) = (0, 3);
    for side in [Side::Before, Side::After] {
        for through in 0.. {
            assert!(through < 50, "it never comes to its end");
            let ended = killed(server, &arguments, through, side).await;
            let present = client.get().await.unwrap().expect(200).json();
            let (old, new) = (state(serial, &[format!("entry {serial}")]), state(serial + 1, &["entry 1".to_owned()]));
            assert!(present == old || present == new, "{side:?} {through}: {present}");
            assert!(!ended || present == new);
            // The same command again finds its lock, or what is done, and comes to its end.
            run(server, &arguments).await.success();
            assert_eq!(client.get().await.unwrap().expect(200).json(), new, "{side:?} {through}");
            // Nobody is kept out, and there is another state to restore over.
            serial += 2;
            let next = state(serial, &[format!("entry {serial}")]);
            let id = format!("next-{serial}");
            client.lock(&id).await.unwrap().expect(200);
            client.post(&next, Some(&id)).await.unwrap().expect(200);
            client.unlock(&id).await.unwrap().expect(200);
            if ended {
                break;
            }
            kills += 1;
        }
    }
    assert!(kills >= 16, "only {kills} kills");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restore_killed_anywhere_leaves_the_old_state_or_the_new_one() {
    restores_killed_at_every_request(Site::embedded().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn so_it_is_on_openbao() {
    restores_killed_at_every_request(Site::openbao().await).await;
}

async fn moves_killed_at_every_request(site: Site) {
    let server = &site.server;
    for side in [Side::Before, Side::After] {
        for through in 0.. {
            assert!(through < 60, "it never comes to its end");
            let (old, new) = (format!("old/{side:?}-{through}"), format!("new/{side:?}-{through}"));
            let (from, to) = (Client::new(server, &old), Client::new(server, &new));
            for serial in 1..=3 {
                from.post(&state(serial, &[]), None).await.unwrap().expect(200);
            }
            let arguments = ["state", "mv", &old, &new, "--yes"];
            let ended = killed(server, &arguments, through, side).await;
            let (here, there) = (from.get().await.unwrap(), to.get().await.unwrap());
            // It is whole at one of the two at any moment.
            let whole = |answer: &crate::wire::Answer| answer.status == 200 && answer.json() == state(3, &[]);
            assert!(whole(&here) || whole(&there), "{side:?} {through}: {here:?} {there:?}");
            let again = run(server, &arguments).await;
            if ended {
                again.failure("was it moved already?");
            } else if here.status == 404 && from.lock("probe").await.unwrap().status == 200 {
                // It was killed when only its last answer was missing.
                from.unlock("probe").await.unwrap().expect(200);
            } else {
                again.success();
            }
            from.get().await.unwrap().expect(404);
            assert_eq!(to.get().await.unwrap().expect(200).json(), state(3, &[]));
            let versions = run(server, &["state", "versions", &new, "--json"]).await.success().json();
            let states = versions.as_array().unwrap().iter().filter(|version| version["kind"] == "state");
            let serials: Vec<_> = states.map(|version| version["serial"].as_u64().unwrap()).collect();
            assert_eq!(serials, [3, 2, 1], "{side:?} {through}: the history came along");
            to.lock("probe").await.unwrap().expect(200);
            to.unlock("probe").await.unwrap().expect(200);
            // A later run does not make them go: a server may keep only the last version of each run for good.
            to.lock("later").await.unwrap().expect(200);
            to.post(&state(4, &[]), Some("later")).await.unwrap().expect(200);
            to.unlock("later").await.unwrap().expect(200);
            let versions = run(server, &["state", "versions", &new, "--json"]).await.success().json();
            let kept = versions.as_array().unwrap().iter().filter(|version| version["kind"] == "state").count();
            assert_eq!(kept, 4, "{side:?} {through}: {versions}");
            if ended {
                break;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_move_killed_anywhere_can_be_run_again() {
    moves_killed_at_every_request(Site::embedded().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn so_can_one_on_openbao() {
    moves_killed_at_every_request(Site::openbao().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_restored_or_moved_is_said_and_left_alone() {
    let server = server().start().await;
    let client = Client::new(&server, PATH);
    for serial in [1, 2] {
        client.post(&state(serial, &[]), None).await.unwrap().expect(200);
    }
    run(&server, &["state", "restore", PATH, "77", "--yes"]).await.failure("has no revision 77");
    run(&server, &["state", "mv", "team/nothing", "team/new", "--yes"])
        .await
        .failure("there is no state at team/nothing");
    Client::new(&server, "team/taken").post(&state(9, &[]), None).await.unwrap().expect(200);
    run(&server, &["state", "mv", PATH, "team/taken", "--yes"]).await.failure("another state is at team/taken");
    run(&server, &["state", "mv", PATH, PATH, "--yes"]).await.failure("the same path");

    client.lock("apply").await.unwrap().expect(200);
    let first = revision(&server, 1).await;
    run(&server, &["state", "restore", PATH, &first, "--yes"]).await.failure("locked (ID apply");
    client.unlock("apply").await.unwrap().expect(200);
    assert_eq!(client.get().await.unwrap().expect(200).json(), state(2, &[]));

    // A deleted state comes back, with a serial that follows.
    run(&server, &["state", "rm", PATH, "--yes"]).await.success();
    run(&server, &["state", "restore", PATH, &first, "--yes"]).await.success();
    assert_eq!(client.get().await.unwrap().expect(200).json(), state(3, &[]));

    // Another lineage only when it is asked for.
    let mut foreign = state(1, &[]);
    foreign["lineage"] = "another".into();
    client.send("POST", "?overwrite=3", foreign.to_string()).await.unwrap().expect(200);
    run(&server, &["state", "restore", PATH, &first, "--yes"]).await.failure("--other-lineage");
    run(&server, &["state", "restore", PATH, &first, "--yes", "--other-lineage"]).await.success();
    assert_eq!(client.get().await.unwrap().expect(200).json(), state(2, &[]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_interruption_releases_the_lock() {
    let server = server().start().await;
    let client = Client::new(&server, PATH);
    for serial in [1, 2] {
        client.post(&state(serial, &[]), None).await.unwrap().expect(200);
    }
    let first = revision(&server, 1).await;
    // The fourth request, under the lock, is never answered.
    let cut = Cut::start_with_one_gap(server.url(""), 3).await;
    let mut command = program(&cut.address);
    command.args(["state", "restore", PATH, &first, "--yes"]).stderr(std::process::Stdio::piped());
    let child = command.spawn().unwrap();
    cut.reached().await;
    client.lock("probe").await.unwrap().expect(409);
    rustix::process::kill_process(rustix::process::Pid::from_child(&child), rustix::process::Signal::INT).unwrap();
    let ended = tokio::task::spawn_blocking(move || Ended::of(child.wait_with_output().unwrap())).await.unwrap();
    ended.failure("interrupted");
    client.lock("another").await.unwrap().expect(200);
    assert_eq!(client.get().await.unwrap().expect(200).json(), state(2, &[]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_move_that_is_interrupted_anywhere_leaves_no_lock_or_says_so() {
    let server = server().start().await;
    let mut said = 0;
    for through in 0.. {
        assert!(through < 60, "it never comes to its end");
        let (old, new) = (format!("old/{through}"), format!("new/{through}"));
        let (from, to) = (Client::new(&server, &old), Client::new(&server, &new));
        for serial in 1..=2 {
            from.post(&state(serial, &[]), None).await.unwrap().expect(200);
        }
        let arguments = ["state", "mv", &old, &new, "--yes"];
        let Some(ended) = interrupted(&server, &arguments, through).await else { break };
        assert_ne!(ended.code, Some(0), "{through}: {ended:?}");
        for client in [&from, &to] {
            let probe = client.lock("probe").await.unwrap();
            if probe.status == 200 {
                client.unlock("probe").await.unwrap().expect(200);
            } else {
                // Only where the request that was lost is the one that releases it.
                assert!(ended.stderr.contains("still locked"), "{through}: {ended:?}");
                said += 1;
            }
        }
        if from.get().await.unwrap().status == 200 || ended.stderr.contains("still locked") {
            run(&server, &arguments).await.success();
        }
        from.get().await.unwrap().expect(404);
        assert_eq!(to.get().await.unwrap().expect(200).json(), state(2, &[]));
        to.lock("later").await.unwrap().expect(200);
    }
    assert!(said > 0, "no release was lost");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn so_does_a_restore() {
    let server = server().start().await;
    for through in 0.. {
        assert!(through < 50, "it never comes to its end");
        let path = format!("team/{through}");
        let client = Client::new(&server, &path);
        for serial in 1..=2 {
            client.post(&state(serial, &[format!("entry {serial}")]), None).await.unwrap().expect(200);
        }
        let first = revision_at(&server, &path, 1).await;
        let arguments = ["state", "restore", &path, &first, "--yes"];
        let Some(ended) = interrupted(&server, &arguments, through).await else { break };
        assert_ne!(ended.code, Some(0), "{through}: {ended:?}");
        let probe = client.lock("probe").await.unwrap();
        assert!(probe.status == 200 || ended.stderr.contains("still locked"), "{through}: {ended:?}");
        if probe.status == 200 {
            client.unlock("probe").await.unwrap().expect(200);
        }
        run(&server, &arguments).await.success();
        assert_eq!(client.get().await.unwrap().expect(200).json(), state(3, &["entry 1".to_owned()]));
        client.lock("later").await.unwrap().expect(200);
    }
}
