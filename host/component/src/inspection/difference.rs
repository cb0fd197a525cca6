//! What differs between two states, by resource address and attribute: `Difference` in `docs/openapi.yaml`.

use std::collections::BTreeSet;

use serde::Serialize;
use serde_json::value::RawValue;

use super::address::{self, Step};
use super::bounded::{Limited, Members};
use super::sensitive::Sensitive;
use super::state::{Output, State};
use super::{MAX_ANSWER_BYTES, Unreadable, compare};

/// The most attributes of one instance that are told.
const MOST_ATTRIBUTES: usize = 10_000;

/// Where an instance's attributes stand; the second one was written by releases before 0.12.
const ATTRIBUTES: [&str; 2] = ["attributes", "attributes_flat"];

/// Where it says which of them are sensitive.
const MARKS: &str = "sensitive_attributes";

#[derive(Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Change {
    Added,
    Removed,
    Changed,
}

#[derive(Serialize)]
struct ResourceChange<'a> {
    address: &'a str,
    change: Change,
    #[serde(skip_serializing_if = "Option::is_none")]
    attributes: Option<Vec<AttributeChange<'a>>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    also: Vec<String>,
}

#[derive(Serialize)]
struct AttributeChange<'a> {
    path: String,
    sensitive: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    to: Option<&'a RawValue>,
}

#[derive(Serialize)]
struct OutputChange<'a> {
    name: &'a str,
    change: Change,
    sensitive: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    to: Option<&'a RawValue>,
}

/// How many resource instances there are of each kind.
#[derive(Default, Serialize)]
struct Summary {
    added: u64,
    removed: u64,
    changed: u64,
    unchanged: u64,
}

/// The difference as JSON; none: there was, or is, no state. Values that one of the states calls sensitive only if
/// they are asked for.
pub(super) fn between(
    before: Option<&[u8]>,
    after: Option<&[u8]>,
    with_sensitive: bool,
) -> Result<Vec<u8>, Unreadable> {
    let (before, after) = (read(before)?, read(after)?);
    let mut truncated = false;
    let outputs = outputs(&before, &after, with_sensitive, &mut truncated)?;
    let left = MAX_ANSWER_BYTES.saturating_sub(outputs.bytes.len());
    let (summary, resources) = resources(&before, &after, with_sensitive, left, &mut truncated)?;
    let summary = serde_json::to_vec(&summary)?;
    let end: &[u8] = if truncated { b"],\"truncated\":true}" } else { b"],\"truncated\":false}" };
    Ok([
        br#"{"summary":"#.as_slice(),
        &summary,
        br#","resources":["#,
        &resources.bytes,
        br#"],"outputs":["#,
        &outputs.bytes,
        end,
    ]
    .concat())
}

fn read(bytes: Option<&[u8]>) -> Result<State<'_>, Unreadable> {
    bytes.map_or_else(|| Ok(State::default()), |bytes| State::read(bytes, true))
}

fn resources<'a>(
    before: &'a State<'a>,
    after: &'a State<'a>,
    with_sensitive: bool,
    limit: usize,
    truncated: &mut bool,
) -> Result<(Summary, Limited), Unreadable> {
    let (mut summary, mut told) = (Summary::default(), Limited::new(limit));
    let addresses: BTreeSet<&String> = before.instances.keys().chain(after.instances.keys()).collect();
    for address in addresses {
        let whole = |change| ResourceChange { address, change, attributes: None, also: Vec::new() };
        let change = match (before.instances.get(address), after.instances.get(address)) {
            (Some(old), Some(new)) => instance(address, old, new, with_sensitive, truncated)?,
            (None, Some(_)) => Some(whole(Change::Added)),
            (Some(_), None) => Some(whole(Change::Removed)),
            (None, None) => None,
        };
        let Some(change) = change else {
            summary.unchanged += 1;
            continue;
        };
        match change.change {
            Change::Added => summary.added += 1,
            Change::Removed => summary.removed += 1,
            Change::Changed => summary.changed += 1,
        }
        *truncated |= !told.push(&change);
    }
    Ok((summary, told))
}

/// What of one instance differs; none: nothing does.
fn instance<'a>(
    address: &'a str,
    before: &'a RawValue,
    after: &'a RawValue,
    with_sensitive: bool,
    truncated: &mut bool,
) -> Result<Option<ResourceChange<'a>>, Unreadable> {
    if before.get() == after.get() {
        return Ok(None);
    }
    let (Members(old), Members(new)) = (serde_json::from_str(before.get())?, serde_json::from_str(after.get())?);
    let marks = [&old, &new].map(|fields| Sensitive::of(fields.get(MARKS).copied()));
    let (mut attributes, mut also) = (Vec::new(), Vec::new());
    let fields: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    for field in fields {
        let (old, new) = (old.get(field).copied(), new.get(field).copied());
        if !ATTRIBUTES.contains(&field.as_str()) {
            if !compare::parts(&mut Vec::new(), old, new, &mut |_, _| false) {
                also.push(field.clone());
            }
            continue;
        }
        let complete = compare::parts(&mut Vec::new(), old, new, &mut |path: &[Step], (from, to)| {
            let sensitive = marks.iter().any(|marks| marks.covers(path));
            let shown = with_sensitive || !sensitive;
            let path = address::text(path);
            attributes.push(AttributeChange {
                path,
                sensitive,
                from: from.filter(|_| shown),
                to: to.filter(|_| shown),
            });
            attributes.len() < MOST_ATTRIBUTES
        });
        *truncated |= !complete;
    }
    if attributes.is_empty() && also.is_empty() {
        return Ok(None);
    }
    Ok(Some(ResourceChange { address, change: Change::Changed, attributes: Some(attributes), also }))
}

fn outputs<'a>(
    before: &'a State<'a>,
    after: &'a State<'a>,
    with_sensitive: bool,
    truncated: &mut bool,
) -> Result<Limited, Unreadable> {
    let mut told = Limited::new(MAX_ANSWER_BYTES);
    let names: BTreeSet<&String> = before.outputs.keys().chain(after.outputs.keys()).collect();
    for name in names {
        let (old, new) = (before.outputs.get(name).copied(), after.outputs.get(name).copied());
        if compare::parts(&mut Vec::new(), old, new, &mut |_, _| false) {
            continue;
        }
        let change = match (old, new) {
            (None, _) => Change::Added,
            (_, None) => Change::Removed,
            _ => Change::Changed,
        };
        let (old, new) = (output(old)?, output(new)?);
        let sensitive = [&old, &new].into_iter().flatten().any(|output| output.sensitive);
        let shown = |output: Option<Output<'a>>| {
            output.and_then(|output| output.value).filter(|_| with_sensitive || !sensitive)
        };
        *truncated |= !told.push(&OutputChange { name, change, sensitive, from: shown(old), to: shown(new) });
    }
    Ok(told)
}

fn output(output: Option<&RawValue>) -> Result<Option<Output<'_>>, Unreadable> {
    Ok(output.map(|output| serde_json::from_str(output.get())).transpose()?)
}
