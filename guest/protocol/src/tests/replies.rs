//! What requests are answered: statuses, bodies and headers, as the CLIs and the README expect them.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use md5::{Digest, Md5};

use super::server::{LOCK, PATH, STATE, Server, lock_info, state};
use crate::exchange::{ForceUnlock, Operation};

#[test]
fn a_run_from_lock_to_unlock() {
    let server = Server::new();
    let none = server.get();
    assert_eq!((none.status, none.code().as_str(), none.event.outcome), (404, "no-state", "no-state"));
    assert_eq!(none.json()["error"]["request_id"], "request-1");
    let locked = server.lock("A");
    assert_eq!((locked.status, locked.event.operation), (200, Operation::Lock));
    assert_eq!(locked.event.lock_who.as_deref(), Some("A@host"));
    let content = state(1, "one");
    let written = server.post(Some("A"), &content);
    assert_eq!((written.status, written.body.len(), written.event.unlocked), (200, 0, false));
    assert_eq!(written.event.after.as_ref().map(|after| after.serial), Some(1));
    assert_eq!(written.event.lock_who.as_deref(), Some("A@host"));
    let read = server.get();
    assert_eq!((read.status, read.header("content-type")), (200, Some("application/json")));
    assert_eq!(read.header("content-md5").unwrap(), BASE64_STANDARD.encode(Md5::digest(content.as_bytes())));
    assert_eq!(read.body, content.as_bytes());
    let refused = server.lock("B");
    assert_eq!((refused.status, refused.event.outcome), (409, "locked"));
    assert_eq!(refused.body, lock_info("A").as_bytes(), "the holder's LockInfo as it was sent");
    assert_eq!(refused.event.lock_who.as_deref(), Some("A@host"));
    let released = server.unlock("A");
    assert_eq!((released.status, released.body.len(), released.event.forced), (200, 0, false));
    assert_eq!(server.lock("B").status, 200);
}

#[test]
fn put_is_post_and_the_lock_face_is_lock_and_unlock() {
    let server = Server::new();
    let face = format!("-/lock/{PATH}");
    for method in ["POST", "PUT"] {
        let id = format!("{method}-id");
        assert_eq!(server.send(method, &face, None, lock_info(&id).as_bytes()).status, 200);
        assert_eq!(server.send("PUT", PATH, Some(&format!("ID={id}")), state(7, method).as_bytes()).status, 200);
        assert_eq!(server.send("POST", &face, None, lock_info("other").as_bytes()).status, 409);
        assert_eq!(server.send("DELETE", &face, None, lock_info(&id).as_bytes()).status, 200);
    }
    for method in ["GET", "LOCK", "UNLOCK", "PATCH"] {
        let answer = server.send(method, &face, None, lock_info("x").as_bytes());
        assert_eq!((answer.status, answer.header("allow")), (405, Some("POST, PUT, DELETE")), "{method}");
    }
}

#[test]
fn other_methods_are_told_which_there_are() {
    for method in ["HEAD", "PATCH", "OPTIONS", "get", "", "TRACE"] {
        let answer = Server::new().send(method, PATH, None, b"");
        assert_eq!((answer.status, answer.code().as_str()), (405, "method-not-allowed"));
        assert_eq!(answer.header("allow"), Some("GET, POST, PUT, DELETE, LOCK, UNLOCK"));
    }
}

#[test]
fn paths_are_checked_before_anything_is_touched() {
    let server = Server::new();
    for path in ["", "a/../b", "a//b", "a/b/", "a/b/c", "a/b.lock", "-/x", "-/v1/states", ".chunks/a"] {
        for method in ["GET", "POST", "DELETE", "LOCK", "UNLOCK", "HEAD"] {
            let answer = server.send(method, path, None, state(1, "x").as_bytes());
            assert_eq!((answer.status, answer.code().as_str()), (400, "invalid-path"), "{method} {path}");
        }
    }
    assert!(server.store.calls().is_empty());
}

#[test]
fn a_bad_body_is_refused_and_nothing_is_written() {
    let server = Server::new();
    assert_eq!(server.lock("A").status, 200);
    let calls = server.store.calls().len();
    let ok = state(1, "x");
    let wrong = BASE64_STANDARD.encode(Md5::digest(b"something else"));
    for (body, md5, code) in [
        (&b""[..], None, "invalid-request"),
        (b"not json", None, "invalid-request"),
        (&ok.as_bytes()[..20], None, "invalid-request"),
        (b"{}", None, "invalid-request"),
        (ok.as_bytes(), Some(wrong.as_str()), "digest-mismatch"),
        (ok.as_bytes(), Some("****"), "invalid-request"),
        (ok.as_bytes(), Some("AAAA"), "invalid-request"),
    ] {
        let headers: Vec<_> = md5.iter().map(|md5| ("content-md5", *md5)).collect();
        let answer = server.send_with("POST", PATH, Some("ID=A"), body, &headers);
        assert_eq!((answer.status, answer.code().as_str()), (400, code), "{:?}", String::from_utf8_lossy(body));
    }
    assert_eq!(server.store.calls().len(), calls, "refused before the store is asked");
    let right = BASE64_STANDARD.encode(Md5::digest(ok.as_bytes()));
    assert_eq!(server.send_with("POST", PATH, Some("ID=A"), ok.as_bytes(), &[("content-md5", &right)]).status, 200);
}

