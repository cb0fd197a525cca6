//! What an answer of OpenBao means: the one place that knows its statuses and messages.
//!
//! Read in OpenBao's source and seen on a running 2.7.2, see the table in the tests. OpenBao's own words
//! are quoted only where they cannot hold what was written, and then shortened.

use reqwest::StatusCode;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::document;
use crate::{Error, Key, Outcome, Revision, Slot};

/// The most characters of OpenBao's own words in a message.
const QUOTE: usize = 200;

/// Whether OpenBao's words may be quoted.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Words {
    /// The call sent nothing that is nobody's business.
    Quotable,
    /// The call sent a document, and a message may repeat it.
    Secret,
}

#[derive(Deserialize)]
struct Errors {
    errors: Option<Vec<String>>,
}

/// The answer to a read, for both 200 and 404.
#[derive(Deserialize)]
struct ReadBody<'a> {
    #[serde(borrow)]
    data: Option<ReadData<'a>>,
}

#[derive(Deserialize)]
struct ReadData<'a> {
    #[serde(borrow)]
    data: Option<&'a RawValue>,
    metadata: Option<Metadata>,
}

/// A revision's own facts.
#[derive(Deserialize)]
struct Metadata {
    version: Revision,
    #[serde(default)]
    destroyed: bool,
    #[serde(default)]
    deletion_time: String,
}

#[derive(Deserialize)]
struct WriteBody {
    data: Metadata,
}

/// What a read of `key` found. [`Slot::Absent`] is only what one node says; see `current.rs`.
pub(super) fn read(key: &Key, status: StatusCode, body: &[u8]) -> Result<Slot, Error> {
    match status {
        StatusCode::OK => {
            let foreign = || Error::Corrupt(format!("the answer to a read of `{key}` is not KV version 2's"));
            let answer: ReadBody<'_> = serde_json::from_slice(body).map_err(|_| foreign())?;
            let data = answer.data.ok_or_else(foreign)?;
            let metadata = data.metadata.ok_or_else(foreign)?;
            let document = data.data.filter(|document| document.get() != "null").ok_or_else(foreign)?;
            document::entry(key, metadata.version, document.get()).map(Slot::Entry).map_err(Error::Corrupt)
        }
        StatusCode::NOT_FOUND if says_nothing(body) => Ok(Slot::Absent),
        StatusCode::NOT_FOUND => match serde_json::from_slice::<ReadBody<'_>>(body) {
            Ok(ReadBody { data: Some(ReadData { metadata: Some(metadata), .. }) })
                if metadata.destroyed || !metadata.deletion_time.is_empty() =>
            {
                Ok(Slot::Removed(metadata.version))
            }
            _ => Err(failure(status, body, Words::Quotable)),
        },
        _ => Err(failure(status, body, Words::Quotable)),
    }
}

/// What a read of one older revision of `key` found: none if it is not kept, which one that was destroyed
/// no longer is.
pub(super) fn older(key: &Key, status: StatusCode, body: &[u8]) -> Result<Option<Slot>, Error> {
    match read(key, status, body)? {
        Slot::Absent => Ok(None),
        Slot::Removed(_) if is_destroyed(body) => Ok(Some(Slot::Absent)),
        slot => Ok(Some(slot)),
    }
}

fn is_destroyed(body: &[u8]) -> bool {
    serde_json::from_slice::<ReadBody<'_>>(body)
        .is_ok_and(|body| body.data.and_then(|data| data.metadata).is_some_and(|metadata| metadata.destroyed))
}

/// How a write ended.
pub(super) fn write(status: StatusCode, body: &[u8]) -> Result<Outcome, Error> {
    match status {
        StatusCode::OK => match serde_json::from_slice::<WriteBody>(body) {
            Ok(answer) => Ok(Outcome::Written(answer.data.version)),
            Err(_) => Err(Error::Corrupt("the answer to a write is not KV version 2's".to_owned())),
        },
        // What a KV version 1 mount answers. It has written, and whatever it was asked to compare.
        StatusCode::NO_CONTENT => Err(Error::Corrupt("the mount is not KV version 2".to_owned())),
        StatusCode::BAD_REQUEST if errors(body).contains("check-and-set parameter did not match") => {
            Ok(Outcome::Conflict)
        }
        _ => Err(failure(status, body, Words::Secret)),
    }
}

