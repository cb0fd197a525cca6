//! HTTP calls to OpenBao: one pooled client, deadlines, no redirects, no repetition.

use std::error::Error as _;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Certificate, Method, StatusCode, Url, redirect, retry};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use super::login::Session;
use super::{InvalidSettings, Settings, answer};
use crate::{Error, carried};

const TOKEN: HeaderName = HeaderName::from_static("x-vault-token");
const NAMESPACE: HeaderName = HeaderName::from_static("x-vault-namespace");
/// Where a node's storage stands; sent back, it says how far a node must be to answer.
pub(super) const INDEX: HeaderName = HeaderName::from_static("x-vault-index");
/// What a node is to do that is not that far.
pub(super) const INCONSISTENT: HeaderName = HeaderName::from_static("x-vault-inconsistent");

/// The longest wait for a connection: one that takes longer is not going to be made.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// Calls one OpenBao, or a balancer before several nodes of one cluster, with the server's own token.
pub(super) struct Client {
    http: Http,
    session: Session,
    /// How long one call may take.
    pub(super) timeout: Duration,
}

/// Calls with whatever token it is given.
pub(super) struct Http {
    client: reqwest::Client,
    /// The address with `/v1/` at its end.
    base: String,
    namespace: Option<HeaderValue>,
}

/// What came back.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    /// Where the node stands. Errors carry none, nor does a server without raft.
    pub(super) index: Option<Index>,
    pub(super) body: Bytes,
}

/// A node's place in its cluster's history: `{"cluster": "<id>", "value": "<number>"}` in base64 (OpenBao 2.7).
#[derive(Debug, PartialEq, Eq, Deserialize)]
pub(super) struct Index {
    pub(super) cluster: String,
    value: String,
}

impl Index {
    fn parse(header: &HeaderValue) -> Option<Self> {
        serde_json::from_slice(&STANDARD.decode(header.as_bytes()).ok()?).ok()
    }

    /// How far the node is. OpenBao calls the value opaque: none where it is not raft's number.
    pub(super) fn reached(&self) -> Option<u64> {
        self.value.parse().ok()
    }
}

impl Client {
    pub(super) fn new(settings: Settings) -> Result<Self, InvalidSettings> {
        let http = Http::new(&settings)?;
        Ok(Self { http, session: Session::new(settings.login)?, timeout: settings.call_timeout })
    }

    /// The token in use, and how to come by another.
    pub(super) fn session(&self) -> &Session {
        &self.session
    }

    /// Calls with another token, or with none.
    pub(super) fn http(&self) -> &Http {
        &self.http
    }

    /// One call below `/v1/` with `headers` besides the token and the namespace. Any status is an answer;
    /// an error means that none came.
    ///
    /// A call that was refused because OpenBao does not know the token any more is made again with another,
    /// if there is one to be had: nothing was done.
    pub(super) async fn call(
        &self,
        method: Method,
        path: &str,
        headers: &HeaderMap,
        body: Option<Bytes>,
    ) -> Result<Answer, Error> {
        let token = self.session.token(&self.http).await?;
        let answer = self.http.call(method.clone(), path, headers, body.clone(), Some(&token.header)).await?;
        if answer.status != StatusCode::FORBIDDEN {
            return Ok(answer);
        }
        match self.session.instead_of(&token, &self.http, headers).await {
            Some(other) => self.http.call(method, path, headers, body, Some(&other.header)).await,
            None => Ok(answer),
        }
    }

    /// A call to what belongs to the whole server and needs neither a token nor a namespace.
    pub(super) async fn call_openly(&self, path: &str) -> Result<Answer, Error> {
        answer_of(self.http.client.get(format!("{}{path}", self.http.base))).await.map_err(no_answer)
    }
}

impl Http {
    fn new(settings: &Settings) -> Result<Self, InvalidSettings> {
        // Fails only where the process has a provider already, and then that one serves.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let base = base(&settings.address)?;
        let namespace = match settings.namespace.as_deref().map(|namespace| namespace.trim_matches('/')) {
            None | Some("") => None,
            Some(namespace) => Some(
                HeaderValue::from_str(namespace)
                    .map_err(|_| InvalidSettings::new("the namespace has characters that a header cannot hold"))?,
            ),
        };
        let mut builder = reqwest::Client::builder()
            .http1_only()
            .no_proxy()
            // A 307 names the node that was active last. It may be dead, or not be reachable from here.
            .redirect(redirect::Policy::none())
            // Repeating is the caller's business, who knows how long to wait. See `Client::call` for reads.
            .retry(retry::never())
            .connect_timeout(CONNECT_TIMEOUT.min(settings.call_timeout))
            .timeout(settings.call_timeout)
            // Balancers drop idle connections, many after a minute.
            .pool_idle_timeout(Duration::from_secs(30))
            .tcp_keepalive(Duration::from_secs(15));
        if let Some(pem) = &settings.ca_certificate {
            let certificates = Certificate::from_pem_bundle(pem)
                .map_err(|_| InvalidSettings::new("the CA certificate is not a PEM file with certificates"))?;
            if certificates.is_empty() {
                return Err(InvalidSettings::new("the CA certificate's file holds no certificate"));
            }
            builder = builder.tls_certs_only(certificates);
        } else if base.starts_with("http:") {
            // A plain address needs no trusted certificates, and a small image may have none.
            builder = builder.tls_certs_only([]);
        }
        let client = builder.build().map_err(|error| {
            InvalidSettings::new(format!("the HTTP client cannot be made: {}", innermost(&error.without_url())))
        })?;
        Ok(Self { client, base, namespace })
    }

