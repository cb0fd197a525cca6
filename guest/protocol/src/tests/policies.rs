//! When policies are asked, what they are told, and what a denial does.

use std::cell::Cell;
use std::rc::Rc;

use super::rules::statuses;
use super::scripted::{Scripted, denial};
use super::server::{LOCK, PATH, STATE, Server, state};
use super::simulated::{Bytes, Operation as Access};
use crate::exchange::Operation as Tried;
use crate::outside::{Entry, Slot};
use crate::policies::{Needs, Operation};

rules! {
    a_denied_lock_is_not_taken_and_told_by_a_lock_info,
    a_denied_lock_tells_the_holder_where_there_is_one,
    a_denied_lock_breaks_and_fences_nothing,
    a_denied_write_changes_nothing,
    a_denied_deletion_changes_nothing,
    a_denied_break_leaves_the_lock,
    replays_and_the_holders_own_release_are_not_judged,
    a_change_is_told_in_full,
    the_current_state_is_told_on_lock_where_it_is_needed,
    the_contents_come_where_they_are_needed,
    after_a_lost_race_the_change_is_judged_again,
    what_another_server_wrote_is_what_counts,
    a_document_that_does_not_say_whether_it_is_empty_is_looked_into,
    an_overwrite_is_one_serial,
    nobody_judges_a_state_that_nobody_can_know,
}

const HEADERS: Needs = Needs { review: true, current: false, content: false };
const CURRENT: Needs = Needs { review: true, current: true, content: false };
const CONTENT: Needs = Needs { review: true, current: false, content: true };

fn denying(operation: Operation) -> (Server, Scripted) {
    let policies = Scripted::denying(operation);
    (Server::new().judged_by(&policies), policies)
}

fn a_denied_lock_is_not_taken_and_told_by_a_lock_info() {
    let (server, _) = denying(Operation::Lock);
    let mut server = server;
    server.now = 1_767_225_600_001;
    for _ in 0..2 {
        let answer = server.lock("A");
        assert_eq!((answer.status, answer.event.outcome), (423, "denied"));
        assert_eq!(answer.event.denied_by.as_deref(), Some("freeze"));
        let info = answer.json();
        assert_eq!((info["ID"].as_str(), info["Info"].as_str()), (Some("policy/freeze: not now"), Some("not now")));
        assert_eq!(info["Operation"], "OperationTypeApply");
        assert_eq!((info["Who"].as_str(), info["Path"].as_str()), (Some("policy freeze"), Some(PATH)));
        assert_eq!(info["Created"], "2026-01-01T00:00:00.001Z");
    }
    assert!(matches!(server.store.peek(LOCK), Slot::Absent) && matches!(server.store.peek(STATE), Slot::Absent));
    assert_eq!(server.post(None, &state(1, "x")).status, 200, "nothing is locked");
}

/// Also where the lock was last seen free.
fn a_denied_lock_tells_the_holder_where_there_is_one() {
    let server = Server::new();
    assert_eq!(statuses([server.lock("0"), server.unlock("0")]), [200; 2]);
    let other = Server::over(&server.store);
    assert_eq!(other.lock("B").status, 200);
    let denied = server.judged_by(&Scripted::denying(Operation::Lock));
    let answer = denied.lock("A");
    assert_eq!((answer.status, answer.json()["ID"].as_str()), (409, Some("B")));
    assert!(answer.event.denied_by.is_none());
    let replay = denied.lock("B");
    assert_eq!((replay.status, replay.event.outcome), (200, "replayed"));
    assert_eq!(other.unlock("B").status, 200);
    assert_eq!(denied.lock("A").status, 423);
}

fn a_denied_lock_breaks_and_fences_nothing() {
    let policies = Scripted::judging(|change| {
        (change.lock.as_ref().is_some_and(|lock| lock.id == "denied")).then(|| denial("no"))
    });
    let mut server = Server::new().judged_by(&policies);
    server.settings.lock_ttl = Some(1000);
    assert_eq!(server.lock("A").status, 200);
    server.now += 5000;
    let before = (server.store.revision(LOCK), server.store.revision(STATE));
    assert_eq!(server.lock("denied").status, 423);
    assert_eq!((server.store.revision(LOCK), server.store.revision(STATE)), before);
    assert_eq!(server.post(Some("A"), &state(1, "x")).status, 200, "the holder still holds it");
    server.now += 5000;
    let taken = server.lock("B");
    assert_eq!((taken.status, taken.event.forced), (200, true));
}

