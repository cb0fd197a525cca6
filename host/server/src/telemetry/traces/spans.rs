//! The spans of a request that has ended: its own, the component's call, each store call and each policy's review.
//!
//! Names are those of OpenTelemetry's semantic conventions
//! (<https://opentelemetry.io/docs/specs/semconv/http/http-spans/>, …/db/database-spans/), our own begin with
//! `tofu_state.`. What may stand in a log line may stand here: no query, no body, no token.

use std::borrow::Cow;
use std::time::{Duration, SystemTime};

use opentelemetry::trace::{Link, SpanContext, SpanId, SpanKind, Status};
use opentelemetry::{KeyValue, Value};
use opentelemetry_sdk::trace::{SpanData, SpanEvents, SpanLinks};

use tofu_state_component::policies::{Review, Word};

use super::{Begun, Place, Traces, new_span_id};
use crate::telemetry::Finished;
use crate::telemetry::finished::{GONE, Known};
use crate::telemetry::store_calls::{StoreCall, is_failure};

/// The methods that may name a span; any other is `_OTHER`. A span's name comes from a small set.
const METHODS: [&str; 11] =
    ["CONNECT", "DELETE", "GET", "HEAD", "LOCK", "OPTIONS", "PATCH", "POST", "PUT", "TRACE", "UNLOCK"];

/// All spans of a request.
pub(super) fn of(finished: &Finished, begun: &Begun, place: &Place, traces: &Traces) -> Vec<SpanData> {
    let mut spans = Vec::with_capacity(2 + finished.store_calls.len() + finished.reviews.len());
    spans.push(request(finished, place, traces));
    let Some((began, ran)) = finished.call.and_then(|times| times.ran) else { return spans };
    let component = Span {
        context: within(&place.span, new_span_id()),
        parent: Some(&place.span),
        kind: SpanKind::Internal,
        name: "component".into(),
        began,
        duration: ran,
        attributes: finished
            .call
            .map(|times| {
                vec![
                    KeyValue::new("tofu_state.component.queued_seconds", times.queued.as_secs_f64()),
                    KeyValue::new("tofu_state.component.computed_seconds", times.computed.as_secs_f64()),
                ]
            })
            .unwrap_or_default(),
        link: None,
        status: Status::Unset,
    };
    let calls =
        finished.store_calls.iter().filter_map(|call| store_call(call, &component.context, begun, place, traces));
    spans.extend(calls);
    spans.extend(finished.reviews.iter().map(|review| policy(review, finished, &component.context, place, traces)));
    spans.push(component.made(traces));
    spans
}

/// A span before it is put into OpenTelemetry's form.
struct Span<'a> {
    context: SpanContext,
    parent: Option<&'a SpanContext>,
    kind: SpanKind,
    name: Cow<'static, str>,
    began: SystemTime,
    duration: Duration,
    attributes: Vec<KeyValue>,
    link: Option<SpanContext>,
    status: Status,
}

impl Span<'_> {
    fn made(self, traces: &Traces) -> SpanData {
        let mut links = SpanLinks::default();
        links.links.extend(self.link.map(Link::with_context));
        SpanData {
            span_context: self.context,
            parent_span_id: self.parent.map_or(SpanId::INVALID, SpanContext::span_id),
            parent_span_is_remote: self.parent.is_some_and(SpanContext::is_remote),
            span_kind: self.kind,
            name: self.name,
            start_time: self.began,
            end_time: self.began + self.duration,
            attributes: self.attributes,
            dropped_attributes_count: 0,
            events: SpanEvents::default(),
            links,
            status: self.status,
            instrumentation_scope: traces.scope.clone(),
        }
    }
}

fn request(finished: &Finished, place: &Place, traces: &Traces) -> SpanData {
    let method = METHODS.into_iter().find(|method| *method == finished.method);
    let name = match (method.unwrap_or("HTTP"), &finished.route) {
        (method, Some(route)) => format!("{method} {route}").into(),
        (method, None) => method.into(),
    };
    let status = match finished.status {
        500.. => Status::error(finished.outcome().to_owned()),
        _ => Status::Unset,
    };
    Span {
        context: place.span.clone(),
        parent: place.parent.as_ref(),
        kind: SpanKind::Server,
        name,
        began: finished.received,
        duration: finished.duration,
        attributes: request_attributes(finished, method),
        link: place.link.clone(),
        status,
    }
    .made(traces)
}

