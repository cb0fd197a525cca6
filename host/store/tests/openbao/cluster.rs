//! Three nodes: reads that must not be stale, races, and the loss of the active node.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use tofu_state_store::openbao::OpenBao;
use tofu_state_store::{Outcome, Revision, Slot, Store, patience};
use tofu_state_testing::cluster::{Cluster, RoundRobin};
use tokio::time::Instant;

use crate::{key, meta, open, put, write};

/// How often each way of reading is tried.
const READS: usize = 120;

/// How many of them at once.
const LANES: usize = 6;

/// All in one: a cluster takes half a minute to form.
#[tokio::test(flavor = "multi_thread")]
async fn three_nodes() {
    let mut cluster = Cluster::start().await;
    let balancer = RoundRobin::start(&cluster.addresses()).await;
    let balanced = open(&balancer.address(), cluster.token());
    assert_eq!(balanced.check().await, Ok(Vec::new()));
    tofu_state_store::testing::suite::run_all(Arc::new(open(&balancer.address(), cluster.token()))).await;

    no_read_is_stale(&cluster, &balancer).await;
    one_of_many_writes_wins(&cluster).await;
    nothing_acknowledged_is_lost_with_the_leader(&mut cluster, balanced).await;
    a_leader_that_was_replaced_while_it_slept_answers_nothing_old(&mut cluster).await;
}

/// What one node has acknowledged, every other node knows at once, and does not take for absent.
async fn no_read_is_stale(cluster: &Cluster, balancer: &RoundRobin) {
    let node = |number: usize| open(&cluster.nodes()[number].address(), cluster.token());
    let leader = node(cluster.leader().await);
    let standbys: Vec<OpenBao> = cluster.standbys().await.into_iter().map(node).collect();
    let readers: Vec<OpenBao> =
        standbys.into_iter().chain((0..3).map(|_| open(&balancer.address(), cluster.token()))).collect();
    for (number, reader) in readers.iter().enumerate() {
        // Side by side, since what is absent is asked for twice, with a pause.
        join_all((0..LANES).map(|lane| {
            let leader = &leader;
            async move {
                for round in 0..READS / LANES {
                    let key = key(&format!("fresh/{number}-{lane}-{round}"));
                    assert_eq!(reader.get(&key).await, Ok(Slot::Absent));
                    assert_eq!(put(leader, &key, "one", 0).await, Ok(Outcome::Written(1)));
                    assert_eq!(meta(reader, &key).await, ("one".to_owned(), 1), "{key}, read by {number}");
                    // A standby's own copy would refuse the right revision as a lost race.
                    assert_eq!(
                        put(reader, &key, "two", 1).await,
                        Ok(Outcome::Written(2)),
                        "{key}, written by {number}"
                    );
                    assert_eq!(meta(leader, &key).await, ("two".to_owned(), 2), "{key}");
                    assert_eq!(put(leader, &key, "three", 2).await, Ok(Outcome::Written(3)), "{key}");
                    // And a deletion there would do nothing.
                    reader.delete(&key).await.unwrap();
                    assert_eq!(leader.get(&key).await, Ok(Slot::Absent), "{key}, deleted by {number}");
                }
            }
        }))
        .await;
    }
}

async fn one_of_many_writes_wins(cluster: &Cluster) {
    let key = key("race/one");
    for round in 0..10 {
        let writers = (0..32).map(|number| {
            let store = open(&cluster.addresses()[number % 3], cluster.token());
            let key = key.clone();
            tokio::spawn(async move { put(&store, &key, &format!("{round}-{number}"), round).await })
        });
        let outcomes: Vec<Outcome> =
            join_all(writers).await.into_iter().map(|outcome| outcome.unwrap().unwrap()).collect();
        let won: Vec<usize> = (0..32).filter(|&number| outcomes[number] == Outcome::Written(round + 1)).collect();
        let lost = outcomes.iter().filter(|&&outcome| outcome == Outcome::Conflict).count();
        assert_eq!((won.len(), lost), (1, 31), "{outcomes:?}");
        let reader = open(&cluster.addresses()[0], cluster.token());
        assert_eq!(meta(&reader, &key).await, (format!("{round}-{}", won[0]), round + 1));
    }
}

