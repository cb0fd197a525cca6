//! Versions, what stands in them, and how they are compared.

use serde_json::{Value, json};

use super::looking::Api;
use crate::outside::{Entry, Slot};
use crate::tests::server::{PATH, STATE, state};

fn ten_versions() -> Api {
    let api = Api::new();
    for serial in 1..=10 {
        assert_eq!(api.server.post(None, &state(serial, "x")).status, 200);
    }
    api
}

fn revisions(page: &Value) -> Vec<u64> {
    page["versions"].as_array().unwrap().iter().map(|version| version["revision"].as_u64().unwrap()).collect()
}

#[test]
fn versions_come_newest_first_and_in_pages() {
    let api = ten_versions();
    let page = api.get(&format!("versions/{PATH}?limit=4")).json();
    assert_eq!((revisions(&page), &page["next"]), (vec![10, 9, 8, 7], &json!(7)));
    assert_eq!((&page["path"], &page["versions"][0]["serial"]), (&json!(PATH), &json!(10)));
    let page = api.get(&format!("versions/{PATH}?limit=4&before=3")).json();
    assert_eq!((revisions(&page), page.get("next")), (vec![2, 1], None));
    let page = api.get(&format!("versions/{PATH}?limit=10")).json();
    assert_eq!(page.get("next"), None);
    let answer = api.get("versions/never/written");
    assert_eq!((answer.status, answer.json()["versions"].clone()), (200, json!([])));
    assert_eq!(api.server.delete(None).status, 200);
    let page = api.get(&format!("versions/{PATH}?limit=1")).json();
    assert_eq!((&page["versions"][0]["kind"], &page["versions"][0]["serial"]), (&json!("deleted"), &json!(10)));
}

#[test]
fn the_bytes_of_any_version_come_back() {
    let api = ten_versions();
    let answer = api.get(&format!("content/{PATH}?revision=4"));
    assert_eq!((answer.status, answer.header("x-state-revision")), (200, Some("4")));
    assert_eq!(answer.body, state(4, "x").into_bytes());
    assert!(answer.header("content-md5").is_some());
    assert_eq!(answer.event.before.as_ref().unwrap().serial, 4);
    assert_eq!(api.get(&format!("content/{PATH}")).body, state(10, "x").into_bytes());
    assert_eq!(api.server.delete(None).status, 200);
    assert_eq!(api.get(&format!("content/{PATH}?revision=4")).body, state(4, "x").into_bytes());
    for (target, status, code) in [
        (format!("content/{PATH}"), 404, "no-state"),
        (format!("content/{PATH}?revision=12"), 404, "no-version"),
        ("content/never/written".to_owned(), 404, "no-state"),
        (format!("outputs/{PATH}"), 404, "no-state"),
        (format!("outputs/{PATH}?revision=12"), 404, "no-version"),
        (format!("difference/{PATH}?from=12"), 404, "no-version"),
        ("difference/never/written".to_owned(), 404, "no-state"),
    ] {
        let answer = api.get(&target);
        assert_eq!(
            (answer.status, answer.code().as_str(), answer.event.outcome),
            (status, code, "no-state"),
            "{target}"
        );
    }
}

#[test]
fn damage_is_told_and_not_sent() {
    let api = ten_versions();
    let Slot::Entry(entry) = api.server.store.peek(STATE) else { panic!("there is a state") };
    let other = crate::tests::simulated::Bytes::new(b"other bytes");
    api.server.store.plant(STATE, Slot::Entry(Entry { content: Some(other), ..entry.clone() }));
    assert_eq!(api.get(&format!("content/{PATH}")).code(), "damaged");
    api.server.store.plant(STATE, Slot::Entry(Entry { content: None, ..entry.clone() }));
    assert_eq!(api.get(&format!("content/{PATH}")).code(), "damaged");
    api.server.store.plant(STATE, Slot::Entry(Entry { meta: b"{}".to_vec(), ..entry }));
    assert_eq!(api.get(&format!("content/{PATH}")).code(), "foreign-document");
    api.server.store.remove_in_store(STATE);
    assert_eq!(api.get(&format!("content/{PATH}")).code(), "removed-in-store");
    assert_eq!(api.get(&format!("difference/{PATH}")).status, 404);
}

#[test]
fn two_versions_are_compared_and_one_is_enough_to_name() {
    let api = ten_versions();
    let compared = |query: &str| {
        let told = api.get(&format!("difference/{PATH}{query}")).json();
        (told["from"]["revision"].clone(), told["to"]["revision"].clone(), told["difference"].clone())
    };
    assert_eq!(compared(""), (json!(9), json!(10), json!({"before": 9, "after": 10, "sensitive": false})));
    assert_eq!(compared("?from=4"), (json!(4), json!(10), json!({"before": 4, "after": 10, "sensitive": false})));
    assert_eq!(compared("?to=4").2, json!({"before": 3, "after": 4, "sensitive": false}));
    assert_eq!(compared("?to=1").2, json!({"before": 0, "after": 1, "sensitive": false}));
    assert_eq!(compared("?to=2&from=7&sensitive=true").2, json!({"before": 7, "after": 2, "sensitive": true}));
    assert_eq!(api.server.delete(None).status, 200);
    assert_eq!(compared("").2, json!({"before": 10, "after": 0, "sensitive": false}));
    let told = api.get(&format!("outputs/{PATH}?revision=4&sensitive=true")).json();
    assert_eq!((&told["serial"], &told["outputs"]), (&json!(4), &json!({"of": 4, "sensitive": true})));
}

#[test]
fn what_its_client_encrypted_is_not_looked_into() {
    let api = Api::new();
    let encrypted = r#"{"serial":3,"lineage":"L","meta":{},"encrypted_data":"aaaa","encryption_version":"v0"}"#;
    assert_eq!(api.server.post(None, encrypted).status, 200);
    for target in ["outputs", "difference"] {
        let answer = api.get(&format!("{target}/{PATH}"));
        assert_eq!((answer.status, answer.code().as_str(), answer.event.outcome), (422, "encrypted", "refused"));
    }
    assert_eq!(api.get(&format!("content/{PATH}")).body, encrypted.as_bytes());
}
