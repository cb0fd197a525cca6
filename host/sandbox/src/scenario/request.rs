//! From a scenario's words to requests as the CLIs send them.

use bytes::Bytes;
use tofu_state_component::{Caller, CallerKind, ForceUnlock, Rights, Settings};
use tofu_state_store::Blob;

use super::intent::{Intent, Kind};
use super::{FullStep, Scenario, ScenarioError};
use crate::machine::execute::Prepared;
use crate::world::Names;

/// When scenarios begin: 2026-01-02T03:04:05Z. Any time would do.
pub(crate) const BEGINNING: u64 = 1_767_323_045_000;

/// A request, and what it is meant to do.
pub(crate) struct Made {
    pub(crate) prepared: Prepared,
    pub(crate) intent: Intent,
}

/// Makes the request of a step. `later` is how far the virtual clock has gone on, in seconds.
pub(crate) fn make(scenario: &Scenario, step: &FullStep, names: &mut Names, later: u64) -> Result<Made, ScenarioError> {
    let path_text = step.path.as_ref().unwrap_or(&scenario.path);
    let path = names.path(path_text)?;
    let received = BEGINNING + 1000 * (step.at.unwrap_or(0) + later);
    let parts = match (&step.request, &step.method) {
        (Some(text), None) => in_short(text, step, names)?,
        (None, Some(method)) => Parts {
            method: method.clone(),
            query: step.query.clone(),
            body: step.body.clone().unwrap_or_default().into_bytes(),
            kind: Kind::Other,
        },
        _ => return Err(ScenarioError("a step says either `do` or `method`".to_owned())),
    };
    let Parts { method, query, body, kind } = parts;
    let text = step.request.clone().unwrap_or_else(|| method.clone());
    let rights = if step.may_not_break { Rights::all() & !Rights::UNLOCK } else { Rights::all() };
    let (name, caller_kind) = match &step.caller {
        Some(name) => (name.clone(), CallerKind::NamedToken),
        None => ("shared".to_owned(), CallerKind::SharedToken),
    };
    let own = step.content_md5.iter().map(|md5| ("content-md5".to_owned(), md5.clone()));
    let headers = own.chain(scenario.headers.clone()).collect();
    let prepared = Prepared {
        method,
        path: path_text.split('/').map(str::to_owned).collect(),
        query,
        headers,
        body: (!body.is_empty()).then(|| Blob::new(Bytes::from(body))),
        caller: Caller { name, kind: caller_kind, rights },
        received,
        settings: settings(scenario),
        tag: 0,
    };
    Ok(Made { prepared, intent: Intent { path, kind, received, text } })
}

struct Parts {
    method: String,
    query: Option<String>,
    body: Vec<u8>,
    kind: Kind,
}

fn in_short(text: &str, step: &FullStep, names: &mut Names) -> Result<Parts, ScenarioError> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let id = |word: &str| (word != "-").then(|| word.to_owned());
    let query = |id: &Option<String>| id.as_ref().map(|id| format!("ID={id}"));
    let parts = match words.as_slice() {
        ["GET"] => Parts { method: "GET".to_owned(), query: None, body: Vec::new(), kind: Kind::Get },
        ["LOCK", id] => Parts {
            method: "LOCK".to_owned(),
            query: None,
            body: lock_info(id).into_bytes(),
            kind: Kind::Lock(names.lock(id)),
        },
        ["UNLOCK", id] => Parts {
            method: "UNLOCK".to_owned(),
            query: None,
            body: lock_info(id).into_bytes(),
            kind: Kind::Unlock(names.lock(id)),
        },
        ["BREAK"] => Parts { method: "UNLOCK".to_owned(), query: None, body: Vec::new(), kind: Kind::Break(None) },
        ["BREAK", id] => Parts {
            method: "UNLOCK".to_owned(),
            query: None,
            body: id_only(id).into_bytes(),
            kind: Kind::Break(Some(names.lock(id))),
        },
        ["DELETE", lock] => {
            let lock = id(lock);
            let kind = Kind::Delete { lock: lock.as_ref().map(|lock| names.lock(lock)) };
            Parts { method: "DELETE".to_owned(), query: query(&lock), body: Vec::new(), kind }
        }
        ["POST", lock, serial] | ["POST", lock, serial, _] => {
            let number: u64 = serial
                .parse()
                .map_err(|_| ScenarioError(format!("`{text}`: {serial:?} is no serial, a whole number")))?;
            let word = words.get(3).map_or_else(|| format!("{lock}{serial}"), |word| (*word).to_owned());
            let body = state(number, &word, step.bytes.unwrap_or(0));
            let lock = id(lock);
            let kind = Kind::Post {
                lock: lock.as_ref().map(|lock| names.lock(lock)),
                serial: number,
                state: names.state(Bytes::from(body.clone())),
            };
            Parts { method: "POST".to_owned(), query: query(&lock), body: body.into_bytes(), kind }
        }
        _ => {
            return Err(ScenarioError(format!(
                "`{text}` is no request: write `LOCK a`, `GET`, `POST a 2`, `POST - 2 word`, `DELETE a`, `UNLOCK a`, \
                 `BREAK` or `BREAK a`"
            )));
        }
    };
    Ok(parts)
}

/// LockInfo as the CLIs send it for an apply.
fn lock_info(id: &str) -> String {
    format!(
        r#"{{"ID":"{id}","Operation":"OperationTypeApply","Info":"","Who":"{id}@host","Version":"1.12.6","Created":"2026-01-02T03:04:05.6Z","Path":""}}"#
    )
}

/// What OpenTofu's force-unlock sends.
fn id_only(id: &str) -> String {
    format!(
        r#"{{"ID":"{id}","Operation":"","Info":"","Who":"","Version":"","Created":"0001-01-01T00:00:00Z","Path":""}}"#
    )
}

/// A state with that serial and a word to tell it from others, of at least so many bytes.
fn state(serial: u64, word: &str, bytes: usize) -> String {
    let plain = |padding: &str| {
        format!(
            r#"{{"version":4,"terraform_version":"1.12.6","serial":{serial},"lineage":"L","outputs":{{"word":{{"value":"{word}","type":"string"}}{padding}}},"resources":[]}}"#
        )
    };
    let short = plain("");
    let frame = plain(r#","padding":{"value":"","type":"string"}"#);
    if short.len() >= bytes {
        return short;
    }
    plain(&format!(r#","padding":{{"value":"{}","type":"string"}}"#, noise(word, bytes.saturating_sub(frame.len()))))
}

/// Characters that no compression shortens to two thirds, always the same for the same seed.
fn noise(seed: &str, length: usize) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+-";
    let mut at =
        seed.bytes().fold(0x9E37_79B9_7F4A_7C15_u64, |at, byte| (at ^ u64::from(byte)).wrapping_mul(0x100_0000_01B3));
    (0..length)
        .map(|_| {
            at = at.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            DIGITS.get((at >> 58) as usize).map_or('0', |digit| char::from(*digit))
        })
        .collect()
}

pub(crate) fn settings(scenario: &Scenario) -> Settings {
    Settings {
        lock_ttl: scenario.settings.lock_ttl.map(|seconds| seconds.saturating_mul(1000)),
        force_unlock: match scenario.settings.force_unlock {
            super::ForceUnlock::Any => ForceUnlock::Any,
            super::ForceUnlock::Id => ForceUnlock::Id,
            super::ForceUnlock::Off => ForceUnlock::Off,
        },
        path_segments: scenario.settings.path_segments,
        join_runs: false,
    }
}
