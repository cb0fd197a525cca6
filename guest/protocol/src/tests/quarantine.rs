//! What a policy refuses is not thrown away: the infrastructure has changed already.

use super::scripted::{Scripted, denial};
use super::server::{Answer, PATH, STATE, Server, state};
use super::simulated::{Bytes, Fault, Operation as Access};
use crate::document::{QuarantineDocument, decode, to_hex};
use crate::outside::{Blob, Entry, Slot, StoreError};
use crate::policies::{Denial, Operation};

rules! {
    a_refused_state_is_kept_whole_with_who_and_why,
    a_retry_finds_what_its_first_attempt_kept,
    retries_at_the_same_moment_all_end,
    what_cannot_be_kept_is_said,
    a_policy_may_want_nothing_kept,
    what_somebody_removed_or_damaged_is_kept_again,
}

fn refusing() -> Server {
    let server = Server::new().judged_by(&Scripted::denying(Operation::Write));
    assert_eq!(server.lock("A").status, 200);
    server
}

fn key(state: &str) -> String {
    format!(".quarantine/{PATH}/{}", to_hex(&Bytes::new(state.as_bytes()).digests().sha256))
}

fn kept(server: &Server, state: &str) -> Entry<Bytes> {
    match server.store.peek(&key(state)) {
        Slot::Entry(entry) => entry,
        other => panic!("{other:?}"),
    }
}

fn quarantined(answer: &Answer) -> Option<String> {
    assert_eq!(answer.status, 422);
    answer.json()["error"]["quarantined"].as_str().map(str::to_owned)
}

fn a_refused_state_is_kept_whole_with_who_and_why() {
    let server = refusing();
    let sent = state(4, "new");
    let answer = server.post(Some("A"), &sent);
    assert_eq!(quarantined(&answer), Some(key(&sent)));
    assert_eq!(answer.event.quarantined, Some(key(&sent)));
    let entry = kept(&server, &sent);
    assert_eq!(entry.content, Some(Bytes::new(sent.as_bytes())));
    let QuarantineDocument::Quarantined(record) = decode(STATE, &entry.meta).unwrap();
    assert_eq!((record.policy.as_str(), record.reason.as_str()), ("freeze", "not now"));
    assert_eq!((record.state.serial, record.state.lineage.as_str(), record.state.empty), (4, "L", Some(false)));
    let written = record.state.written;
    assert_eq!((written.by.as_str(), written.lock_id.as_deref(), written.written), ("shared", Some("A"), server.now));
    assert_eq!(server.content(), None);

    let other = state(5, "newer");
    assert_eq!(quarantined(&server.post(Some("A"), &other)), Some(key(&other)), "each is a record of its own");
    assert_eq!(kept(&server, &sent).revision, 1);
}

fn a_retry_finds_what_its_first_attempt_kept() {
    let server = refusing();
    let sent = state(4, "new");
    for revision in 1..=3 {
        assert_eq!(quarantined(&server.post(Some("A"), &sent)), Some(key(&sent)));
        assert_eq!(kept(&server, &sent).revision, revision, "whoever discards the former one loses the race");
    }
    let QuarantineDocument::Quarantined(record) = decode(STATE, &kept(&server, &sent).meta).unwrap();
    assert_eq!(record.state.written.written, server.now, "who sent it first, and when, stays");
    let other = state(5, "answer lost");
    server.store.fail(Access::Put, &key(&other), 0, Fault::Repeated);
    assert_eq!(quarantined(&server.post(Some("A"), &other)), Some(key(&other)));
    server.store.assert_all_steps_ran();
}

fn retries_at_the_same_moment_all_end() {
    let server = refusing();
    let sent = state(4, "new");
    assert_eq!(server.post(Some("A"), &sent).status, 422);
    // One between each two calls of another.
    for nth in 0..8 {
        let (retrying, again) = (server.clone(), sent.clone());
        server.store.before(Access::Put, &key(&sent), 2 * nth, move |_| {
            assert_eq!(quarantined(&retrying.post(Some("A"), &again)), Some(key(&again)));
        });
    }
    assert_eq!(quarantined(&server.post(Some("A"), &sent)), Some(key(&sent)));
    server.store.forget_steps();
    assert_eq!(kept(&server, &sent).content, Some(Bytes::new(sent.as_bytes())));
}

fn what_cannot_be_kept_is_said() {
    for (error, status) in [
        (StoreError::Unavailable("a reason".to_owned()), 503),
        (StoreError::Sealed, 503),
        (StoreError::OutOfSpace("a reason".to_owned()), 503),
        (StoreError::TooLarge("a reason".to_owned()), 502),
        (StoreError::Denied("a reason".to_owned()), 502),
    ] {
        let server = refusing();
        let sent = state(4, "new");
        server.store.fail(Access::Put, &key(&sent), 0, Fault::Instead(error));
        let answer = server.post(Some("A"), &sent);
        assert_eq!(
            (answer.status, answer.code().as_str(), answer.event.outcome),
            (status, "not-quarantined", "failed")
        );
        assert_eq!(answer.header("retry-after").is_some(), status == 503);
        assert_eq!((answer.event.quarantined.as_ref(), answer.event.denied_by.as_deref()), (None, Some("freeze")));
        let message = answer.json()["error"]["message"].as_str().unwrap().to_owned();
        assert!(
            message.contains("NOT") && message.contains("errored.tfstate") && message.contains("not now"),
            "{message}"
        );
        assert_eq!(server.content(), None);
        assert_eq!(quarantined(&server.post(Some("A"), &sent)), Some(key(&sent)), "the retry");
    }
    let server = refusing();
    let sent = state(4, "new");
    let foreign = Entry { revision: 1, meta: br#"{"format":9}"#.to_vec(), content: None };
    server.store.plant(&key(&sent), Slot::Entry(foreign));
    let answer = server.post(Some("A"), &sent);
    assert_eq!((answer.status, answer.code().as_str()), (502, "not-quarantined"));
    assert_eq!(kept(&server, &sent).revision, 1, "it is not ours, and stays");
}

fn a_policy_may_want_nothing_kept() {
    let unwanted = || Denial { keep: false, ..denial("not encrypted") };
    let policies = Scripted::judging(move |change| (change.operation == Operation::Write).then(unwanted));
    let server = Server::new().judged_by(&policies);
    let sent = state(4, "plain");
    let answer = server.post(None, &sent);
    assert_eq!(quarantined(&answer), None);
    assert!(answer.json()["error"]["message"].as_str().unwrap().contains("not kept"));
    assert!(matches!(server.store.peek(&key(&sent)), Slot::Absent));
}

fn what_somebody_removed_or_damaged_is_kept_again() {
    let server = refusing();
    let sent = state(4, "new");
    assert_eq!(server.post(Some("A"), &sent).status, 422);
    server.store.remove_in_store(&key(&sent));
    assert_eq!(quarantined(&server.post(Some("A"), &sent)), Some(key(&sent)));
    let entry = kept(&server, &sent);
    assert_eq!(entry.content, Some(Bytes::new(sent.as_bytes())));
    server.store.plant(&key(&sent), Slot::Entry(Entry { content: Some(Bytes::new(b"other bytes")), ..entry }));
    assert_eq!(quarantined(&server.post(Some("A"), &sent)), Some(key(&sent)));
    assert_eq!(kept(&server, &sent).content, Some(Bytes::new(sent.as_bytes())));
}
