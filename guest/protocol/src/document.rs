//! The documents that lie in the store, all with `format: 1`.
//!
//! A document of another format, or one that cannot be read, is an error that names its key; it is
//! never taken for "nothing there" and never written over.

mod fields;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::exchange::{StateSummary, TraceContext};
use crate::json::Glimpse;
use crate::reply::Refusal;

/// The format that this release reads and writes.
const FORMAT: u32 = 1;
/// How many released lock IDs are remembered.
const REMEMBERED: usize = 8;

/// What is known of a state that lies in the store: the meta part of `<group>/<project>`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum StateDocument {
    /// A state; its bytes are the document's content.
    State(StateRecord),
    /// It was deleted through this protocol: there is no state, and older revisions stay recoverable.
    Deleted(DeletedRecord),
    /// A fence where there has never been a state.
    NoState,
}

impl StateDocument {
    /// Who wrote it; nobody did a fence where there has never been a state.
    #[must_use]
    pub fn written(&self) -> Option<&Written> {
        match self {
            Self::State(state) => Some(&state.written),
            Self::Deleted(deleted) => Some(&deleted.written),
            Self::NoState => None,
        }
    }
}

/// What is known of a state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StateRecord {
    /// Size in bytes.
    pub size: u64,
    /// SHA-256 of the bytes, in hexadecimal.
    pub sha256: String,
    /// `serial` of the state.
    pub serial: u64,
    /// `lineage` of the state.
    pub lineage: String,
    /// `terraform_version` of the state.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool_version: Option<String>,
    /// Encrypted by the client.
    pub encrypted: bool,
    /// Neither resources nor outputs; documents of earlier releases do not say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub empty: Option<bool>,
    /// How many states its run (that is, its lock) has written before it.
    #[serde(skip_serializing_if = "is_zero")]
    pub step: u64,
    /// Who wrote it.
    #[serde(flatten)]
    pub written: Written,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a function of a reference")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// The document `.quarantine/<group>/<project>/<digest>`; the refused state is its content.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum QuarantineDocument {
    /// A state that a policy refused.
    Quarantined(QuarantineRecord),
}

/// What is known of a state that a policy refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct QuarantineRecord {
    /// The policy's name.
    pub policy: String,
    /// What it said.
    pub reason: String,
    /// Somebody discarded it: its content is gone, and what is left tells a late writer so. Earlier releases, which do
    /// not know this field, take it for damaged and keep the state anew.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub discarded: bool,
    /// The state, and who sent it.
    #[serde(flatten)]
    pub state: StateRecord,
}

/// What is known of a deletion.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DeletedRecord {
    /// `serial` of the state that was deleted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub serial: Option<u64>,
    /// Who deleted it.
    #[serde(flatten)]
    pub written: Written,
}

/// Who wrote a document, when, and under which lock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Written {
    /// Milliseconds since 1970-01-01T00:00:00Z.
    pub written: u64,
    /// The caller's name.
    pub by: String,
    /// The ID of the lock that the writer held; none: nobody held it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lock_id: Option<String>,
}

/// The document `<group>/<project>.lock`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LockDocument {
    /// Who holds the lock.
    #[serde(flatten)]
    pub status: LockStatus,
    /// The lock IDs that their holders released last, oldest first. A late duplicate of their LOCK is
    /// refused, and one of their UNLOCK is a replay.
    pub released: Vec<String>,
    /// The lock IDs that were broken last, oldest first. A late duplicate of their LOCK is refused.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub broken: Vec<String>,
}

/// Who holds a lock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "status", rename_all = "kebab-case")]
pub enum LockStatus {
    /// Somebody.
    Held(Held),
    /// Nobody.
    Free,
    /// Nobody: it was broken, and until the state is fenced a late write may still be on its way.
    Broken,
}

/// Who holds a lock, and since when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Held {
    /// The lock's ID.
    pub id: String,
    /// `Who` of the LockInfo.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub who: Option<String>,
    /// The LockInfo as the client sent it.
    pub info: String,
    /// Milliseconds since 1970-01-01T00:00:00Z.
    pub since: u64,
    /// The caller's name.
    pub by: String,
    /// The trace of the run that holds it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trace: Option<TraceContext>,
}

/// A kind of document that can be read.
pub trait Document: Sized {
    /// Its fields as they lie in the store, `format` among them.
    type Fields: DeserializeOwned;

    /// The document with these fields, if they are those of its format and fit together.
    fn of(fields: Self::Fields) -> Option<Self>;
}

#[derive(Serialize)]
struct Enveloped<'a, T> {
    format: u32,
    #[serde(flatten)]
    document: &'a T,
}

