//! Refused states: found, read, accepted and discarded.

use serde_json::json;

use super::looking::Api;
use crate::document::to_hex;
use crate::exchange::Operation;
use crate::outside::{Blob, Slot, StoreError};
use crate::policies;
use crate::tests::scripted::Scripted;
use crate::tests::server::{Answer, PATH, Server, state};
use crate::tests::simulated::{Bytes, Fault, Operation as Access};

fn sha256(state: &str) -> String {
    to_hex(&Bytes::new(state.as_bytes()).digests().sha256)
}

/// A server with a refused state, and lock `A` held; the policy still denies.
fn refused() -> (Api, String) {
    let server = Server::new().judged_by(&Scripted::denying(policies::Operation::Write));
    let sent = state(4, "refused");
    assert_eq!(server.lock("A").status, 200);
    assert_eq!(server.post(Some("A"), &sent).status, 422);
    (Api::of(server), sent)
}

fn send(api: &Api, method: &str, state: &str, query: &str) -> Answer {
    api.send(method, &format!("quarantined/{PATH}?sha256={}{query}", sha256(state)), "")
}

#[test]
fn refused_states_are_listed_by_path_and_can_be_read() {
    let (mut api, sent) = refused();
    let told = api.get("quarantine").json();
    assert_eq!(
        told,
        json!({"states": [{"path": PATH, "sha256": sha256(&sent), "policy": "freeze", "reason": "not now", "serial": 4,
            "lineage": "L", "size": sent.len(), "tool_version": "1.12.6", "encrypted": false, "empty": false,
            "written": "1970-01-01T00:16:40.000Z", "by": "shared", "lock_id": "A"}]})
    );
    for prefix in ["group", PATH] {
        assert_eq!(api.get(&format!("quarantine?prefix={prefix}")).json(), told);
    }
    let hash = sha256(&sent);
    for prefix in ["other", "group/project/x", &format!("{PATH}/{hash}"), &hash] {
        assert_eq!(api.get(&format!("quarantine?prefix={prefix}")).json(), json!({"states": []}), "{prefix}");
    }
    assert_eq!(api.server.post(Some("A"), &state(5, "too")).status, 422);
    let first = api.get("quarantine?limit=1").json();
    let second = api.get(&format!("quarantine?limit=1&after={}", first["next"].as_str().unwrap())).json();
    let mut both = [first, second].map(|page| page["states"][0]["sha256"].as_str().unwrap().to_owned());
    both.sort();
    let mut expected = [hash, sha256(&state(5, "too"))];
    expected.sort();
    assert_eq!(both, expected);
    let read = send(&api, "GET", &sent, "");
    assert_eq!((read.status, read.body), (200, sent.into_bytes()));
    assert_eq!(send(&api, "GET", "other", "").code(), "not-quarantined");
    api.hidden = vec![PATH];
    assert_eq!(api.get("quarantine").json(), json!({"states": []}));
}

#[test]
fn an_accepted_state_is_written_under_the_lock_and_the_policies() {
    let (api, sent) = refused();
    let still_denied = send(&api, "POST", &sent, "&id=A");
    assert_eq!((still_denied.status, still_denied.code().as_str()), (422, "denied"));
    assert_eq!(send(&api, "GET", &sent, "").status, 200, "it is still there");
    let allowing = Api::of(Server { policies: Scripted::default(), ..api.server.clone() });
    assert_eq!(send(&allowing, "POST", &sent, "").status, 409, "somebody holds the lock");
    assert_eq!(send(&allowing, "POST", &sent, "&id=B").status, 409);
    let accepted = send(&allowing, "POST", &sent, "&id=A");
    assert_eq!((accepted.status, accepted.json()), (200, json!({"path": PATH, "sha256": sha256(&sent)})));
    assert_eq!((accepted.event.operation, accepted.event.outcome), (Operation::Accept, "done"));
    assert_eq!(accepted.event.after.as_ref().unwrap().serial, 4);
    assert_eq!(api.server.content(), Some(sent.clone()));
    assert_eq!(send(&api, "GET", &sent, "").code(), "not-quarantined");
    let again = send(&allowing, "POST", &sent, "&id=A");
    assert_eq!((again.status, again.event.outcome), (200, "replayed"));
    assert_eq!(send(&allowing, "POST", "another", "&id=A").code(), "not-quarantined");
}

#[test]
fn a_denial_is_overruled_only_by_who_may() {
    let (api, sent) = refused();
    let eve = Api::of(Server { may_break_locks: false, ..api.server.clone() });
    let denied = send(&eve, "POST", &sent, "&id=A&overrule=true");
    assert_eq!((denied.status, denied.code().as_str(), denied.event.outcome), (403, "missing-right", "refused"));
    api.server.policies.asked();
    assert_eq!(send(&api, "POST", &sent, "&id=A&overrule=true").status, 200);
    assert_eq!(api.server.policies.operations(), [policies::Operation::Write], "they were asked all the same");
    assert_eq!(api.server.content(), Some(sent));
}

