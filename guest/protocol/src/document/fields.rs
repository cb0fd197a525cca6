//! The documents' fields as they lie in the store: flat, those of every kind side by side, so that one pass
//! over the bytes reads them. (serde's own way to read tagged and flattened types keeps a copy of
//! everything first, which took longer than the rest of a request.)

use serde::Deserialize;

use super::{
    DeletedRecord, Document, FORMAT, Held, LockDocument, LockStatus, QuarantineDocument, QuarantineRecord,
    StateDocument, StateRecord, Written,
};
use crate::exchange::TraceContext;

/// Of a [`StateDocument`].
#[derive(Deserialize)]
pub struct StateFields {
    format: u32,
    kind: StateKind,
    size: Option<u64>,
    sha256: Option<String>,
    serial: Option<u64>,
    lineage: Option<String>,
    tool_version: Option<String>,
    #[serde(default)]
    encrypted: bool,
    empty: Option<bool>,
    #[serde(default)]
    step: u64,
    written: Option<u64>,
    by: Option<String>,
    lock_id: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum StateKind {
    State,
    Deleted,
    NoState,
}

impl Document for StateDocument {
    type Fields = StateFields;

    fn of(fields: StateFields) -> Option<Self> {
        if fields.format != FORMAT {
            return None;
        }
        let written = || Some(Written { written: fields.written?, by: fields.by?, lock_id: fields.lock_id });
        Some(match fields.kind {
            StateKind::State => Self::State(StateRecord {
                size: fields.size?,
                sha256: fields.sha256?,
                serial: fields.serial?,
                lineage: fields.lineage?,
                tool_version: fields.tool_version,
                encrypted: fields.encrypted,
                empty: fields.empty,
                step: fields.step,
                written: written()?,
            }),
            StateKind::Deleted => Self::Deleted(DeletedRecord { serial: fields.serial, written: written()? }),
            StateKind::NoState => Self::NoState,
        })
    }
}

/// Of a [`QuarantineDocument`].
#[derive(Deserialize)]
pub struct QuarantineFields {
    format: u32,
    kind: QuarantineKind,
    policy: String,
    reason: String,
    #[serde(default)]
    discarded: bool,
    size: u64,
    sha256: String,
    serial: u64,
    lineage: String,
    tool_version: Option<String>,
    #[serde(default)]
    encrypted: bool,
    empty: Option<bool>,
    written: u64,
    by: String,
    lock_id: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum QuarantineKind {
    Quarantined,
}

impl Document for QuarantineDocument {
    type Fields = QuarantineFields;

    fn of(fields: QuarantineFields) -> Option<Self> {
        let QuarantineKind::Quarantined = fields.kind;
        (fields.format == FORMAT).then_some(Self::Quarantined(QuarantineRecord {
            policy: fields.policy,
            reason: fields.reason,
            discarded: fields.discarded,
            state: StateRecord {
                size: fields.size,
                sha256: fields.sha256,
                serial: fields.serial,
                lineage: fields.lineage,
                tool_version: fields.tool_version,
                encrypted: fields.encrypted,
                empty: fields.empty,
                // It follows nothing where it lies.
                step: 0,
                written: Written { written: fields.written, by: fields.by, lock_id: fields.lock_id },
            },
        }))
    }
}

/// Of a [`LockDocument`].
#[derive(Deserialize)]
pub struct LockFields {
    format: u32,
    status: LockKind,
    id: Option<String>,
    who: Option<String>,
    info: Option<String>,
    since: Option<u64>,
    by: Option<String>,
    trace: Option<TraceContext>,
    released: Vec<String>,
    #[serde(default)]
    broken: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum LockKind {
    Held,
    Free,
    Broken,
}

impl Document for LockDocument {
    type Fields = LockFields;

    fn of(fields: LockFields) -> Option<Self> {
        if fields.format != FORMAT {
            return None;
        }
        let status = match fields.status {
            LockKind::Held => LockStatus::Held(Held {
                id: fields.id?,
                who: fields.who,
                info: fields.info?,
                since: fields.since?,
                by: fields.by?,
                trace: fields.trace,
            }),
            LockKind::Free => LockStatus::Free,
            LockKind::Broken => LockStatus::Broken,
        };
        Some(Self { status, released: fields.released, broken: fields.broken })
    }
}
