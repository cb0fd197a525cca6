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
    let again = send(&api, "DELETE", &sent, "");
    assert_eq!((again.status, again.event.outcome), (204, "replayed"));
    assert_eq!(send(&api, "DELETE", "never sent", "").code(), "not-quarantined");
    assert_eq!(api.server.post(Some("A"), &sent).status, 422, "sent again, it is kept again");
    assert_eq!(send(&api, "GET", &sent, "").status, 200);
    assert_eq!(api.get("quarantine").json()["states"][0]["lock_id"], "A");
}

#[test]
fn a_retry_that_is_answered_while_the_state_is_discarded_loses_nothing() {
    for (access, wins) in [(Access::Get, true), (Access::Put, false)] {
        let (api, sent) = refused();
        let key = format!(".quarantine/{PATH}/{}", sha256(&sent));
        let (retrying, again) = (api.server.clone(), sent.clone());
        api.server.store.before(access, &key, 0, move |_| {
            assert_eq!(retrying.post(Some("A"), &again).status, 422);
        });
        let discarded = send(&api, "DELETE", &sent, "");
        api.server.store.assert_all_steps_ran();
        if wins {
            assert_eq!(discarded.status, 204, "it came after the retry");
            assert_eq!(send(&api, "GET", &sent, "").code(), "not-quarantined");
        } else {
            assert_eq!((discarded.status, discarded.code().as_str()), (409, "lost-race"));
            assert_eq!(send(&api, "GET", &sent, "").body, sent.into_bytes());
        }
    }
}

#[test]
fn a_state_that_is_discarded_while_it_is_kept_again_is_kept_anew() {
    let (api, sent) = refused();
    let key = format!(".quarantine/{PATH}/{}", sha256(&sent));
    let (discarding, unwanted) = (Api::of(api.server.clone()), sent.clone());
    // The first of its writes finds the record; before the second one the record is discarded.
    api.server.store.before(Access::Put, &key, 1, move |_| {
        assert_eq!(send(&discarding, "DELETE", &unwanted, "").status, 204);
    });
    assert_eq!(api.server.post(Some("A"), &sent).status, 422);
    api.server.store.assert_all_steps_ran();
    assert_eq!(send(&api, "GET", &sent, "").body, sent.into_bytes());
}

#[test]
fn a_discarded_state_is_not_listed_and_a_lost_answer_is_no_lost_race() {
    let (api, sent) = refused();
    let key = format!(".quarantine/{PATH}/{}", sha256(&sent));
    api.server.store.fail(Access::Put, &key, 0, Fault::Repeated);
    assert_eq!(send(&api, "DELETE", &sent, "").status, 204);
    assert_eq!(api.get("quarantine").json(), json!({"states": []}));
    let accepted = send(&api, "POST", &sent, "&id=A&overrule=true");
    assert_eq!((accepted.status, accepted.code().as_str()), (404, "not-quarantined"));
    let left = api.server.store.written(&key);
    assert!(left.len() == 1 && left[0].content.is_none(), "{left:?}");
}

#[test]
fn what_was_removed_in_the_store_can_be_discarded_before_somebody_undeletes_it() {
    let (api, sent) = refused();
    let key = format!(".quarantine/{PATH}/{}", sha256(&sent));
    api.server.store.remove_in_store(&key);
    let discarded = send(&api, "DELETE", &sent, "");
    assert_eq!((discarded.status, discarded.event.before), (204, None));
    assert_eq!(api.get("quarantine").json(), json!({"states": []}));
    let left = api.server.store.written(&key);
    assert!(left.len() == 1 && left[0].content.is_none(), "{left:?}");
}

#[test]
fn a_discarding_whose_end_was_not_heard_is_run_again() {
    let (api, sent) = refused();
    let key = format!(".quarantine/{PATH}/{}", sha256(&sent));
    // It is written, but what was there before could not be removed.
    let why = StoreError::Denied("a reason".to_owned());
    api.server.store.fail(Access::Put, &key, 0, Fault::Instead(why));
    assert_eq!(send(&api, "DELETE", &sent, "").status, 502);
    assert_eq!(send(&api, "GET", &sent, "").status, 200, "not done, in this store");
    assert_eq!(send(&api, "DELETE", &sent, "").status, 204);
    let puts = || api.server.store.calls().iter().filter(|(access, at)| *access == Access::Put && *at == key).count();
    let before = puts();
    assert_eq!(send(&api, "DELETE", &sent, "").status, 204);
    assert_eq!(puts(), before + 1, "what was there before is removed once more");
}

#[test]
fn what_was_accepted_meanwhile_is_not_called_discarded() {
    let (api, sent) = refused();
    let key = format!(".quarantine/{PATH}/{}", sha256(&sent));
    let accepting = Api::of(api.server.clone());
    let wanted = sent.clone();
    api.server.store.before(Access::Put, &key, 0, move |_| {
        assert_eq!(send(&accepting, "POST", &wanted, "&id=A&overrule=true").status, 200);
    });
    let discarded = send(&api, "DELETE", &sent, "");
    api.server.store.assert_all_steps_ran();
    assert_eq!((discarded.status, discarded.code().as_str()), (409, "lost-race"));
    assert_eq!(api.server.content(), Some(sent));
}

#[test]
fn an_acceptance_that_is_denied_leaves_written_who_sent_it() {
    let (api, sent) = refused();
    let before = api.get("quarantine").json();
    let ada = Api::of(Server { caller: "ada", now: api.server.now + 1000, ..api.server.clone() });
    assert_eq!(send(&ada, "POST", &sent, "&id=A").status, 422);
    assert_eq!(api.get("quarantine").json(), before);
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
