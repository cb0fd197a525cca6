//! LockInfo: the JSON by which a client says who locks what, as the CLIs send it
//! (OpenTofu, `internal/states/statemgr/locker.go`).

use std::fmt;

use serde::de::{Deserializer, MapAccess, Visitor};
use serde::{Deserialize, Serialize};

use crate::json::Glimpse;

/// The longest lock ID in bytes; the CLIs' are UUIDs of 36.
const MAX_ID_BYTES: usize = 256;
/// Go's zero time, which OpenTofu's force-unlock sends as `Created`.
const ZERO_TIME: &str = "0001-01-01T00:00:00Z";

/// A LockInfo.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LockInfo {
    /// The lock's ID.
    pub id: String,
    /// Who asks for it.
    pub who: Option<String>,
    /// What it is locked for; empty where the client did not say.
    pub operation: String,
    /// The client's own version; empty where it did not say.
    pub version: String,
    /// For people; mostly empty.
    pub info: String,
    /// RFC 3339, by the client's clock; empty where it did not say.
    pub created: String,
    /// Everything but the ID is zero or missing: what OpenTofu's force-unlock sends.
    pub only_id: bool,
    /// The text as the client sent it.
    pub text: String,
}

impl LockInfo {
    /// Reads a LockInfo.
    ///
    /// # Errors
    /// A sentence that says what is wrong with it.
    pub fn parse(bytes: &[u8]) -> Result<Self, String> {
        let text = std::str::from_utf8(bytes).map_err(|_| "the body is not UTF-8".to_owned())?;
        let Fields { id, who, operation, version, info, created, only_id } =
            serde_json::from_str(text).map_err(|error| {
                format!(
                    "the body is not a LockInfo: not a JSON object (line {}, column {})",
                    error.line(),
                    error.column()
                )
            })?;
        let id = match id {
            Some(Glimpse::Text(id)) => checked_id(&id)?,
            Some(_) => return Err("`ID` of the LockInfo is not a string".to_owned()),
            None => return Err("the LockInfo has no `ID`".to_owned()),
        };
        Ok(Self { id, who, operation, version, info, created, only_id, text: text.to_owned() })
    }

    /// One for a person's own work on a state, without a run.
    ///
    /// # Errors
    /// A sentence that says what is wrong with the ID.
    pub fn maintenance(id: &str, reason: &str, who: &str, created: &str, path: &str) -> Result<Self, String> {
        let text = Text { id, operation: "maintenance", info: reason, who, version: "", created, path };
        Self::parse(&serde_json::to_vec(&text).unwrap_or_default())
    }

    /// One that says nothing but its ID.
    #[must_use]
    pub fn with_id(id: &str) -> Self {
        let none = String::new;
        Self {
            id: id.to_owned(),
            who: None,
            operation: none(),
            version: none(),
            info: none(),
            created: none(),
            only_id: true,
            text: none(),
        }
    }
}

/// A lock ID, if it can be one.
///
/// # Errors
/// A sentence that says what is wrong with it.
pub fn checked_id(id: &str) -> Result<String, String> {
    if id.is_empty() {
        return Err("the lock ID is empty".to_owned());
    }
    if id.len() > MAX_ID_BYTES {
        return Err(format!("the lock ID is longer than {MAX_ID_BYTES} bytes"));
    }
    if id.chars().any(char::is_control) {
        return Err("the lock ID has a control character".to_owned());
    }
    Ok(id.to_owned())
}

fn is_zero(value: &Glimpse) -> bool {
    match value {
        Glimpse::Zero => true,
        Glimpse::Text(text) => text.is_empty() || text == ZERO_TIME,
        Glimpse::Number(_) | Glimpse::Other => false,
    }
}

/// A LockInfo of our own making.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Text<'a> {
    #[serde(rename = "ID")]
    pub(crate) id: &'a str,
    pub(crate) operation: &'a str,
    pub(crate) info: &'a str,
    pub(crate) who: &'a str,
    pub(crate) version: &'a str,
    pub(crate) created: &'a str,
    pub(crate) path: &'a str,
}

/// The fields of a LockInfo, as far as they are looked at. Of two with the same name the last one counts.
struct Fields {
    id: Option<Glimpse>,
    who: Option<String>,
    operation: String,
    version: String,
    info: String,
    created: String,
    /// Every other one is zero.
    only_id: bool,
}

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Reading)
    }
}

struct Reading;

impl<'de> Visitor<'de> for Reading {
    type Value = Fields;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a LockInfo")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Fields, A::Error> {
        let none = String::new;
        let mut found = Fields {
            id: None,
            who: None,
            operation: none(),
            version: none(),
            info: none(),
            created: none(),
            only_id: true,
        };
        while let Some(name) = fields.next_key::<String>()? {
            let value: Glimpse = fields.next_value()?;
            if name == "ID" {
                found.id = Some(value);
                continue;
            }
            found.only_id &= is_zero(&value);
            let text = if let Glimpse::Text(text) = value { text } else { String::new() };
            match name.as_str() {
                "Who" => found.who = (!text.is_empty()).then_some(text),
                "Operation" => found.operation = text,
                "Version" => found.version = text,
                "Info" => found.info = text,
                "Created" => found.created = text,
                _ => {}
            }
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_the_clients_send() {
        let apply = LockInfo::parse(
            br#"{"ID":"d5d1","Operation":"OperationTypeApply","Info":"","Who":"me@host","Version":"1.12.6","Created":"2026-01-02T03:04:05Z","Path":""}"#,
        )
        .unwrap();
        assert_eq!((apply.id.as_str(), apply.who.as_deref(), apply.only_id), ("d5d1", Some("me@host"), false));
        assert_eq!(
            (apply.operation.as_str(), apply.version.as_str(), apply.created.as_str(), apply.info.as_str()),
            ("OperationTypeApply", "1.12.6", "2026-01-02T03:04:05Z", "")
        );
        let forced = LockInfo::parse(
            br#"{"ID":"d5d1","Operation":"","Info":"","Who":"","Version":"","Created":"0001-01-01T00:00:00Z","Path":""}"#,
        )
        .unwrap();
        assert!(forced.only_id && forced.who.is_none());
        assert!(LockInfo::parse(br#"{"ID":"x"}"#).unwrap().only_id);
    }

    #[test]
    fn refuses_what_is_no_lock_info() {
        let deep = format!(r#"{{"ID":"x","a":{}"#, "[".repeat(60_000));
        let long = format!(r#"{{"ID":"{}"}}"#, "x".repeat(257));
        for bad in
            ["", "null", "[]", "{", r#"{"ID":""}"#, r#"{"ID":7}"#, r#"{"id":"x"}"#, r#"{"ID":"a\nb"}"#, &deep, &long]
        {
            assert!(LockInfo::parse(bad.as_bytes()).is_err(), "{bad:.40}");
        }
        assert!(LockInfo::parse(b"{\"ID\":\"\xff\"}").is_err());
    }
}
