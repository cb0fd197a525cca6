//! What the API answers, as far as it is used. Fields that are not known are ignored.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A page of states, or of refused states.
#[derive(Deserialize)]
pub(super) struct Page<T> {
    pub(super) states: Vec<T>,
    pub(super) next: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct VersionPage {
    pub(super) versions: Vec<Version>,
    pub(super) next: Option<u64>,
}

/// A state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StateEntry {
    /// Its path.
    pub path: String,
    /// Its present version.
    pub current: Version,
    /// Who holds its lock.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lock: Option<Lock>,
}

/// A version of a state.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Version {
    /// The store's number.
    pub revision: u64,
    /// `state`, `deleted`, `none`, `removed` or `unreadable`.
    pub kind: String,
    /// `serial` of the state, or of the one that was deleted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub serial: Option<u64>,
    /// `lineage` of the state.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lineage: Option<String>,
    /// Bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// SHA-256 of the bytes, in hexadecimal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// The CLI's version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool_version: Option<String>,
    /// By the client.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub encrypted: Option<bool>,
    /// Neither resources nor outputs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub empty: Option<bool>,
    /// When it was written (RFC 3339, UTC).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub written: Option<String>,
    /// The caller: its token's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// The lock under which it was written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lock_id: Option<String>,
    /// Why it cannot be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

impl Version {
    /// Whether it is a state whose content can be had.
    #[must_use]
    pub fn is_state(&self) -> bool {
        self.kind == "state"
    }

    /// Whether it is `older` once more: a lock that is broken writes what is there again, with a new revision.
    #[must_use]
    pub fn copies(&self, older: &Self) -> bool {
        self.kind != "unreadable" && self.kind == older.kind && self.sha256 == older.sha256
    }
}

/// What differs between two versions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Comparison {
    /// The state's path.
    pub path: String,
    /// The one.
    pub from: Version,
    /// The other.
    pub to: Version,
    /// What differs.
    pub difference: Difference,
}

/// What differs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Difference {
    /// How many resource instances.
    pub summary: Summary,
    /// Which resource instances.
    pub resources: Vec<ResourceChange>,
    /// Which outputs.
    pub outputs: Vec<OutputChange>,
    /// There is more than one answer holds.
    pub truncated: bool,
}

/// Counts of resource instances.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    /// Only in the second.
    pub added: u64,
    /// Only in the first.
    pub removed: u64,
    /// In both, and not the same.
    pub changed: u64,
    /// In both, and the same.
    pub unchanged: u64,
}

/// A resource instance that differs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResourceChange {
    /// As the CLIs write it.
    pub address: String,
    /// `added`, `removed` or `changed`.
    pub change: String,
    /// The attributes that differ.
    #[serde(default)]
    pub attributes: Vec<AttributeChange>,
    /// What else differs, by name.
    #[serde(default)]
    pub also: Vec<String>,
}

/// An attribute that differs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttributeChange {
    /// Such as `tags.Name`.
    pub path: String,
    /// Its values are secret.
    pub sensitive: bool,
    /// The value before.
    #[serde(default, deserialize_with = "some", skip_serializing_if = "Option::is_none")]
    pub from: Option<Value>,
    /// The value after.
    #[serde(default, deserialize_with = "some", skip_serializing_if = "Option::is_none")]
    pub to: Option<Value>,
}

/// An output that differs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutputChange {
    /// Its name.
    pub name: String,
    /// `added`, `removed` or `changed`.
    pub change: String,
    /// Its values are secret.
    pub sensitive: bool,
    /// The value before.
    #[serde(default, deserialize_with = "some", skip_serializing_if = "Option::is_none")]
    pub from: Option<Value>,
    /// The value after.
    #[serde(default, deserialize_with = "some", skip_serializing_if = "Option::is_none")]
    pub to: Option<Value>,
}

/// A value that is there, also if it is null.
fn some<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

/// Who holds a lock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LockStatus {
    /// The state's path.
    pub path: String,
    /// `held`, `free` or `broken`.
    pub status: String,
    /// The lock, if it is held.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lock: Option<Lock>,
}

/// A lock that is held.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lock {
    /// Its ID.
    pub id: String,
    /// A claim, mostly `user@host`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub who: Option<String>,
    /// What for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub operation: Option<String>,
    /// For people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub info: Option<String>,
    /// When it was taken (RFC 3339, UTC).
    pub since: String,
    /// How long ago.
    pub age_seconds: u64,
    /// The caller: its token's name.
    pub by: String,
}

/// A state that a policy refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quarantined {
    /// The path that it was sent to.
    pub path: String,
    /// SHA-256 of its bytes, in hexadecimal.
    pub sha256: String,
    /// Which policy refused it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy: Option<String>,
    /// Why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// `serial` of the state.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub serial: Option<u64>,
    /// `lineage` of the state.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lineage: Option<String>,
    /// Bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// When it was sent (RFC 3339, UTC).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub written: Option<String>,
    /// The caller: its token's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// It is not a document of the server's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

/// A refused state that has become the present one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Accepted {
    /// The state's path.
    pub path: String,
    /// SHA-256 of its bytes, in hexadecimal.
    pub sha256: String,
}
