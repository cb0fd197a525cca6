//! What is told of states, and that nothing sensitive or endless is.

use serde_json::{Value, json};

use super::{difference, outputs};

fn state(resources: &Value, outputs: &Value) -> Vec<u8> {
    json!({"version": 4, "serial": 1, "lineage": "L", "outputs": outputs, "resources": resources})
        .to_string()
        .into_bytes()
}

fn instance(attributes: Value, marks: Value) -> Value {
    json!({"mode": "managed", "type": "t", "name": "n", "instances": [
        {"schema_version": 0, "attributes": attributes, "sensitive_attributes": marks, "private": "p"}]})
}

fn between(before: &[u8], after: &[u8], sensitive: bool) -> Value {
    serde_json::from_slice(&difference::between(Some(before), Some(after), sensitive).unwrap()).unwrap()
}

#[test]
fn addresses_are_as_the_clis_write_them() {
    let resource = |module: Option<&str>, mode: &str, name: &str, instances: Value| {
        let mut resource = json!({"mode": mode, "type": "t", "name": name, "instances": instances});
        if let Some(module) = module {
            resource["module"] = module.into();
        }
        resource
    };
    let after = state(
        &json!([
            resource(None, "managed", "a", json!([{"attributes": {}}])),
            resource(
                Some("module.m[0].module.k[\"x\"]"),
                "managed",
                "b",
                json!([{"index_key": 0}, {"index_key": "k/\"1"}])
            ),
            resource(None, "data", "c", json!([{"index_key": null}])),
            resource(None, "managed", "d", json!([{"attributes": {}, "deposed": "0123abcd"}])),
            resource(None, "managed", "e", json!([])),
        ]),
        &json!({}),
    );
    let told: Value = serde_json::from_slice(&difference::between(None, Some(&after), false).unwrap()).unwrap();
    let addresses: Vec<&str> =
        told["resources"].as_array().unwrap().iter().map(|change| change["address"].as_str().unwrap()).collect();
    assert_eq!(
        addresses,
        [
            "data.t.c",
            "module.m[0].module.k[\"x\"].t.b[\"k/\\\"1\"]",
            "module.m[0].module.k[\"x\"].t.b[0]",
            "t.a",
            "t.d (deposed 0123abcd)"
        ]
    );
    assert_eq!(told["summary"], json!({"added": 5, "removed": 0, "changed": 0, "unchanged": 0}));
    let told: Value = serde_json::from_slice(&difference::between(Some(&after), None, false).unwrap()).unwrap();
    assert_eq!(told["summary"]["removed"], 5);
    assert_eq!(
        between(&after, &after, false)["summary"],
        json!({"added": 0, "removed": 0, "changed": 0, "unchanged": 5})
    );
}

