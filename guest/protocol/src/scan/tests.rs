//! The scanner against `serde_json`, however the text is cut into pieces.

use super::words::{ink_in, is_blank, is_special, special_in, until};
use super::*;
use proptest::prelude::*;

fn scanner(text: &[u8], piece: usize) -> Scanner<impl FnMut() -> Vec<u8>> {
    let mut pieces = text.chunks(piece.max(1)).map(<[u8]>::to_vec).collect::<Vec<_>>().into_iter();
    Scanner::new(move || pieces.next().unwrap_or_default())
}

/// Passes over one value and the end.
fn scan(text: &[u8], piece: usize) -> Result<bool, Wrong> {
    let mut scanner = scanner(text, piece);
    let filled = scanner.skip()?;
    scanner.end().map(|()| filled)
}

/// Whether `serde_json` takes it. What it does not check where it ignores a value: half characters in escapes, which
/// Go takes.
fn is_json(text: &[u8]) -> bool {
    serde_json::from_slice::<serde::de::IgnoredAny>(text).is_ok() && std::str::from_utf8(text).is_ok()
}

#[test]
fn takes_json_and_nothing_else() {
    let good: &[&str] = &[
        "0",
        "-0",
        "10",
        "1.5",
        "1e9",
        "1E+9",
        "-1.25e-3",
        "1e400",
        "true",
        "false",
        "null",
        "\"\"",
        "[]",
        "{}",
        " \t\r\n[ ] \n",
        "[1,2]",
        "{\"a\":1,\"b\":[{}]}",
        "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\\ud83d\\ude00\"",
        "\"é€😀\u{7f}\"",
        "{\"a\":1,\"a\":2}",
        "\"\\ud800\"",
    ];
    let bad: &[&str] = &[
        "",
        " ",
        "-",
        "01",
        "+1",
        ".5",
        "1.",
        "1e",
        "1e+",
        "0x1",
        "1.e3",
        "tru",
        "truee",
        "nul",
        "None",
        "\"",
        "\"\\\"",
        "\"\\x\"",
        "\"\\u12g4\"",
        "\"\\u12",
        "\"a\nb\"",
        "\"\u{1}\"",
        "[",
        "]",
        "[1",
        "[1,",
        "[1,]",
        "[,1]",
        "[1 2]",
        "{",
        "}",
        "{\"a\"",
        "{\"a\":",
        "{\"a\":1",
        "{\"a\":1,",
        "{\"a\":1,}",
        "{,}",
        "{1:2}",
        "{a:1}",
        "{\"a\" 1}",
        "[}",
        "{]",
        "1 2",
        "[] []",
        "\u{feff}1",
        "'a'",
        "[1}",
        "{\"a\":1]",
        "//",
        "NaN",
        "é",
    ];
    for piece in [1, 2, 3, 7, 1000] {
        for text in good {
            assert!(scan(text.as_bytes(), piece).is_ok(), "{text}: {:?}", scan(text.as_bytes(), piece));
        }
        for text in bad {
            assert!(matches!(scan(text.as_bytes(), piece), Err(Wrong::Syntax(..))), "{text}");
        }
    }
    assert_eq!(scan(b"[1,\n  x]", 3), Err(Wrong::Syntax("no value", 6)), "where it is");
}

#[test]
fn what_is_no_utf_8_is_refused_wherever_it_is_cut() {
    for bad in
        [&b"\"\xff\""[..], b"\"\xc3\"", b"\"\xc0\x80\"", b"\"\xed\xa0\x80\"", b"\"\xf5\x80\x80\x80\"", b"\"\xe2\x82\""]
    {
        for piece in 1..6 {
            assert!(scan(bad, piece).is_err(), "{bad:?} {piece}");
        }
    }
    // The end comes within a character.
    for piece in 1..6 {
        assert!(scan(b"\"\xe2\x82", piece).is_err());
    }
}

#[test]
fn nesting_has_an_end() {
    let nested = |depth: usize| ["[".repeat(depth), "]".repeat(depth)].concat();
    // One less than in all, because a state is an object around it.
    assert!(scan(nested(MAX_DEPTH - 1).as_bytes(), 64).is_ok());
    assert!(matches!(scan(nested(MAX_DEPTH + 1).as_bytes(), 64), Err(Wrong::Deep(_))));
    let objects = |depth: usize| ["{\"a\":".repeat(depth), "1".to_owned(), "}".repeat(depth)].concat();
    assert!(scan(objects(MAX_DEPTH - 1).as_bytes(), 64).is_ok());
    assert!(matches!(scan(objects(1_000_000).as_bytes(), 1 << 14), Err(Wrong::Deep(_))));
}