/// The bytes of a document.
pub fn encode<T: Serialize>(document: &T) -> Vec<u8> {
    // Structs of strings and numbers always have a JSON form; an empty document would be refused on reading.
    serde_json::to_vec(&Enveloped { format: FORMAT, document }).unwrap_or_default()
}

/// The document of these bytes, which lie under `key`.
///
/// # Errors
/// [`Refusal::ForeignDocument`] names the key and what is wrong with the document.
pub fn decode<T: Document>(key: &str, bytes: &[u8]) -> Result<T, Refusal> {
    let document = serde_json::from_slice(bytes).ok().and_then(T::of);
    document.ok_or_else(|| Refusal::ForeignDocument { key: key.to_owned(), why: foreign(bytes) })
}

/// What is wrong with a document that is not ours. A higher format comes before all else: its fields are
/// another release's.
fn foreign(bytes: &[u8]) -> String {
    #[derive(Deserialize)]
    struct FormatOnly {
        format: Option<Glimpse>,
    }
    match serde_json::from_slice(bytes) {
        Err(_) => "it is not a JSON object".to_owned(),
        Ok(FormatOnly { format: None }) => "it has no `format`".to_owned(),
        Ok(FormatOnly { format: Some(Glimpse::Number(format)) }) if format == u64::from(FORMAT) => {
            format!("its fields are not those of format {FORMAT}")
        }
        Ok(FormatOnly { format: Some(Glimpse::Number(format)) }) => {
            format!("its format is {format}, this release knows {FORMAT}")
        }
        // Anything but a number may be content of somebody else's.
        Ok(_) => format!("its format is no number, this release knows {FORMAT}"),
    }
}

impl LockDocument {
    /// One that remembers nothing.
    #[must_use]
    pub fn new(status: LockStatus) -> Self {
        Self { status, released: Vec::new(), broken: Vec::new() }
    }

    /// What follows when the holder of lock `id` releases it.
    #[must_use]
    pub fn released(&self, id: &str) -> Self {
        Self { status: LockStatus::Free, released: remembering(&self.released, id), broken: self.broken.clone() }
    }

    /// What follows when lock `id` is broken.
    #[must_use]
    pub fn broken(&self, id: &str) -> Self {
        Self { status: LockStatus::Broken, released: self.released.clone(), broken: remembering(&self.broken, id) }
    }

    /// Whether lock `id` was released or broken not long ago.
    #[must_use]
    pub fn is_gone(&self, id: &str) -> bool {
        self.released.iter().chain(&self.broken).any(|gone| gone == id)
    }
}

/// `ids` with `id` at the end; the oldest are forgotten.
fn remembering(ids: &[String], id: &str) -> Vec<String> {
    let mut ids: Vec<String> = ids.iter().filter(|known| *known != id).cloned().collect();
    ids.push(id.to_owned());
    ids.drain(..ids.len().saturating_sub(REMEMBERED));
    ids
}

impl StateRecord {
    /// What an event tells of it.
    #[must_use]
    pub fn summary(&self) -> StateSummary {
        StateSummary {
            serial: self.serial,
            lineage: self.lineage.clone(),
            size: self.size,
            tool_version: self.tool_version.clone(),
            encrypted: self.encrypted,
            sha256: from_hex(&self.sha256),
        }
    }
}

const HEX_DIGITS: &[u8; 16] = b"0123456789abcdef";

