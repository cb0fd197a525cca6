//! Requests and replies between the host's terms and the contract's.
//!
//! A reply is checked here, so that a wrong component can neither crash the server, nor split a
//! response, nor frame one itself.

use std::iter;
use std::time::UNIX_EPOCH;

use http::{HeaderName, HeaderValue, header};
use wasmtime::component::Resource;

use crate::bindings::exports::tofu_state::backend::handler as contract;
use crate::content::Content;
use crate::exchange::{Failure, Reply, ReplyBody, Request};
use crate::guest::Guest;

/// Headers in a reply, and the bytes of their names and values together.
const MAX_HEADERS: usize = 32;
const MAX_HEADER_BYTES: usize = 16 << 10;

/// The longest word that an event's outcome may be: it becomes a metric's label.
const MAX_OUTCOME_BYTES: usize = 32;

/// The longest text in an event. Lock IDs and names come from callers, and events go to logs.
const MAX_EVENT_TEXT_BYTES: usize = 2048;

/// Headers that say how a response is framed or what becomes of its connection: the server's alone.
const FRAMING: &[HeaderName] = &[
    header::CONNECTION,
    header::CONTENT_LENGTH,
    header::TRANSFER_ENCODING,
    header::TE,
    header::TRAILER,
    header::UPGRADE,
    header::PROXY_AUTHENTICATE,
];

/// The request as the component gets it; the body becomes a handle.
pub(crate) fn request(request: Request, guest: &mut Guest) -> wasmtime::Result<contract::Request> {
    let body = match request.body {
        Some(blob) => Some(guest.lend(Content::Digested(blob))?),
        None => None,
    };
    // Before 1970 there are no requests, and the year 584 million is far away.
    let received = request.received.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
    Ok(contract::Request {
        method: request.method,
        path: request.path,
        query: request.query,
        headers: request.headers.into_iter().map(|(name, value)| contract::Header { name, value }).collect(),
        body,
        caller: request.caller,
        received: u64::try_from(received).unwrap_or(u64::MAX),
        settings: request.settings,
        trace: request.trace,
        request_id: request.request_id,
    })
}

/// The component's answer in the host's terms, if it is one that can be sent.
pub(crate) fn reply(response: contract::Response, guest: &mut Guest) -> Result<Reply, Failure> {
    let wrong = |what: &str| Failure::Trapped(format!("its answer cannot be sent: {what}"));
    if !(200..=599).contains(&response.status) {
        return Err(wrong("the status is not between 200 and 599"));
    }
    let body = match response.body {
        contract::ReplyBody::None => ReplyBody::None,
        contract::ReplyBody::Bytes(bytes) => ReplyBody::Bytes(bytes.into()),
        contract::ReplyBody::Blob(blob) => ReplyBody::State(taken(blob, guest).ok_or_else(|| wrong("no such blob"))?),
    };
    if matches!(response.status, 204 | 205 | 304) && body != ReplyBody::None {
        return Err(wrong("a body with a status that has none"));
    }
    let headers: Vec<_> = response.headers.into_iter().map(|header| (header.name, header.value)).collect();
    check_headers(&headers).map_err(wrong)?;
    let outcome = &response.event.outcome;
    let word = |b: u8| b.is_ascii_lowercase() || b == b'-';
    if outcome.is_empty() || outcome.len() > MAX_OUTCOME_BYTES || !outcome.bytes().all(word) {
        return Err(wrong("the outcome is not a word of lower-case letters and dashes"));
    }
    let mut event = response.event;
    shorten(&mut event);
    let reviews = std::mem::take(&mut guest.reviews);
    Ok(Reply { status: response.status, headers, body, event, reviews })
}

fn shorten(event: &mut contract::Event) {
    let headers = event.before.iter_mut().chain(&mut event.after);
    let header_texts = headers.flat_map(|header| iter::once(&mut header.lineage).chain(&mut header.tool_version));
    let texts = iter::once(&mut event.path)
        .chain(&mut event.lock_id)
        .chain(&mut event.lock_who)
        .chain(&mut event.denied_by)
        .chain(&mut event.quarantined)
        .chain(header_texts);
    for text in texts {
        text.truncate(text.floor_char_boundary(MAX_EVENT_TEXT_BYTES));
    }
}

fn taken(blob: Resource<Content>, guest: &mut Guest) -> Option<bytes::Bytes> {
    guest.take_back(blob).ok().map(|content| content.bytes().clone())
}

fn check_headers(headers: &[(String, String)]) -> Result<(), &'static str> {
    let bytes: usize = headers.iter().map(|(name, value)| name.len() + value.len()).sum();
    if headers.len() > MAX_HEADERS || bytes > MAX_HEADER_BYTES {
        return Err("too many or too large headers");
    }
    for (name, value) in headers {
        let name = HeaderName::from_lowercase(name.as_bytes()).map_err(|_| "a header's name is not one")?;
        HeaderValue::from_str(value).map_err(|_| "a header's value is not one")?;
        if FRAMING.contains(&name) {
            return Err("a header that only the server may set");
        }
    }
    Ok(())
}
