//! Spans of work that is no request: what the crate of providers does, for a command or in the background of the
//! mirror.
//!
//! There the code says itself where a span begins and ends, by `tracing`; a layer makes OpenTelemetry's spans of them.
//! Their parents are known at once, unlike those of a request.

use std::fmt::Debug;
use std::sync::{Arc, OnceLock};
use std::time::SystemTime;

use opentelemetry::InstrumentationScope;
use opentelemetry::KeyValue;
use opentelemetry::trace::{SpanContext, SpanId, SpanKind, Status, TraceFlags, TraceState};
use opentelemetry_sdk::trace::{IdGenerator, SpanData, SpanEvents, SpanLinks};
use tracing::Subscriber;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing_subscriber::layer::{Context, Layer};
use tracing_subscriber::registry::LookupSpan;

use super::exporter::Queue;
use super::sampler::Sampler;
use super::{ids, new_span_id, scope};

/// Where the spans come from that are told.
pub(in crate::telemetry) const TARGET: &str = "tofu_state_providers";

/// The field that makes a span one of a failure, with what failed.
const ERROR: &str = "error";

/// The layer. Nothing is traced until [`Self::begin`]. Clones are one.
#[derive(Clone, Default)]
pub struct WorkSpans {
    sink: Arc<OnceLock<Sink>>,
}

struct Sink {
    sampler: Sampler,
    queue: Queue,
    scope: InstrumentationScope,
}

/// A span that has begun.
struct Open {
    context: SpanContext,
    parent: SpanId,
    began: SystemTime,
    attributes: Vec<KeyValue>,
    status: Status,
}

impl WorkSpans {
    /// From now on, spans of which some go into `queue`, as `sampler` decides.
    pub fn begin(&self, sampler: Sampler, queue: Queue) {
        // Whoever was first goes on.
        let _ = self.sink.set(Sink { sampler, queue, scope: scope() });
    }
}

impl Sink {
    /// Within `parent`, or as the first of a trace.
    fn open(&self, parent: Option<&SpanContext>) -> (SpanContext, SpanId) {
        let trace = parent.map_or_else(|| ids().new_trace_id(), SpanContext::trace_id);
        let sampled = parent.map_or_else(|| self.sampler.takes(None, trace), SpanContext::is_sampled);
        let flags = TraceFlags::default().with_sampled(sampled);
        let context = SpanContext::new(trace, new_span_id(), flags, false, TraceState::default());
        (context, parent.map_or(SpanId::INVALID, SpanContext::span_id))
    }
}

impl Visit for Open {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.record_str(field, &format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == ERROR {
            self.status = Status::error(value.to_owned());
        } else {
            self.attributes.push(KeyValue::new(field.name(), value.to_owned()));
        }
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.attributes.push(KeyValue::new(field.name(), i64::try_from(value).unwrap_or(i64::MAX)));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.attributes.push(KeyValue::new(field.name(), value));
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for WorkSpans {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let Some(sink) = self.sink.get() else { return };
        let Some(span) = context.span(id) else { return };
        let above = span.scope().skip(1).find_map(|above| Some(above.extensions().get::<Open>()?.context.clone()));
        let (own, parent) = sink.open(above.as_ref());
        let mut open =
            Open { context: own, parent, began: SystemTime::now(), attributes: Vec::new(), status: Status::Unset };
        attributes.record(&mut open);
        span.extensions_mut().insert(open);
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        if let Some(span) = context.span(id)
            && let Some(open) = span.extensions_mut().get_mut::<Open>()
        {
            values.record(open);
        }
    }

    fn on_close(&self, id: Id, context: Context<'_, S>) {
        let Some(sink) = self.sink.get() else { return };
        let Some(span) = context.span(&id) else { return };
        let Some(open) = span.extensions_mut().remove::<Open>() else { return };
        if !open.context.is_sampled() {
            return;
        }
        let outgoing = open.attributes.iter().any(|attribute| attribute.key.as_str() == "server.address");
        sink.queue.offer(vec![SpanData {
            span_context: open.context,
            parent_span_id: open.parent,
            parent_span_is_remote: false,
            span_kind: if outgoing { SpanKind::Client } else { SpanKind::Internal },
            name: span.name().into(),
            start_time: open.began,
            end_time: SystemTime::now(),
            attributes: open.attributes,
            dropped_attributes_count: 0,
            events: SpanEvents::default(),
            links: SpanLinks::default(),
            status: open.status,
            instrumentation_scope: sink.scope.clone(),
        }]);
    }
}
