//! What calls carry on to OpenBao besides what they ask: the trace that they belong to, so that whatever
//! stands on the way can be seen in it. The drivers know no more of traces than these two headers.

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

tokio::task_local! {
    static HEADERS: HeaderMap;
}

/// Makes a store call whose calls of OpenBao carry this W3C trace context
/// (<https://www.w3.org/TR/trace-context/>). What is not a header's value is left out.
pub async fn with_trace<F: Future>(traceparent: &str, tracestate: Option<&str>, call: F) -> F::Output {
    let mut headers = HeaderMap::with_capacity(2);
    if let Ok(value) = HeaderValue::from_str(traceparent) {
        headers.insert(TRACEPARENT, value);
    }
    if let Some(Ok(value)) = tracestate.map(HeaderValue::from_str) {
        headers.insert(TRACESTATE, value);
    }
    HEADERS.scope(headers, call).await
}

/// What the call that is being made carries on.
pub(crate) fn headers() -> HeaderMap {
    HEADERS.try_with(HeaderMap::clone).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_trace_is_carried_within_its_call_only() {
        let carried = with_trace("00-a", Some("v=1"), async { headers() }).await;
        assert_eq!((carried[TRACEPARENT].as_bytes(), carried[TRACESTATE].as_bytes()), (&b"00-a"[..], &b"v=1"[..]));
        assert!(headers().is_empty());
        assert!(with_trace("a\nb", None, async { headers() }).await.is_empty());
    }
}
