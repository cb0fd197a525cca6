//! Keys: every shape that the protocol uses, side by side.

use super::{assert_absent, entry, key, put, write};
use crate::{Key, Slot, Store};

/// Shapes of key that the design names, below a prefix.
fn shapes() -> Vec<String> {
    let longest = vec!["x".repeat(128); 8].join("/");
    let mut shapes: Vec<String> = [
        "k/project",
        "k/project.lock",
        "k/with.dots.and-dashes_and_underscores",
        "k/0",
        "k/-",
        "k/a..b",
        "k/UPPER",
        "k/upper",
        ".chunks/a/b/1-x/0",
        ".chunks/a/b/1-x/10",
        ".chunks/a/b/1-x/2",
        ".quarantine/a/b/20260101-1",
        "k/1/2/3/4/5/6/7/8",
        "k/data/metadata/sys",
    ]
    .into_iter()
    .map(str::to_owned)
    .collect();
    shapes.push(longest);
    shapes
}

/// Every key that the protocol can name is one of its own.
pub async fn takes_every_shape_of_key(store: &dyn Store, prefix: &str) {
    for shape in shapes() {
        let key = key(prefix, &shape);
        assert_absent(store, &key, "a key that another one might be mistaken for").await;
        put(store, &key, write(r#"{"n":1}"#, Some(shape.as_bytes()), 0)).await;
    }
    for shape in shapes() {
        let key = key(prefix, &shape);
        assert_eq!(entry(store, &key).await.content.as_deref(), Some(shape.as_bytes()), "{key}: another key's bytes");
    }
}

/// A key and those below, beside and before it live and die apart.
pub async fn neighbours_do_not_touch_each_other(store: &dyn Store, prefix: &str) {
    let names = ["n", "n/a", "n/a.lock", "n/a/b", "n/a/b/c", "n/aa"];
    for name in names {
        put(store, &key(prefix, name), write("{}", Some(name.as_bytes()), 0)).await;
    }
    let middle = key(prefix, "n/a");
    assert_eq!(store.delete(&middle).await, Ok(()));
    for name in names {
        let key = key(prefix, name);
        if key == middle {
            assert_absent(store, &key, "the deleted key").await;
        } else {
            let content = entry(store, &key).await.content;
            assert_eq!(content.as_deref(), Some(name.as_bytes()), "{key}: a neighbour's deletion changed it");
        }
    }
}

/// Several keys come in the order they were asked for, absent and repeated ones among them.
pub async fn fetches_many_in_order(store: &dyn Store, prefix: &str) {
    assert!(store.get_many(&[]).await.is_empty(), "no keys, but answers");
    for name in ["m/1", "m/2", "m/3"] {
        put(store, &key(prefix, name), write("{}", Some(name.as_bytes()), 0)).await;
    }
    let asked = ["m/3", "m/absent", "m/1", "m/3", "m/other/absent", "m/2"];
    let keys: Vec<Key> = asked.iter().map(|name| key(prefix, name)).collect();
    let answers = store.get_many(&keys).await;
    assert_eq!(answers.len(), keys.len(), "as many answers as keys");
    for (name, answer) in asked.iter().zip(answers) {
        match answer {
            Ok(Slot::Absent) => assert!(name.contains("absent"), "{name}: absent, though it was written"),
            Ok(Slot::Entry(entry)) => {
                assert_eq!(entry.content.as_deref(), Some(name.as_bytes()), "{name}: another key's bytes");
            }
            other => panic!("{name}: {other:?}"),
        }
    }
}
