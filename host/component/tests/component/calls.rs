//! Instances, permits, callers that go away, and the drain.

use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::join_all;
use tofu_state_component::{Failure, Limits};
use tofu_state_store::testing::held::{Call, Operation, When};

use crate::common::{around, entry, faulty, faulty_with, held, nothing, request, request_with, small_limits, text};

#[tokio::test]
async fn every_request_has_an_instance_of_its_own() {
    for _ in 0..20 {
        assert_eq!(text(faulty().handle(request("count"), nothing()).await), (200, "1".to_owned()));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_requests_than_permits_take_turns() {
    let (engine, protocol) = faulty_with(Limits { concurrency: 4, ..small_limits() });
    let answers = join_all((0..200).map(|_| protocol.handle(request("count"), nothing()))).await;
    for answer in answers {
        assert_eq!(text(answer), (200, "1".to_owned()));
    }
    engine.drain().await;
    assert_eq!(engine.in_flight(), 0);
}

#[tokio::test]
async fn a_write_is_finished_although_its_caller_goes_away() {
    let (engine, protocol) = faulty_with(Limits { concurrency: 1, ..small_limits() });
    let (memory, store, faults) = held();
    let hold = faults.hold(Call::put("a/b"), When::Before);
    let caller = tokio::spawn({
        let (protocol, store) = (protocol.clone(), store.clone());
        async move { protocol.handle(request_with("put/a/b", "posted".into()), around(store)).await }
    });
    hold.arrived().await;
    caller.abort();
    assert!(caller.await.unwrap_err().is_cancelled());
    assert_eq!(engine.in_flight(), 1, "it goes on");

    hold.release();
    engine.drain().await;
    assert_eq!(entry(&memory, "a/b").content.unwrap(), "posted");
}

#[tokio::test]
async fn the_drain_waits_for_all_calls() {
    let (engine, protocol) = faulty_with(small_limits());
    let (_, store, faults) = held();
    let hold = faults.hold(Call::any(Operation::Get), When::Before);
    let call = tokio::spawn(async move { protocol.handle(request("get/a/b"), around(store)).await });
    hold.arrived().await;
    let mut drain = std::pin::pin!(engine.drain());
    assert!(drain.as_mut().now_or_never().is_none(), "a call still runs");
    hold.release();
    drain.await;
    assert_eq!(text(call.await.unwrap()).0, 404);
}

#[tokio::test(start_paused = true)]
async fn too_many_requests_wait_a_while_and_are_then_turned_away() {
    let (_, protocol) = faulty_with(Limits { concurrency: 1, ..small_limits() });
    let (_, store, faults) = held();
    let hold = faults.hold(Call::any(Operation::Get), When::Before);
    let first = tokio::spawn({
        let (protocol, store) = (protocol.clone(), store.clone());
        async move { protocol.handle(request("get/a/b"), around(store)).await }
    });
    hold.arrived().await;

    let start = tokio::time::Instant::now();
    assert_eq!(protocol.handle(request("count"), nothing()).await.unwrap_err(), Failure::Busy);
    assert_eq!(start.elapsed().as_secs(), Limits::default().queueing.as_secs());

    let patient = tokio::spawn(async move { protocol.handle(request("count"), nothing()).await });
    tokio::time::sleep(Duration::from_secs(1)).await;
    hold.release();
    assert_eq!(text(first.await.unwrap()).0, 404);
    assert_eq!(text(patient.await.unwrap()).0, 200, "its turn came in time");
}