#[test]
fn tells_what_is_filled_from_what_is_not() {
    for (text, filled) in [
        ("null", false),
        ("[]", false),
        ("{}", false),
        ("[ \n]", false),
        ("0", true),
        ("false", true),
        ("\"\"", true),
        ("[null]", true),
        ("[[]]", true),
        ("{\"a\":{}}", true),
        ("[{},{}]", true),
    ] {
        assert_eq!(scan(text.as_bytes(), 2), Ok(filled), "{text}");
    }
}

#[test]
fn keeps_what_it_is_told_to() {
    let kept = |text: &str, limit| {
        let mut raw = Raw::up_to(limit);
        let mut scanner = scanner(text.as_bytes(), 2);
        match scanner.kind().unwrap() {
            Kind::String => scanner.string(Some(&mut raw)).unwrap(),
            _ => scanner.number(Some(&mut raw)).unwrap(),
        }
        raw
    };
    assert_eq!(kept(" \"L\\u00e9on \\\"\\n😀\"", 100).string().unwrap(), "Léon \"\n😀");
    assert_eq!(kept("\"plain\"", 5).string().unwrap(), "plain");
    assert!(kept("\"plain\"", 4).cut && kept("\"plain\"", 4).string().is_none());
    assert_eq!(kept("\"\\ud800\"", 100).string(), None);
    for (text, number) in [
        ("7", Some(7)),
        ("0", Some(0)),
        ("18446744073709551615", Some(u64::MAX)),
        ("18446744073709551616", None),
        ("-1", None),
        ("1.0", None),
        ("1e3", None),
    ] {
        assert_eq!(kept(text, 100).whole_number(), number, "{text}");
    }
}

#[test]
fn eight_bytes_are_looked_at_as_one_is() {
    for byte in 0..=255u8 {
        for around in [b'a', b' ', 0x00, 0x1f, 0x80, 0xff, b'"', b'!', b'#', b'\\', b'['] {
            for at in 0..20 {
                let mut text = [around; 20];
                text[at] = byte;
                let first = |meant: fn(u8) -> bool| text.iter().position(|one| meant(*one)).unwrap_or(20);
                assert_eq!(until(&text, special_in, is_special), first(is_special), "{byte} in {around} at {at}");
                assert_eq!(
                    until(&text, ink_in, |one| !is_blank(one)),
                    first(|one| !is_blank(one)),
                    "{byte} in {around}"
                );
            }
        }
    }
}

/// Text that is nearly JSON.
fn nearly_json() -> impl Strategy<Value = Vec<u8>> {
    let words = prop::sample::select(vec![
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        "\"",
        "\"a\"",
        "\"é\"",
        "\\",
        "\\u00",
        "1",
        "0",
        "-",
        ".",
        "e",
        "true",
        "null",
        " ",
        "\n",
        "\u{1}",
        "[1,2]",
        "{\"a\":1}",
        "\"\\n\"",
    ]);
    prop::collection::vec(words, 0..14).prop_map(|words| words.concat().into_bytes())
}

fn json() -> impl Strategy<Value = serde_json::Value> {
    use serde_json::Value;
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 60, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::vec((any::<String>(), inner), 0..6)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn agrees_with_serde_json(text in nearly_json(), piece in 1usize..9) {
        prop_assert_eq!(scan(&text, piece).is_ok(), is_json(&text), "{:?}", String::from_utf8_lossy(&text));
    }

    #[test]
    fn agrees_on_any_bytes(text in prop::collection::vec(any::<u8>(), 0..40), piece in 1usize..9) {
        prop_assert_eq!(scan(&text, piece).is_ok(), is_json(&text));
    }

    #[test]
    fn takes_all_json(value in json(), piece in 1usize..40) {
        for text in [value.to_string(), format!("{value:#}")] {
            prop_assert!(scan(text.as_bytes(), piece).is_ok(), "{}", text);
        }
    }

    #[test]
    fn agrees_on_what_one_byte_has_spoiled(value in json(), at in any::<prop::sample::Index>(), byte in any::<u8>(), piece in 1usize..40) {
        let mut text = value.to_string().into_bytes();
        let at = at.index(text.len());
        text[at] = byte;
        prop_assert_eq!(scan(&text, piece).is_ok(), is_json(&text), "{:?}", String::from_utf8_lossy(&text));
    }
}

#[test]
fn a_character_that_a_piece_has_cut_is_not_ended_by_the_end() {
    let mut pieces = [b"{\"a\":\"\xf0".to_vec(), b"\"}".to_vec()].into_iter();
    let mut scanner = Scanner::new(|| pieces.next().unwrap_or_default());
    assert_eq!(scanner.next_member(true), Ok(true));
    assert_eq!(scanner.name(None), Ok(()));
    assert_eq!(scanner.skip(), Ok(true));
    assert_eq!(scanner.next_member(false), Ok(false));
    assert_eq!(scanner.end(), Err(Wrong::Encoding));
}