/// Whether a key's metadata were set; not if they are others than those that were compared.
pub(super) fn metadata_set(status: StatusCode, body: &[u8]) -> Result<bool, Error> {
    match status {
        StatusCode::BAD_REQUEST if errors(body).contains("metadata check-and-set parameter does not match") => {
            Ok(false)
        }
        _ => done(status, body).map(|()| true),
    }
}

/// Whether a call with nothing to answer was done: a deletion.
pub(super) fn done(status: StatusCode, body: &[u8]) -> Result<(), Error> {
    if status.is_success() { Ok(()) } else { Err(failure(status, body, Words::Quotable)) }
}

/// What a status other than the wanted ones means.
pub(super) fn failure(status: StatusCode, body: &[u8], words: Words) -> Error {
    let errors = errors(body);
    let said = |lead: String| {
        let quote = if words == Words::Quotable { shortened(&errors) } else { String::new() };
        if quote.is_empty() { lead } else { format!("{lead}: {quote}") }
    };
    match status.as_u16() {
        300..400 => Error::Unavailable("the node that answered is not active and sends callers to another".to_owned()),
        400 if errors.contains("Upgrading from non-versioned") => {
            Error::Unavailable("the mount is being upgraded to KV version 2".to_owned())
        }
        400 if errors.contains("high complexity") => Error::TooLarge(
            "OpenBao's listener refused it as too complex; see `max_request_json_…` and `max_json_…` of the listener"
                .to_owned(),
        ),
        400 => Error::Corrupt(said("OpenBao refused the request as invalid (400)".to_owned())),
        401 | 403 => Error::Denied(said(
            "OpenBao answered 403: the token is not valid, has expired, or its policy lacks this right".to_owned(),
        )),
        404 if errors.contains("no handler for route") => {
            Error::Denied("nothing is mounted there; see `BAO_MOUNT` and `BAO_NAMESPACE`".to_owned())
        }
        404 if errors.contains("namespace not found") => {
            Error::Denied("the namespace does not exist; see `BAO_NAMESPACE`".to_owned())
        }
        404 => Error::Corrupt("a 404 that is not one of KV version 2's".to_owned()),
        413 => Error::TooLarge(
            "the request is larger than OpenBao's listener takes; raise `max_request_size` of the listener".to_owned(),
        ),
        500 if errors.contains("value being too large") => Error::TooLarge(too_large(&errors)),
        500..600 if out_of_space(&errors) => {
            Error::OutOfSpace("OpenBao's disk is full; writes fail until there is room".to_owned())
        }
        501 => Error::Unavailable("OpenBao is not initialised".to_owned()),
        503 if errors.contains("sealed") => Error::Sealed,
        429 => Error::Unavailable("OpenBao's rate limit or quota is used up (429)".to_owned()),
        408 | 412 | 425 | 500..600 => Error::Unavailable(said(format!("OpenBao answered {}", status.as_u16()))),
        _ => Error::Corrupt(said(format!("OpenBao answered {}", status.as_u16()))),
    }
}

/// What it means that no answer came, and why.
pub(super) fn no_answer(timed_out: bool, cause: &str) -> Error {
    if timed_out {
        Error::Timeout
    } else {
        Error::Unavailable(format!("OpenBao cannot be reached: {}", shortened(cause)))
    }
}

/// Whether OpenBao refused a call for the mount's sake: it is missing, or the token has no right anywhere
/// below it. It does not say which.
pub(super) fn is_no_such_mount(body: &[u8]) -> bool {
    errors(body).contains("preflight capability check")
}

/// Whether OpenBao does not know the token (any more), or does not think it is one. To a token that it knows and
/// whose policy lacks a right it says more ("1 error occurred: …").
pub(super) fn is_unknown_token(status: StatusCode, body: &[u8]) -> bool {
    let errors = errors(body);
    status == StatusCode::FORBIDDEN && (errors == "permission denied" || errors.contains("invalid token"))
}

/// OpenBao's own words, shortened.
pub(super) fn words(body: &[u8]) -> String {
    shortened(&errors(body))
}

/// Whether the body is `{"errors":[]}` and nothing else: KV's word for "never written". A balancer's own
/// 404 page is not it, and neither is a 404 with a reason.
pub(super) fn says_nothing(body: &[u8]) -> bool {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Nothing {
        errors: Vec<serde::de::IgnoredAny>,
    }
    serde_json::from_slice::<Nothing>(body).is_ok_and(|nothing| nothing.errors.is_empty())
}

