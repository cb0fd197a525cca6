//! Calls, answers and replies in few words.

use serde_json::Value;

use crate::machine::execute::RawReply;
use crate::store::tables::{Body, Tables};
use crate::store::{Answer, BodyId, Call, Failed, Seen};
use crate::world::invariants::holder_told;
use crate::world::names::word;

/// A call of the store.
pub(crate) fn call(tables: &Tables, call: &Call) -> String {
    match call {
        Call::Get(key) => format!("get {}", tables.key(*key)),
        Call::Put { key, body: written, expected, .. } => {
            format!("put {} over revision {expected}: {}", tables.key(*key), body(tables, *written))
        }
        Call::Delete(key) => format!("delete {}", tables.key(*key)),
        Call::List(key) => format!("list {}", tables.key(*key)),
        Call::Top => "list everything".to_owned(),
        Call::Revisions(key) => format!("revisions of {}", tables.key(*key)),
        Call::Revision(key, revision) => format!("get {} at revision {revision}", tables.key(*key)),
    }
}

/// The store's answer to a call.
pub(crate) fn answer(tables: &Tables, answer: &Answer) -> String {
    match answer {
        Answer::Recalled(None) | Answer::Slot(Seen::Absent) => "nothing".to_owned(),
        Answer::Recalled(Some((revision, seen))) | Answer::Slot(Seen::Entry(revision, seen)) => {
            format!("revision {revision}: {}", body(tables, *seen))
        }
        Answer::Slot(Seen::Removed(revision)) => format!("revision {revision}: removed in the store"),
        Answer::Written(revision) => format!("written, revision {revision}"),
        Answer::Conflict => "conflict".to_owned(),
        Answer::Done => "done".to_owned(),
        Answer::Children(children) => {
            let names: Vec<_> = children.iter().map(|(_, name)| name.as_str()).collect();
            if names.is_empty() { "none".to_owned() } else { names.join(" ") }
        }
        Answer::Revisions(revisions) => {
            let numbers: Vec<_> = revisions.iter().map(u64::to_string).collect();
            if numbers.is_empty() { "none".to_owned() } else { numbers.join(" ") }
        }
        Answer::Failed(Failed::Unavailable) => "unavailable".to_owned(),
        Answer::Failed(Failed::Timeout) => "no answer in time".to_owned(),
        Answer::Failed(Failed::Denied) => "denied".to_owned(),
    }
}

/// A reply to a client.
pub(crate) fn reply(reply: &RawReply) -> String {
    let RawReply { status, body, outcome } = reply;
    let told = match holder_told(body) {
        Some(id) => format!(", held by {id}"),
        None if *status == 200 && !body.is_empty() => format!(", state {}", word(body)),
        None => String::new(),
    };
    let outcome = if outcome.is_empty() { String::new() } else { format!(" {outcome}") };
    format!("{status}{outcome}{told}")
}

/// A document of the protocol, or a part of one.
fn body(tables: &Tables, body: BodyId) -> String {
    let Body { meta, content } = tables.body(body);
    let own = meta.rsplit(|byte| *byte == b'\n').next().unwrap_or_default();
    let json: Value = serde_json::from_slice(own).unwrap_or(Value::Null);
    let field = |name: &str| json.get(name).and_then(Value::as_str);
    match (field("status"), field("kind")) {
        (Some("held"), _) => format!("held by {}", field("id").unwrap_or("?")),
        (Some(status), _) => status.to_owned(),
        (None, Some("state")) => match (json.get("serial").and_then(Value::as_u64), field("lock_id")) {
            (Some(serial), Some(lock)) => format!("state, serial {serial}, by {lock}"),
            (Some(serial), None) => format!("state, serial {serial}"),
            (None, _) => "state".to_owned(),
        },
        (None, Some("no-state")) => "no state".to_owned(),
        (None, Some(kind)) => kind.to_owned(),
        (None, None) => content.map_or_else(|| "a document".to_owned(), |content| format!("{} bytes", content.len())),
    }
}
