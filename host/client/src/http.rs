//! HTTP as the CLIs speak it: their retries, `Retry-After`, and no redirect that would turn a POST into a GET.

use std::error::Error as _;
use std::time::Duration;

use backon::{ExponentialBuilder, Retryable};
use bytes::Bytes;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER};
use reqwest::{Certificate, Identity, Method, Url, redirect, retry};
use secrecy::ExposeSecret;

use crate::error::Error;
use crate::settings::{Credentials, Tls};

/// The longest wait for a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// The longest wait between two pieces of an answer. A write may wait for a store that fails over.
const READ_TIMEOUT: Duration = Duration::from_secs(180);
/// How often a request is repeated, and the pauses between: what the CLIs' client does.
const RETRIES: usize = 2;
const SHORTEST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// Whether an answer may come from elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Redirects {
    /// A redirect is an answer.
    Refused,
    /// For sources, which are only read.
    Followed,
}

/// A client with credentials, for one server.
pub struct Http {
    client: reqwest::Client,
    credentials: Credentials,
    headers: HeaderMap,
}

/// What came back.
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Bytes,
}

impl Http {
    /// A client that may speak to servers at addresses like `server`.
    ///
    /// # Errors
    /// A sentence: a certificate or key is no good.
    pub fn new(server: &Url, credentials: Credentials, tls: &Tls, redirects: Redirects) -> Result<Self, Error> {
        // Fails only where the process has a provider already, and then that one serves.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut builder = reqwest::Client::builder()
            .retry(retry::never())
            .connect_timeout(CONNECT_TIMEOUT)
            .read_timeout(READ_TIMEOUT)
            .user_agent(concat!("tofu-state/", env!("CARGO_PKG_VERSION")));
        if redirects == Redirects::Refused {
            builder = builder.redirect(redirect::Policy::none());
        }
        if let Some(pem) = &tls.ca {
            let certificates = Certificate::from_pem_bundle(pem.as_bytes()).ok().filter(|found| !found.is_empty());
            builder =
                builder.tls_certs_only(certificates.ok_or_else(|| Error::other("the CA certificate is not PEM"))?);
        } else if server.scheme() == "http" && redirects == Redirects::Refused {
            // A plain address needs no trusted certificates, and a small image may have none.
            builder = builder.tls_certs_only([]);
        }
        if let Some(pem) = &tls.identity {
            let identity = Identity::from_pem(pem.as_bytes())
                .map_err(|_| Error::other("the client's certificate and key are not a pair in PEM"))?;
            builder = builder.identity(identity);
        }
        let client =
            builder.build().map_err(|error| Error::other(format!("HTTP cannot be spoken: {}", causes(&error))))?;
        Ok(Self { client, credentials, headers: HeaderMap::new() })
    }

    /// Adds a header to every request.
    #[must_use]
    pub fn with_header(mut self, name: reqwest::header::HeaderName, value: HeaderValue) -> Self {
        self.headers.insert(name, value);
        self
    }

    /// One request, repeated as the CLIs do where no answer comes, or a passing refusal (429, 5xx but 501).
    ///
    /// # Errors
    /// [`Error::NoAnswer`]. Any status is an answer.
    pub async fn send(&self, method: &Method, url: &Url, headers: &HeaderMap, body: &Bytes) -> Result<Answer, Error> {
        let pauses = ExponentialBuilder::default()
            .with_min_delay(SHORTEST_PAUSE)
            .with_max_delay(LONGEST_PAUSE)
            .with_max_times(RETRIES);
        let sent = (async || self.once(method, url, headers, body).await)
            .retry(pauses)
            .adjust(|failed: &Failed, pause| match failed {
                Failed::Passing(answer) => pause.map(|pause| retry_after(&answer.headers).unwrap_or(pause)),
                Failed::NoAnswer(_) => pause,
            })
            .await;
        match sent {
            Ok(answer) | Err(Failed::Passing(answer)) => Ok(answer),
            Err(Failed::NoAnswer(why)) => Err(Error::NoAnswer { place: place(url), why }),
        }
    }

    async fn once(&self, method: &Method, url: &Url, headers: &HeaderMap, body: &Bytes) -> Result<Answer, Failed> {
        let failed = |error: reqwest::Error| Failed::NoAnswer(causes(&error.without_url()));
        let mut request = self.client.request(method.clone(), url.clone()).headers(self.headers.clone());
        if let Some(password) = &self.credentials.password
            && !self.headers.contains_key(AUTHORIZATION)
        {
            request = request.basic_auth(&self.credentials.username, Some(password.expose_secret()));
        }
        if !body.is_empty() {
            request = request.header(CONTENT_TYPE, "application/json").body(body.clone());
        }
        let response = request.headers(headers.clone()).send().await.map_err(failed)?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let answer = Answer { status, headers, body: response.bytes().await.map_err(failed)? };
        // As go-retryablehttp, which the CLIs use, has it.
        if status == 429 || (status >= 500 && status != 501) { Err(Failed::Passing(answer)) } else { Ok(answer) }
    }
}

/// What is worth a repetition.
enum Failed {
    Passing(Answer),
    NoAnswer(String),
}

fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(RETRY_AFTER)?.to_str().ok()?.parse().ok()?;
    Some(Duration::from_secs(seconds).min(LONGEST_PAUSE))
}

/// An address for people: without its query, which may hold a signature.
#[must_use]
pub fn place(url: &Url) -> String {
    let mut url = url.clone();
    url.set_query(None);
    url.to_string()
}

/// An error with what caused it.
fn causes(error: &reqwest::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(&format!(": {error}"));
        cause = error.source();
    }
    text
}
