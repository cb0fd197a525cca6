//! Locks for people: the same lock as the CLIs', by the same rules.

use serde_json::json;

use super::looking::Api;
use crate::exchange::{ForceUnlock, Operation};
use crate::policies;
use crate::tests::scripted::Scripted;
use crate::tests::server::{PATH, Server, lock_info, state};

fn lock(api: &Api, body: &str) -> crate::tests::server::Answer {
    api.send("POST", &format!("lock/{PATH}"), body)
}

fn release(api: &Api, query: &str) -> crate::tests::server::Answer {
    api.send("DELETE", &format!("lock/{PATH}?{query}"), "")
}

#[test]
fn a_maintenance_lock_keeps_the_clis_out_and_says_why() {
    let api = Api::new();
    assert_eq!(api.get(&format!("lock/{PATH}")).json(), json!({"path": PATH, "status": "free"}));
    let taken = lock(&api, r#"{"reason":"moving house","id":"M","who":"ada@desk"}"#);
    assert_eq!((taken.status, taken.event.operation), (200, Operation::Lock));
    let held = json!({"path": PATH, "status": "held", "lock": {"id": "M", "who": "ada@desk", "operation": "maintenance",
        "info": "moving house", "since": "1970-01-01T00:16:40.000Z", "age_seconds": 0, "by": "shared"}});
    assert_eq!(taken.json(), held);
    assert_eq!(api.get(&format!("lock/{PATH}")).json(), held);
    let refused = api.server.lock("A");
    assert_eq!((refused.status, refused.json()["Info"].clone()), (409, json!("moving house")));
    assert_eq!(refused.json()["Operation"], "maintenance");
    assert_eq!(api.server.post(None, &state(1, "x")).status, 409);
    assert_eq!(api.server.post(Some("M"), &state(1, "x")).status, 200);
    let again = lock(&api, r#"{"reason":"moving house","id":"M"}"#);
    assert_eq!((again.status, again.event.outcome), (200, "replayed"));
    let other = lock(&api, r#"{"reason":"me too","id":"N"}"#);
    assert_eq!((other.status, other.code().as_str(), other.event.outcome), (409, "locked", "locked"));
    assert_eq!(other.json()["lock"]["id"], "M");
    let released = release(&api, "id=M");
    assert_eq!((released.status, released.json()), (200, json!({"path": PATH, "replayed": false})));
    assert_eq!(release(&api, "id=M").json()["replayed"], true);
    assert_eq!(lock(&api, r#"{"reason":"late","id":"M"}"#).code(), "lock-released");
    assert_eq!(api.server.lock("A").status, 200);
    let wrong = release(&api, "id=X");
    assert_eq!((wrong.status, wrong.code().as_str(), wrong.json()["lock"]["id"].clone()), (409, "locked", json!("A")));
}

#[test]
fn without_an_id_it_is_the_requests() {
    let api = Api::new();
    let taken = lock(&api, r#"{"reason":"r"}"#).json();
    assert_eq!((&taken["lock"]["id"], &taken["lock"]["who"]), (&json!("request-1"), &json!("shared")));
}

#[test]
fn breaking_is_a_forced_unlock_with_its_right_and_setting() {
    let api = Api::new();
    assert_eq!(api.server.lock("A").status, 200);
    assert_eq!(release(&api, "").status, 400, "which one?");
    assert_eq!(release(&api, "force=false").status, 400);
    let others = Api::of(Server { caller: "eve", may_break_locks: false, ..api.server.clone() });
    for query in ["force=true", "id=A&force=true", "id=A"] {
        let refused = release(&others, query);
        assert_eq!((refused.status, refused.code().as_str()), (403, "missing-right"), "{query}");
    }
    let mut careful = Api::of(api.server.clone());
    careful.server.settings.force_unlock = ForceUnlock::Id;
    assert_eq!(release(&careful, "force=true").code(), "force-unlock-off");
    careful.server.settings.force_unlock = ForceUnlock::Off;
    assert_eq!(release(&careful, "force=true&id=A").code(), "force-unlock-off");
    let broken = release(&api, "force=true");
    assert_eq!((broken.status, broken.event.forced, broken.event.operation), (200, true, Operation::ForceUnlock));
    assert_eq!(api.get(&format!("lock/{PATH}")).json()["status"], "broken");
    assert_eq!(api.server.post(Some("A"), &state(1, "late")).status, 409, "the old holder is out");
}

#[test]
fn policies_judge_it_as_any_lock() {
    let denying = Api::of(Server::new().judged_by(&Scripted::denying(policies::Operation::Lock)));
    let denied = lock(&denying, r#"{"reason":"r"}"#);
    assert_eq!((denied.status, denied.code().as_str(), denied.event.outcome), (423, "denied", "denied"));
    assert_eq!(
        (&denied.json()["error"]["policy"], &denied.json()["error"]["reason"]),
        (&json!("freeze"), &json!("not now"))
    );
    let policies = Scripted::denying(policies::Operation::ForceUnlock);
    let api = Api::of(Server::new().judged_by(&policies));
    assert_eq!(api.server.send("LOCK", PATH, None, lock_info("A").as_bytes()).status, 200);
    assert_eq!(release(&api, "force=true").status, 422);
}

#[test]
fn a_body_that_is_not_understood_locks_nothing() {
    let api = Api::new();
    let long = format!(r#"{{"reason":"{}"}}"#, "x".repeat(1025));
    for body in [
        "",
        "null",
        "[]",
        "{}",
        r#"{"reason":""}"#,
        r#"{"reason":7}"#,
        r#"{"reason":"a\u001b[2J"}"#,
        r#"{"reason":"r","id":""}"#,
        r#"{"reason":"r","id":"a\nb"}"#,
        r#"{"reason":"r","who":""}"#,
        r#"{"reason":"r","typo":1}"#,
        r#"{"reason":"r"} x"#,
        &long,
    ] {
        assert_eq!(lock(&api, body).status, 400, "{body}");
    }
    assert_eq!(api.get(&format!("lock/{PATH}")).json()["status"], "free");
    let longest = format!(r#"{{"reason":"{}"}}"#, "ä".repeat(1024));
    assert_eq!(lock(&api, &longest).status, 200);
}
