//! Answers: documents, and errors in the form that all of this server's errors have.

use bytes::Bytes;
use http::header::{ALLOW, CONTENT_TYPE, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{Response, StatusCode};
use http_body_util::Full;
use serde::Serialize;
use tofu_state_providers::mirror::MirrorError;

use crate::listener::outgoing::Outgoing;
use crate::listener::refusal::TRY_AGAIN;

/// Why there is no answer.
pub(super) struct Refused {
    pub(super) status: StatusCode,
    pub(super) code: &'static str,
    pub(super) message: String,
    allow: Option<&'static str>,
    passes: bool,
}

impl Refused {
    pub(super) fn new(status: StatusCode, code: &'static str, message: &str) -> Self {
        Self { status, code, message: message.to_owned(), allow: None, passes: false }
    }

    pub(super) fn not_found(message: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not-found", message)
    }

    pub(super) fn method(allow: &'static str) -> Self {
        let message = format!("This path takes {allow}.");
        Self { allow: Some(allow), ..Self::new(StatusCode::METHOD_NOT_ALLOWED, "wrong-method", &message) }
    }

    /// What may be asked for again in a moment.
    pub(super) fn busy(code: &'static str, message: &str) -> Self {
        Self { passes: true, ..Self::new(StatusCode::SERVICE_UNAVAILABLE, code, message) }
    }

    pub(super) fn no_credentials() -> Self {
        let message = "Send a token: as a Bearer token, or as the password of Basic authentication.";
        Self::new(StatusCode::UNAUTHORIZED, "no-credentials", message)
    }

    pub(super) fn response(&self, request_id: &str) -> Response<Outgoing> {
        let error = serde_json::json!({"code": self.code, "message": self.message, "request_id": request_id});
        let mut response = json_bytes(serde_json::json!({"error": error}).to_string().into_bytes());
        *response.status_mut() = self.status;
        if let Some(allow) = self.allow {
            response.headers_mut().insert(ALLOW, HeaderValue::from_static(allow));
        }
        if self.passes {
            response.headers_mut().insert(RETRY_AFTER, TRY_AGAIN);
        }
        if self.status == StatusCode::UNAUTHORIZED {
            for challenge in ["Basic realm=\"tofu-state\"", "Bearer realm=\"tofu-state\""] {
                response.headers_mut().append(WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
            }
        }
        response
    }
}

impl From<MirrorError> for Refused {
    fn from(error: MirrorError) -> Self {
        if error.is_out_of_space() {
            tracing::error!(%error, "the mirror's disk is full");
            return Self::busy("mirror-full", "The mirror's disk is full: nothing was kept.");
        }
        let (status, code) = match error.cause() {
            // A client then asks the next of its sources.
            MirrorError::NotAllowed(_) => (StatusCode::NOT_FOUND, "not-mirrored"),
            MirrorError::NotFound(_) => (StatusCode::NOT_FOUND, "not-found"),
            MirrorError::Late(_) => (StatusCode::GATEWAY_TIMEOUT, "upstream-late"),
            MirrorError::Lost(_) => (StatusCode::INTERNAL_SERVER_ERROR, "package-lost"),
            MirrorError::Upstream(_) => (StatusCode::BAD_GATEWAY, "upstream"),
            MirrorError::Changed(_) => (StatusCode::BAD_GATEWAY, "upstream-changed"),
            MirrorError::Unsound(_) => (StatusCode::BAD_GATEWAY, "unsound-package"),
            MirrorError::Conflict(_) => (StatusCode::CONFLICT, "exists"),
            // A cause is never another's memory.
            MirrorError::Disk(_) | MirrorError::Remembered { .. } => {
                tracing::error!(%error, "the mirror's folder cannot be used");
                let message = "The mirror's disk cannot be used; the server's log says why.";
                return Self::new(StatusCode::INTERNAL_SERVER_ERROR, "mirror-disk", message);
            }
        };
        Self::new(status, code, &error.to_string())
    }
}

/// A document.
pub(super) fn json(value: &impl Serialize) -> Result<Response<Outgoing>, Refused> {
    match serde_json::to_vec(value) {
        Ok(bytes) => Ok(json_bytes(bytes)),
        Err(error) => Err(Refused::new(StatusCode::INTERNAL_SERVER_ERROR, "mirror-answer", &error.to_string())),
    }
}

fn json_bytes(bytes: Vec<u8>) -> Response<Outgoing> {
    whole(bytes, "application/json")
}

/// An answer that lies in memory.
pub(super) fn whole(bytes: Vec<u8>, content_type: &'static str) -> Response<Outgoing> {
    let mut response = Response::new(Outgoing::Whole(Full::new(Bytes::from(bytes))));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}
