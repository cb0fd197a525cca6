//! What a server remembers saves store calls, and never decides anything: out of date, it costs a
//! call and changes no answer.

use super::server::{LOCK, STATE, Server, lock_info, state};
use super::simulated::{Operation, servers_remember};

fn calls(server: &Server, request: impl FnOnce(&Server) -> u16) -> Vec<(Operation, String)> {
    let before = server.store.calls().len();
    assert_eq!(request(server), 200);
    server.store.calls().split_off(before)
}

fn named(calls: &[(Operation, &str)]) -> Vec<(Operation, String)> {
    calls.iter().map(|(operation, key)| (*operation, (*key).to_owned())).collect()
}

/// The table in the README.
#[test]
fn store_calls_of_each_operation() {
    use Operation::{Get, Put};
    let run = |server: &Server, id: &str, serial: u64| {
        [
            calls(server, |server| server.lock(id).status),
            calls(server, |server| server.get().status),
            calls(server, |server| server.post(Some(id), &state(serial, "x")).status),
            calls(server, |server| server.unlock(id).status),
        ]
    };
    for remember in [true, false] {
        servers_remember(remember);
        let server = Server::new();
        assert_eq!(server.post(None, &state(1, "first")).status, 200);
        run(&server, "warm", 2);
        let seen = run(&server, "A", 3);
        let expected = if remember {
            [
                named(&[(Put, LOCK)]),
                named(&[(Get, STATE)]),
                named(&[(Get, LOCK), (Put, STATE)]),
                named(&[(Get, LOCK), (Put, LOCK)]),
            ]
        } else {
            [
                named(&[(Get, LOCK), (Put, LOCK)]),
                named(&[(Get, STATE)]),
                named(&[(Get, STATE), (Get, LOCK), (Put, STATE)]),
                named(&[(Get, LOCK), (Put, LOCK)]),
            ]
        };
        assert_eq!(seen, expected, "remember: {remember}");
    }
}

/// Two servers in turn: each finds what it remembers out of date at every step.
#[test]
fn servers_that_work_in_turn_agree() {
    servers_remember(true);
    let one = Server::new();
    let two = Server::over(&one.store);
    for round in 0..6 {
        let (this, that) = if round % 2 == 0 { (&one, &two) } else { (&two, &one) };
        let id = format!("run-{round}");
        assert_eq!(this.lock(&id).status, 200);
        let refused = that.lock("other");
        assert_eq!((refused.status, refused.body), (409, lock_info(&id).into_bytes()));
        assert_eq!(that.get().status, if round == 0 { 404 } else { 200 });
        assert_eq!(this.post(Some(&id), &state(2 * round + 1, "this")).status, 200);
        assert_eq!(that.post(Some(&id), &state(2 * round + 2, "that")).status, 200, "a retry by another replica");
        assert_eq!(this.post(Some(&id), &state(2 * round + 1, "this")).status, 409, "its late copy");
        assert_eq!(that.unlock(&id).status, 200);
        assert_eq!(this.unlock(&id).status, 200, "a replay");
        assert_eq!(this.lock(&id).status, 409, "a late duplicate");
        assert_eq!(this.content(), that.content());
    }
}

/// The same bytes as a server remembers, when another has written since: a write, not a replay.
#[test]
fn a_remembered_state_acknowledges_nothing() {
    servers_remember(true);
    let one = Server::new();
    let two = Server::over(&one.store);
    assert_eq!([one.lock("A").status, one.post(Some("A"), &state(1, "x")).status, one.unlock("A").status], [200; 3]);
    assert_eq!([two.lock("B").status, two.post(Some("B"), &state(2, "y")).status, two.unlock("B").status], [200; 3]);
    assert_eq!(one.lock("C").status, 200);
    assert_eq!(one.post(Some("C"), &state(1, "x")).status, 200);
    assert_eq!(two.content(), Some(state(1, "x")));
}

/// A remembered lock that was broken meanwhile: neither taken, nor released.
#[test]
fn a_remembered_lock_takes_and_releases_nothing() {
    servers_remember(true);
    let one = Server::new();
    let two = Server::over(&one.store);
    assert_eq!(one.lock("A").status, 200);
    assert_eq!([two.force_unlock().status, two.lock("B").status], [200; 2]);
    let late = one.unlock("A");
    assert_eq!((late.status, late.json()["ID"].as_str()), (409, Some("B")));
    assert_eq!(two.unlock("B").status, 200);
    assert_eq!(one.lock("C").status, 200);
    assert_eq!(two.lock("D").json()["ID"], "C");
}

/// Somebody removes a lock with all its revisions, so that they begin again: a server that remembers the
/// old one releases nothing of the new one.
#[test]
fn a_lock_whose_revisions_began_again_is_not_mistaken() {
    servers_remember(true);
    let one = Server::new();
    let two = Server::over(&one.store);
    assert_eq!(one.lock("A").status, 200);
    one.store.plant(LOCK, crate::outside::Slot::Absent);
    assert_eq!(two.lock("B").status, 200);
    assert_eq!(one.unlock("A").json()["ID"], "B");
    assert_eq!(one.lock("C").json()["ID"], "B");
    assert_eq!(two.post(Some("B"), &state(1, "x")).status, 200);
}
