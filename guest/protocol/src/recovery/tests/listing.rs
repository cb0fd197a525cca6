//! Pages of states.

use serde_json::json;

use super::looking::Api;
use crate::outside::{Entry, Slot};
use crate::tests::server::{Answer, state};

fn paths(answer: &Answer) -> Vec<String> {
    assert_eq!(answer.status, 200, "{answer:?}");
    let states = answer.json()["states"].as_array().unwrap().clone();
    states.iter().map(|state| state["path"].as_str().unwrap().to_owned()).collect()
}

const SORTED: [&str; 8] = ["a", "a/b", "a/c", "a-b", "a-b/x", "b/1", "b/2", "c/z"];

fn filled() -> Api {
    let api = Api::new();
    for path in SORTED.iter().rev() {
        api.write(path, &state(1, path));
    }
    api
}

/// What all pages tell, with so many items on each.
fn all(api: &Api, query: &str, limit: usize) -> Vec<String> {
    let mut found = Vec::new();
    let mut after = String::new();
    for _ in 0..100 {
        let answer = api.get(&format!("states?limit={limit}{query}{after}"));
        let page = paths(&answer);
        assert!(page.len() <= limit);
        found.extend(page);
        match answer.json()["next"].as_str() {
            Some(next) => after = format!("&after={next}"),
            None => return found,
        }
    }
    panic!("pages without end");
}

#[test]
fn all_pages_together_are_the_same_whatever_their_size() {
    let api = filled();
    for limit in [1, 2, 3, 7, 8, 500] {
        assert_eq!(all(&api, "", limit), SORTED, "{limit}");
        assert_eq!(all(&api, "&prefix=a", limit), ["a", "a/b", "a/c"], "{limit}");
        assert_eq!(all(&api, "&prefix=b", limit), ["b/1", "b/2"], "{limit}");
        assert_eq!(all(&api, "&prefix=b/", limit), ["b/1", "b/2"], "{limit}");
        assert_eq!(all(&api, "&prefix=b/2", limit), ["b/2"], "{limit}");
    }
    for nothing in ["d", "b/3", "b/2/x", "../a", ".quarantine", "a.lock", "a%00", "b//2", "b/2/x/y/z"] {
        assert_eq!(all(&api, &format!("&prefix={nothing}"), 3), [""; 0], "{nothing}");
    }
    assert_eq!(paths(&api.get("states?after=a-b/w")), SORTED[4..]);
    assert_eq!(paths(&api.get("states?after=zzz")), [""; 0]);
}

#[test]
fn nothing_is_told_of_other_peoples_states() {
    let mut api = filled();
    api.hidden = vec!["a", "a/c", "b/2"];
    for limit in [1, 3, 500] {
        assert_eq!(all(&api, "", limit), ["a/b", "a-b", "a-b/x", "b/1", "c/z"], "{limit}");
    }
    assert_eq!(all(&api, "&prefix=b/2", 3), [""; 0]);
}

#[test]
fn a_state_is_told_with_its_last_write_and_its_lock() {
    let api = Api::new();
    assert_eq!(api.server.lock("A").status, 200);
    assert_eq!(paths(&api.get("states")), ["group/project"], "a first apply is on its way");
    assert_eq!(api.server.post(Some("A"), &state(4, "x")).status, 200);
    let later =
        Api { server: crate::tests::server::Server { now: 1_090_000, ..api.server.clone() }, hidden: Vec::new() };
    let answer = later.get("states");
    let told = &answer.json()["states"][0];
    assert_eq!(told["current"]["kind"], "state");
    let current = &told["current"];
    assert_eq!((&current["revision"], &current["serial"], &current["lineage"]), (&json!(2), &json!(4), &json!("L")));
    assert_eq!((&current["tool_version"], &current["by"]), (&json!("1.12.6"), &json!("shared")));
    assert_eq!((&current["written"], &current["lock_id"]), (&json!("1970-01-01T00:16:40.000Z"), &json!("A")));
    assert_eq!(current["size"], state(4, "x").len());
    let lock = &told["lock"];
    assert_eq!((&lock["id"], &lock["who"], &lock["age_seconds"]), (&json!("A"), &json!("A@host"), &json!(90)));
    assert_eq!((&lock["operation"], &lock["version"]), (&json!("OperationTypeApply"), &json!("1.12.6")));
    assert!(lock.get("info").is_none());
    assert_eq!(api.server.unlock("A").status, 200);
    assert!(api.get("states").json()["states"][0].get("lock").is_none());
    assert_eq!(answer.event.operation, crate::exchange::Operation::List);
}

#[test]
fn deleted_states_are_told_on_demand_and_what_is_no_state_as_such() {
    let api = filled();
    assert_eq!(api.server.send("DELETE", "b/1", None, b"").status, 200);
    let foreign = Entry { revision: 7, meta: br#"{"format":9}"#.to_vec(), content: None };
    api.server.store.plant("b/foreign", Slot::Entry(foreign));
    api.server.store.plant(".chunks/a", Slot::Removed(1));
    api.server.store.plant("deep/er/than/allowed", Slot::Removed(1));
    api.server.store.remove_in_store("c/z");
    let told = api.get("states?prefix=b");
    assert_eq!(paths(&told), ["b/2", "b/foreign"]);
    assert_eq!(told.json()["states"][1]["current"]["kind"], "unreadable");
    assert!(told.json()["states"][1]["current"]["problem"].as_str().unwrap().contains("format is 9"));
    let told = api.get("states?prefix=b&deleted=true");
    assert_eq!(paths(&told), ["b/1", "b/2", "b/foreign"]);
    assert_eq!(told.json()["states"][0]["current"]["kind"], "deleted");
    assert_eq!(told.json()["states"][0]["current"]["serial"], 1);
    let told = api.get("states?after=b/zzz");
    assert_eq!(paths(&told), ["c/z"]);
    assert_eq!(told.json()["states"][0]["current"], json!({"revision": 1, "kind": "removed"}));
}

#[test]
fn a_store_full_of_folders_gives_short_pages_and_all_of_them() {
    let api = Api::new();
    let expected: Vec<String> = (0..600).map(|group| format!("g{group:03}/p")).collect();
    for path in &expected {
        api.write(path, &state(1, path));
    }
    let first = api.get("states?limit=500");
    assert!(paths(&first).len() < 260 && first.json()["next"].is_string());
    assert_eq!(all(&api, "", 500), expected);
}
