//! A document as OpenBao's KV v2 holds it.
//!
//! ```json
//! {"format": 1, "meta": "{…}", "content": "{\"version\": 4, …}", "encoding": "text"}
//! ```
//!
//! KV decodes and encodes JSON anew, which changes numbers, the order of fields and white space; a string
//! comes back as it was. So all that matters is a string: bytes that are UTF-8 as they are, others in base64.
//! `format` alone is a number; a document of another format, or of none, belongs to somebody else or to a
//! later release, and is an error rather than a document.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::{Entry, Key, Revision, Write};

/// The format that this release writes and reads.
const FORMAT: u64 = 1;

/// How bytes became a string.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Encoding {
    Text,
    Base64,
}

/// The document's fields. A field that is not here means another format.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document<'a> {
    format: u64,
    #[serde(borrow)]
    meta: Cow<'a, str>,
    /// Absent where `meta` is text, as it is whenever a protocol component wrote it.
    #[serde(default = "text", skip_serializing_if = "is_text")]
    meta_encoding: Encoding,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    content: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    encoding: Option<Encoding>,
}

fn text() -> Encoding {
    Encoding::Text
}

fn is_text(encoding: &Encoding) -> bool {
    *encoding == Encoding::Text
}

/// The body of a write (`POST <mount>/data/<key>`).
#[derive(Serialize)]
struct WriteBody<'a> {
    data: Document<'a>,
    options: Options,
}

#[derive(Serialize)]
struct Options {
    cas: Revision,
}

/// The body of the write that stores `write`.
pub(super) fn write_body(write: &Write) -> Result<Bytes, serde_json::Error> {
    let (meta, meta_encoding) = encode(&write.meta);
    let (content, encoding) = write.content.as_deref().map(encode).unzip();
    let data = Document { format: FORMAT, meta, meta_encoding, content, encoding };
    let body = WriteBody { data, options: Options { cas: write.expected } };
    serde_json::to_vec(&body).map(Bytes::from)
}

/// Reads the `data` that a read answered. The error is a sentence about `key`; it quotes nothing of the
/// document.
pub(super) fn entry(key: &Key, revision: Revision, data: &str) -> Result<Entry, String> {
    /// Looked at first, so that a later format is not taken for a broken document.
    #[derive(Deserialize)]
    struct Format {
        format: Option<u64>,
    }
    match serde_json::from_str(data) {
        Ok(Format { format: Some(FORMAT) }) => {}
        Ok(Format { format: Some(other) }) => {
            return Err(format!("`{key}` has format {other}, and this release knows only {FORMAT}"));
        }
        Ok(Format { format: None }) | Err(_) => {
            return Err(format!("`{key}` holds a document that this server did not write"));
        }
    }
    // The reasons that serde gives may quote values.
    let broken = || format!("`{key}` holds a document of format {FORMAT} with fields that the format does not have");
    let document: Document<'_> = serde_json::from_str(data).map_err(|_| broken())?;
    let meta = decode(document.meta, document.meta_encoding).ok_or_else(broken)?;
    let content = match (document.content, document.encoding) {
        (None, None) => None,
        (Some(content), Some(encoding)) => Some(decode(content, encoding).ok_or_else(broken)?),
        _ => return Err(broken()),
    };
    Ok(Entry { revision, meta, content })
}

/// Bytes as a string, in the way that takes less room in OpenBao.
fn encode(bytes: &[u8]) -> (Cow<'_, str>, Encoding) {
    match std::str::from_utf8(bytes) {
        Ok(text) if escaped_len(text) <= base64_len(bytes.len()) => (Cow::Borrowed(text), Encoding::Text),
        _ => (Cow::Owned(STANDARD.encode(bytes)), Encoding::Base64),
    }
}

fn decode(string: Cow<'_, str>, encoding: Encoding) -> Option<Bytes> {
    match encoding {
        Encoding::Text => Some(Bytes::from(string.into_owned())),
        Encoding::Base64 => STANDARD.decode(string.as_bytes()).ok().map(Bytes::from),
    }
}

