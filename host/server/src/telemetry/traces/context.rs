//! W3C trace context, as text in headers and lock documents, and as OpenTelemetry's numbers.

use std::str::FromStr;

use opentelemetry::trace::{SpanContext, SpanId, TraceFlags, TraceId, TraceState};
use tofu_state_component::TraceContext;

use crate::listener::head;

/// The longest `tracestate` that is read.
const LONGEST_STATE: usize = 512;

/// The context that `text` stands for; none if it is none. It may come from anybody's lock document.
pub(super) fn read(text: &TraceContext) -> Option<SpanContext> {
    let traceparent = text.traceparent.as_str();
    if !head::is_traceparent(traceparent) {
        return None;
    }
    let mut parts = traceparent.split('-').skip(1);
    let trace = TraceId::from_hex(parts.next()?).ok()?;
    let span = SpanId::from_hex(parts.next()?).ok()?;
    let flags = TraceFlags::new(u8::from_str_radix(parts.next()?, 16).ok()?);
    let state = text.tracestate.as_deref().filter(|state| state.len() <= LONGEST_STATE);
    let state = state.and_then(|state| TraceState::from_str(state).ok()).unwrap_or_default();
    Some(SpanContext::new(trace, span, flags, true, state))
}

/// `context` as text.
pub(super) fn write(context: &SpanContext) -> TraceContext {
    let (trace, span) = (context.trace_id(), context.span_id());
    let flags = u8::from(context.is_sampled());
    let state = context.trace_state().header();
    TraceContext {
        traceparent: format!("00-{trace:032x}-{span:016x}-{flags:02x}"),
        tracestate: (!state.is_empty()).then_some(state),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(traceparent: &str, tracestate: Option<&str>) -> TraceContext {
        TraceContext { traceparent: traceparent.to_owned(), tracestate: tracestate.map(str::to_owned) }
    }

    #[test]
    fn what_is_written_can_be_read() {
        for parent in [
            "00-0af7651916cd43dd8448eb211c80319c-00f067aa0ba902b7-01",
            "00-000000000000000000000000000000ff-0000000000000001-00",
        ] {
            for state in [None, Some("vendor=a,other=b")] {
                let written = write(&read(&text(parent, state)).unwrap());
                assert_eq!((written.traceparent.as_str(), written.tracestate.as_deref()), (parent, state));
            }
        }
    }

    #[test]
    fn what_is_no_context_is_none() {
        for bad in ["", "00", "00-+af7651916cd43dd8448eb211c80319c-00f067aa0ba902b7-01", "01-a-b-c", "ä"] {
            assert!(read(&text(bad, None)).is_none(), "{bad}");
        }
        let good = "00-0af7651916cd43dd8448eb211c80319c-00f067aa0ba902b7-01";
        assert_eq!(write(&read(&text(good, Some("no state"))).unwrap()).tracestate, None);
        assert_eq!(write(&read(&text(good, Some(&"a=b,".repeat(200)))).unwrap()).tracestate, None);
    }
}
