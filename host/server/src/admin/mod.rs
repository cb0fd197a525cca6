//! `/livez`, `/readyz` and `/metrics`, read-only, on an address of their own.
//!
//! Readiness says whether requests are taken, and fails only once the server drains. What is wrong beside that
//! stands in the body, in the log and in a metric with an alert: replicas share their store, and mostly their
//! files, so they would all become unready at once, and callers would get a refused connection.
//! - The store's state: a sealed OpenBao gives 503s that tell why.
//! - Tokens, certificate, component or policies that have become wrong in their files: those from before go on
//!   serving. (A server does not start with wrong ones, so a roll-out of them stops at the first replica.)

pub mod commands;
pub mod socket;

use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use serde_json::json;
use time::OffsetDateTime;
use tofu_state_component::Engine;
use tofu_state_store::openbao::{Ending, OpenBao};
use tokio_util::sync::CancellationToken;

use crate::generations::Generations;
use crate::listener::accept::Answer;
use crate::listener::budget::Budget;
use crate::listener::outgoing::Outgoing;
use crate::stores::watch::LastLook;
use crate::telemetry::Metrics;
use crate::telemetry::metrics::TokenExpiry;
use crate::tls::{Standing, Tls};

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
    /// The certificate that states are served with, if they are over TLS.
    pub tls: Option<Tls>,
    /// OpenBao, if states lie there: its token's end is told.
    pub openbao: Option<Arc<OpenBao>>,
    /// What serves.
    pub generations: Arc<Generations>,
    /// Cancelled once the server drains.
    pub draining: CancellationToken,
}

impl Answer for Admin {
    async fn answer(self: Arc<Self>, request: Request<Incoming>) -> Response<Outgoing> {
        self.reply(&request).map(Outgoing::Whole)
    }
}

impl Admin {
    fn reply<B>(&self, request: &Request<B>) -> Response<Full<Bytes>> {
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

    fn readiness(&self) -> Response<Full<Bytes>> {
        let draining = self.draining.is_cancelled();
        let tokens_current = self.metrics.server.tokens_current();
        let tokens = if tokens_current {
            "those that are configured"
        } else {
            "wrong since they changed, the ones before are in use: the log says what is wrong"
        };
        let certificate = self.certificate();
        let ready = !draining;
        let certificate = certificate.map(|standing| json!({"current": standing.current, "detail": standing.detail}));
        let store = self.store.borrow().clone();
        let generation = self.generations.current();
        let failure = self.generations.failure();
        let body = json!({
            "ready": ready,
            "draining": draining,
            "tokens": {"current": tokens_current, "detail": tokens},
            "audit": {"working": self.metrics.audit.works()},
            "certificate": certificate,
            "generation": {
                "number": generation.number,
                "protocol": {"sha256": generation.parts.protocol.digest(), "source": generation.parts.protocol_source},
                "current": failure.is_none(),
                "detail": failure.map_or_else(|| "what is configured".to_owned(), |failure| failure.what),
            },
            "store": {"available": store.available, "detail": store.detail},
            "version": env!("CARGO_PKG_VERSION"),
        });
        let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
        respond(status, "application/json", format!("{body}\n").into_bytes())
    }

    fn certificate(&self) -> Option<Standing> {
        self.tls.as_ref().map(|tls| tls.standing(OffsetDateTime::now_utc()))
    }

    fn metrics(&self) -> Response<Full<Bytes>> {
        if let Some(standing) = self.certificate() {
            self.metrics.server.set_certificate(&standing);
        }
        self.metrics.store.set_service_token_expiry(self.openbao.as_ref().and_then(|openbao| {
            let Ending::After(left) = openbao.token_ending() else { return None };
            Some(TokenExpiry { at: SystemTime::now().checked_add(left)?, lifetime: openbao.token_lifetime() })
        }));
        self.metrics.server.set_body_memory(self.budget.taken(), self.budget.total());
        self.metrics.component.look(&self.engine);
        self.metrics.process.look();
        self.metrics.generations.look(&self.generations);
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
