//! Several servers on one store, and garbage removed as soon as it can be.

use super::*;
use tofu_state_store::testing::held::{Call, Held, When};
use tokio::task::JoinSet;

/// Settings that remove garbage at once: what keeps chunks is the rules, not their age.
fn eager() -> Settings {
    Settings { entry_bytes: Some(ENTRY), garbage_age: Duration::ZERO, ..Settings::undivided() }
}

/// The content of one writer's turn, which names both.
fn turn(writer: u64, turn: u64) -> Bytes {
    noise(writer * 1_000 + turn + 1, 3 * ENTRY + 10 * usize::try_from(writer).unwrap())
}

/// Many write large contents on one key; each write is built on what was read before it.
async fn contend(raw: Arc<dyn History>, writers: u64, turns: u64) {
    let servers: Vec<Arc<Layout>> = (0..2).map(|_| Arc::new(Layout::new(Arc::clone(&raw), eager()))).collect();
    let start = put(&*servers[0], &turn(0, 0), 0).await;
    let mut tasks = JoinSet::new();
    for writer in 1..=writers {
        let server = Arc::clone(&servers[usize::try_from(writer).unwrap() % 2]);
        tasks.spawn(async move {
            let mut conflicts = 0;
            for done in 0..turns {
                loop {
                    // Reading too: whoever reads gets a whole state, or is told to try again.
                    let found = match server.get(&state()).await {
                        Ok(Slot::Entry(found)) => found,
                        Err(error) if error.is_passing() => continue,
                        other => panic!("{other:?}"),
                    };
                    match server.put_cas(&state(), write(&turn(writer, done), found.revision)).await {
                        Ok(Outcome::Written(_)) => break,
                        Ok(Outcome::Conflict) => conflicts += 1,
                        Err(error) => panic!("{error}"),
                    }
                }
            }
            conflicts
        });
    }
    let mut conflicts = 0;
    while let Some(ended) = tasks.join_next().await {
        conflicts += ended.unwrap();
    }
    let newest = entry(&*servers[0]).await;
    assert_eq!(newest.revision, start + writers * turns, "no update is lost, after {conflicts} conflicts");
    for server in &servers {
        server.settled().await;
        for revision in raw.revisions(&state()).await.unwrap() {
            let kept = server.revision(&state(), revision).await;
            assert!(matches!(kept, Ok(Slot::Entry(_))), "revision {revision}: {kept:?}");
        }
    }
    // Older than everything before it by a millisecond at least.
    let last = Layout::new(
        raw.clone(),
        Settings { around: Surroundings { clock: later(), ..Surroundings::default() }, ..eager() },
    );
    put(&last, &turn(99, 0), newest.revision).await;
    last.settled().await;
    assert_eq!(sets(&*raw).await, named_sets(&*raw).await);
}

fn later() -> Clock {
    Arc::new(|| SystemTime::now() + Duration::from_secs(1))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn concurrent_writers_lose_nothing_on_memory() {
    for keep in [1, 4] {
        contend(Arc::new(Memory::keeping(keep)), 8, 25).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn concurrent_writers_lose_nothing_on_the_embedded_store() {
    let (_folder, raw) = embedded(2);
    contend(raw, 4, 6).await;
}

#[tokio::test]
async fn of_two_writers_at_the_same_point_one_wins_and_both_sets_are_right() {
    for first_wins in [true, false] {
        let (raw, time) = (Arc::new(Memory::keeping(2)), Time::new());
        let helds = [(); 2].map(|()| Arc::new(Held::with_history(Arc::<Memory>::clone(&raw))));
        let layouts = helds.each_ref().map(|held| Arc::new(time.layout(Arc::<Held>::clone(held))));
        put(&*layouts[0], &noise(9, 4 * ENTRY), 0).await;
        // Both have written their chunks and stand before their manifests.
        let holds = helds.each_ref().map(|held| held.faults().hold(Call::put("g/p"), When::Before));
        let [one, two] = [0_usize, 1].map(|n| {
            let layout = Arc::clone(&layouts[n]);
            tokio::spawn(async move { layout.put_cas(&state(), write(&noise(n as u64, 4 * ENTRY), 1)).await })
        });
        for hold in &holds {
            hold.arrived().await;
        }
        assert_eq!(sets(&*raw).await.len(), 3);
        time.pass(60);
        let [hold_one, hold_two] = holds;
        let ended = if first_wins {
            hold_one.release();
            let one = one.await.unwrap();
            hold_two.release();
            [one, two.await.unwrap()]
        } else {
            hold_two.release();
            let two = two.await.unwrap();
            hold_one.release();
            [one.await.unwrap(), two]
        };
        let winner = usize::from(!first_wins);
        assert_eq!(ended[winner], Ok(Outcome::Written(2)));
        assert_eq!(ended[1 - winner], Ok(Outcome::Conflict));
        for layout in &layouts {
            layout.settled().await;
        }
        assert_same(entry(&*layouts[0]).await.content.as_ref(), &noise(winner as u64, 4 * ENTRY));
        assert_eq!(sets(&*raw).await, named_sets(&*raw).await);
    }
}