#[test]
fn an_interrupted_acceptance_is_finished_by_the_next() {
    let (api, sent) = refused();
    let allowing = Api::of(Server { policies: Scripted::default(), ..api.server.clone() });
    api.server.store.fail(Access::Put, PATH, 0, Fault::Instead(StoreError::Unavailable("a reason".to_owned())));
    assert_eq!(send(&allowing, "POST", &sent, "&id=A").status, 503);
    assert_eq!(send(&api, "GET", &sent, "").status, 200, "nothing is lost");
    // Written, but not yet taken out of the quarantine.
    assert_eq!(allowing.server.post(Some("A"), &sent).status, 200);
    let finished = send(&allowing, "POST", &sent, "&id=A");
    assert_eq!((finished.status, finished.event.outcome), (200, "replayed"));
    assert_eq!(send(&api, "GET", &sent, "").status, 404);
}

#[test]
fn a_discarded_state_is_gone_and_the_record_names_it() {
    let (api, sent) = refused();
    let discarded = send(&api, "DELETE", &sent, "");
    assert_eq!((discarded.status, discarded.body.len(), discarded.event.operation), (204, 0, Operation::Discard));
    assert_eq!(discarded.event.quarantined, Some(format!(".quarantine/{PATH}/{}", sha256(&sent))));
    assert_eq!(discarded.event.before.as_ref().unwrap().serial, 4);
    assert_eq!(send(&api, "DELETE", &sent, "").code(), "not-quarantined");
    assert_eq!(api.server.post(Some("A"), &sent).status, 422, "sent again, it is kept again");
    assert_eq!(send(&api, "GET", &sent, "").status, 200);
}

#[test]
fn what_is_damaged_or_foreign_is_neither_accepted_nor_discarded() {
    let (api, sent) = refused();
    let key = format!(".quarantine/{PATH}/{}", sha256(&sent));
    let Slot::Entry(entry) = api.server.store.peek(&key) else { panic!("it is kept") };
    let damaged = crate::outside::Entry { content: Some(Bytes::new(b"other")), ..entry.clone() };
    api.server.store.plant(&key, Slot::Entry(damaged));
    assert_eq!(send(&api, "GET", &sent, "").code(), "damaged");
    assert_eq!(send(&api, "POST", &sent, "&id=A&overrule=true").code(), "damaged");
    let foreign = crate::outside::Entry { meta: br#"{"format":9}"#.to_vec(), ..entry };
    api.server.store.plant(&key, Slot::Entry(foreign));
    for method in ["GET", "POST", "DELETE"] {
        assert_eq!(send(&api, method, &sent, "").code(), "foreign-document", "{method}");
    }
    assert!(api.get("quarantine").json()["states"][0]["problem"].as_str().unwrap().contains("format is 9"));
    assert_eq!(api.server.content(), None);
}

#[test]
fn whichever_store_call_fails_the_state_is_the_old_or_the_new_and_nothing_is_lost() {
    let errors = || [StoreError::Unavailable("a reason".to_owned()), StoreError::Timeout];
    for (access, key) in
        [(Access::Get, PATH), (Access::Get, "group/project.lock"), (Access::Put, PATH), (Access::Get, "kept")]
    {
        for nth in 0..4 {
            for fault in errors().map(Fault::Instead).into_iter().chain([Fault::Repeated]) {
                let (api, sent) = refused();
                let allowing = Api::of(Server { policies: Scripted::default(), ..api.server.clone() });
                let kept = format!(".quarantine/{PATH}/{}", sha256(&sent));
                let key = if key == "kept" { &kept } else { key };
                api.server.store.fail(access, key, nth, fault);
                let first = send(&allowing, "POST", &sent, "&id=A");
                api.server.store.forget_steps();
                assert!([200, 503].contains(&first.status), "{access:?} {key} {nth}: {first:?}");
                match api.server.content() {
                    Some(content) => assert_eq!(content, sent, "{access:?} {key} {nth}"),
                    None => assert_eq!(send(&api, "GET", &sent, "").status, 200, "{access:?} {key} {nth}"),
                }
                assert_eq!(send(&allowing, "POST", &sent, "&id=A").status, 200, "the retry of {access:?} {key} {nth}");
                assert_eq!(api.server.content(), Some(sent.clone()));
                assert_eq!(send(&api, "GET", &sent, "").status, 404);
            }
        }
    }
}
