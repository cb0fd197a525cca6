//! Gathers what is known of a request until it ends, however it does.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use http::request::Parts;
use tofu_state_component::policies::Review;
use tofu_state_component::{CallerKind, Event, Route, Times, TraceContext};
use tofu_state_store::Store;

use super::Telemetry;
use super::audit::Pending;
use super::finished::{Finished, GONE, Known, Upload};
use super::store_calls::{Noted, StoreCalls};
use super::traces::Begun;
use crate::access::Identity;
use crate::listener::head;

/// How many bytes of a path, a method or a header are recorded. They come from anybody, and states' paths
/// are shorter.
const LONGEST_FIELD: usize = 512;

/// Where a request's connection came from, as an extension of the request.
#[derive(Clone, Copy, Debug)]
pub struct Peer(pub SocketAddr);

/// What is known of a request so far. Dropped before [`finish`](Self::finish), it records that the
/// caller went away.
pub struct Record {
    telemetry: Arc<Telemetry>,
    began: Instant,
    store_calls: Arc<StoreCalls>,
    /// None once it has been handed on.
    finished: Option<Finished>,
}

impl Record {
    /// Begins with what the request's head says, and the number of the generation that answers it.
    #[must_use]
    pub fn begin(
        telemetry: &Arc<Telemetry>,
        generation: u64,
        request_id: &str,
        parts: &Parts,
        received: SystemTime,
    ) -> Self {
        telemetry.began();
        let header = |name| parts.headers.get(name).and_then(|value| value.to_str().ok()).map(cut);
        let incoming = head::trace(&parts.headers);
        let begun = telemetry.traces.as_ref().map(|traces| traces.begin(incoming.as_ref()));
        let finished = Finished {
            request_id: request_id.to_owned(),
            generation,
            method: cut(parts.method.as_str()),
            path: cut(parts.uri.path()),
            peer: parts.extensions.get::<Peer>().map(|peer| peer.0),
            forwarded_for: header("x-forwarded-for"),
            host: header("host"),
            user_agent: header("user-agent"),
            route: None,
            caller: None,
            right: None,
            received,
            duration: Duration::ZERO,
            status: GONE,
            event: None,
            upload: None,
            reviews: Vec::new(),
            refusal: Some("caller-gone"),
            trace: begun.as_ref().map(Begun::context).or(incoming),
            begun,
            call: None,
            store_calls: Vec::new(),
        };
        let telemetry = Arc::clone(telemetry);
        Self { telemetry, began: Instant::now(), store_calls: Arc::default(), finished: Some(finished) }
    }

    /// Now the caller is known.
    pub fn caller(&mut self, identity: &Identity, kind: CallerKind) {
        self.note(|finished| finished.caller = Some(Known { name: Arc::clone(identity.name()), kind }));
    }

    /// Now it is known what the request needs.
    pub fn takes(&mut self, route: &Route) {
        self.note(|finished| {
            finished.right = Some(route.right);
            let prefix = route.prefix.iter().flat_map(|segment| ["/", segment]);
            finished.route = Some(prefix.chain(["/{path}"]).collect());
        });
    }

    /// It is for no state: the route that it takes, and its path without what must not be recorded.
    pub fn serves(&mut self, route: &str, path: &str) {
        self.note(|finished| {
            finished.route = Some(route.to_owned());
            finished.path = cut(path);
        });
    }

    /// It is to upload a package.
    pub fn uploads(&mut self, upload: Upload) {
        self.note(|finished| finished.upload = Some(upload));
    }

    /// The package has come, and hashes to this.
    pub fn received(&mut self, sha256: String) {
        self.note(|finished| finished.upload.iter_mut().for_each(|upload| upload.sha256 = Some(sha256.clone())));
    }

    /// The package is there, and may have been there before.
    pub fn uploaded(&mut self, is_new: bool) {
        self.note(|finished| finished.upload.iter_mut().for_each(|upload| upload.is_new = is_new));
    }

    /// The request's own trace, for the component.
    #[must_use]
    pub fn trace(&self) -> Option<TraceContext> {
        self.finished.as_ref().and_then(|finished| finished.trace.clone())
    }

    /// `store`, but what is asked of it is noted here and counted.
    #[must_use]
    pub fn noting(&self, store: &Arc<dyn Store>) -> Arc<dyn Store> {
        let begun = self.finished.as_ref().and_then(|finished| finished.begun.clone());
        let (calls, metrics) = (Arc::clone(&self.store_calls), Arc::clone(&self.telemetry.metrics));
        Arc::new(Noted::new(Arc::clone(store), calls, metrics, begun))
    }

    /// The component's call has ended, in whatever way.
    pub fn called(&mut self, times: Times) {
        self.note(|finished| finished.call = Some(times));
    }

    /// The component has answered. What it tells is recorded even if its answer cannot be sent.
    pub fn event(&mut self, event: Event) {
        self.note(|finished| finished.event = Some(event));
    }

    /// What the policies said of the request's change.
    pub fn reviews(&mut self, reviews: Vec<Review>) {
        self.note(|finished| finished.reviews = reviews);
    }

    /// The component's answer is sent.
    pub fn finish(mut self, status: u16) -> Pending {
        self.end(status, None)
    }

    /// The host answers, with a stable word for why.
    pub fn refuse(mut self, status: u16, code: &'static str) -> Pending {
        self.end(status, Some(code))
    }

    fn note(&mut self, what: impl FnOnce(&mut Finished)) {
        if let Some(finished) = &mut self.finished {
            what(finished);
        }
    }

    fn end(&mut self, status: u16, refusal: Option<&'static str>) -> Pending {
        let Some(finished) = self.finished.take() else { return Pending::NONE };
        let (duration, store_calls) = (self.began.elapsed(), self.store_calls.take());
        self.telemetry.ended(&Finished { status, refusal, duration, store_calls, ..finished })
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        // Nobody waits for an answer.
        let _ = self.end(GONE, Some("caller-gone"));
    }
}

fn cut(text: &str) -> String {
    let end = text.floor_char_boundary(LONGEST_FIELD);
    text.get(..end).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_fields_are_cut_between_letters() {
        assert_eq!(cut("/a/b"), "/a/b");
        assert_eq!(cut(&"x".repeat(LONGEST_FIELD + 1)).len(), LONGEST_FIELD);
        assert_eq!(cut(&format!("x{}", "ä".repeat(LONGEST_FIELD))).len(), LONGEST_FIELD - 1);
    }
}
