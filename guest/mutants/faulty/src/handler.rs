//! What the host calls.

use crate::bindings::handler::{BodySize, Event, Guest, Header, Operation, ReplyBody, Request, Response, Right, Route};
use crate::bindings::{locks, store};
use crate::{calm, faults};

/// The component.
pub(crate) struct Faulty;

impl Guest for Faulty {
    fn routes() -> Vec<Route> {
        let route = |method: &str, prefix: &[&str], right, body, waits_for_store| Route {
            method: method.to_owned(),
            prefix: prefix.iter().map(|segment| (*segment).to_owned()).collect(),
            right,
            body,
            waits_for_store,
        };
        vec![
            route("POST", &[], Right::Write, BodySize::State, true),
            route("POST", &["small"], Right::Write, BodySize::Small, false),
            route("POST", &["small", "deep"], Right::Delete, BodySize::Small, true),
        ]
    }

    fn handle(request: Request) -> Response {
        #[cfg(feature = "reaches-out")]
        crate::reaching::reach();
        let segments: Vec<&str> = request.path.iter().map(String::as_str).collect();
        let behaviour = segments.first().copied().unwrap_or_default();
        let rest = segments.get(1..).unwrap_or_default().join("/");
        faults::misbehave(behaviour, &rest)
            .or_else(|| calm::behave(behaviour, &rest, &request))
            .unwrap_or_else(|| reply(404, "no such behaviour"))
    }
}

impl locks::Guest for Faulty {
    fn held(_: Vec<String>) -> Result<Vec<locks::HeldLock>, store::Error> {
        Ok(Vec::new())
    }
}

/// A plain answer.
pub(crate) fn reply(status: u16, body: &str) -> Response {
    response(status, &[], ReplyBody::Bytes(body.as_bytes().to_vec()))
}

/// An answer with everything that the tests vary.
pub(crate) fn response(status: u16, headers: &[(&str, &str)], body: ReplyBody) -> Response {
    Response {
        status,
        headers: headers
            .iter()
            .map(|(name, value)| Header { name: (*name).to_owned(), value: (*value).to_owned() })
            .collect(),
        body,
        event: Event {
            operation: Operation::None,
            outcome: "done".to_owned(),
            path: String::new(),
            lock_id: None,
            lock_who: None,
            forced: false,
            unlocked: false,
            before: None,
            after: None,
            conflicts: 0,
            denied_by: None,
            quarantined: None,
            run_trace: None,
        },
    }
}