async fn nothing_acknowledged_is_lost_with_the_leader(cluster: &mut Cluster, balanced: OpenBao) {
    let patience = Duration::from_secs(40);
    let balanced = Arc::new(balanced);
    let killed = cluster.leader().await;
    let writers = (0..8).map(|number| {
        let store = Arc::clone(&balanced);
        tokio::spawn(async move {
            let key = key(&format!("failover/{number}"));
            let (mut revision, mut acknowledged): (Revision, HashSet<Revision>) = (0, HashSet::new());
            let end = Instant::now() + Duration::from_secs(25);
            while Instant::now() < end {
                let body = format!("{}", revision + 1);
                let deadline = Some(Instant::now() + patience);
                match patience::until(deadline, || store.put_cas(&key, write(&body, None, revision))).await.unwrap() {
                    Outcome::Written(written) => {
                        assert_eq!(written, revision + 1);
                        acknowledged.insert(written);
                        revision = written;
                    }
                    // Nobody else writes here: an attempt whose answer was lost has done it.
                    Outcome::Conflict => {
                        let found = patience::until(deadline, || store.get(&key)).await.unwrap();
                        let Slot::Entry(entry) = found else { panic!("{key}: {found:?}") };
                        assert_eq!(entry.revision, revision + 1);
                        revision = entry.revision;
                    }
                }
                // Reads in the middle of it: never absent, never older.
                let found = patience::until(deadline, || store.get(&key)).await.unwrap();
                let Slot::Entry(entry) = found else { panic!("{key}: {found:?}") };
                assert_eq!((entry.revision, &*entry.meta), (revision, body.as_bytes()));
            }
            (key, revision, acknowledged.len())
        })
    });
    let writers: Vec<_> = writers.collect();
    assert_eq!(cluster.kill_leader().await, killed);
    for writer in writers {
        let (key, revision, acknowledged) = writer.await.unwrap();
        assert!(acknowledged > 0, "{key}");
        assert_eq!(meta(&balanced, &key).await, (revision.to_string(), revision));
    }
    assert_ne!(cluster.leader().await, killed);
    cluster.revive(killed).await;
    // The one that was away answers for what was written meanwhile as well, from the first moment on.
    let returned = open(&cluster.addresses()[killed], cluster.token());
    for number in 0..8 {
        let key = key(&format!("failover/{number}"));
        let deadline = Some(Instant::now() + patience);
        let found = patience::until(deadline, || returned.get(&key)).await.unwrap();
        assert!(matches!(&found, Slot::Entry(entry) if entry.revision > 0), "{key}: {found:?}");
    }
}

/// The leader is stopped, another takes over and writes, and the first wakes up believing that it still leads.
async fn a_leader_that_was_replaced_while_it_slept_answers_nothing_old(cluster: &mut Cluster) {
    let end = Instant::now() + Duration::from_secs(90);
    let deadline = Some(end);
    let asleep = cluster.leader().await;
    let addresses = cluster.addresses();
    let (first, others): (Vec<String>, Vec<String>) =
        addresses.iter().cloned().partition(|address| *address == addresses[asleep]);
    let (changed, created) = (key("deposed/changed"), key("deposed/created"));
    let balancer = RoundRobin::start(&first).await;
    let witness = Arc::new(open(&balancer.address(), cluster.token()));
    let stranger = Arc::new(open(&addresses[asleep], cluster.token()));
    put(&witness, &changed, "old", 0).await.unwrap();
    put(&stranger, &key("deposed/connected"), "m", 0).await.unwrap();

    cluster.node(asleep).process().pause();
    balancer.send_to(&others);
    patience::until(deadline, || put(&witness, &changed, "new", 1)).await.unwrap();
    patience::until(deadline, || put(&witness, &created, "new", 0)).await.unwrap();
    assert_ne!(cluster.leader().await, asleep);

    balancer.send_to(&first);
    cluster.node(asleep).process().resume();
    // Who has seen the new reads nothing old; and nobody is told that what exists was never written.
    let readers = [(&witness, &changed), (&witness, &created), (&stranger, &created)].into_iter().cycle().take(12);
    let readers = readers.map(|(store, key)| {
        let (store, key) = (Arc::clone(store), key.clone());
        tokio::spawn(async move {
            let mut answered = 0;
            while answered < READS {
                match store.get(&key).await {
                    Ok(Slot::Entry(entry)) => {
                        assert_eq!(entry.meta, "new", "{key}");
                        answered += 1;
                    }
                    Ok(other) => panic!("{key}: {other:?}"),
                    Err(error) => {
                        assert!(error.is_passing() && Instant::now() < end, "{key}: {error}");
                        tokio::task::yield_now().await;
                    }
                }
            }
        })
    });
    for reader in join_all(readers).await {
        reader.unwrap();
    }
}
