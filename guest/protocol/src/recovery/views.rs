//! What is told of states, versions, locks and refused states: the schemas of `docs/openapi.yaml`.

use serde::Serialize;

use crate::document::{
    self, DeletedRecord, Held, QuarantineDocument, QuarantineRecord, StateDocument, StateRecord, Written,
};
use crate::lock_info::LockInfo;
use crate::outside::{Revision, Slot};
use crate::reply::Refusal;
use crate::time::rfc3339;

/// A version of a state.
#[derive(Debug, Default, Serialize)]
pub(super) struct VersionView {
    pub(super) revision: Revision,
    pub(super) kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    serial: Option<u64>,
    #[serde(flatten)]
    state: Option<StateView>,
    #[serde(flatten)]
    written: Option<WrittenView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<String>,
}

#[derive(Debug, Serialize)]
struct StateView {
    lineage: String,
    size: u64,
    sha256: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_version: Option<String>,
    encrypted: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    empty: Option<bool>,
}

#[derive(Debug, Serialize)]
struct WrittenView {
    written: String,
    by: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    lock_id: Option<String>,
}

impl From<Written> for WrittenView {
    fn from(Written { written, by, lock_id }: Written) -> Self {
        Self { written: rfc3339(written), by, lock_id }
    }
}

impl From<StateRecord> for (StateView, u64, WrittenView) {
    fn from(record: StateRecord) -> Self {
        let StateRecord { size, sha256, serial, lineage, tool_version, encrypted, empty, step: _, written } = record;
        (StateView { lineage, size, sha256, tool_version, encrypted, empty }, serial, written.into())
    }
}

impl VersionView {
    /// Where nothing was ever written.
    pub(super) fn nothing() -> Self {
        Self { kind: "none", ..Self::default() }
    }

    /// What lies, or lay, under `key`.
    pub(super) fn of<B>(key: &str, slot: Slot<B>) -> Self {
        match slot {
            Slot::Absent => Self::nothing(),
            Slot::Removed(revision) => Self { revision, kind: "removed", ..Self::default() },
            Slot::Entry(entry) => match document::decode(key, &entry.meta) {
                Ok(document) => Self::of_document(entry.revision, document),
                Err(refusal) => Self { problem: Some(told(&refusal)), ..Self::unreadable(entry.revision) },
            },
        }
    }

    fn of_document(revision: Revision, document: StateDocument) -> Self {
        match document {
            StateDocument::NoState => Self { revision, ..Self::nothing() },
            StateDocument::Deleted(DeletedRecord { serial, written }) => {
                Self { revision, kind: "deleted", serial, written: Some(written.into()), ..Self::default() }
            }
            StateDocument::State(record) => {
                let (state, serial, written) = record.into();
                Self {
                    revision,
                    kind: "state",
                    serial: Some(serial),
                    state: Some(state),
                    written: Some(written),
                    problem: None,
                }
            }
        }
    }

    /// What cannot be read, and why.
    pub(super) fn failed(revision: Revision, refusal: &Refusal) -> Self {
        Self { problem: Some(told(refusal)), ..Self::unreadable(revision) }
    }

    fn unreadable(revision: Revision) -> Self {
        Self { revision, kind: "unreadable", ..Self::default() }
    }
}

fn told(refusal: &Refusal) -> String {
    refusal.told().2
}

/// A lock that is held.
#[derive(Debug, Serialize)]
pub(super) struct LockView {
    id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    who: Option<String>,
    #[serde(skip_serializing_if = "String::is_empty")]
    operation: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    info: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    version: String,
    since: String,
    age_seconds: u64,
    by: String,
}

impl LockView {
    /// As it is at the moment `now` (milliseconds since 1970).
    pub(super) fn of(held: &Held, now: u64) -> Self {
        let info = LockInfo::parse(held.info.as_bytes()).unwrap_or_else(|_| LockInfo::with_id(&held.id));
        Self {
            id: held.id.clone(),
            who: held.who.clone(),
            operation: info.operation,
            info: info.info,
            version: info.version,
            since: rfc3339(held.since),
            age_seconds: now.saturating_sub(held.since) / 1000,
            by: held.by.clone(),
        }
    }
}

/// A state that a policy has refused.
#[derive(Debug, Serialize)]
pub(super) struct QuarantinedView {
    path: String,
    sha256: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    policy: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    serial: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    lineage: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    size: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_version: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    encrypted: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    empty: Option<bool>,
    #[serde(flatten)]
    written: Option<WrittenView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<String>,
}

impl QuarantinedView {
    /// What lies under `key`, in quarantine for the state at `path`; none: it was discarded.
    pub(super) fn of(path: String, sha256: String, key: &str, meta: &[u8]) -> Option<Self> {
        Some(match document::decode(key, meta) {
            Err(refusal) => Self::failed(path, sha256, &refusal),
            Ok(QuarantineDocument::Quarantined(QuarantineRecord { discarded: true, .. })) => return None,
            Ok(QuarantineDocument::Quarantined(QuarantineRecord { policy, reason, state, .. })) => {
                let (state, serial, written) = state.into();
                Self {
                    policy: Some(policy),
                    reason: Some(reason),
                    serial: Some(serial),
                    lineage: Some(state.lineage),
                    size: Some(state.size),
                    tool_version: state.tool_version,
                    encrypted: Some(state.encrypted),
                    empty: state.empty,
                    written: Some(written),
                    ..Self::bare(path, sha256)
                }
            }
        })
    }

    /// What cannot be read, and why.
    pub(super) fn failed(path: String, sha256: String, refusal: &Refusal) -> Self {
        Self { problem: Some(told(refusal)), ..Self::bare(path, sha256) }
    }

    fn bare(path: String, sha256: String) -> Self {
        Self {
            path,
            sha256,
            policy: None,
            reason: None,
            serial: None,
            lineage: None,
            size: None,
            tool_version: None,
            encrypted: None,
            empty: None,
            written: None,
            problem: None,
        }
    }
}