#[test]
fn bad_lock_requests_are_refused() {
    let server = Server::new();
    for body in ["", "nonsense", "{}", "[]", r#"{"ID":""}"#, r#"{"ID":3}"#] {
        let answer = server.send("LOCK", PATH, None, body.as_bytes());
        assert_eq!((answer.status, answer.code().as_str()), (400, "invalid-request"), "{body}");
    }
    assert_eq!(server.send("UNLOCK", PATH, None, b"nonsense").status, 400);
    assert_eq!(server.send("UNLOCK", PATH, Some("ID=B"), lock_info("A").as_bytes()).status, 400);
    assert_eq!(server.send("POST", PATH, Some("ID=A&ID=B"), state(1, "x").as_bytes()).status, 400);
    assert_eq!(server.send("POST", PATH, Some("ID="), state(1, "x").as_bytes()).status, 400);
    assert!(server.store.calls().is_empty());
}

#[test]
fn the_lock_guards_writes_and_deletions() {
    let server = Server::new();
    assert_eq!(server.post(None, &state(1, "one")).status, 200);
    assert_eq!(server.lock("A").status, 200);
    for answer in [
        server.post(None, &state(2, "x")),
        server.post(Some("B"), &state(2, "x")),
        server.delete(None),
        server.delete(Some("B")),
        server.unlock("B"),
        server.force_unlock_by_id("B"),
    ] {
        assert_eq!((answer.status, answer.json()["ID"].as_str()), (409, Some("A")));
    }
    assert_eq!(server.content(), Some(state(1, "one")));
}

#[test]
fn a_write_without_a_lock_is_told_in_the_event() {
    let server = Server::new();
    let written = server.post(None, &state(1, "one"));
    assert_eq!((written.status, written.event.unlocked), (200, true));
    let other_query = server.send("POST", PATH, Some("team=a%20b"), state(2, "two").as_bytes());
    assert_eq!((other_query.status, other_query.event.unlocked), (200, true));
}

#[test]
fn an_id_in_the_query_releases_a_lock() {
    let server = Server::new();
    assert_eq!(server.lock("A b").status, 200);
    let released = server.send("UNLOCK", PATH, Some("ID=A+b"), b"");
    assert_eq!((released.status, released.event.forced), (200, false));
}

#[test]
fn forced_unlocks_are_as_the_operator_allows() {
    for (setting, with_id, without) in
        [(ForceUnlock::Any, 200, 200), (ForceUnlock::Id, 200, 422), (ForceUnlock::Off, 422, 422)]
    {
        for (by_id, expected) in [(true, with_id), (false, without)] {
            let mut server = Server::new();
            server.settings.force_unlock = setting;
            assert_eq!(server.lock("A").status, 200);
            let answer = if by_id { server.force_unlock_by_id("A") } else { server.force_unlock() };
            assert_eq!((answer.status, answer.event.forced), (expected, expected == 200), "{setting:?} {by_id}");
            assert_eq!(answer.event.operation, Operation::ForceUnlock);
            assert_eq!(server.lock("B").status, if expected == 200 { 200 } else { 409 });
            assert_eq!(server.unlock("A").status, if expected == 200 { 409 } else { 200 }, "its own holder always may");
        }
    }
}

#[test]
fn breaking_a_lock_needs_its_right() {
    let mut server = Server::new();
    server.may_break_locks = false;
    assert_eq!(server.lock("A").status, 200);
    for answer in [server.force_unlock(), server.force_unlock_by_id("A")] {
        assert_eq!((answer.status, answer.code().as_str()), (403, "missing-right"));
    }
    assert_eq!(server.unlock("A").status, 200);
}

#[test]
fn a_deleted_state_is_none_and_can_be_written_again() {
    let server = Server::new();
    assert_eq!(server.delete(None).status, 200);
    assert!(server.store.calls().iter().all(|(operation, _)| *operation == super::simulated::Operation::Get));
    assert_eq!(server.post(None, &state(1, "one")).status, 200);
    let deleted = server.delete(None);
    assert_eq!((deleted.status, deleted.event.before.map(|before| before.serial)), (200, Some(1)));
    assert_eq!(server.get().status, 404);
    assert_eq!(server.store.revision(STATE), 2, "a record, not the store's own deletion");
    assert_eq!(server.post(None, &state(1, "again")).status, 200);
    assert_eq!(server.content(), Some(state(1, "again")));
}

#[test]
fn deeper_paths_when_the_operator_allows_them() {
    let mut server = Server::new();
    server.settings.path_segments = 4;
    assert_eq!(server.send("LOCK", "a/b/c/d", None, lock_info("A").as_bytes()).status, 200);
    assert_eq!(server.send("POST", "a/b/c/d", Some("ID=A"), state(1, "x").as_bytes()).status, 200);
    assert_eq!(server.send("GET", "a/b/c/d/e", None, b"").status, 400);
    assert_eq!(server.store.revision("a/b/c/d.lock"), 1);
    assert_eq!(server.store.revision(LOCK), 0);
}

/// A state's neighbour: one path's lock or state never touches another's.
#[test]
fn paths_do_not_mix() {
    let server = Server::new();
    for path in ["a", "a/b", "b/a", "a/b-lock", "A/b"] {
        assert_eq!(server.send("LOCK", path, None, lock_info(path).as_bytes()).status, 200, "{path}");
        let query = format!("ID={}", path.replace('/', "%2F"));
        assert_eq!(server.send("POST", path, Some(&query), state(1, path).as_bytes()).status, 200, "{path}");
    }
    for path in ["a", "a/b", "b/a", "a/b-lock", "A/b"] {
        assert_eq!(server.send("GET", path, None, b"").body, state(1, path).as_bytes(), "{path}");
    }
}
