//! What is refused before anything is looked at.

use super::looking::Api;

#[test]
fn what_is_not_known_is_refused_and_said() {
    let api = Api::new();
    let sha256 = "a".repeat(64);
    for target in [
        "states?limit=0",
        "states?limit=501",
        "states?limit=-1",
        "states?limit=%2B5",
        "states?limit=",
        "states?limit=99999999999999999999",
        "states?limit=5&limit=5",
        "states?deleted=yes",
        "states?Prefix=a",
        "versions/a/b?before=0",
        "versions/a/b?before=x",
        "versions/a/b?after=1",
        "content/a/b?revison=3",
        "content/a/b?revision=9007199254740992",
        "content/a/b?revision=1e3",
        "outputs/a/b?sensitive=1",
        "difference/a/b?from=1&from=2",
        "lock/a/b?id=x",
        "quarantined/a/b",
        "quarantined/a/b?sha256=abc",
        &format!("quarantined/a/b?sha256={}", "A".repeat(64)),
        &format!("quarantined/a/b?sha256={sha256}&id=x"),
        &format!("states?prefix={}", "x".repeat(1201)),
        &format!("quarantine?after={}", "x".repeat(1201)),
        "states/a",
        "quarantine/a/b",
        "versions",
        "versions/",
        "versions/a/",
        "versions/a/b/c",
        "versions/../a",
        "versions/a/b.lock",
        "versions/-/lock",
        "content/.quarantine/x",
        "nothing",
        "nothing/a/b",
        "",
    ] {
        let answer = api.get(target);
        assert_eq!((answer.status, answer.event.outcome), (400, "invalid"), "{target} {answer:?}");
        assert!(answer.json()["error"]["message"].as_str().unwrap().len() > 10, "{target}");
    }
    for (method, target, allowed) in [
        ("POST", "states", "GET"),
        ("LOCK", "versions/a/b", "GET"),
        ("PUT", "lock/a/b", "GET, POST, DELETE"),
        ("PATCH", "quarantined/a/b", "GET, POST, DELETE"),
    ] {
        let answer = api.send(method, target, "");
        assert_eq!((answer.status, answer.header("allow")), (405, Some(allowed)), "{method} {target}");
    }
}

#[test]
fn no_parameter_is_quoted() {
    let answer = Api::new().get("states?hunter2=hunter2");
    assert!(!String::from_utf8(answer.body).unwrap().contains("hunter2"));
}
