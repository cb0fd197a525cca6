//! The lock for people: who holds it, taking it for maintenance, releasing and breaking it. All by the rules of the
//! protocol's own LOCK and UNLOCK.

use serde::{Deserialize, Serialize};

use super::refusal::Refused;
use super::views::LockView;
use super::{Call, json};
use crate::archive::Archive;
use crate::document::{Held, LockStatus};
use crate::exchange::Reply;
use crate::lock::{self, Claim};
use crate::lock_info::LockInfo;
use crate::path::StatePath;
use crate::reply::Refusal;
use crate::time::rfc3339;

/// The longest reason, in characters.
const LONGEST_REASON: usize = 1024;
/// The longest name of who is to be asked.
const LONGEST_WHO: usize = 256;

#[derive(Serialize)]
struct StatusView<'a> {
    path: &'a str,
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    lock: Option<LockView>,
}

#[derive(Serialize)]
struct ReleasedView<'a> {
    path: &'a str,
    replayed: bool,
}

/// The body of a POST.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    reason: String,
    id: Option<String>,
    who: Option<String>,
}

/// `GET /-/v1/lock/…`.
pub(super) fn get<A: Archive>(call: &mut Call<'_, A>, path: &StatePath) -> Result<Reply<A::Blob>, Refused> {
    call.query(&[])?;
    let found = lock::load(&call.under_rules(call.request, path))?;
    let (status, held) = match &found.document.status {
        LockStatus::Held(held) => ("held", Some(held)),
        LockStatus::Free => ("free", None),
        LockStatus::Broken => ("broken", None),
    };
    let now = call.request.received;
    Ok(json(&StatusView { path: path.state_key(), status, lock: held.map(|held| LockView::of(held, now)) }))
}

/// `POST /-/v1/lock/…`.
pub(super) fn take<A: Archive>(call: &mut Call<'_, A>, path: &StatePath) -> Result<Reply<A::Blob>, Refused> {
    call.query(&[])?;
    let info = asked(call, path).map_err(Refusal::InvalidRequest)?;
    let mut ruled = call.under_rules(call.request, path);
    let taken = lock::acquire(&mut ruled, &info);
    call.event = ruled.event;
    let held: Held = taken?;
    let lock = Some(LockView::of(&held, call.request.received));
    Ok(json(&StatusView { path: path.state_key(), status: "held", lock }))
}

/// The LockInfo that the body asks for.
fn asked<A: Archive>(call: &Call<'_, A>, path: &StatePath) -> Result<LockInfo, String> {
    let request = call.request;
    let Asked { reason, id, who } = serde_json::from_slice(&request.small_body()).map_err(|error| {
        format!(
            "the body is no JSON object with `reason`, and with nothing but `id` and `who` beside it (line {}, column {})",
            error.line(),
            error.column()
        )
    })?;
    check(&reason, "reason", LONGEST_REASON)?;
    let who = who.unwrap_or_else(|| request.caller.name.clone());
    check(&who, "who", LONGEST_WHO)?;
    let id = id.as_deref().unwrap_or(&request.request_id);
    LockInfo::maintenance(id, &reason, &who, &rfc3339(request.received), path.state_key())
}

/// Terminals show it: so it is short, and of characters that can be seen.
fn check(text: &str, name: &str, longest: usize) -> Result<(), String> {
    if text.is_empty() || text.chars().count() > longest || text.chars().any(char::is_control) {
        return Err(format!("`{name}` is not 1 to {longest} characters without control characters"));
    }
    Ok(())
}

/// `DELETE /-/v1/lock/…`.
pub(super) fn release<A: Archive>(call: &mut Call<'_, A>, path: &StatePath) -> Result<Reply<A::Blob>, Refused> {
    let query = call.query(&["id", "force"])?;
    let claim = Claim { id: query.lock_id()?, who: None, forced: query.flag("force")? };
    if claim.id.is_none() && !claim.forced {
        let missing = "`id` is missing in the query: which lock? (`force=true` breaks any)";
        return Err(Refusal::InvalidRequest(missing.to_owned()).into());
    }
    let mut ruled = call.under_rules(call.request, path);
    let done = lock::let_go(&mut ruled, &claim);
    call.event = ruled.event;
    done?;
    Ok(json(&ReleasedView { path: path.state_key(), replayed: call.event.outcome == "replayed" }))
}
