//! What is taken from a request's head besides its path.

use http::HeaderMap;
use http::header::{ACCEPT, CONTENT_ENCODING, CONTENT_TYPE, HeaderName, IF_MATCH, IF_NONE_MATCH, USER_AGENT};
use tofu_state_component::TraceContext;

/// The header that carries a request's ID both ways.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The longest ID that is taken from a caller.
const LONGEST_ID: usize = 128;

/// The longest `tracestate` that is carried on (W3C Trace Context, section 3.3.1.5, asks for 512).
const LONGEST_TRACESTATE: usize = 512;

/// What a component may see. A list of what is allowed, not of what is not: a header may carry a
/// secret under any name.
const PASSED_ON: [HeaderName; 7] = [
    ACCEPT,
    CONTENT_ENCODING,
    HeaderName::from_static("content-md5"),
    CONTENT_TYPE,
    IF_MATCH,
    IF_NONE_MATCH,
    USER_AGENT,
];

/// The caller's ID for this request if it can stand in a log as it is, else a new one.
#[must_use]
pub fn request_id(headers: &HeaderMap) -> String {
    let given = headers.get(REQUEST_ID).and_then(|value| value.to_str().ok());
    let fine = |id: &&str| {
        (1..=LONGEST_ID).contains(&id.len())
            && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-:/+=".contains(&byte))
    };
    given.filter(fine).map_or_else(|| uuid::Uuid::new_v4().simple().to_string(), str::to_owned)
}

/// The headers that a component gets, names in lower case.
#[must_use]
pub fn passed_on(headers: &HeaderMap) -> Vec<(String, String)> {
    headers
        .iter()
        .filter(|(name, _)| PASSED_ON.contains(name))
        .map(|(name, value)| (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
        .collect()
}

/// The caller's trace, if it sent one that has the form of version 00 of W3C Trace Context.
#[must_use]
pub fn trace(headers: &HeaderMap) -> Option<TraceContext> {
    let traceparent = headers.get("traceparent")?.to_str().ok()?;
    if !is_traceparent(traceparent) {
        return None;
    }
    let tracestate = headers
        .get("tracestate")
        .and_then(|value| value.to_str().ok())
        .filter(|state| !state.is_empty() && state.len() <= LONGEST_TRACESTATE)
        .map(str::to_owned);
    Some(TraceContext { traceparent: traceparent.to_owned(), tracestate })
}

/// Whether `text` has the form of version 00 of `traceparent`.
pub(crate) fn is_traceparent(text: &str) -> bool {
    let hex = |part: &str, len: usize| {
        part.len() == len && part.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
    };
    let some = |part: &str| part.bytes().any(|b| b != b'0');
    let mut parts = text.split('-');
    let (version, trace, span, flags) = (parts.next(), parts.next(), parts.next(), parts.next());
    parts.next().is_none()
        && version == Some("00")
        && trace.is_some_and(|trace| hex(trace, 32) && some(trace))
        && span.is_some_and(|span| hex(span, 16) && some(span))
        && flags.is_some_and(|flags| hex(flags, 2))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap())).collect()
    }

    #[test]
    fn an_id_that_could_forge_a_log_line_is_replaced() {
        assert_eq!(request_id(&headers(&[("x-request-id", "run-12_a.b")])), "run-12_a.b");
        for bad in ["", "a b", "a\"b", "a{b}", &"x".repeat(129)] {
            let id = request_id(&headers(&[("x-request-id", bad)]));
            assert!(id != bad && id.len() == 32, "{bad}");
        }
        assert_ne!(request_id(&HeaderMap::new()), request_id(&HeaderMap::new()));
    }

    #[test]
    fn no_secret_reaches_a_component() {
        let all = headers(&[
            ("authorization", "Bearer x"),
            ("cookie", "x"),
            ("x-vault-token", "x"),
            ("content-md5", "abc"),
            ("content-type", "application/json"),
        ]);
        let mut passed = passed_on(&all);
        passed.sort();
        let expected = [("content-md5", "abc"), ("content-type", "application/json")];
        assert_eq!(passed, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
    }

    #[test]
    fn traces() {
        let good = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        let context = trace(&headers(&[("traceparent", good), ("tracestate", "a=b")])).unwrap();
        assert_eq!((context.traceparent.as_str(), context.tracestate.as_deref()), (good, Some("a=b")));
        for bad in [
            "",
            "00-0AF7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-x",
        ] {
            assert!(trace(&headers(&[("traceparent", bad)])).is_none(), "{bad}");
        }
    }
}
