//! A fault ends its own request and nothing else.

use std::future::pending;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tofu_state_component::{Failure, Limits};
use tofu_state_store::testing::held::{Call, Operation, When};

use crate::common::{Reading, around, faulty, faulty_with, fill, held, nothing, request, small_limits, text};

async fn failure(what: &str) -> Failure {
    faulty().handle(request(what), nothing()).await.unwrap_err()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_fault_hits_its_own_request_while_fifty_others_are_in_flight() {
    const OTHERS: usize = 50;
    // An engine of its own: the others hold most of the permits.
    let (_, protocol) = faulty_with(small_limits());
    let (memory, store, faults) = held();
    fill(&memory, "a/b", Some("a state".into()));
    let hold = faults.hold(Call::any(Operation::Get).every(), When::Before);
    let others: Vec<_> = (0..OTHERS)
        .map(|_| {
            let (protocol, store) = (protocol.clone(), store.clone());
            tokio::spawn(async move { protocol.handle(request("get/a/b"), around(store)).await })
        })
        .collect();
    tokio::time::timeout(Duration::from_secs(60), hold.arrivals(OTHERS)).await.expect("all reach the store");

    let failure = async |what: &str| protocol.handle(request(what), nothing()).await.unwrap_err();
    for what in ["panic", "exit", "recurse", "status/42", "giant-header"] {
        assert!(matches!(failure(what).await, Failure::Trapped(_)), "{what}");
    }
    assert!(matches!(failure("eat").await, Failure::OutOfMemory(_)));
    assert!(matches!(failure("loop").await, Failure::Endless(_)));
    assert_eq!(text(protocol.handle(request("count"), nothing()).await), (200, "1".to_owned()));

    hold.release();
    for other in others {
        assert_eq!(text(other.await.unwrap()), (200, "a state".to_owned()));
    }
}

#[tokio::test]
async fn a_panic_is_told_by_place_and_functions_and_never_by_its_text() {
    let failure = failure("panic/hunter2").await.to_string();
    assert!(failure.contains("unreachable"), "{failure}");
    assert!(failure.contains("guest/mutants/faulty/src/faults.rs:"), "{failure}");
    assert!(failure.contains("tofu_state_faulty::"), "{failure}");
    assert!(!failure.contains("hunter2") && !failure.contains("secret"), "{failure}");
}

#[tokio::test]
async fn other_ends_are_told_too() {
    assert!(failure("exit").await.to_string().contains("exited with status 1"), "{}", failure("exit").await);
    assert!(failure("recurse").await.to_string().contains("call stack exhausted"));
    assert!(failure("loop").await.to_string().contains("500 ms"));
    assert!(failure("eat").await.to_string().contains("out of memory"));
}

#[tokio::test]
async fn an_endless_component_leaves_its_thread_to_others_in_between() {
    let endless = tokio::spawn(async { failure("loop").await });
    // In a task, because a test's own future gets its turn only after sixty others.
    let others = tokio::spawn(async move {
        let mut answered = 0;
        while !endless.is_finished() {
            assert_eq!(text(faulty().handle(request("count"), nothing()).await).0, 200);
            answered += 1;
        }
        (answered, endless.await.unwrap())
    });
    let (answered, endless) = others.await.unwrap();
    assert!(answered > 1, "one thread served nothing but the endless call");
    assert!(matches!(endless, Failure::Endless(_)));
}

#[tokio::test(start_paused = true)]
async fn a_store_that_never_answers_ends_at_the_deadline() {
    let start = tokio::time::Instant::now();
    let store = Reading(pending);
    let answer = faulty().handle(request("get/a/b"), around(Arc::new(store))).await;
    assert_eq!(answer.unwrap_err(), Failure::Deadline);
    assert_eq!(start.elapsed().as_secs(), Limits::default().deadline.as_secs());
}

#[tokio::test(start_paused = true)]
async fn store_calls_without_end_end_at_the_deadline() {
    let store = Reading(|| async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        Ok(())
    });
    let answer = faulty().handle(request("ask-forever/a/b"), around(Arc::new(store))).await;
    assert_eq!(answer.unwrap_err(), Failure::Deadline);
}

/// The computing time is that of a real clock, so this test waits for one.
#[tokio::test]
async fn time_in_the_store_is_not_charged() {
    let computing = Duration::from_millis(100);
    let (_, protocol) = faulty_with(Limits { computing, ..small_limits() });

    let awaiting = Reading(move || async move {
        tokio::time::sleep(3 * computing).await;
        Ok(())
    });
    let start = Instant::now();
    assert_eq!(text(protocol.handle(request("get/a/b"), around(Arc::new(awaiting))).await).0, 404);
    assert!(start.elapsed() > 2 * computing);

    let blocking = Reading(move || async move {
        std::thread::sleep(3 * computing);
        Ok(())
    });
    assert_eq!(text(protocol.handle(request("get-twice/a/b"), around(Arc::new(blocking))).await).0, 404);
}

#[tokio::test]
async fn a_panic_in_the_host_ends_its_own_request() {
    let (engine, protocol) = faulty_with(Limits { concurrency: 1, ..small_limits() });
    let store = Arc::new(Reading(|| async { panic!("a driver's mistake") }));
    for _ in 0..2 {
        let failure = protocol.handle(request("get/a/b"), around(store.clone())).await.unwrap_err();
        assert_eq!(failure, Failure::Trapped("the host's part of the call panicked".to_owned()));
    }
    assert_eq!(text(protocol.handle(request("count"), nothing()).await).0, 200);
    engine.drain().await;
}
