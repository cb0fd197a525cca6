//! The HTTP state backend's protocol: paths, locks, states and their replies.
//!
//! It reaches nothing but a [`Store`](outside::Store) and [`Policies`]: no network, file, clock or environment. As a
//! component for WASI (`component.rs`) it serves in production; as this plain library it is tested.
//! The rules are those of OpenTofu's and Terraform's `http` backend
//! (<https://opentofu.org/docs/language/settings/backends/http/>).

pub mod archive;
pub mod document;
pub mod exchange;
pub mod header;
pub mod held;
pub mod lock_info;
pub mod outside;
pub mod path;
pub mod policies;
pub mod recovery;
pub mod reply;

#[cfg(all(target_arch = "wasm32", feature = "component"))]
mod bindings;
mod change;
#[cfg(all(target_arch = "wasm32", feature = "component"))]
mod component;
mod fence;
mod json;
mod lock;
mod quarantine;
mod retention;
mod review;
mod scan;
mod state;
#[cfg(test)]
mod tests;
mod time;

use exchange::{Event, Operation, Reply, Request, Response};
use outside::Store;
use path::{StatePath, Target};
use policies::Policies;
use reply::Refusal;

/// One request on its way through the rules.
pub(crate) struct Call<'a, S: Store> {
    request: &'a Request<S::Blob>,
    store: &'a S,
    policies: &'a dyn Policies<S::Blob>,
    path: &'a StatePath,
    event: Event,
}

impl<S: Store> Call<'_, S> {
    /// The reply to a request that finds its work done, by an earlier copy of itself.
    fn replayed(&mut self, reply: Reply<S::Blob>) -> Reply<S::Blob> {
        self.event.outcome = "replayed";
        reply
    }
}

/// What the host must know of a request before it lets it in, see `wit/handler.wit`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Route {
    /// The HTTP method.
    pub method: &'static str,
    /// Leading path segments; the state's path follows them.
    pub prefix: &'static [&'static str],
    /// What it does.
    pub operation: Operation,
}

/// Where the lock's face begins.
const LOCK_FACE: &[&str] = &["-", "lock"];

/// All routes. `PUT` is an alias of `POST`.
pub const ROUTES: &[Route] = &[
    Route { method: "GET", prefix: &[], operation: Operation::Get },
    Route { method: "POST", prefix: &[], operation: Operation::Write },
    Route { method: "PUT", prefix: &[], operation: Operation::Write },
    Route { method: "DELETE", prefix: &[], operation: Operation::Delete },
    Route { method: "LOCK", prefix: &[], operation: Operation::Lock },
    Route { method: "UNLOCK", prefix: &[], operation: Operation::Unlock },
    Route { method: "POST", prefix: LOCK_FACE, operation: Operation::Lock },
    Route { method: "PUT", prefix: LOCK_FACE, operation: Operation::Lock },
    Route { method: "DELETE", prefix: LOCK_FACE, operation: Operation::Unlock },
];

/// Answers one request.
pub fn handle<S: Store>(request: &Request<S::Blob>, store: &S, policies: &dyn Policies<S::Blob>) -> Response<S::Blob> {
    let target = match Target::parse(&request.path, request.settings.path_segments) {
        Ok(target) => target,
        Err(why) => {
            let refusal = Refusal::InvalidPath(why.to_string());
            let event = Event { outcome: refusal.outcome(), ..Event::default() };
            return Response { reply: refusal.reply(&request.request_id), event };
        }
    };
    let (path, prefix, allowed) = match &target {
        Target::State(path) => (path, &[][..], reply::STATE_METHODS),
        Target::Lock(path) => (path, LOCK_FACE, reply::LOCK_METHODS),
    };
    let event = Event { path: path.state_key().to_owned(), outcome: "done", ..Event::default() };
    let mut call = Call { request, store, policies, path, event };
    let route = ROUTES.iter().find(|route| route.method == request.method && route.prefix == prefix);
    match answer(&mut call, route, allowed) {
        Ok(reply) => Response { reply, event: call.event },
        Err(refusal) => {
            call.event.outcome = refusal.outcome();
            Response { reply: refusal.reply(&request.request_id), event: call.event }
        }
    }
}

fn answer<S: Store>(
    call: &mut Call<'_, S>,
    route: Option<&Route>,
    allowed: &'static str,
) -> Result<Reply<S::Blob>, Refusal> {
    match route.map_or(Operation::None, |route| route.operation) {
        Operation::Get => state::get(call),
        Operation::Write => change::write(call),
        Operation::Delete => change::delete(call),
        Operation::Lock => lock::lock(call),
        Operation::Unlock | Operation::ForceUnlock => lock::unlock(call),
        // The last five belong to the recovery API, and no route of the protocol.
        Operation::None
        | Operation::List
        | Operation::Outputs
        | Operation::Difference
        | Operation::Accept
        | Operation::Discard => Err(Refusal::MethodNotAllowed(allowed)),
    }
}
