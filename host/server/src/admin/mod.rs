//! `/livez`, `/readyz` and `/metrics`, read-only, on an address of their own.
//!
//! Readiness fails for the server's own faults only: it drains, or the callers' tokens have become wrong
//! in their files, which shows nowhere else until a caller with a new one is refused. The store's state stands in the body: if one
//! sealed OpenBao made every replica unready, callers would get a refused connection and not the 503
//! that tells them why.

use std::sync::Arc;

use bytes::Bytes;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use serde_json::json;
use tofu_state_component::Engine;
use tokio_util::sync::CancellationToken;

use crate::listener::accept::Answer;
use crate::listener::budget::Budget;
use crate::stores::watch::LastLook;
use crate::telemetry::Metrics;

/// What it takes to tell how the server is.
pub struct Admin {
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// Memory for bodies in flight.
    pub budget: Budget,
    /// How the store was at the last look.
    pub store: LastLook,
    /// What runs the component.
    pub engine: Engine,
    /// The component's digest.
    pub component: String,
    /// Cancelled once the server drains.
    pub draining: CancellationToken,
}

impl Answer for Admin {
    async fn answer(self: Arc<Self>, request: Request<Incoming>) -> Response<Full<Bytes>> {
        if request.method() != Method::GET && request.method() != Method::HEAD {
            let mut response = text(StatusCode::METHOD_NOT_ALLOWED, "This path takes GET, HEAD.\n");
            response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
            return response;
        }
        match request.uri().path() {
            "/livez" => text(StatusCode::OK, "ok\n"),
            "/readyz" => self.readiness(),
            "/metrics" => self.metrics(),
            _ => text(StatusCode::NOT_FOUND, "There are /livez, /readyz and /metrics.\n"),
        }
    }
}

impl Admin {
    fn readiness(&self) -> Response<Full<Bytes>> {
        let draining = self.draining.is_cancelled();
        let tokens_current = self.metrics.server.tokens_current();
        let tokens = if tokens_current {
            "those that are configured"
        } else {
            "wrong since they changed, the ones before are in use: the log says what is wrong"
        };
        let ready = !draining && tokens_current;
        let store = self.store.borrow().clone();
        let body = json!({
            "ready": ready,
            "draining": draining,
            "tokens": {"current": tokens_current, "detail": tokens},
            "audit": {"working": self.metrics.audit.works()},
            "component": {"sha256": self.component},
            "store": {"available": store.available, "detail": store.detail},
            "version": env!("CARGO_PKG_VERSION"),
        });
        let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
        respond(status, "application/json", format!("{body}\n").into_bytes())
    }

    fn metrics(&self) -> Response<Full<Bytes>> {
        self.metrics.server.set_body_memory(self.budget.taken(), self.budget.total());
        self.metrics.component.look(&self.engine);
        self.metrics.process.look();
        match self.metrics.encode() {
            Ok((content_type, body)) => respond(StatusCode::OK, &content_type, body),
            Err(error) => {
                tracing::error!(%error, "metrics cannot be encoded");
                text(StatusCode::INTERNAL_SERVER_ERROR, "Metrics cannot be encoded; see the log.\n")
            }
        }
    }
}

fn text(status: StatusCode, body: &'static str) -> Response<Full<Bytes>> {
    respond(status, "text/plain; charset=utf-8", body.as_bytes().to_vec())
}

fn respond(status: StatusCode, content_type: &str, body: Vec<u8>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Ok(value) = HeaderValue::from_str(content_type) {
        headers.insert(CONTENT_TYPE, value);
    }
    response
}