/// Lower-case hexadecimal.
#[must_use]
pub fn to_hex(digest: &[u8; 32]) -> String {
    let digit = |value: u8| HEX_DIGITS.get(usize::from(value)).map_or('0', |digit| char::from(*digit));
    digest.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

/// The digest of hexadecimal text; zeros where it is none (it is only told, never compared).
fn from_hex(text: &str) -> [u8; 32] {
    let value = |digit: Option<&u8>| digit.and_then(|digit| char::from(*digit).to_digit(16)).unwrap_or_default() as u8;
    let mut digest = [0; 32];
    for (byte, pair) in digest.iter_mut().zip(text.as_bytes().chunks(2)) {
        *byte = value(pair.first()) << 4 | value(pair.get(1));
    }
    digest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held() -> LockDocument {
        LockDocument {
            status: LockStatus::Held(Held {
                id: "i".into(),
                who: Some("me@host".into()),
                info: r#"{"ID":"i"}"#.into(),
                since: 5,
                by: "shared".into(),
                trace: None,
            }),
            released: vec!["old".into()],
            broken: vec![],
        }
    }

    #[test]
    fn documents_come_back() {
        assert_eq!(decode::<LockDocument>("k", &encode(&held())).unwrap(), held());
        let free = LockDocument::new(LockStatus::Free).broken("b");
        assert_eq!(decode::<LockDocument>("k", &encode(&free)).unwrap(), free);
        let deleted = StateDocument::Deleted(DeletedRecord {
            serial: Some(3),
            written: Written { written: 1, by: "x".into(), lock_id: None },
        });
        assert_eq!(decode::<StateDocument>("k", &encode(&deleted)).unwrap(), deleted);
        assert_eq!(decode::<StateDocument>("k", &encode(&StateDocument::NoState)).unwrap(), StateDocument::NoState);
    }

    /// What lies in people's stores may not change by accident.
    #[test]
    fn the_format_is_as_released() {
        let text = String::from_utf8(encode(&held())).unwrap();
        assert_eq!(
            text,
            r#"{"format":1,"status":"held","id":"i","who":"me@host","info":"{\"ID\":\"i\"}","since":5,"by":"shared","released":["old"]}"#
        );
        let state = StateDocument::State(StateRecord {
            size: 2,
            sha256: "ab".into(),
            serial: 1,
            lineage: "L".into(),
            tool_version: Some("1.12.6".into()),
            encrypted: false,
            empty: None,
            step: 0,
            written: Written { written: 9, by: "ci".into(), lock_id: Some("i".into()) },
        });
        assert_eq!(
            String::from_utf8(encode(&state)).unwrap(),
            r#"{"format":1,"kind":"state","size":2,"sha256":"ab","serial":1,"lineage":"L","tool_version":"1.12.6","encrypted":false,"written":9,"by":"ci","lock_id":"i"}"#,
            "as before the field `empty`"
        );
        let StateDocument::State(state) = state else { panic!("it is a state") };
        let state = StateRecord { empty: Some(true), ..state };
        let text = String::from_utf8(encode(&StateDocument::State(state.clone()))).unwrap();
        assert!(text.contains(r#""encrypted":false,"empty":true,"written":9"#), "{text}");
        let quarantined = QuarantineDocument::Quarantined(QuarantineRecord {
            policy: "p".into(),
            reason: "r".into(),
            discarded: false,
            state,
        });
        let text = String::from_utf8(encode(&quarantined)).unwrap();
        assert_eq!(
            text,
            r#"{"format":1,"kind":"quarantined","policy":"p","reason":"r","size":2,"sha256":"ab","serial":1,"lineage":"L","tool_version":"1.12.6","encrypted":false,"empty":true,"written":9,"by":"ci","lock_id":"i"}"#
        );
        assert_eq!(decode::<QuarantineDocument>("k", text.as_bytes()).unwrap(), quarantined);
    }

    #[test]
    fn digests_are_told_in_hexadecimal() {
        let digest: [u8; 32] = std::array::from_fn(|at| (at * 37) as u8);
        let text = to_hex(&digest);
        assert_eq!(text, digest.iter().map(|byte| format!("{byte:02x}")).collect::<String>());
        assert_eq!(from_hex(&text), digest);
        assert_eq!(from_hex("zz"), [0; 32]);
    }

    #[test]
    fn foreign_documents_are_named() {
        for bad in [
            &b""[..],
            b"hello",
            b"[]",
            b"{}",
            br#"{"format":2,"status":"free","released":[]}"#,
            br#"{"format":"1","status":"free","released":[]}"#,
            br#"{"format":1}"#,
            br#"{"format":1,"status":"lost","released":[]}"#,
            br#"{"format":1,"status":"held","released":[]}"#,
        ] {
            match decode::<LockDocument>("a/b.lock", bad) {
                Err(Refusal::ForeignDocument { key, .. }) => assert_eq!(key, "a/b.lock"),
                other => panic!("{other:?}"),
            }
        }
    }

    #[test]
    fn eight_released_and_broken_ids_are_remembered() {
        let mut document = LockDocument::new(LockStatus::Free);
        for id in 0..20 {
            document = document.released(&id.to_string()).broken(&format!("b{id}"));
        }
        assert_eq!(document.released, (12..20).map(|id| id.to_string()).collect::<Vec<_>>());
        assert_eq!(document.broken, (12..20).map(|id| format!("b{id}")).collect::<Vec<_>>());
        assert!(document.is_gone("13") && document.is_gone("b19") && !document.is_gone("11"));
        assert_eq!(document.released("13").released.iter().filter(|id| *id == "13").count(), 1);
    }

    #[test]
    fn what_stands_in_a_foreign_document_is_not_told() {
        match decode::<LockDocument>("a/b.lock", br#"{"format":{"password":"hunter2"}}"#) {
            Err(Refusal::ForeignDocument { why, .. }) => assert!(!why.contains("hunter2"), "{why}"),
            other => panic!("{other:?}"),
        }
    }
}