fn base64_len(bytes: usize) -> usize {
    bytes.div_ceil(3).saturating_mul(4)
}

/// How long a string is once Go's `encoding/json` has written it, which is how it lies in OpenBao's storage:
/// `<`, `>`, `&`, U+2028 and U+2029 are escaped too, as six bytes.
fn escaped_len(text: &str) -> usize {
    let escapes: usize = text
        .chars()
        .map(|character| match character {
            '"' | '\\' | '\n' | '\r' | '\t' => 1,
            '\u{0}'..='\u{1f}' | '<' | '>' | '&' => 5,
            '\u{2028}' | '\u{2029}' => 3,
            _ => 0,
        })
        .sum();
    text.len().saturating_add(escapes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Retention;

    fn key() -> Key {
        Key::parse("group/project").unwrap()
    }

    fn written(meta: &[u8], content: Option<&[u8]>) -> serde_json::Value {
        let write = Write {
            meta: Bytes::copy_from_slice(meta),
            content: content.map(Bytes::copy_from_slice),
            expected: 7,
            retention: Retention::Latest,
        };
        serde_json::from_slice(&write_body(&write).unwrap()).unwrap()
    }

    fn read_back(meta: &[u8], content: Option<&[u8]>) -> Entry {
        let body = written(meta, content);
        assert_eq!(body["options"]["cas"], 7);
        entry(&key(), 8, &body["data"].to_string()).unwrap()
    }

    #[test]
    fn bytes_come_back_as_they_were() {
        let every_byte: Vec<u8> = (0..=255).collect();
        for bytes in [
            b"".as_slice(),
            b"{\"a\": 1.0, \"b\": 1e400,\r\n \"c\": 12345678901234567890}",
            "\u{0}\u{2028}\u{fffd}\u{fdd0}\u{10ffff} <&> \u{1f600}".as_bytes(),
            b"\xff\xfe\x00",
            &every_byte,
        ] {
            let entry = read_back(bytes, Some(bytes));
            assert_eq!(entry.meta, bytes);
            assert_eq!(entry.content.as_deref(), Some(bytes));
            assert_eq!(entry.revision, 8);
        }
        assert_eq!(read_back(b"{}", None).content, None);
    }

    #[test]
    fn the_smaller_encoding_is_taken() {
        assert_eq!(written(b"{}", Some(b"{\"a\":1}"))["data"]["encoding"], "text");
        assert_eq!(written(b"{}", Some(b"<<<<>>>>"))["data"]["encoding"], "base64");
        assert_eq!(written(b"{}", Some(b"\xff"))["data"]["encoding"], "base64");
        let plain = written(b"{}", None);
        assert_eq!(plain["data"], serde_json::json!({"format": 1, "meta": "{}"}));
    }

    #[test]
    fn foreign_documents_are_named_and_not_quoted() {
        for foreign in [
            r#"{}"#,
            r#"{"password":"hunter2"}"#,
            r#"{"format":"hunter2","meta":"hunter2"}"#,
            r#"{"format":2,"meta":"hunter2"}"#,
            r#"{"format":1}"#,
            r#"{"format":1.5,"meta":""}"#,
            r#"{"format":1,"meta":{"hunter2":1}}"#,
            r#"{"format":1,"meta":"","hunter2":"x"}"#,
            r#"{"format":1,"meta":"","content":"hunter2"}"#,
            r#"{"format":1,"meta":"","encoding":"text"}"#,
            r#"{"format":1,"meta":"","content":"hunter2","encoding":"base64"}"#,
            r#"{"format":1,"meta":"","content":"","encoding":"hunter2"}"#,
            r#"["hunter2"]"#,
            "null",
        ] {
            let error = entry(&key(), 1, foreign).unwrap_err();
            assert!(error.contains("group/project"), "{error}");
            assert!(!error.contains("hunter2"), "{error}");
        }
    }
}