fn a_denied_write_changes_nothing() {
    let (server, policies) = denying(Operation::Write);
    assert_eq!(server.lock("A").status, 200);
    let revision = server.store.revision(STATE);
    policies.asked();
    for _ in 0..2 {
        let answer = server.post(Some("A"), &state(1, "x"));
        assert_eq!((answer.status, answer.code().as_str(), answer.event.outcome), (422, "denied", "denied"));
        assert_eq!((answer.event.operation, answer.event.denied_by.as_deref()), (Tried::Write, Some("freeze")));
        assert!(answer.event.after.is_none());
        let error = &answer.json()["error"];
        assert_eq!((error["policy"].as_str(), error["reason"].as_str()), (Some("freeze"), Some("not now")));
        assert!(error["message"].as_str().unwrap().contains("not now"));
        assert_eq!(server.store.revision(STATE), revision);
    }
    // Once for each, and once more where the first look was at what is remembered.
    let asked = policies.operations();
    assert!((2..=4).contains(&asked.len()) && asked.iter().all(|asked| *asked == Operation::Write), "{asked:?}");
    assert_eq!(server.content(), None);
    assert_eq!(server.unlock("A").status, 200, "the holder can always release its lock");
}

fn a_denied_deletion_changes_nothing() {
    let (server, policies) = denying(Operation::Delete);
    assert_eq!(server.post(None, &state(1, "x")).status, 200);
    policies.asked();
    let answer = server.delete(None);
    assert_eq!((answer.status, answer.code().as_str(), answer.event.quarantined.as_ref()), (422, "denied", None));
    assert_eq!(server.content(), Some(state(1, "x")));
    let asked = policies.asked();
    assert_eq!(asked.len(), 1);
    assert_eq!(asked[0].change.current.as_ref().map(|header| header.serial), Some(1));
    assert!(asked[0].change.proposed.is_none());
}

fn a_denied_break_leaves_the_lock() {
    let (server, policies) = denying(Operation::ForceUnlock);
    assert_eq!(server.lock("A").status, 200);
    policies.asked();
    for answer in [server.force_unlock(), server.force_unlock_by_id("A")] {
        assert_eq!((answer.status, answer.code().as_str(), answer.event.outcome), (422, "denied", "denied"));
        assert!(!answer.event.forced);
    }
    let asked = policies.asked();
    assert_eq!(asked.len(), 2);
    let lock = asked[0].change.lock.as_ref().unwrap();
    assert_eq!((lock.id.as_str(), lock.operation.as_str()), ("A", "OperationTypeApply"), "the lock about to be broken");
    let mut stranger = server.clone();
    stranger.caller = "somebody-else";
    assert_eq!(stranger.unlock("A").status, 422, "another's lock is broken by whoever only knows its ID");
    assert_eq!(server.post(Some("A"), &state(1, "x")).status, 200, "it is still held");
    assert_eq!(server.unlock("A").status, 200, "the holder releases its own");
}

fn replays_and_the_holders_own_release_are_not_judged() {
    let policies = Scripted::allowing(HEADERS);
    let server = Server::new().judged_by(&policies);
    assert_eq!(statuses([server.lock("A"), server.post(Some("A"), &state(1, "x"))]), [200; 2]);
    assert_eq!(policies.operations(), [Operation::Lock, Operation::Write]);
    assert_eq!(statuses([server.lock("A"), server.post(Some("A"), &state(1, "x"))]), [200; 2]);
    assert_eq!(statuses([server.unlock("A"), server.unlock("A"), server.force_unlock()]), [200; 3]);
    assert_eq!(server.get().status, 200);
    assert_eq!(policies.operations(), [], "nothing of this changes anything");
    assert_eq!(statuses([server.post(Some("B"), &state(2, "x")), server.delete(Some("B"))]), [409; 2]);
    assert_eq!(statuses([server.post(None, "no state"), server.lock("A")]), [400, 409]);
    assert_eq!(policies.operations(), [], "the protocol's own rules come first");
}

