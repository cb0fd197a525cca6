//! Random sequences of what servers, clients and time can do: no kept revision ever loses its chunks, and
//! nothing stays that nobody needs.

use proptest::prelude::*;
use tofu_state_store::testing::dying::Dying;

use super::*;

#[derive(Clone, Debug)]
enum Step {
    /// Writes so many kilobytes on the newest revision.
    Write { kilobytes: usize },
    /// Writes, and thins out `many` revisions that end `back` before the newest.
    Thin { kilobytes: usize, back: u64, many: u64 },
    /// Reads the newest revision and writes it back.
    Fence,
    /// Writes a document without content.
    Forget,
    /// Writes on the revision before the newest.
    Late { kilobytes: usize },
    /// Writes and dies at this call.
    Crash { kilobytes: usize, answered: usize, last_is_done: bool },
    /// So many minutes go by.
    Pass { minutes: u64 },
    /// A server starts anew and remembers nothing.
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    let kilobytes = prop_oneof![Just(0_usize), 1..6_usize, Just(12)];
    prop_oneof![
        6 => kilobytes.clone().prop_map(|kilobytes| Step::Write { kilobytes }),
        4 => (kilobytes.clone(), 0..4_u64, 1..4_u64)
            .prop_map(|(kilobytes, back, many)| Step::Thin { kilobytes, back, many }),
        4 => Just(Step::Fence),
        1 => Just(Step::Forget),
        2 => kilobytes.clone().prop_map(|kilobytes| Step::Late { kilobytes }),
        3 => (kilobytes, 0..20_usize, any::<bool>())
            .prop_map(|(kilobytes, answered, last_is_done)| Step::Crash { kilobytes, answered, last_is_done }),
        4 => (1..40_u64).prop_map(|minutes| Step::Pass { minutes }),
        1 => Just(Step::Restart),
    ]
}

/// What every revision holds.
type Model = BTreeMap<Revision, Option<Bytes>>;

async fn check(raw: &Memory, servers: &[Layout], model: &Model) {
    for server in servers {
        server.settled().await;
    }
    for revision in raw.revisions(&state()).await.unwrap() {
        for server in servers {
            let Ok(Slot::Entry(found)) = server.revision(&state(), revision).await else {
                panic!("{revision} is lost")
            };
            assert!(found.content == model[&revision], "revision {revision} has other bytes");
        }
    }
}

async fn run(keep: usize, steps: Vec<(usize, Step)>) {
    let (raw, time, mut model) = (Arc::new(Memory::keeping(keep)), Time::new(), Model::new());
    let server = || time.layout(Arc::<Memory>::clone(&raw));
    let mut servers = [server(), server()];
    for (seed, (turn, step)) in steps.into_iter().enumerate() {
        let newest = model.last_key_value().map_or(0, |(revision, _)| *revision);
        let content = |kilobytes: usize| noise(seed as u64 + 1, kilobytes * ENTRY);
        match step {
            Step::Write { kilobytes } => {
                let revision = put(&servers[turn], &content(kilobytes), newest).await;
                model.insert(revision, Some(content(kilobytes)));
            }
            Step::Thin { kilobytes, back, many } => {
                let last = newest.saturating_sub(1 + back);
                let retention = Retention::Thinned { first: last.saturating_sub(many - 1), last };
                let write = Write { retention, ..write(&content(kilobytes), newest) };
                assert_eq!(servers[turn].put_cas(&state(), write).await, Ok(Outcome::Written(newest + 1)));
                model.insert(newest + 1, Some(content(kilobytes)));
            }
            Step::Fence => {
                if let Ok(Slot::Entry(Entry { revision, meta, content })) = servers[turn].get(&state()).await {
                    let retention = Retention::History;
                    let write = Write { meta, content: content.clone(), expected: revision, retention };
                    assert_eq!(servers[turn].put_cas(&state(), write).await, Ok(Outcome::Written(revision + 1)));
                    model.insert(revision + 1, content);
                }
            }
            Step::Forget => {
                let write = Write { content: None, ..write(&Bytes::new(), newest) };
                assert_eq!(servers[turn].put_cas(&state(), write).await, Ok(Outcome::Written(newest + 1)));
                model.insert(newest + 1, None);
            }
            Step::Late { kilobytes } => {
                if newest > 0 {
                    let late = servers[turn].put_cas(&state(), write(&content(kilobytes), newest - 1)).await;
                    assert_eq!(late, Ok(Outcome::Conflict));
                }
            }
            Step::Crash { kilobytes, answered, last_is_done } => {
                let dying = time.layout(Arc::new(Dying::new(Arc::<Memory>::clone(&raw), answered, last_is_done)));
                let _ = dying.put_cas(&state(), write(&content(kilobytes), newest)).await;
                dying.settled().await;
                if raw.revisions(&state()).await.unwrap().last().is_some_and(|&last| last > newest) {
                    model.insert(newest + 1, Some(content(kilobytes)));
                }
            }
            Step::Pass { minutes } => time.pass(minutes),
            Step::Restart => servers[turn] = server(),
        }
        check(&raw, &servers, &model).await;
    }
    time.pass(60);
    let newest = model.last_key_value().map_or(0, |(revision, _)| *revision);
    let last = noise(99, 2 * ENTRY);
    let revision = put(&servers[0], &last, newest).await;
    model.insert(revision, Some(last));
    check(&raw, &servers, &model).await;
    assert_eq!(sets(&*raw).await, named_sets(&*raw).await, "nothing is left over");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 192, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_kept_revision_loses_its_chunks(
        keep in 1..5_usize,
        steps in prop::collection::vec((0..2_usize, step()), 1..25),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(run(keep, steps));
    }
}