#[test]
fn attributes_are_told_by_their_paths() {
    let before =
        instance(json!({"a": 1, "tags": {"Name": "x", "a.b": 1}, "l": [1, {"k": true}], "gone": null}), json!([]));
    let after = instance(
        json!({"a": 1, "tags": {"Name": "y", "a.b": 2}, "l": [1, {"k": false}, 3], "big": 123456789012345678901234567890.0}),
        json!([]),
    );
    let told = between(&state(&json!([before]), &json!({})), &state(&json!([after]), &json!({})), false);
    let change = &told["resources"][0];
    let attributes: Vec<(&str, Value, Value)> = change["attributes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|attribute| (attribute["path"].as_str().unwrap(), attribute["from"].clone(), attribute["to"].clone()))
        .collect();
    assert_eq!(
        attributes[1..],
        [
            ("gone", Value::Null, Value::Null),
            ("l[1].k", json!(true), json!(false)),
            ("l[2]", Value::Null, json!(3)),
            ("tags.Name", json!("x"), json!("y")),
            ("tags[\"a.b\"]", json!(1), json!(2)),
        ]
    );
    assert_eq!(attributes[0].0, "big");
    assert!(change.get("also").is_none());
    assert_eq!(told["summary"]["changed"], 1);
}

#[test]
fn what_is_only_written_in_another_way_is_unchanged() {
    let spaced = br#"{"version":4,"outputs":{"o":{"value": "a<b","type":"string"}},"resources":[{"type":"t","name":"n","instances":[ {"attributes": {"a":"a<b" , "n": 1}} ]}]}"#;
    let escaped = br#"{"version":4,"outputs":{"o":{"value":"a\u003cb","type":"string"}},"resources":[{"type":"t","name":"n","instances":[{"attributes":{"n":1,"a":"a\u003cb"}}]}]}"#;
    let told = between(spaced, escaped, false);
    assert_eq!(told["summary"]["unchanged"], 1);
    assert_eq!((&told["resources"], &told["outputs"]), (&json!([]), &json!([])));
}

#[test]
fn large_numbers_keep_all_their_digits() {
    let of = |number: &str| {
        format!(
            r#"{{"version":4,"resources":[{{"type":"t","name":"n","instances":[{{"attributes":{{"n":{number}}}}}]}}]}}"#
        )
    };
    let told = difference::between(
        Some(of("12345678901234567890123").as_bytes()),
        Some(of("12345678901234567890124").as_bytes()),
        false,
    )
    .unwrap();
    let told = String::from_utf8(told).unwrap();
    assert!(told.contains(r#""from":12345678901234567890123,"to":12345678901234567890124"#), "{told}");
}

#[test]
fn what_either_state_calls_sensitive_is_told_only_on_demand() {
    let get = |name: &str| json!({"type": "get_attr", "value": name});
    let index = |key: Value| json!({"type": "index", "value": {"value": key, "type": "string"}});
    let before = instance(
        json!({"password": "OLD-SECRET", "conn": {"user": "u", "key": "OLD-SECRET"}, "list": ["OLD-SECRET", "x"], "plain": 1}),
        json!([[get("password")], [get("conn"), get("key")], [get("list"), index(json!(0))]]),
    );
    let after = instance(
        json!({"password": "NEW-SECRET", "conn": "NEW-SECRET", "list": ["NEW-SECRET", "y"], "plain": 2}),
        json!([]),
    );
    let secret = |name: &str| json!({"sensitive": true, "value": name, "type": "string"});
    let (before, after) = (
        state(&json!([before]), &json!({"o": secret("OLD-SECRET"), "p": {"value": "OLD", "type": "string"}})),
        state(
            &json!([after]),
            &json!({"o": {"value": "NEW-SECRET", "type": "string"}, "p": {"value": "NEW", "type": "string"}}),
        ),
    );
    let told = between(&before, &after, false);
    assert!(!told.to_string().contains("SECRET"), "{told}");
    let sensitive: Vec<(&str, bool)> = told["resources"][0]["attributes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|attribute| (attribute["path"].as_str().unwrap(), attribute["sensitive"].as_bool().unwrap()))
        .collect();
    assert_eq!(
        sensitive,
        [("conn", true), ("list[0]", true), ("list[1]", false), ("password", true), ("plain", false)]
    );
    assert_eq!(told["resources"][0]["also"], json!(["sensitive_attributes"]));
    assert_eq!(told["outputs"][0], json!({"name": "o", "change": "changed", "sensitive": true}));
    assert_eq!(told["outputs"][1]["to"], "NEW");
    assert!(between(&before, &after, true).to_string().matches("SECRET").count() == 8);
    let reversed = between(&after, &before, false);
    assert!(!reversed.to_string().contains("SECRET"), "{reversed}");
}

#[test]
fn marks_that_are_not_understood_hide_everything() {
    for marks in
        [json!("x"), json!([["x"]]), json!([[{"type": "splat", "value": 1}]]), json!([[{"type": "index", "value": 1}]])]
    {
        let told = between(
            &state(&json!([instance(json!({"a": "SECRET-1"}), marks.clone())]), &json!({})),
            &state(&json!([instance(json!({"a": "SECRET-2"}), json!([]))]), &json!({})),
            false,
        );
        assert!(!told.to_string().contains("SECRET"), "{marks} {told}");
    }
}

#[test]
fn outputs_are_told_and_nothing_else() {
    let state = state(
        &json!([instance(json!({"a": "RESOURCE"}), json!([]))]),
        &json!({"s": {"value": "SECRET", "type": "string", "sensitive": true}, "l": {"value": [1, 2], "type": ["list", "number"]}}),
    );
    let told: Value = serde_json::from_slice(&outputs::of(&state, false).unwrap()).unwrap();
    assert_eq!(
        told,
        json!({"s": {"type": "string", "sensitive": true}, "l": {"value": [1, 2], "type": ["list", "number"], "sensitive": false}})
    );
    let told: Value = serde_json::from_slice(&outputs::of(&state, true).unwrap()).unwrap();
    assert_eq!(told["s"]["value"], "SECRET");
}

#[test]
fn answers_are_bounded_and_say_so() {
    let many = |word: &str| {
        let instances: Vec<Value> = (0..3000)
            .map(|n| json!({"index_key": n, "attributes": {"a": format!("{word}{}", "x".repeat(2000))}}))
            .collect();
        state(&json!([{"type": "t", "name": "n", "instances": instances}]), &json!({}))
    };
    let told = difference::between(Some(&many("a")), Some(&many("b")), false).unwrap();
    assert!(told.len() < (4 << 20) + 1024, "{}", told.len());
    let told: Value = serde_json::from_slice(&told).unwrap();
    assert_eq!((&told["truncated"], &told["summary"]["changed"]), (&json!(true), &json!(3000)));
    assert!(told["resources"].as_array().unwrap().len() > 900);
    let large = state(&json!([]), &json!({"o": {"value": "x".repeat(5 << 20), "type": "string"}}));
    assert!(outputs::of(&large, true).unwrap_err().to_string().contains("4 MiB"));
}

#[test]
fn hostile_states_are_refused_and_quoted_nowhere() {
    let many = format!(
        r#"{{"version":4,"resources":[{{"type":"t","name":"n","instances":[{}{{}}]}}]}}"#,
        "{},".repeat(200_001)
    );
    for bad in [
        &b""[..],
        b"[]",
        b"\xff",
        b"{}",
        br#"{"version":3,"resources":[]}"#,
        br#"{"version":4,"encryption_version":"v0","encrypted_data":"SECRET"}"#,
        br#"{"version":4,"resources":{"SECRET":1}}"#,
        br#"{"version":4,"resources":[{"type":"SECRET"}]}"#,
        br#"{"version":4,"resources":[{"type":"t","name":"n","instances":["SECRET"]}]}"#,
        br#"{"version":4,"outputs":["SECRET"]}"#,
        many.as_bytes(),
    ] {
        let why = difference::between(None, Some(bad), true).unwrap_err().to_string();
        assert!(!why.contains("SECRET") && !why.is_empty(), "{why}");
    }
    let deep = format!(
        r#"{{"version":4,"resources":[{{"type":"t","name":"n","instances":[{{"attributes":{}}}]}}]}}"#,
        format_args!("{}{}", "[".repeat(9000), "]".repeat(9000))
    );
    let other = deep.replacen("[]", "[1]", 1);
    // Whether a value that deep is compared part by part or refused, the thread outlives it.
    let _ = difference::between(Some(deep.as_bytes()), Some(other.as_bytes()), true);
}