fn request_attributes(finished: &Finished, method: Option<&'static str>) -> Vec<KeyValue> {
    let mut told = Attributes::default();
    told.tell("http.request.method", Some(method.unwrap_or("_OTHER")));
    told.tell("http.request.method_original", method.is_none().then(|| finished.method.clone()));
    told.tell("http.route", finished.route.clone());
    told.tell("http.response.status_code", (finished.status != GONE).then_some(i64::from(finished.status)));
    told.tell(
        "error.type",
        match finished.status {
            GONE => Some("caller-gone".to_owned()),
            status @ 500.. => Some(status.to_string()),
            _ => None,
        },
    );
    told.tell("url.path", Some(finished.path.clone()));
    let (host, port) = finished.host.as_deref().map(host_and_port).unzip();
    told.tell("server.address", host);
    told.tell("server.port", port.flatten());
    told.tell("network.peer.address", finished.peer.map(|peer| peer.ip().to_string()));
    told.tell("network.peer.port", finished.peer.map(|peer| i64::from(peer.port())));
    told.tell("user_agent.original", finished.user_agent.clone());

    told.tell("tofu_state.request_id", Some(finished.request_id.clone()));
    told.tell("tofu_state.operation", Some(finished.operation()));
    told.tell("tofu_state.outcome", Some(finished.outcome().to_owned()));
    told.tell("tofu_state.generation", Some(number(finished.generation)));
    told.tell("tofu_state.path", finished.state_path().map(str::to_owned));
    told.tell("tofu_state.caller.name", finished.caller.as_ref().map(|caller| caller.name.to_string()));
    told.tell("tofu_state.caller.kind", finished.caller.as_ref().map(Known::kind));
    let Some(event) = &finished.event else { return told.0 };
    told.tell("tofu_state.lock.id", event.lock_id.clone());
    told.tell("tofu_state.lock.who", event.lock_who.clone());
    told.tell("tofu_state.forced", Some(event.forced));
    told.tell("tofu_state.without_lock", Some(event.unlocked));
    told.tell("tofu_state.denied_by", event.denied_by.clone());
    told.tell("tofu_state.quarantined", event.quarantined.clone());
    told.tell("tofu_state.conflicts", Some(i64::from(event.conflicts)));
    told.tell("tofu_state.serial.before", event.before.as_ref().map(|state| number(state.serial)));
    told.tell("tofu_state.serial.after", event.after.as_ref().map(|state| number(state.serial)));
    told.tell("tofu_state.size.before", event.before.as_ref().map(|state| number(state.size)));
    told.tell("tofu_state.size.after", event.after.as_ref().map(|state| number(state.size)));
    told.0
}

fn store_call(
    call: &StoreCall,
    component: &SpanContext,
    begun: &Begun,
    place: &Place,
    traces: &Traces,
) -> Option<SpanData> {
    let carried = call.span?;
    let failed = is_failure(call.outcome);
    let mut told = Attributes::default();
    told.tell("db.system.name", Some(traces.store));
    told.tell("db.operation.name", Some(call.operation));
    told.tell("error.type", failed.then_some(call.outcome));
    told.tell("tofu_state.store.key", Some(call.key.clone()));
    told.tell("tofu_state.store.outcome", Some(call.outcome));
    let span = Span {
        context: within(&place.span, carried),
        parent: Some(component),
        kind: SpanKind::Client,
        name: format!("store {}", call.operation).into(),
        began: call.began,
        duration: call.duration,
        attributes: told.0,
        // What OpenBao was told it belongs to.
        link: place.elsewhere.then(|| within(&begun.own, carried)),
        status: if failed { Status::error(call.outcome) } else { Status::Unset },
    };
    Some(span.made(traces))
}

/// Not why it said so: its words may be a state's.
fn policy(review: &Review, finished: &Finished, component: &SpanContext, place: &Place, traces: &Traces) -> SpanData {
    let failed = review.verdict == Word::Error;
    let mut told = Attributes::default();
    told.tell("tofu_state.policy.name", Some(review.name.to_string()));
    told.tell("tofu_state.policy.sha256", Some(review.digest.to_string()));
    told.tell("tofu_state.policy.verdict", Some(review.verdict.as_str()));
    told.tell("tofu_state.policy.refused", Some(review.refused));
    told.tell("tofu_state.generation", Some(number(finished.generation)));
    told.tell("error.type", failed.then_some("policy-failed"));
    let label =
        |(name, value): &(String, String)| KeyValue::new(format!("tofu_state.policy.label.{name}"), value.clone());
    told.0.extend(review.labels.iter().map(label));
    let span = Span {
        context: within(&place.span, new_span_id()),
        parent: Some(component),
        kind: SpanKind::Internal,
        // Names come from the operator's file.
        name: format!("policy {}", review.name).into(),
        began: review.began,
        duration: review.duration,
        attributes: told.0,
        link: None,
        status: if failed { Status::error("policy-failed") } else { Status::Unset },
    };
    span.made(traces)
}

/// What is counted without a sign, as OpenTelemetry has it.
fn number(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// Another span of the same trace.
fn within(context: &SpanContext, span: SpanId) -> SpanContext {
    SpanContext::new(context.trace_id(), span, context.trace_flags(), false, context.trace_state().clone())
}

/// `Host` as its two parts; an IPv6 address without its brackets.
fn host_and_port(host: &str) -> (String, Option<i64>) {
    let (name, port) = match host.rsplit_once(':') {
        Some((name, port)) if !port.ends_with(']') => (name, port.parse::<u16>().ok()),
        _ => (host, None),
    };
    (name.trim_matches(['[', ']']).to_owned(), port.map(i64::from))
}

#[derive(Default)]
struct Attributes(Vec<KeyValue>);

impl Attributes {
    fn tell(&mut self, name: &'static str, value: Option<impl Into<Value>>) {
        self.0.extend(value.map(|value| KeyValue::new(name, value)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts() {
        for (text, host, port) in [
            ("states.example.com", "states.example.com", None),
            ("states.example.com:8080", "states.example.com", Some(8080)),
            ("127.0.0.1:1", "127.0.0.1", Some(1)),
            ("[::1]:8080", "::1", Some(8080)),
            ("[::1]", "::1", None),
            ("a:b", "a", None),
            ("", "", None),
        ] {
            assert_eq!(host_and_port(text), (host.to_owned(), port), "{text}");
        }
    }
}
