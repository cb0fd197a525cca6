//! A component's reply as an HTTP answer.

use bytes::Bytes;
use http::header::{CACHE_CONTROL, HeaderName, HeaderValue};
use http::{Response, StatusCode};
use http_body_util::Full;
use tofu_state_component::{Reply, ReplyBody};

use super::budget::Budget;
use super::head::REQUEST_ID;

/// Why a reply cannot be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unsendable {
    /// The memory for bodies is used up.
    Overloaded,
    /// It is no HTTP; what in it is not.
    Nonsense(&'static str),
}

/// The answer that `reply` describes. Its headers leave the connection alone: `host/component` has seen
/// to that. A state in it counts against `budget` until it has been sent.
///
/// # Errors
/// See [`Unsendable`].
pub fn response(reply: &Reply, budget: &Budget) -> Result<Response<Full<Bytes>>, Unsendable> {
    let body = match &reply.body {
        ReplyBody::None => Bytes::new(),
        ReplyBody::Bytes(bytes) => bytes.clone(),
        ReplyBody::State(bytes) => budget.charge(bytes.clone()).map_err(|_| Unsendable::Overloaded)?,
    };
    let mut response = Response::new(Full::new(body));
    // 1xx would be a promise of another answer.
    *response.status_mut() = StatusCode::from_u16(reply.status)
        .ok()
        .filter(|status| !status.is_informational())
        .ok_or(Unsendable::Nonsense("the status is no final HTTP status"))?;
    for (name, value) in &reply.headers {
        let name = HeaderName::from_bytes(name.as_bytes())
            .map_err(|_| Unsendable::Nonsense("a header's name is malformed"))?;
        let value = HeaderValue::from_str(value).map_err(|_| Unsendable::Nonsense("a header's value is malformed"))?;
        response.headers_mut().append(name, value);
    }
    Ok(response)
}

/// What every answer carries: its ID, and that nobody keeps it. States hold secrets.
pub fn seal<B>(response: &mut Response<B>, request_id: &str) {
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Ok(id) = HeaderValue::from_str(request_id) {
        headers.insert(REQUEST_ID, id);
    }
}
