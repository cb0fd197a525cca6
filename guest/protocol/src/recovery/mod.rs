//! The recovery API below `/-/v1/`: states and their versions, locks, and states that a policy has refused.
//! `docs/openapi.yaml` describes it for its callers.
//!
//! What changes something here is a change like any other: it goes through the same rules as what the CLIs send.

mod contents;
mod listing;
mod locking;
mod quarantined;
mod query;
mod refusal;
mod states;
#[cfg(test)]
mod tests;
mod views;
mod walk;

use crate::archive::Archive;
use crate::exchange::{Body, Event, Operation, Reply, Request, Response};
use crate::path::{RESERVED, StatePath};
use crate::policies::Policies;
use crate::reply::Refusal;
use query::Query;
use refusal::Refused;

/// The segment after the reserved one.
const VERSION: &str = "v1";

/// What a caller needs for an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needed {
    /// Nothing: it tells of what the caller may read.
    Nothing,
    /// The right to read.
    Read,
    /// The right to read, or to read outputs.
    Outputs,
    /// The right to write.
    Write,
    /// The right to delete.
    Delete,
}

/// A resource below `/-/v1/` with a method.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// The HTTP method.
    pub method: &'static str,
    /// The path's first three segments; a state's path follows them.
    pub prefix: [&'static str; 3],
    /// What it takes.
    pub needed: Needed,
    /// What it does.
    pub operation: Operation,
}

const fn endpoint(method: &'static str, name: &'static str, needed: Needed, operation: Operation) -> Endpoint {
    Endpoint { method, prefix: [RESERVED, VERSION, name], needed, operation }
}

/// All of them.
pub const ENDPOINTS: &[Endpoint] = &[
    endpoint("GET", "states", Needed::Nothing, Operation::List),
    endpoint("GET", "versions", Needed::Read, Operation::List),
    endpoint("GET", "content", Needed::Read, Operation::Get),
    endpoint("GET", "outputs", Needed::Outputs, Operation::Outputs),
    endpoint("GET", "difference", Needed::Read, Operation::Difference),
    endpoint("GET", "lock", Needed::Read, Operation::List),
    endpoint("POST", "lock", Needed::Write, Operation::Lock),
    endpoint("DELETE", "lock", Needed::Write, Operation::Unlock),
    endpoint("GET", "quarantine", Needed::Nothing, Operation::List),
    endpoint("GET", "quarantined", Needed::Read, Operation::Get),
    endpoint("POST", "quarantined", Needed::Write, Operation::Accept),
    endpoint("DELETE", "quarantined", Needed::Delete, Operation::Discard),
];

/// Whether a request is one of this API's.
#[must_use]
pub fn is_for(path: &[String]) -> bool {
    matches!(path, [reserved, version, ..] if reserved == RESERVED && version == VERSION)
}

/// A request on its way.
struct Call<'a, A: Archive> {
    request: &'a Request<A::Blob>,
    archive: &'a A,
    policies: &'a dyn Policies<A::Blob>,
    event: Event,
}

/// Answers one request.
pub fn handle<A: Archive>(
    request: &Request<A::Blob>,
    archive: &A,
    policies: &dyn Policies<A::Blob>,
) -> Response<A::Blob> {
    let event = Event { outcome: "done", ..Event::default() };
    let mut call = Call { request, archive, policies, event };
    match answer(&mut call) {
        Ok(reply) => Response { reply, event: call.event },
        Err(refused) => {
            call.event.outcome = refused.outcome();
            Response { reply: refused.reply(request), event: call.event }
        }
    }
}

fn answer<A: Archive>(call: &mut Call<'_, A>) -> Result<Reply<A::Blob>, Refused> {
    let request = call.request;
    let (name, rest) = match request.path.get(2..) {
        Some([name, rest @ ..]) => (name.as_str(), rest),
        _ => return Err(nowhere()),
    };
    let endpoint = ENDPOINTS.iter().find(|endpoint| endpoint.method == request.method && endpoint.prefix[2] == name);
    let Some(endpoint) = endpoint else {
        let allowed = match name {
            "states" | "versions" | "content" | "outputs" | "difference" | "quarantine" => "GET",
            "lock" | "quarantined" => "GET, POST, DELETE",
            _ => return Err(nowhere()),
        };
        return Err(Refusal::MethodNotAllowed(allowed).into());
    };
    call.event.operation = endpoint.operation;
    if endpoint.needed == Needed::Nothing {
        if !rest.is_empty() {
            return Err(Refusal::InvalidPath("this resource has no path of a state behind it".to_owned()).into());
        }
        return if name == "states" { listing::states(call) } else { listing::quarantine(call) };
    }
    let path = StatePath::parse(rest, request.settings.path_segments)
        .map_err(|why| Refusal::InvalidPath(format!("after the first three, {why}")))?;
    path.state_key().clone_into(&mut call.event.path);
    match (endpoint.method, name) {
        ("GET", "versions") => states::versions(call, &path),
        ("GET", "content") => contents::content(call, &path),
        ("GET", "outputs") => contents::outputs(call, &path),
        ("GET", "difference") => contents::difference(call, &path),
        ("GET", "lock") => locking::get(call, &path),
        ("POST", "lock") => locking::take(call, &path),
        ("DELETE", "lock") => locking::release(call, &path),
        ("GET", _) => quarantined::get(call, &path),
        ("POST", _) => quarantined::accept(call, &path),
        _ => quarantined::discard(call, &path),
    }
}

fn nowhere() -> Refused {
    Refusal::InvalidPath("below /-/v1/ there is no such place, and no state".to_owned()).into()
}

impl<A: Archive> Call<'_, A> {
    /// The query, of which no other parameters are known than these.
    fn query(&self, known: &'static [&'static str]) -> Result<Query, Refusal> {
        Query::parse(self.request.query.as_deref().unwrap_or_default(), known)
    }

    /// The same request for the protocol's rules.
    fn under_rules<'b>(&'b self, request: &'b Request<A::Blob>, path: &'b StatePath) -> crate::Call<'b, A> {
        crate::Call { request, store: self.archive, policies: self.policies, path, event: self.event.clone() }
    }
}

/// An answer of JSON.
fn json<B>(view: &impl serde::Serialize) -> Reply<B> {
    let bytes = serde_json::to_vec(view).unwrap_or_default();
    Reply { status: 200, headers: vec![("content-type", "application/json".to_owned())], body: Body::Bytes(bytes) }
}
