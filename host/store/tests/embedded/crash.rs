//! `kill -9` at any moment: every acknowledged write is there, and the store opens.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::io::{BufRead, BufReader, Write as _};
use std::process::{Command, Stdio};

use super::*;

/// How often the writing process is killed.
const KILLS: usize = 50;
/// Keys that it writes to at once.
const WRITERS: usize = 4;
/// Tells the process that it is the one to be killed, and where its folder is.
const FOLDER_VARIABLE: &str = "TOFU_STATE_CRASH_FOLDER";

/// What a writer writes as a revision: of many sizes, and never the same twice.
fn content_of(name: &str, revision: Revision) -> String {
    let size = usize::try_from(revision * 7919 % 20_000).unwrap();
    format!("{name} {revision} {}", "c".repeat(size))
}

/// The process to be killed. A test by name only: the other test starts this binary again with just
/// this one; in an ordinary run there is nothing for it to do.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_process_that_is_killed() {
    let Some(folder) = std::env::var_os(FOLDER_VARIABLE) else { return };
    let store = Arc::new(Embedded::open(Settings { keep_versions: 10, ..Settings::new(folder) }).unwrap());
    let writers = (0..WRITERS).map(|number| {
        let store = Arc::clone(&store);
        tokio::spawn(async move {
            let name = format!("g/{number}");
            let retention = if number == 0 { Retention::Latest } else { Retention::History };
            let mut newest = match store.get(&key(&name)).await.unwrap() {
                Slot::Entry(entry) => entry.revision,
                _ => 0,
            };
            loop {
                let content = content_of(&name, newest + 1);
                let outcome = store.put_cas(&key(&name), Write { retention, ..write(&content, newest) }).await;
                let Ok(Outcome::Written(revision)) = outcome else { panic!("{name}: {outcome:?}") };
                newest = revision;
                let line = format!("\nacknowledged {name} {revision}\n");
                let mut out = std::io::stdout().lock();
                out.write_all(line.as_bytes()).unwrap();
                out.flush().unwrap();
            }
        })
    });
    futures_util::future::join_all(writers).await;
}

/// Starts the writing process, kills it after `lines` acknowledgements, and gives the last revision
/// acknowledged of each key.
fn run_and_kill(folder: &tempfile::TempDir, lines: usize) -> HashMap<String, Revision> {
    let mut process = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "crash::the_process_that_is_killed", "--nocapture", "--test-threads=1"])
        .env(FOLDER_VARIABLE, folder.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .unwrap();
    let mut acknowledged = HashMap::new();
    let mut left = lines;
    let mut output = BufReader::new(process.stdout.take().unwrap());
    let mut line = String::new();
    loop {
        line.clear();
        // What was printed before the process died is still in the pipe after it.
        if output.read_line(&mut line).unwrap() == 0 {
            break;
        }
        if let Some((name, revision)) =
            line.strip_prefix("acknowledged ").and_then(|rest| rest.strip_suffix('\n')?.split_once(' '))
        {
            acknowledged.insert(name.to_owned(), revision.parse().unwrap());
            left = left.saturating_sub(1);
            if left == 0 {
                // SIGKILL; a process that is dead already is no error.
                process.kill().unwrap();
            }
        }
    }
    let status = process.wait().unwrap();
    assert_eq!(std::os::unix::process::ExitStatusExt::signal(&status), Some(9), "it ended by itself: {status}");
    acknowledged
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_acknowledged_write_survives_fifty_kills() {
    let folder = tempfile::tempdir().unwrap();
    let random = RandomState::new();
    let mut total = 0;
    for kill in 0..KILLS {
        let lines = 1 + usize::try_from(random.hash_one(kill) % 60).unwrap();
        let acknowledged = run_and_kill(&folder, lines);
        assert!(!acknowledged.is_empty());

        let store = open(&folder);
        for (name, revision) in acknowledged {
            let found = entry(&store, &name).await;
            assert!(found.revision >= revision, "{name}: {revision} was acknowledged, {} is there", found.revision);
            for kept in store.revisions(&key(&name)).await.unwrap() {
                let entry = store.revision(&key(&name), kept).await.unwrap().unwrap();
                let expected = content_of(&name, kept);
                assert!(entry.content.as_deref() == Some(expected.as_bytes()), "{name}: revision {kept} is damaged");
            }
            total += found.revision;
        }
        store.close();
    }
    assert!(total > 0);
}