fn a_change_is_told_in_full() {
    let policies = Scripted::allowing(HEADERS);
    let server = Server::new().judged_by(&policies);
    assert_eq!(server.lock("A").status, 200);
    let first = r#"{"version":4,"terraform_version":"1.12.6","serial":1,"lineage":"L","outputs":{},"resources":[]}"#;
    assert_eq!(server.post(Some("A"), first).status, 200);
    let second = state(2, "x");
    let query = Some("ID=A&overwrite=1");
    assert_eq!(server.send("POST", PATH, query, second.as_bytes()).status, 200);
    let asked = policies.asked();
    let [lock, one, two] = asked.as_slice() else { panic!("{asked:?}") };
    for asked in [lock, one, two] {
        let change = &asked.change;
        assert_eq!((change.path.as_str(), change.caller.name.as_str(), change.received), (PATH, "shared", server.now));
        let info = change.lock.as_ref().unwrap();
        assert_eq!((info.id.as_str(), info.version.as_str(), info.who.as_deref()), ("A", "1.12.6", Some("A@host")));
        assert_eq!((info.operation.as_str(), info.created.as_str()), ("OperationTypeApply", "2026-01-02T03:04:05.6Z"));
        assert!(asked.current.is_none() && asked.proposed.is_none(), "nobody needs contents");
    }
    assert!(lock.change.current.is_none() && lock.change.proposed.is_none());
    assert!(one.change.current.is_none() && one.change.overwrite.is_none());
    let empty = one.change.proposed.as_ref().unwrap();
    assert_eq!((empty.serial, empty.lineage.as_str(), empty.empty, empty.size), (1, "L", true, first.len() as u64));
    assert_eq!(two.change.current.as_ref(), Some(empty), "as it was stored");
    let proposed = two.change.proposed.as_ref().unwrap();
    assert_eq!((proposed.serial, proposed.empty, proposed.tool_version.as_deref()), (2, false, Some("1.12.6")));
    assert_eq!(two.change.overwrite, Some(1));

    assert_eq!(server.unlock("A").status, 200);
    assert_eq!(server.delete(None).status, 200);
    assert!(policies.asked()[0].change.lock.is_none(), "nobody holds a lock");
}

fn the_current_state_is_told_on_lock_where_it_is_needed() {
    let policies = Scripted::allowing(CURRENT);
    let server = Server::new().judged_by(&policies);
    assert_eq!(server.lock("A").status, 200);
    assert!(policies.asked().last().unwrap().change.current.is_none(), "there is none");
    assert_eq!(server.post(Some("A"), &state(3, "x")).status, 200);
    policies.asked();
    assert_eq!(server.force_unlock().status, 200);
    assert_eq!(server.lock("B").status, 200);
    let serials: Vec<_> = policies
        .asked()
        .iter()
        .map(|asked| (asked.change.operation, asked.change.current.as_ref().map(|header| header.serial)))
        .collect();
    assert_eq!(serials, [(Operation::ForceUnlock, Some(3)), (Operation::Lock, Some(3))]);
}

fn the_contents_come_where_they_are_needed() {
    let policies = Scripted::allowing(CONTENT);
    let server = Server::new().judged_by(&policies);
    assert_eq!(statuses([server.lock("A"), server.post(Some("A"), &state(1, "x"))]), [200; 2]);
    policies.asked();
    assert_eq!(server.post(Some("A"), &state(2, "y")).status, 200);
    let asked = policies.asked();
    assert_eq!(asked.len(), 1);
    assert_eq!(asked[0].current.as_deref(), Some(state(1, "x").as_bytes()));
    assert_eq!(asked[0].proposed.as_deref(), Some(state(2, "y").as_bytes()));
    assert_eq!(server.delete(Some("A")).status, 200);
    assert_eq!(policies.asked()[0].current.as_deref(), Some(state(2, "y").as_bytes()));
    assert_eq!(server.post(Some("A"), &state(9, "z")).status, 200);
    assert!(policies.asked()[0].current.is_none(), "it was deleted");
}

fn after_a_lost_race_the_change_is_judged_again() {
    let policies = Scripted::allowing(HEADERS);
    let server = Server::new().judged_by(&policies);
    assert_eq!(statuses([server.lock("A"), server.post(Some("A"), &state(1, "x"))]), [200; 2]);
    policies.asked();
    // A late fence: the same content, another revision.
    server.store.before(Access::Put, STATE, 0, |store| {
        let Slot::Entry(entry) = store.peek(STATE) else { panic!("no state") };
        store.plant(STATE, Slot::Entry(Entry { revision: entry.revision + 1, ..entry }));
    });
    assert_eq!(server.post(Some("A"), &state(2, "y")).status, 200);
    server.store.assert_all_steps_ran();
    assert_eq!(policies.operations(), [Operation::Write; 2]);

    server.unlock("A");
    policies.asked();
    let meanwhile = Rc::new(Cell::new(false));
    let seen = Rc::clone(&meanwhile);
    let freezing = Scripted::judging(move |_| seen.get().then(|| denial("frozen meanwhile")));
    let server = server.judged_by(&freezing);
    // Another takes the lock and gives it back between the judgement and the write.
    server.store.before(Access::Put, LOCK, 0, move |store| {
        let other = Server::over(store);
        assert_eq!(statuses([other.lock("B"), other.unlock("B")]), [200; 2]);
        meanwhile.set(true);
    });
    assert_eq!(server.lock("C").status, 423);
    server.store.assert_all_steps_ran();
}

