//! A component's reply as an HTTP answer.

use bytes::Bytes;
use http::header::{CACHE_CONTROL, HeaderName, HeaderValue};
use http::{Response, StatusCode};
use http_body_util::Full;
use tofu_state_component::{Reply, ReplyBody};

use super::head::REQUEST_ID;

/// The answer that `reply` describes. Its headers leave the connection alone: `host/component` has seen
/// to that.
///
/// # Errors
/// What in it is no HTTP.
pub fn response(reply: &Reply) -> Result<Response<Full<Bytes>>, &'static str> {
    let body = match &reply.body {
        ReplyBody::None => Bytes::new(),
        ReplyBody::Bytes(bytes) | ReplyBody::State(bytes) => bytes.clone(),
    };
    let mut response = Response::new(Full::new(body));
    // 1xx would be a promise of another answer.
    *response.status_mut() = StatusCode::from_u16(reply.status)
        .ok()
        .filter(|status| !status.is_informational())
        .ok_or("the status is no final HTTP status")?;
    for (name, value) in &reply.headers {
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| "a header's name is malformed")?;
        let value = HeaderValue::from_str(value).map_err(|_| "a header's value is malformed")?;
        response.headers_mut().append(name, value);
    }
    Ok(response)
}

/// What every answer carries: its ID, and that nobody keeps it. States hold secrets.
pub fn seal(response: &mut Response<Full<Bytes>>, request_id: &str) {
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Ok(id) = HeaderValue::from_str(request_id) {
        headers.insert(REQUEST_ID, id);
    }
}
