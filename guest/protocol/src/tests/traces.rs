//! Which requests belong to a run's trace: that of the LOCK which its lock document carries.

use super::server::{Answer, LOCK, STATE, Server, state};
use super::simulated::{Bytes, Fault, Operation};
use crate::exchange::TraceContext;
use crate::outside::{Entry, Slot, StoreError};

fn trace(name: &str) -> Option<TraceContext> {
    Some(TraceContext { traceparent: name.to_owned(), tracestate: Some(format!("from={name}")) })
}

/// Two servers over one store that trace; the requests of the second belong to no run yet.
fn servers() -> [Server; 2] {
    let mut one = Server::new();
    one.settings.join_runs = true;
    let mut two = Server::over(&one.store);
    two.settings.join_runs = true;
    one.trace = trace("run");
    two.trace = trace("own");
    [one, two]
}

fn run_of(answer: Answer, status: u16) -> Option<TraceContext> {
    assert_eq!(answer.status, status, "{answer:?}");
    answer.event.run_trace
}

#[test]
fn a_run_goes_on_through_another_server_until_its_lock_is_released() {
    let [one, two] = servers();
    assert_eq!(run_of(two.get(), 404), None);
    assert_eq!(run_of(one.lock("A"), 200), trace("run"));
    assert_eq!(run_of(two.lock("A"), 200), trace("run"), "a replay belongs to the LOCK it repeats");
    assert_eq!(run_of(two.get(), 404), trace("run"));
    assert_eq!(run_of(two.post(Some("A"), &state(1, "x")), 200), trace("run"));
    assert_eq!(run_of(two.get(), 200), trace("run"));
    assert_eq!(run_of(two.delete(Some("A")), 200), trace("run"));
    assert_eq!(run_of(two.unlock("A"), 200), trace("run"));
    assert_eq!(run_of(two.get(), 404), None);
    assert_eq!(run_of(two.post(None, &state(1, "x")), 200), None);
}

#[test]
fn who_is_kept_out_belongs_to_no_run_and_who_breaks_it_does() {
    let [one, two] = servers();
    one.lock("A");
    assert_eq!(run_of(two.lock("B"), 409), None);
    assert_eq!(run_of(two.post(None, &state(1, "x")), 409), None);
    assert_eq!(run_of(two.post(Some("B"), &state(1, "x")), 409), None);
    assert_eq!(run_of(two.unlock("B"), 409), None);
    assert_eq!(run_of(two.force_unlock(), 200), trace("run"));
    assert_eq!(run_of(two.lock("B"), 200), trace("own"));
}

#[test]
fn a_lock_that_cannot_be_read_fails_no_get() {
    let [one, two] = servers();
    one.lock("A");
    one.post(Some("A"), &state(1, "x"));
    for error in [StoreError::Unavailable("away".into()), StoreError::Timeout, StoreError::Denied("no".into())] {
        two.store.fail(Operation::Get, LOCK, 0, Fault::Instead(error));
        assert_eq!(run_of(two.get(), 200), None);
    }
    two.store.assert_all_steps_ran();
    let foreign = Entry { revision: 9, meta: b"{\"format\":7}".to_vec(), content: None::<Bytes> };
    for slot in [Slot::Entry(foreign), Slot::Removed(9), Slot::Absent] {
        two.store.plant(LOCK, slot);
        assert_eq!(run_of(two.get(), 200), None);
    }
}

#[test]
fn a_get_that_fails_still_names_its_run() {
    let [one, two] = servers();
    one.lock("A");
    two.store.fail(Operation::Get, STATE, 0, Fault::Instead(StoreError::Sealed));
    assert_eq!(run_of(two.get(), 503), trace("run"));
}

#[test]
fn a_get_reads_the_lock_only_where_runs_are_traced() {
    for join_runs in [false, true] {
        let [mut one, _] = servers();
        one.settings.join_runs = join_runs;
        one.lock("A");
        let before = one.store.calls().len();
        assert_eq!(run_of(one.get(), 404), trace("run").filter(|_| join_runs));
        let calls = one.store.calls().split_off(before);
        let keys: Vec<_> = calls.iter().map(|(_, key)| key.as_str()).collect();
        assert_eq!(keys, if join_runs { &[STATE, LOCK][..] } else { &[STATE] });
    }
}
