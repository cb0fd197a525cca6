//! Traces: one for each run of a CLI, from its LOCK to its UNLOCK, whichever server answers.
//!
//! The lock document carries the context of the LOCK that took it, so a request's trace is known only when
//! the component has answered. Until then it has a context of its own (the caller's trace, or a new one),
//! which its store calls carry on to OpenBao; at its end, its spans are made at once, with their times, in
//! the trace that it belongs to (`spans.rs`), and handed to a queue (`exporter.rs`). No request waits for it.

mod context;
pub mod exporter;
pub mod sampler;
mod spans;
pub mod work;

use opentelemetry::InstrumentationScope;
use opentelemetry::trace::{SpanContext, SpanId, TraceFlags};
use opentelemetry_sdk::trace::{IdGenerator, RandomIdGenerator};
use tofu_state_component::TraceContext;

use super::Finished;
use exporter::Queue;
use sampler::Sampler;

/// Makes spans of requests.
pub struct Traces {
    sampler: Sampler,
    queue: Queue,
    /// What the spans call the store: `openbao` or `embedded`.
    store: &'static str,
    scope: InstrumentationScope,
}

/// The context of a request before anybody knows which run it belongs to.
#[derive(Clone, Debug)]
pub struct Begun {
    /// Its own: that of its span.
    own: SpanContext,
    /// The caller's.
    incoming: Option<SpanContext>,
}

impl Begun {
    /// Its own context, for the component: a LOCK leaves it in the lock document.
    #[must_use]
    pub fn context(&self) -> TraceContext {
        context::write(&self.own)
    }

    /// The context of a new call that is made for it.
    #[must_use]
    pub fn call(&self) -> SpanContext {
        let Self { own, .. } = self;
        SpanContext::new(own.trace_id(), new_span_id(), own.trace_flags(), false, own.trace_state().clone())
    }
}

/// A context as text.
#[must_use]
pub fn text(context: &SpanContext) -> TraceContext {
    context::write(context)
}

impl Traces {
    /// Spans of which some go into `queue`, as `sampler` decides. They call the store `store`.
    #[must_use]
    pub fn new(sampler: Sampler, queue: Queue, store: &'static str) -> Self {
        Self { sampler, queue, store, scope: scope() }
    }

    /// Begins a request's trace, or goes on with the caller's.
    #[must_use]
    pub fn begin(&self, incoming: Option<&TraceContext>) -> Begun {
        let incoming = incoming.and_then(context::read);
        let trace = incoming.as_ref().map_or_else(|| ids().new_trace_id(), SpanContext::trace_id);
        let flags = TraceFlags::default().with_sampled(self.sampler.takes(incoming.as_ref(), trace));
        let state = incoming.as_ref().map(|incoming| incoming.trace_state().clone()).unwrap_or_default();
        Begun { own: SpanContext::new(trace, new_span_id(), flags, false, state), incoming }
    }

    /// A request has ended.
    pub(super) fn ended(&self, finished: &Finished) {
        if let Some(begun) = &finished.begun
            && let Some(place) = self.place(begun, finished)
        {
            self.queue.offer(spans::of(finished, begun, &place, self));
        }
    }

    /// Where a request's span stands; none if its trace is not recorded.
    fn place(&self, begun: &Begun, finished: &Finished) -> Option<Place> {
        let Begun { own, incoming } = begun;
        let run = finished.event.as_ref().and_then(|event| event.run_trace.as_ref()).and_then(context::read);
        // The LOCK that took the lock finds itself there.
        let itself = |run: &SpanContext| (run.trace_id(), run.span_id()) == (own.trace_id(), own.span_id());
        match run.filter(|run| !itself(run)) {
            None if own.is_sampled() => {
                Some(Place { span: own.clone(), parent: incoming.clone(), link: None, elsewhere: false })
            }
            Some(run) if self.sampler.takes(Some(&run), run.trace_id()) => {
                let flags = TraceFlags::SAMPLED;
                let state = run.trace_state().clone();
                let span = SpanContext::new(run.trace_id(), own.span_id(), flags, false, state);
                let elsewhere = run.trace_id() != own.trace_id();
                Some(Place { span, parent: Some(run), link: incoming.clone(), elsewhere })
            }
            None | Some(_) => None,
        }
    }
}

/// Where a request's span stands.
struct Place {
    span: SpanContext,
    parent: Option<SpanContext>,
    /// The caller's context, where that is not the parent.
    link: Option<SpanContext>,
    /// In another trace than that which its store calls have carried on.
    elsewhere: bool,
}

fn scope() -> InstrumentationScope {
    InstrumentationScope::builder("tofu-state").with_version(env!("CARGO_PKG_VERSION")).build()
}

fn ids() -> RandomIdGenerator {
    RandomIdGenerator::default()
}

fn new_span_id() -> SpanId {
    ids().new_span_id()
}
