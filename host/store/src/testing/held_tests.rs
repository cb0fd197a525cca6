//! What tests may count on when they hold calls back.

use bytes::Bytes;

use super::*;
use crate::memory::Memory;
use crate::testing::suite;
use crate::{Retention, Revision};

fn held() -> (Arc<Held>, Faults, Arc<Memory>) {
    let memory = Arc::new(Memory::new());
    let held = Arc::new(Held::new(Arc::clone(&memory) as Arc<dyn Store>));
    let faults = held.faults();
    (held, faults, memory)
}

fn key(text: &str) -> Key {
    Key::parse(text).unwrap()
}

fn write(expected: Revision) -> Write {
    Write { meta: Bytes::from_static(b"{}"), content: None, expected, retention: Retention::Latest }
}

/// Starts a write in a task of its own.
fn start_put(held: &Arc<Held>, name: &str, expected: Revision) -> tokio::task::JoinHandle<Result<Outcome, Error>> {
    let (held, key) = (Arc::clone(held), key(name));
    tokio::spawn(async move { held.put_cas(&key, write(expected)).await })
}

#[tokio::test]
async fn without_rules_it_is_the_inner_store() {
    suite::run_all(held().0).await;
}

#[tokio::test]
async fn a_call_held_before_has_done_nothing() {
    let (held, faults, memory) = held();
    let hold = faults.hold(Call::put("g/p"), When::Before);
    assert!(!hold.has_arrived());
    let call = start_put(&held, "g/p", 0);
    hold.arrived().await;
    assert!(hold.has_arrived());
    assert_eq!(memory.get_now(&key("g/p")), Slot::Absent);
    assert_eq!(memory.put_cas_now(&key("g/p"), write(0)), Outcome::Written(1));
    hold.release();
    assert_eq!(call.await.unwrap(), Ok(Outcome::Conflict));
}

#[tokio::test]
async fn a_call_held_after_is_done_and_not_answered() {
    let (held, faults, memory) = held();
    let hold = faults.hold(Call::put("g/p"), When::After);
    let call = start_put(&held, "g/p", 0);
    hold.arrived().await;
    assert!(matches!(memory.get_now(&key("g/p")), Slot::Entry(_)));
    assert!(!call.is_finished());
    hold.release();
    assert_eq!(call.await.unwrap(), Ok(Outcome::Written(1)));
}

#[tokio::test]
async fn a_rule_takes_the_nth_call_of_its_kind_and_key_only() {
    let (held, faults, _) = held();
    let hold = faults.hold(Call::put("g/p").nth(2), When::Before);
    held.get(&key("g/p")).await.unwrap();
    held.put_cas(&key("g/other"), write(0)).await.unwrap();
    held.put_cas(&key("g/p"), write(0)).await.unwrap();
    let second = start_put(&held, "g/p", 1);
    hold.arrived().await;
    assert_eq!(held.put_cas(&key("g/p"), write(1)).await, Ok(Outcome::Written(2)), "the third goes through");
    hold.release();
    assert_eq!(second.await.unwrap(), Ok(Outcome::Conflict));
}

#[tokio::test]
async fn every_call_can_be_held_and_all_go_on_at_once() {
    let (held, faults, _) = held();
    let hold = faults.hold(Call::any(Operation::Put).every(), When::Before);
    let calls = [start_put(&held, "a", 0), start_put(&held, "b", 0), start_put(&held, "c", 0)];
    hold.arrivals(3).await;
    hold.release();
    for call in calls {
        assert_eq!(call.await.unwrap(), Ok(Outcome::Written(1)));
    }
    assert_eq!(held.put_cas(&key("d"), write(0)).await, Ok(Outcome::Written(1)), "released for good");
}

#[tokio::test]
async fn a_failure_before_does_nothing_and_happens_once() {
    let (held, faults, memory) = held();
    faults.fail(Call::put("g/p"), Error::Sealed);
    assert_eq!(held.put_cas(&key("g/p"), write(0)).await, Err(Error::Sealed));
    assert_eq!(memory.get_now(&key("g/p")), Slot::Absent);
    assert_eq!(held.put_cas(&key("g/p"), write(0)).await, Ok(Outcome::Written(1)));
}

#[tokio::test]
async fn a_lost_acknowledgement_has_done_its_work() {
    let (held, faults, memory) = held();
    faults.fail_after(Call::put("g/p"), Error::Timeout);
    assert_eq!(held.put_cas(&key("g/p"), write(0)).await, Err(Error::Timeout));
    assert!(matches!(memory.get_now(&key("g/p")), Slot::Entry(_)));
    faults.fail_after(Call::delete("g/p"), Error::Timeout);
    assert_eq!(held.delete(&key("g/p")).await, Err(Error::Timeout));
    assert_eq!(memory.get_now(&key("g/p")), Slot::Absent);
}

#[tokio::test]
async fn every_read_fails_until_the_rules_are_cleared() {
    let (held, faults, _) = held();
    faults.fail(Call::any(Operation::Get).every(), Error::Unavailable("cut off".to_owned()));
    for answer in held.get_many(&[key("a"), key("b")]).await {
        assert_eq!(answer, Err(Error::Unavailable("cut off".to_owned())));
    }
    faults.clear();
    assert_eq!(held.get(&key("a")).await, Ok(Slot::Absent));
}

#[tokio::test]
async fn counts_and_lists_calls_in_order() {
    let (held, faults, _) = held();
    held.get(&key("g/p.lock")).await.unwrap();
    held.put_cas(&key("g/p"), write(0)).await.unwrap();
    held.get_many(&[key("a"), key("b")]).await;
    held.delete(&key("g/p")).await.unwrap();
    let log: Vec<String> = faults.log().iter().map(Made::to_string).collect();
    assert_eq!(log, ["get g/p.lock", "put g/p", "get a", "get b", "delete g/p"]);
    assert_eq!(faults.calls(), Calls { get: 3, put: 1, delete: 1 });
    assert_eq!(faults.calls().total(), 5);
    faults.forget();
    assert_eq!(faults.calls(), Calls::default());
}

#[tokio::test]
async fn a_dropped_hold_releases() {
    let (held, faults, _) = held();
    let hold = faults.hold(Call::put("g/p"), When::Before);
    let call = start_put(&held, "g/p", 0);
    hold.arrived().await;
    drop(hold);
    assert_eq!(call.await.unwrap(), Ok(Outcome::Written(1)));
}