    /// One call below `/v1/` with `headers`, a token if there is one, and the namespace. Any status is an answer;
    /// an error means that none came.
    ///
    /// A read is made twice if its connection broke: a balancer may have closed one that lay in the pool.
    /// Everything else is made once.
    pub(super) async fn call(
        &self,
        method: Method,
        path: &str,
        headers: &HeaderMap,
        body: Option<Bytes>,
        token: Option<&HeaderValue>,
    ) -> Result<Answer, Error> {
        let is_read = method == Method::GET;
        let mut request = self.client.request(method, format!("{}{path}", self.base));
        request = request.headers(headers.clone()).headers(carried::headers());
        if let Some(token) = token {
            request = request.header(TOKEN, token);
        }
        if let Some(namespace) = &self.namespace {
            request = request.header(NAMESPACE, namespace);
        }
        if let Some(body) = body {
            request = request.header(CONTENT_TYPE, "application/json").body(body);
        }
        let again = request.try_clone().filter(|_| is_read);
        match (answer_of(request).await, again) {
            (Err(broken), Some(again)) if !broken.is_connect() && !broken.is_timeout() => answer_of(again).await,
            (answer, _) => answer,
        }
        .map_err(no_answer)
    }
}

async fn answer_of(request: reqwest::RequestBuilder) -> Result<Answer, reqwest::Error> {
    let response = request.send().await?;
    let status = response.status();
    let index = response.headers().get(INDEX).and_then(Index::parse);
    let body = response.bytes().await?;
    Ok(Answer { status, index, body })
}

/// The URL is left out of the text: it may hold what an operator put into it.
fn no_answer(error: reqwest::Error) -> Error {
    answer::no_answer(error.is_timeout() && !error.is_connect(), &innermost(&error.without_url()))
}

/// The first cause says most: "connection refused" rather than "error sending request".
fn innermost(error: &reqwest::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = cause.to_string();
        source = cause.source();
    }
    text
}

fn base(address: &str) -> Result<String, InvalidSettings> {
    let url = Url::parse(address).map_err(|_| InvalidSettings::new("the address is not a URL"))?;
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        return Err(InvalidSettings::new("the address must begin with http:// or https:// and name a host"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(InvalidSettings::new("the address must not hold a user name or password"));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(InvalidSettings::new("the address must not hold a query or a fragment"));
    }
    Ok(format!("{}/v1/", url.as_str().trim_end_matches('/')))
}

/// The header that carries a token.
pub(super) fn token_header(secret: &SecretString) -> Result<HeaderValue, InvalidSettings> {
    let token = secret.expose_secret();
    if token.is_empty() {
        return Err(InvalidSettings::new("the token is empty"));
    }
    let mut value = HeaderValue::from_str(token)
        .map_err(|_| InvalidSettings::new("the token has characters that no token has, such as a line end"))?;
    value.set_sensitive(true);
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        assert_eq!(base("http://localhost:8200").unwrap(), "http://localhost:8200/v1/");
        assert_eq!(base("https://bao.example/some/way/").unwrap(), "https://bao.example/some/way/v1/");
        for bad in ["", "localhost:8200", "ftp://a", "http://u:secret@a", "http://a/?x=1", "http://a/#x", "unix:///x"] {
            let error = base(bad).unwrap_err().to_string();
            assert!(!error.contains("secret"), "{error}");
        }
    }

    #[test]
    fn tokens_are_never_shown() {
        assert!(token_header(&SecretString::from("")).is_err());
        let error = token_header(&SecretString::from("hunter2\n")).unwrap_err();
        assert!(!error.to_string().contains("hunter2"));
        let value = token_header(&SecretString::from("hunter2")).unwrap();
        assert!(!format!("{value:?}").contains("hunter2"));
    }

    #[test]
    fn indexes() {
        let parse = |json: &str| Index::parse(&HeaderValue::from_str(&STANDARD.encode(json)).unwrap());
        let index = parse(r#"{"cluster":"c","value":"38"}"#).unwrap();
        assert_eq!((index.cluster.as_str(), index.reached()), ("c", Some(38)));
        assert_eq!(parse(r#"{"cluster":"c","value":"0/16B3748"}"#).unwrap().reached(), None);
        assert_eq!(parse("[]"), None);
        assert_eq!(Index::parse(&HeaderValue::from_static("c:38")), None);
    }
}
