//! Bytes come back exactly as they were sent.

use super::{assert_same, entry, key, put, write};
use crate::Store;

/// `meta` texts that a store which parses and re-writes JSON would change.
const METAS: [&str; 11] = [
    "{}",
    r#"{"format":1,"kind":"state"}"#,
    "{ \"spaces\" : [ 1 , 2 ] }\r\n",
    r#"{"b":1,"a":2,"b":3}"#,
    r#"{"float":1.0,"exponent":1e2,"tiny":5e-324,"many":0.1000000000000000055511151231257827}"#,
    r#"{"large":12345678901234567890123,"edge":9007199254740993,"negative":-0}"#,
    r#"{"escapes":"\u0000\u001f\/\ud83d\ude00\"\\","html":"<>&'"}"#,
    r#"{"unicode":"Zoë 东京 🚀 é é"}"#,
    "{\"line\":\"\u{2028}\u{2029}\u{feff}\"}",
    "[]",
    "null",
];

/// `meta` comes back byte for byte.
pub async fn keeps_meta_exactly(store: &dyn Store, prefix: &str) {
    let key = key(prefix, "fidelity/meta");
    let mut revision = 0;
    let long = format!(r#"{{"long":"{}"}}"#, "m".repeat(32 * 1024));
    for meta in METAS.into_iter().chain([long.as_str()]) {
        revision = put(store, &key, write(meta, None, revision)).await;
        let found = entry(store, &key).await;
        assert_same(&key, "meta", &found.meta, meta.as_bytes());
        assert_eq!(found.content, None, "{key}: content out of nothing");
    }
}

/// Contents that one encoding or another would spoil.
fn contents() -> Vec<(&'static str, Vec<u8>)> {
    let every_byte: Vec<u8> = (0..=255).collect();
    let state = format!(
        "{{\r\n  \"version\": 4,\n\t\"serial\": 9007199254740993, \"float\": 1.10, \"name\": \"Zoë 东京 🚀\", \"x\": \"{}\"\n}}\n",
        "y".repeat(300 * 1024)
    );
    vec![
        ("one zero byte", vec![0]),
        ("a line feed", b"\n".to_vec()),
        ("CRLF and trailing spaces", b"a\r\nb\r\n \t ".to_vec()),
        ("JSON with floats", br#"{"a":1.0,"b":1e2,"c":0.10,"d":12345678901234567890123}"#.to_vec()),
        ("unicode, composed and decomposed", "é é 东京 🚀 \u{2028} \u{feff}".as_bytes().to_vec()),
        ("invalid UTF-8", vec![0xff, 0xfe, 0xc3, 0x28, 0xed, 0xa0, 0x80, b'a', 0xf0, 0x9f]),
        ("UTF-8 cut within a character", "🚀".as_bytes()[..3].to_vec()),
        ("every byte value", every_byte.clone()),
        ("what looks like base64", b"aGVsbG8=".to_vec()),
        ("what looks like gzip", vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0]),
        ("what looks like zstd", vec![0x28, 0xb5, 0x2f, 0xfd, 0, 0]),
        ("a state of 300 KiB", state.into_bytes()),
        ("300 KiB of every byte value", every_byte.repeat(1200)),
    ]
}

/// `content` comes back byte for byte, whatever it is.
pub async fn keeps_content_exactly(store: &dyn Store, prefix: &str) {
    let key = key(prefix, "fidelity/content");
    let mut revision = 0;
    for (what, content) in contents() {
        revision = put(store, &key, write(r#"{"n":1}"#, Some(&content), revision)).await;
        let found = entry(store, &key).await.content;
        let found = found.unwrap_or_else(|| panic!("{key}: {what} came back as no content"));
        assert_same(&key, what, &found, &content);
    }
}

/// No content and empty content are two things.
pub async fn tells_no_content_from_empty_content(store: &dyn Store, prefix: &str) {
    let key = key(prefix, "fidelity/empty");
    let first = put(store, &key, write("{}", Some(b""), 0)).await;
    assert_eq!(entry(store, &key).await.content.as_deref(), Some(&b""[..]), "{key}: empty content");
    let second = put(store, &key, write("{}", None, first)).await;
    assert_eq!(entry(store, &key).await.content, None, "{key}: no content");
    put(store, &key, write("{}", Some(b""), second)).await;
    assert_eq!(entry(store, &key).await.content.as_deref(), Some(&b""[..]), "{key}: empty content again");
}

/// Nothing of a large document shines through a small one that replaced it.
pub async fn replaces_large_by_small_and_back(store: &dyn Store, prefix: &str) {
    let key = key(prefix, "fidelity/sizes");
    let mut revision = 0;
    for size in [0, 1, 200_000, 3, 4095, 4096, 4097, 65_536, 0, 300_000, 1] {
        let content = vec![b'0' + u8::try_from(size % 10).expect("one digit"); size];
        revision = put(store, &key, write("{}", Some(&content), revision)).await;
        let found = entry(store, &key).await.content.unwrap_or_default();
        assert_same(&key, "content", &found, &content);
    }
}
