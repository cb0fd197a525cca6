//! The counting of resources: what counts as added, changed and removed, and its bounds.

use super::*;

fn state(resources: &str, outputs: &str) -> Vec<u8> {
    format!(r#"{{"version":4,"serial":1,"lineage":"L","outputs":{outputs},"resources":[{resources}]}}"#).into_bytes()
}

fn resource(resource_type: &str, name: &str, instances: &str) -> String {
    format!(r#"{{"mode":"managed","type":"{resource_type}","name":"{name}","provider":"p","instances":[{instances}]}}"#)
}

fn counts(changes: &ResourceChanges) -> [u32; 5] {
    [changes.before, changes.after, changes.added, changes.changed, changes.removed]
}

#[test]
fn counts_what_is_added_changed_and_removed_by_type() {
    let one = |value: &str| format!(r#"{{"schema_version":0,"attributes":{{"a":"{value}","b":[1, 2]}}}}"#);
    let keyed = |key: &str| format!(r#"{{"index_key":{key},"attributes":{{"a":1}}}}"#);
    let before = state(
        &[
            resource("x_a", "same", &one("1")),
            resource("x_a", "changed", &one("1")),
            resource("x_b", "gone", &one("1")),
            resource("x_b", "many", &[keyed("0"), keyed("1"), keyed("\"1\"")].join(",")),
        ]
        .join(","),
        "{}",
    );
    let spaced = one("1").replace(',', " ,\n ");
    let after = state(
        &[
            resource("x_a", "same", &spaced),
            resource("x_a", "changed", &one("2")),
            resource("x_c", "new", &one("1")),
            resource("x_b", "many", &[keyed("\"1\""), keyed("0")].join(",")),
        ]
        .join(","),
        r#"{"b":{"value":"secret"},"a":{"value":1}}"#,
    );
    let changes = count(Some(&before), &after).unwrap();
    assert_eq!(counts(&changes), [6, 5, 1, 1, 2]);
    let by_type: Vec<_> =
        changes.by_type.iter().map(|t| (t.resource_type.as_str(), t.added, t.changed, t.removed)).collect();
    assert_eq!(by_type, [("x_a", 0, 1, 0), ("x_b", 0, 0, 2), ("x_c", 1, 0, 0)]);
    assert_eq!(changes.outputs, ["a", "b"]);
    assert!(!format!("{changes:?}").contains("secret"));

    let first = count(None, &before).unwrap();
    assert_eq!(counts(&first), [0, 6, 6, 0, 0]);
    let nothing = count(Some(&before), &before).unwrap();
    assert_eq!((counts(&nothing), nothing.by_type.len()), ([6, 6, 0, 0, 0], 0));
}

#[test]
fn data_sources_and_deposed_objects_do_not_count_and_modules_do() {
    let data = r#"{"mode":"data","type":"x_a","name":"d","instances":[{"attributes":{}}]}"#;
    let deposed = resource("x_a", "r", r#"{"attributes":{"a":1}},{"deposed":"0ab","attributes":{"a":0}}"#);
    let module = |name: &str| {
        format!(r#"{{"instances":[{{"attributes":{{}}}}],"module":"{name}","mode":"managed","type":"x_a","name":"r"}}"#)
    };
    let before = state(&[data.to_owned(), deposed, module("module.a")].join(","), "null");
    let after = state(&module("module.b"), "{}");
    assert_eq!(counts(&count(Some(&before), &after).unwrap()), [2, 1, 1, 0, 2]);
}

#[test]
fn what_is_no_plain_state_or_beyond_the_bounds_is_not_counted() {
    let many = |n: usize, of: &dyn Fn(usize) -> String| (0..n).map(of).collect::<Vec<_>>().join(",");
    let instances = many(100_001, &|n| format!(r#"{{"index_key":{n},"attributes":{{}}}}"#));
    let types = many(2_001, &|n| resource(&format!("x_{n}"), "r", r#"{"attributes":{}}"#));
    let outputs = format!("{{{}}}", many(4_001, &|n| format!(r#""o{n}":{{}}"#)));
    for bad in [
        state(&resource("x_a", "r", &instances), "{}"),
        state(&types, "{}"),
        state("", &outputs),
        state(&resource(&"x".repeat(257), "r", r#"{"attributes":{}}"#), "{}"),
        state(r#"{"mode":7}"#, "{}"),
        state("7", "{}"),
        br#"{"version":3,"modules":[]}"#.to_vec(),
        br#"{"serial":3,"lineage":"L","encryption_version":"v0","encrypted_data":"AA"}"#.to_vec(),
        b"[]".to_vec(),
        b"".to_vec(),
    ] {
        assert!(count(None, &bad).is_none(), "{:.60}", String::from_utf8_lossy(&bad));
        let good = state("", "{}");
        assert!(count(Some(&bad), &good).is_none());
    }
    assert!(
        count(None, &state(&resource("x_a", "r", &many(100_000, &|n| format!(r#"{{"index_key":{n}}}"#))), "{}"))
            .is_some()
    );
}
