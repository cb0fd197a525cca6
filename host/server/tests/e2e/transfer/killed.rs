//! An import that is killed or interrupted at any of its requests is run again, and comes to its end.

use super::{count, states, write};
use crate::common::{Site, server};
use crate::states::cut::{Side, interrupted, killed};
use crate::states::run;
use crate::wire::Client;

/// More than one, so that a kill meets one that is done and one that is not begun.
const STATES: usize = 2;

async fn killed_at_every_request(site: Site) {
    let (server, all, folder) = (&site.server, states(STATES), tempfile::tempdir().unwrap());
    write(&all, folder.path(), ".tfstate");
    let mut kills = 0;
    for side in [Side::Before, Side::After] {
        for through in 0.. {
            assert!(through < 60, "it never comes to its end");
            let group = format!("{side:?}-{through}-group");
            let client = |name: &str| Client::new(server, &name.replace("group", &group));
            let from = folder.path().to_str().unwrap();
            let arguments =
                ["import", "folder", from, "--rename", "^group", &group, "--apply", "--parallel", "1", "--json"];
            let ended = killed(server, &arguments, through, side).await;
            for (name, bytes) in &all {
                let found = client(name).get().await.unwrap();
                let is_whole = found.status == 200 && found.body == bytes.as_slice();
                assert!(is_whole || !ended && found.status == 404, "{side:?} {through} {name}: {found:?}");
            }
            let report = run(server, &arguments).await.success().json();
            assert_eq!(count(&report, "imported") + count(&report, "present"), STATES, "{side:?} {through}: {report}");
            for (name, bytes) in &all {
                assert!(
                    client(name).get().await.unwrap().expect(200).body == bytes.as_slice(),
                    "{side:?} {through} {name}"
                );
                // Nobody is kept out.
                client(name).lock("probe").await.unwrap().expect(200);
            }
            if ended {
                break;
            }
            kills += 1;
        }
    }
    assert!(kills >= 2 * 6 * STATES, "only {kills} kills: a GET, a LOCK, a GET, a POST, a GET and an UNLOCK each");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_import_killed_anywhere_is_run_again_on_the_embedded_store() {
    killed_at_every_request(Site::embedded().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn so_it_is_on_openbao() {
    killed_at_every_request(Site::openbao().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_import_interrupted_anywhere_leaves_no_lock_or_says_so() {
    let (server, all, folder) = (server().start().await, states(STATES), tempfile::tempdir().unwrap());
    write(&all, folder.path(), ".tfstate");
    for through in 0.. {
        assert!(through < 60, "it never comes to its end");
        let group = format!("{through}-group");
        let client = |name: &str| Client::new(&server, &name.replace("group", &group));
        let from = folder.path().to_str().unwrap();
        let arguments =
            ["import", "folder", from, "--rename", "^group", &group, "--apply", "--parallel", "1", "--json"];
        let Some(ended) = interrupted(&server, &arguments, through).await else { break };
        assert_ne!(ended.code, Some(0), "{through}: {ended:?}");
        for (name, bytes) in &all {
            let probe = client(name).lock("probe").await.unwrap();
            if probe.status == 200 {
                client(name).unlock("probe").await.unwrap().expect(200);
            } else {
                assert!(ended.text().contains("still locked"), "{through} {name}: {ended:?}");
            }
            let found = client(name).get().await.unwrap();
            assert!(found.status == 404 || found.expect(200).body == bytes.as_slice(), "{through} {name}");
        }
        let report = run(&server, &arguments).await.success().json();
        assert_eq!(count(&report, "imported") + count(&report, "present"), STATES, "{through}: {report}");
        for (name, bytes) in &all {
            assert!(client(name).get().await.unwrap().expect(200).body == bytes.as_slice(), "{through} {name}");
            client(name).lock("later").await.unwrap().expect(200);
        }
    }
}
