//! A component's store calls.

use std::sync::Arc;
use std::time::Duration;

use tofu_state_component::{Granted, Surroundings};
use tofu_state_store::memory::Memory;
use tofu_state_store::testing::held::Call;
use tofu_state_store::{Error, Slot, Store};

use crate::common::{Reading, around, entry, faulty, fill, held, key, request, request_with, text};

async fn answer(what: &str, store: Arc<dyn Store>) -> (u16, String) {
    text(faulty().handle(request(what), around(store)).await)
}

#[tokio::test]
async fn documents_come_and_go() {
    let store = Arc::new(Memory::new());
    assert_eq!(answer("get/a/b", store.clone()).await, (404, "absent".to_owned()));
    for outcome in ["written 1", "conflict"] {
        let put = request_with("put/a/b", "state".into());
        assert_eq!(text(faulty().handle(put, around(store.clone())).await).1, outcome);
    }
    assert_eq!(entry(&store, "a/b").meta, "{}");
    assert_eq!(answer("get/a/b", store.clone()).await, (200, "state".to_owned()));
    store.remove_in_store(&key("a/b"));
    assert_eq!(answer("get/a/b", store.clone()).await, (410, "1".to_owned()));
    assert_eq!(answer("delete/a/b", store.clone()).await.1, "Ok(())");
    assert_eq!(store.get_now(&key("a/b")), Slot::Absent);
}

#[tokio::test]
async fn several_at_once_in_their_order() {
    let (memory, store, faults) = held();
    fill(&memory, "b", None);
    fill(&memory, "d", None);
    memory.remove_in_store(&key("d"));
    faults.fail(Call::get("c"), Error::Sealed);
    let (_, answer) = answer("get-many/a+..+b+c+d", store).await;
    assert_eq!(answer, "absent Error::Denied(\"not a store key: a segment of dots\") 1 Error::Sealed removed");
}

#[tokio::test]
async fn a_key_cannot_leave_the_mount() {
    let store = Arc::new(Memory::new());
    for what in ["get/..", "get/a//b", "get/../sys/seal", "delete/..", "put/.."] {
        let (_, answer) = answer(what, store.clone()).await;
        assert!(answer.contains("Error::Denied(\"not a store key"), "{what}: {answer}");
    }
}

#[tokio::test]
async fn every_kind_of_error_reaches_the_component() {
    for error in [
        Error::Unavailable("x".to_owned()),
        Error::Sealed,
        Error::Denied("x".to_owned()),
        Error::TooLarge("x".to_owned()),
        Error::Timeout,
        Error::Corrupt("x".to_owned()),
        Error::OutOfSpace("x".to_owned()),
    ] {
        let (_, store, faults) = held();
        faults.fail(Call::get("a/b"), error.clone());
        let (status, told) = answer("get/a/b", store).await;
        assert_eq!(status, 503);
        assert_eq!(told, format!("Error::{error:?}"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_fail_over_is_waited_out_where_the_route_waits() {
    for what in ["get/a/b", "get-many/a/b"] {
        let (memory, store, faults) = held();
        fill(&memory, "a/b", Some("state".into()));
        for nth in 1..=4 {
            faults.fail(Call::get("a/b").nth(nth), Error::Unavailable("electing".to_owned()));
        }
        let waiting = Surroundings {
            store: store.clone(),
            store_wait: Some(Duration::from_secs(20)),
            policies: Arc::default(),
            rights: Granted::default(),
        };
        assert_eq!(text(faulty().handle(request(what), waiting).await).0, 200, "{what}");
        assert_eq!(faults.calls().get, 5);
    }
}

#[tokio::test(start_paused = true)]
async fn all_calls_of_a_request_wait_for_one_time_together() {
    let wait = Duration::from_secs(20);
    let store = Arc::new(Reading(|| async { Err(Error::Unavailable("electing".to_owned())) }));
    let start = tokio::time::Instant::now();
    let waiting = Surroundings { store, store_wait: Some(wait), policies: Arc::default(), rights: Granted::default() };
    assert_eq!(text(faulty().handle(request("get-twice/a/b"), waiting).await).0, 503);
    assert!((wait..wait * 3 / 2).contains(&start.elapsed()), "{:?}", start.elapsed());
}
