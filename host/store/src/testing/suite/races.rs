//! Many at once: exactly one wins each compare-and-set.

use std::sync::Arc;

use bytes::Bytes;
use tokio::task::JoinSet;

use super::{entry, key, put, write};
use crate::{Key, Outcome, Retention, Revision, Slot, Store, Write};

/// Clients in a race for one revision.
const RACERS: usize = 32;
/// Races one after the other.
const ROUNDS: usize = 6;
/// Clients that share a counter.
const COUNTERS: usize = 8;
/// How often each raises it.
const INCREMENTS: usize = 20;

/// Lets [`RACERS`] tasks write on one revision at once; gives the winner's number and revision.
async fn race(store: &Arc<dyn Store>, key: &Key, expected: Revision, round: usize) -> (usize, Revision) {
    let start = Arc::new(tokio::sync::Barrier::new(RACERS));
    let mut racers = JoinSet::new();
    for racer in 0..RACERS {
        let (store, key, start) = (Arc::clone(store), key.clone(), Arc::clone(&start));
        racers.spawn(async move {
            let content = format!("round {round} racer {racer}");
            let write = write(r#"{"race":true}"#, Some(content.as_bytes()), expected);
            start.wait().await;
            (racer, store.put_cas(&key, write).await)
        });
    }
    let mut winners = Vec::new();
    while let Some(ended) = racers.join_next().await {
        match ended.expect("no racer panics") {
            (racer, Ok(Outcome::Written(revision))) => winners.push((racer, revision)),
            (_, Ok(Outcome::Conflict)) => {}
            (racer, Err(error)) => panic!("{key}: racer {racer} of round {round}: {error}"),
        }
    }
    assert_eq!(winners.len(), 1, "{key}: exactly one of {RACERS} wins round {round}, not {winners:?}");
    winners[0]
}

/// Of many that create one key, one wins, and its bytes stand.
pub async fn one_of_many_creators_wins(store: &Arc<dyn Store>, prefix: &str) {
    let key = key(prefix, "races/create");
    let (winner, revision) = race(store, &key, 0, 0).await;
    let found = entry(&**store, &key).await;
    assert_eq!(found.revision, revision, "{key}: not the winner's revision");
    assert_eq!(found.content.as_deref(), Some(format!("round 0 racer {winner}").as_bytes()), "{key}: a loser's bytes");
}

/// Of many that write on one revision, one wins each round, and its bytes stand.
pub async fn one_of_many_writers_wins_each_round(store: &Arc<dyn Store>, prefix: &str) {
    let key = key(prefix, "races/rounds");
    let mut newest = put(&**store, &key, write("{}", None, 0)).await;
    for round in 1..=ROUNDS {
        let (winner, revision) = race(store, &key, newest, round).await;
        assert!(revision > newest, "{key}: revision {revision} does not follow {newest}");
        newest = revision;
        let found = entry(&**store, &key).await;
        assert_eq!(found.revision, revision, "{key}: not the winner's revision");
        let content = format!("round {round} racer {winner}");
        assert_eq!(found.content.as_deref(), Some(content.as_bytes()), "{key}: a loser's bytes");
    }
}

/// Reads a counter: its value and revision.
async fn count(store: &dyn Store, key: &Key) -> (usize, Revision) {
    let found = entry(store, key).await;
    let text = std::str::from_utf8(&found.meta).expect("a counter is text");
    (text.parse().expect("a counter is a number"), found.revision)
}

/// Read, add one, write on the revision read, again if that was lost: the sum is right at the end.
pub async fn no_increment_is_lost(store: &Arc<dyn Store>, prefix: &str) {
    let key = key(prefix, "races/counter");
    put(&**store, &key, write("0", None, 0)).await;
    let mut clients = JoinSet::new();
    for _ in 0..COUNTERS {
        let (store, key) = (Arc::clone(store), key.clone());
        clients.spawn(async move {
            for _ in 0..INCREMENTS {
                loop {
                    let (value, expected) = count(&*store, &key).await;
                    let meta = Bytes::from((value + 1).to_string());
                    let write = Write { meta, content: None, expected, retention: Retention::Latest };
                    match store.put_cas(&key, write).await {
                        Ok(Outcome::Written(_)) => break,
                        Ok(Outcome::Conflict) => {}
                        Err(error) => panic!("{key}: {error}"),
                    }
                }
            }
        });
    }
    while let Some(ended) = clients.join_next().await {
        ended.expect("no client panics");
    }
    let (value, _) = count(&**store, &key).await;
    assert_eq!(value, COUNTERS * INCREMENTS, "{key}: increments were lost");
}

/// While one writes, readers see whole documents only, and never an older one after a newer.
pub async fn readers_see_whole_documents(store: &Arc<dyn Store>, prefix: &str) {
    let key = key(prefix, "races/reader");
    let document = |n: usize, expected| write(&n.to_string(), Some(&n.to_string().repeat(2000).into_bytes()), expected);
    let mut newest = put(&**store, &key, document(0, 0)).await;
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let mut readers = JoinSet::new();
    for _ in 0..4 {
        let (store, key, stopped) = (Arc::clone(store), key.clone(), stopped.clone());
        readers.spawn(async move {
            let mut last = 0;
            while !*stopped.borrow() {
                let found = match store.get(&key).await {
                    Ok(Slot::Entry(found)) => found,
                    other => panic!("{key}: a reader beside a writer sees {other:?}"),
                };
                assert!(found.revision >= last, "{key}: revision {} was read after {last}", found.revision);
                last = found.revision;
                let expected = std::str::from_utf8(&found.meta).expect("text").repeat(2000);
                assert!(found.content.as_deref() == Some(expected.as_bytes()), "{key}: meta and content of two writes");
                tokio::task::yield_now().await;
            }
        });
    }
    for n in 1..=30 {
        newest = put(&**store, &key, document(n, newest)).await;
    }
    stop.send(true).expect("the readers are still there");
    while let Some(ended) = readers.join_next().await {
        ended.expect("no reader panics");
    }
}