/// A denial that rests on what this server remembers is judged again, by what is there.
fn what_another_server_wrote_is_what_counts() {
    let by_serial = || {
        Scripted::judging(|change| {
            let (current, proposed) = (change.current.as_ref()?, change.proposed.as_ref()?);
            (proposed.serial != current.serial + 1).then(|| denial("not the next serial"))
        })
    };
    let one = Server::new().judged_by(&by_serial());
    assert_eq!(statuses([one.lock("A"), one.post(Some("A"), &state(1, "x")), one.unlock("A")]), [200; 3]);
    let two = Server::over(&one.store);
    assert_eq!(statuses([two.lock("B"), two.post(Some("B"), &state(7, "y")), two.unlock("B")]), [200; 3]);
    assert_eq!(one.lock("C").status, 200);
    // By what it remembers (1), 8 would be denied, and 2 allowed.
    assert_eq!(one.post(Some("C"), &state(8, "z")).status, 200);
    assert_eq!(two.post(Some("C"), &state(20, "far")).status, 200);
    let allowed_by_memory = one.post(Some("C"), &state(9, "late"));
    assert_ne!(allowed_by_memory.status, 200, "the write by what is remembered loses, and is judged again");
    assert_eq!(one.content(), Some(state(20, "far")));
}

fn a_document_that_does_not_say_whether_it_is_empty_is_looked_into() {
    for (content, empty) in [(r#"{"version":4,"serial":1,"lineage":"L"}"#.to_owned(), true), (state(1, "x"), false)] {
        let policies = Scripted::judging(|change| {
            change.current.as_ref().filter(|current| !current.empty).map(|_| denial("full"))
        });
        let server = Server::new().judged_by(&policies);
        assert_eq!(statuses([server.lock("A"), server.post(Some("A"), &content)]), [200; 2]);
        let Slot::Entry(entry) = server.store.peek(STATE) else { panic!("no state") };
        let meta = String::from_utf8(entry.meta).unwrap().replace(&format!(r#""empty":{empty},"#), "");
        assert!(!meta.contains("empty"));
        let content = Some(Bytes::new(content.as_bytes()));
        server.store.plant(STATE, Slot::Entry(Entry { revision: entry.revision, meta: meta.into(), content }));
        let expected = if empty { 200 } else { 422 };
        // This server remembers the document as it wrote it, another has seen nothing.
        let other = Server::over(&server.store).judged_by(&policies);
        assert_eq!(other.post(Some("A"), &state(2, "y")).status, expected);
    }
}

fn an_overwrite_is_one_serial() {
    let policies = Scripted::allowing(HEADERS);
    let server = Server::new().judged_by(&policies);
    for bad in [
        "overwrite=",
        "overwrite=x",
        "overwrite=-1",
        "overwrite=%2B1",
        "overwrite=1&overwrite=2",
        "overwrite=18446744073709551616",
    ] {
        let answer = server.send("POST", PATH, Some(bad), state(1, "x").as_bytes());
        assert_eq!((answer.status, answer.code().as_str()), (400, "invalid-request"), "{bad}");
    }
    assert_eq!(policies.operations(), []);
    assert_eq!(server.content(), None);
}

fn nobody_judges_a_state_that_nobody_can_know() {
    let policies = Scripted::allowing(CURRENT);
    let server = Server::new().judged_by(&policies);
    assert_eq!(server.post(None, &state(1, "x")).status, 200);
    assert_eq!(statuses([server.lock("0"), server.unlock("0")]), [200; 2]);
    policies.asked();
    server.store.remove_in_store(STATE);
    let answer = server.lock("A");
    assert_eq!((answer.status, answer.code().as_str()), (502, "removed-in-store"));
    assert_eq!(policies.operations(), []);
}

/// Nothing that is asked costs a store call: neither where nobody judges, nor where the change suffices.
#[test]
fn policies_that_need_headers_only_cost_no_store_call() {
    let run = |policies: &Scripted| {
        let server = Server::new().judged_by(policies);
        let run = |id: &str, serial| {
            let answers =
                [server.lock(id), server.get(), server.post(Some(id), &state(serial, "x")), server.unlock(id)];
            answers.map(|answer| answer.status)
        };
        run("warm", 1);
        let before = server.store.calls().len();
        assert_eq!(run("A", 2), [200; 4]);
        server.store.calls().split_off(before)
    };
    let without = run(&Scripted::default());
    assert_eq!(run(&Scripted::allowing(HEADERS)), without);
    assert_eq!(run(&Scripted::allowing(CONTENT)).len(), without.len() + 1, "the state is read before it is written");
    assert_eq!(run(&Scripted::allowing(CURRENT)).len(), without.len() + 1, "the state is read before the lock");
}