fn errors(body: &[u8]) -> String {
    serde_json::from_slice::<Errors>(body).ok().and_then(|body| body.errors).unwrap_or_default().join("; ")
}

fn shortened(text: &str) -> String {
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let words = words.strip_prefix("1 error occurred: * ").unwrap_or(&words);
    words.chars().filter(|character| !character.is_control()).take(QUOTE).collect()
}

/// The message names the limit: "put failed due to value being too large; got … bytes, max 1048576 bytes".
fn too_large(errors: &str) -> String {
    let limit: String = errors
        .rsplit_once("max ")
        .map(|(_, rest)| rest.chars().take_while(char::is_ascii_digit).collect())
        .unwrap_or_default();
    let limit = if limit.is_empty() { "its limit".to_owned() } else { format!("{limit} bytes") };
    format!("an entry of OpenBao's raft storage takes {limit}; raise `max_entry_size` in its `storage \"raft\"` block")
}

fn out_of_space(errors: &str) -> bool {
    ["no space left", "disk quota exceeded", "not enough space"].iter().any(|words| errors.contains(words))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> Key {
        Key::parse("group/project").unwrap()
    }

    fn status(code: u16) -> StatusCode {
        StatusCode::from_u16(code).unwrap()
    }

    fn read_of(code: u16, body: &str) -> Result<Slot, Error> {
        read(&key(), status(code), body.as_bytes())
    }

    const REMOVED: &str =
        r#"{"data":{"data":null,"metadata":{"deletion_time":"2026-11-22T07:15:30Z","destroyed":false,"version":4}}}"#;
    const DESTROYED: &str =
        r#"{"data":{"data":null,"metadata":{"deletion_time":"","destroyed":true,"version":5}},"warnings":null}"#;

    #[test]
    fn a_404_is_absent_only_if_it_says_nothing() {
        assert_eq!(read_of(404, r#"{"errors":[]}"#), Ok(Slot::Absent));
        assert_eq!(read_of(404, "{\"errors\":[]}\n"), Ok(Slot::Absent));
        assert_eq!(read_of(404, REMOVED), Ok(Slot::Removed(4)));
        assert_eq!(read_of(404, DESTROYED), Ok(Slot::Removed(5)));
        for doubtful in [
            "",
            "404 page not found",
            "<html>not found</html>",
            "{}",
            "[]",
            "null",
            r#"{"errors":null}"#,
            r#"{"errors":[],"warnings":["x"]}"#,
            r#"{"errors":[],"data":null}"#,
            r#"{"data":null,"warnings":["Invalid path for a versioned K/V secrets engine."]}"#,
            r#"{"data":{"data":null,"metadata":null}}"#,
            r#"{"data":{"data":null,"metadata":{"version":3,"deletion_time":"","destroyed":false}}}"#,
        ] {
            assert!(matches!(read_of(404, doubtful), Err(Error::Corrupt(_))), "{doubtful}");
        }
        for denied in [
            r#"{"errors":["no handler for route \"x/data/y\". route entry not found."]}"#,
            r#"{"errors":["namespace not found"]}"#,
        ] {
            assert!(matches!(read_of(404, denied), Err(Error::Denied(_))), "{denied}");
        }
    }

    #[test]
    fn reads() {
        let found = r#"{"data":{"data":{"format":1,"meta":"m"},"metadata":{"version":3,"deletion_time":"2099-01-01T00:00:00Z"}}}"#;
        assert!(matches!(read_of(200, found), Ok(Slot::Entry(entry)) if entry.revision == 3 && entry.meta == "m"));
        for corrupt in [
            "",
            "{}",
            r#"{"data":{"data":{"a":"b"},"options":{"cas":0}}}"#,
            r#"{"data":{"data":null,"metadata":{"version":3}}}"#,
            r#"{"data":{"data":{"a":"b"},"metadata":{"version":3}}}"#,
        ] {
            assert!(matches!(read_of(200, corrupt), Err(Error::Corrupt(_))), "{corrupt}");
        }
        assert!(matches!(read_of(204, ""), Err(Error::Corrupt(_))));
    }

    #[test]
    fn writes() {
        let of = |code: u16, body: &str| write(status(code), body.as_bytes());
        assert_eq!(of(200, r#"{"data":{"version":9,"destroyed":false,"deletion_time":""}}"#), Ok(Outcome::Written(9)));
        assert_eq!(
            of(400, r#"{"errors":["check-and-set parameter did not match the current version"]}"#),
            Ok(Outcome::Conflict)
        );
        assert!(matches!(of(204, ""), Err(Error::Corrupt(_))));
        assert!(matches!(of(200, "{}"), Err(Error::Corrupt(_))));
        assert!(matches!(
            of(400, r#"{"errors":["check-and-set parameter required for this call"]}"#),
            Err(Error::Corrupt(_))
        ));
        assert!(matches!(
            of(
                400,
                r#"{"errors":["Upgrading from non-versioned to versioned data. This backend will be unavailable"]}"#
            ),
            Err(Error::Unavailable(_))
        ));
    }

    #[test]
    fn failures() {
        type Expected = fn(&Error) -> bool;
        let table: [(u16, &str, Expected); 20] = [
            (307, "", |error| matches!(error, Error::Unavailable(_))),
            (308, "", |error| matches!(error, Error::Unavailable(_))),
            (
                400,
                r#"{"errors":["refused JSON input due to high complexity: exceeded maximum number of strings"]}"#,
                |error| matches!(error, Error::TooLarge(_)),
            ),
            (400, r#"{"errors":["error parsing JSON"]}"#, |error| matches!(error, Error::Corrupt(_))),
            (401, "", |error| matches!(error, Error::Denied(_))),
            (403, r#"{"errors":["permission denied"]}"#, |error| matches!(error, Error::Denied(_))),
            (405, r#"{"errors":["unsupported operation"]}"#, |error| matches!(error, Error::Corrupt(_))),
            (412, "", |error| matches!(error, Error::Unavailable(_))),
            (413, r#"{"errors":["http: request body too large"]}"#, |error| matches!(error, Error::TooLarge(_))),
            (418, "", |error| matches!(error, Error::Corrupt(_))),
            (429, "", |error| matches!(error, Error::Unavailable(_))),
            (
                500,
                r#"{"errors":["1 error occurred:\n\t* put failed due to value being too large; got 156 bytes, max 1048576 bytes\n\n"]}"#,
                |error| matches!(error, Error::TooLarge(text) if text.contains("1048576") && text.contains("max_entry_size")),
            ),
            (500, r#"{"errors":["write /data/raft.db: no space left on device"]}"#, |error| {
                matches!(error, Error::OutOfSpace(_))
            }),
            (500, r#"{"errors":["local node not active but active cluster node not found"]}"#, |error| {
                matches!(error, Error::Unavailable(_))
            }),
            (500, "", |error| matches!(error, Error::Unavailable(_))),
            (501, "", |error| matches!(error, Error::Unavailable(_))),
            (502, "<html>", |error| matches!(error, Error::Unavailable(_))),
            (503, r#"{"errors":["Vault is sealed"]}"#, |error| *error == Error::Sealed),
            (503, "no healthy upstream", |error| matches!(error, Error::Unavailable(_))),
            (504, "", |error| matches!(error, Error::Unavailable(_))),
        ];
        for (code, body, expected) in table {
            for words in [Words::Quotable, Words::Secret] {
                let error = failure(status(code), body.as_bytes(), words);
                assert!(expected(&error), "{code} {body}: {error}");
            }
            assert!(read_of(code, body).is_err());
        }
    }

    #[test]
    fn a_write_is_never_quoted_and_a_quote_is_short() {
        let body = r#"{"errors":["error converting hunter2"]}"#;
        assert!(!write(status(400), body.as_bytes()).unwrap_err().to_string().contains("hunter2"));
        assert!(!write(status(500), body.as_bytes()).unwrap_err().to_string().contains("hunter2"));
        let long = format!(r#"{{"errors":["{}\u001b[31m"]}}"#, "long ".repeat(500));
        let text = failure(status(500), long.as_bytes(), Words::Quotable).to_string();
        assert!(text.len() < 300 && text.contains("long long"), "{text}");
    }

    #[test]
    fn no_answers() {
        assert_eq!(no_answer(true, "x"), Error::Timeout);
        assert_eq!(
            no_answer(false, "Connection refused (os error 111)").to_string(),
            "the store is unavailable: OpenBao cannot be reached: Connection refused (os error 111)"
        );
    }
}
