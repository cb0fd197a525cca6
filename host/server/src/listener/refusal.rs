//! The host's own statuses: what it answers without the component, or in its place. All of them, and
//! the shape of their bodies, stand here.

use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_TYPE, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{Response, StatusCode};
use http_body_util::Full;
use tofu_state_component::Failure;

use super::body::BodyError;
use crate::access;

/// Seconds after which a caller may try again what was refused because too much was going on.
pub const TRY_AGAIN: HeaderValue = HeaderValue::from_static("1");

/// Why the host answers itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The request carries no credentials.
    NoCredentials,
    /// Its credentials are wrong or expired.
    WrongCredentials,
    /// The caller lacks the right that the request needs there.
    MissingRight,
    /// The body is larger than it may be.
    BodyTooLarge,
    /// The body came too slowly.
    BodyTooSlow,
    /// The body ended early, or broke HTTP's rules.
    BodyBroken,
    /// The memory for bodies is used up: none is left for the request's.
    BodyMemory,
    /// The memory for bodies is used up: none is left for the answer's.
    AnswerMemory,
    /// All instances are busy.
    Busy,
    /// The component failed.
    Failed,
    /// The component answered what is no HTTP.
    Nonsense,
    /// The component did not end in time.
    OutOfTime,
}

impl From<access::Refusal> for Refusal {
    fn from(refusal: access::Refusal) -> Self {
        match refusal {
            access::Refusal::NoCredentials => Self::NoCredentials,
            access::Refusal::WrongCredentials => Self::WrongCredentials,
        }
    }
}

impl From<BodyError> for Refusal {
    fn from(error: BodyError) -> Self {
        match error {
            BodyError::TooLarge => Self::BodyTooLarge,
            BodyError::Overloaded => Self::BodyMemory,
            BodyError::Slow => Self::BodyTooSlow,
            BodyError::Broken => Self::BodyBroken,
        }
    }
}

impl From<&Failure> for Refusal {
    fn from(failure: &Failure) -> Self {
        match failure {
            Failure::Busy => Self::Busy,
            Failure::Trapped(_) | Failure::OutOfMemory(_) => Self::Failed,
            Failure::Endless(_) | Failure::Deadline => Self::OutOfTime,
        }
    }
}

impl Refusal {
    /// The status.
    #[must_use]
    pub fn status(self) -> StatusCode {
        self.told().0
    }

    /// A word that stays the same from release to release.
    #[must_use]
    pub fn code(self) -> &'static str {
        self.told().1
    }

    fn told(self) -> (StatusCode, &'static str, &'static str) {
        match self {
            Self::NoCredentials => (
                StatusCode::UNAUTHORIZED,
                "no-credentials",
                "Send a token: as a Bearer token, or as the password of Basic authentication.",
            ),
            Self::WrongCredentials => {
                (StatusCode::FORBIDDEN, "wrong-credentials", "The token is unknown or has expired.")
            }
            Self::MissingRight => (
                StatusCode::FORBIDDEN,
                "missing-right",
                "This token does not have the right that this request needs here.",
            ),
            Self::BodyTooLarge => (
                StatusCode::PAYLOAD_TOO_LARGE,
                "body-too-large",
                "The body is larger than this server takes here (for a state: MAX_STATE_BYTES).",
            ),
            Self::BodyTooSlow => {
                (StatusCode::REQUEST_TIMEOUT, "body-too-slow", "The body came too slowly; nothing was done.")
            }
            Self::BodyBroken => (StatusCode::BAD_REQUEST, "body-broken", "The body ended early; nothing was done."),
            Self::BodyMemory => (
                StatusCode::SERVICE_UNAVAILABLE,
                "overloaded",
                "Too many bodies are being sent at once (MAX_BODY_MEMORY); nothing was done. Try again.",
            ),
            Self::AnswerMemory => (
                StatusCode::SERVICE_UNAVAILABLE,
                "overloaded",
                "Too many states are being sent at once (MAX_BODY_MEMORY) for this one to be sent too. Try again.",
            ),
            Self::Busy => (
                StatusCode::SERVICE_UNAVAILABLE,
                "busy",
                "Too many requests are being served; nothing was done. Try again.",
            ),
            Self::Failed => (
                StatusCode::INTERNAL_SERVER_ERROR,
                "component-failed",
                "The request failed inside the server. Whether it was done is unknown; the server's log says why.",
            ),
            Self::Nonsense => (
                StatusCode::INTERNAL_SERVER_ERROR,
                "component-answer",
                "The server could not make an answer. Whether the request was done is unknown.",
            ),
            Self::OutOfTime => (
                StatusCode::GATEWAY_TIMEOUT,
                "out-of-time",
                "The request took too long and was ended. Whether it was done is unknown.",
            ),
        }
    }

    /// The answer to the caller. The protocol's own errors have the same body.
    #[must_use]
    pub fn response(self, request_id: &str) -> Response<Full<Bytes>> {
        let (status, code, message) = self.told();
        let body = serde_json::json!({"error": {"code": code, "message": message, "request_id": request_id}});
        let mut response = Response::new(Full::new(Bytes::from(body.to_string())));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        match self {
            Self::NoCredentials => {
                headers.append(WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"tofu-state\""));
                headers.append(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"tofu-state\""));
            }
            Self::BodyMemory | Self::AnswerMemory | Self::Busy => {
                headers.insert(RETRY_AFTER, TRY_AGAIN);
            }
            // What is left of the body cannot be told from a next request.
            Self::BodyTooSlow | Self::BodyBroken => {
                headers.insert(CONNECTION, HeaderValue::from_static("close"));
            }
            _ => {}
        }
        response
    }
}
