//! What a record tells, and of which requests there is one.

use serde::Serialize;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tofu_state_component::policies::Review;
use tofu_state_component::{Operation, Right, StateHeader};

use super::strangers::LeftOut;
use crate::telemetry::Finished;
use crate::telemetry::finished::{Known, Upload};

/// The version of the record: it grows when a field changes its meaning.
const FORMAT: u8 = 1;

/// One record, as one line of JSON.
#[derive(Serialize)]
struct Record<'a> {
    /// Tells records from other lines of the same stream.
    audit: u8,
    time: String,
    request_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    trace_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    peer: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    forwarded_for: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    caller: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    caller_kind: Option<&'static str>,
    method: &'a str,
    path: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<&'a str>,
    operation: &'static str,
    outcome: &'a str,
    status: u16,
    generation: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    lock_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    lock_who: Option<&'a str>,
    forced: bool,
    unlocked: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    before: Option<State<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    after: Option<State<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    package: Option<Package<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    policies: Vec<Policy<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    denied_by: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    quarantined: Option<&'a str>,
    duration_ms: f64,
}

/// What a policy said. Not why: its words may be a state's.
#[derive(Serialize)]
struct Policy<'a> {
    name: &'a str,
    sha256: &'a str,
    verdict: &'static str,
    refused: bool,
    microseconds: u64,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    labels: Vec<Label<'a>>,
}

#[derive(Serialize)]
struct Label<'a> {
    name: &'a str,
    value: &'a str,
}

impl<'a> Policy<'a> {
    fn of(review: &'a Review) -> Self {
        Self {
            name: &review.name,
            sha256: &review.digest,
            verdict: review.verdict.as_str(),
            refused: review.refused,
            microseconds: review.microseconds(),
            labels: review.labels.iter().map(|(name, value)| Label { name, value }).collect(),
        }
    }
}

/// A package that was to be uploaded to the mirror.
#[derive(Serialize)]
struct Package<'a> {
    provider: &'a str,
    version: &'a str,
    platform: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    sha256: Option<&'a str>,
}

impl<'a> Package<'a> {
    fn of(upload: &'a Upload) -> Self {
        let Upload { provider, version, platform, sha256, .. } = upload;
        Self { provider, version, platform, sha256: sha256.as_deref() }
    }
}

/// A state, by what can be told of it.
#[derive(Serialize)]
struct State<'a> {
    serial: u64,
    lineage: &'a str,
    size: u64,
    sha256: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_version: Option<&'a str>,
    encrypted: bool,
}

impl<'a> State<'a> {
    fn of(header: &'a StateHeader) -> Self {
        Self {
            serial: header.serial,
            lineage: &header.lineage,
            size: header.size,
            sha256: hex::encode(&header.sha256),
            tool_version: header.tool_version.as_deref(),
            encrypted: header.encrypted,
        }
    }
}

/// Records that a writer makes up for lost ones.
#[derive(Serialize)]
struct Missing {
    audit: u8,
    time: String,
    operation: &'static str,
    missing: u64,
}

/// Denials that have no record of their own.
#[derive(Serialize)]
struct Suppressed {
    audit: u8,
    time: String,
    operation: &'static str,
    suppressed: u64,
    since: String,
}

/// Why a request has a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// It was to change something, however it ended, or somebody who is known was denied.
    Known,
    /// Somebody who is not known was denied.
    Stranger,
}

/// The record of a request.
pub(super) fn line(finished: &Finished) -> Option<String> {
    let event = finished.event.as_ref();
    let record = Record {
        audit: FORMAT,
        time: rfc3339(OffsetDateTime::from(finished.received)),
        request_id: &finished.request_id,
        trace_id: finished.trace_id(),
        peer: finished.peer.map(|peer| peer.ip().to_canonical().to_string()),
        forwarded_for: finished.forwarded_for.as_deref(),
        caller: finished.caller.as_ref().map(|caller| &*caller.name),
        caller_kind: finished.caller.as_ref().map(Known::kind),
        method: &finished.method,
        path: &finished.path,
        state: finished.state_path(),
        operation: finished.operation(),
        outcome: finished.outcome(),
        status: finished.status,
        generation: finished.generation,
        lock_id: finished.lock_id(),
        lock_who: event.and_then(|event| event.lock_who.as_deref()),
        forced: finished.forced(),
        unlocked: finished.unlocked(),
        before: event.and_then(|event| event.before.as_ref()).map(State::of),
        after: event.and_then(|event| event.after.as_ref()).map(State::of),
        package: finished.upload.as_ref().map(Package::of),
        policies: finished.reviews.iter().map(Policy::of).collect(),
        denied_by: finished.denied_by(),
        quarantined: finished.quarantined(),
        duration_ms: (finished.duration.as_secs_f64() * 1e6).round() / 1e3,
    };
    text(&record)
}

/// The record that tells how many are missing before it.
pub(super) fn missing(count: u64) -> Option<String> {
    let time = rfc3339(OffsetDateTime::now_utc());
    text(&Missing { audit: FORMAT, time, operation: "audit-gap", missing: count })
}

/// The record that tells how many denials have none.
pub(super) fn left_out(LeftOut { count, since }: LeftOut) -> Option<String> {
    let (time, since) = (rfc3339(OffsetDateTime::now_utc()), rfc3339(since));
    text(&Suppressed { audit: FORMAT, time, operation: "denials-suppressed", suppressed: count, since })
}

/// Why a request is to have a record; none: it is to have none.
pub(super) fn kind(finished: &Finished) -> Option<Kind> {
    let asked = finished.event.as_ref().map(|event| event.operation);
    // What the route needs tells what was wanted also where the component did not come to say so.
    let is_change = match asked {
        Some(Operation::Get | Operation::List | Operation::Outputs | Operation::Difference) => false,
        Some(Operation::None) | None => {
            finished.upload.is_some()
                || finished.right.is_some_and(|right| matches!(right, Right::Write | Right::Delete))
        }
        Some(_) => true,
    };
    match (&finished.caller, finished.status) {
        (None, 401 | 403) => Some(Kind::Stranger),
        (Some(_), 401 | 403) => Some(Kind::Known),
        _ if is_change => Some(Kind::Known),
        _ => None,
    }
}

fn text<T: Serialize>(record: &T) -> Option<String> {
    // Strings and numbers always have a JSON form, without a newline in it.
    let mut line = serde_json::to_string(record).ok()?;
    line.push('\n');
    Some(line)
}

fn rfc3339(time: OffsetDateTime) -> String {
    time.format(&Rfc3339).unwrap_or_default()
}
