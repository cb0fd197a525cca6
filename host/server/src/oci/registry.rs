//! One registry, asked for manifests and blobs:
//! <https://github.com/opencontainers/distribution-spec/blob/main/spec.md#pull>

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::{ACCEPT, AUTHORIZATION, HeaderValue};
use http::{HeaderMap, StatusCode};
use reqwest::{Certificate, Client, Response, Url, redirect};
use sha2::{Digest, Sha256};
use tofu_state_providers::oci::challenge::{self, Challenge, MAX_TOKEN, basic};
use tofu_state_providers::oci::docker::Credentials;
use tofu_state_providers::oci::name::is_loopback;

use super::credentials;
use super::manifest::ACCEPTED;
use super::{Kind, PullError, Reference, Settings};

const CONNECT_TIME: Duration = Duration::from_secs(10);
/// How long a registry may send nothing.
const SILENCE: Duration = Duration::from_secs(15);
/// How long one request may take, its body included.
const REQUEST_TIME: Duration = Duration::from_secs(90);
/// Registries send blobs from elsewhere, by one redirect; more are odd.
const MOST_REDIRECTS: usize = 4;

/// A registry, for one pull.
pub(super) struct Registry {
    http: Client,
    base: String,
    name: String,
    credentials: Option<Credentials>,
    authorization: Option<HeaderValue>,
}

impl Registry {
    /// Asks nobody yet.
    pub(super) fn new(reference: &Reference, settings: &Settings) -> Result<Self, PullError> {
        let Reference { registry, repository, .. } = reference;
        // Fails only where the process has a provider already, and then that one serves.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let plain = reference.is_loopback() && settings.ca.is_none();
        let mut builder = Client::builder()
            .redirect(redirect::Policy::custom(follow))
            .connect_timeout(CONNECT_TIME)
            .read_timeout(SILENCE)
            .timeout(REQUEST_TIME);
        if let Some(path) = &settings.ca {
            let certificates = certificates(path).map_err(PullError::Wrong)?;
            builder = builder.tls_certs_only(certificates);
        } else if plain {
            // Nothing on this machine's own addresses is asked over TLS, and a small image may have no certificates.
            builder = builder.tls_certs_only([]).no_proxy();
        }
        let http = builder
            .build()
            .map_err(|error| PullError::Wrong(format!("the HTTP client cannot be made: {}", error.without_url())))?;
        let credentials = match &settings.credentials {
            Some(path) => credentials::read(path, registry).map_err(PullError::Wrong)?,
            None => None,
        };
        let scheme = if plain { "http" } else { "https" };
        let base = format!("{scheme}://{registry}/v2/{repository}");
        Ok(Self { http, base, name: reference.to_string(), credentials, authorization: None })
    }

    /// What has that SHA-256, checked.
    pub(super) async fn fetch(&mut self, kind: Kind, sha256: &str, most: usize) -> Result<Bytes, PullError> {
        let (what, path) = match kind {
            Kind::Manifest => ("the manifest", "manifests"),
            Kind::Blob => ("the layer", "blobs"),
        };
        let url = format!("{}/{path}/sha256:{sha256}", self.base);
        let mut response = self.get(&url).await?;
        if response.status() == StatusCode::UNAUTHORIZED {
            self.authorization = Some(self.authorize(response.headers()).await?);
            response = self.get(&url).await?;
        }
        let status = response.status();
        if status != StatusCode::OK {
            let told = format!("{}: the registry answers {status} for {what}", self.name);
            let passing = status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS;
            return Err(if passing { PullError::Passing(told) } else { PullError::Wrong(told) });
        }
        let bytes = whole(response, most).await.map_err(|error| self.named(error))?;
        let found = hex::encode(Sha256::digest(&bytes));
        if found != sha256 {
            return Err(PullError::Wrong(format!(
                "{}: the registry sent other bytes for {what}: their SHA-256 is {found}, not {sha256}",
                self.name
            )));
        }
        Ok(bytes)
    }

    async fn get(&self, url: &str) -> Result<Response, PullError> {
        let mut request = self.http.get(url).header(ACCEPT, ACCEPTED);
        if let Some(authorization) = &self.authorization {
            request = request.header(AUTHORIZATION, authorization.clone());
        }
        request.send().await.map_err(|error| self.named(unreachable(&error)))
    }

    async fn authorize(&self, headers: &HeaderMap) -> Result<HeaderValue, PullError> {
        let wrong = |what: &str| PullError::Wrong(format!("{}: {what}", self.name));
        if self.authorization.is_some() {
            return Err(wrong("the registry refuses the credentials that it has just taken"));
        }
        match Challenge::of(headers) {
            Some(Challenge::Basic) => match &self.credentials {
                Some(credentials) => Ok(basic(credentials)),
                None => Err(wrong("the registry wants credentials: name them in OCI_CREDENTIALS_FILE")),
            },
            Some(Challenge::Bearer { realm, service, scope }) => {
                self.token(&realm, service.as_deref(), scope.as_deref()).await
            }
            None => Err(wrong("the registry wants credentials of a kind that is not known here")),
        }
    }

    async fn token(&self, realm: &str, service: Option<&str>, scope: Option<&str>) -> Result<HeaderValue, PullError> {
        let wrong = |what: &str| PullError::Wrong(format!("{}: {what}", self.name));
        let url = challenge::token_url(realm, service, scope);
        let url = url.ok_or_else(|| wrong("the registry names a token service that is no URL"))?;
        if !may_be_asked(&url) {
            return Err(wrong("the registry names a token service without TLS on another machine"));
        }
        let mut request = self.http.get(url);
        if let Some(credentials) = &self.credentials {
            request = request.header(AUTHORIZATION, basic(credentials));
        }
        let response = request.send().await.map_err(|error| self.named(unreachable(&error)))?;
        let status = response.status();
        if status != StatusCode::OK {
            let what = format!("the registry's token service answers {status}: are the credentials right?");
            return Err(wrong(&what));
        }
        let body = whole(response, MAX_TOKEN).await.map_err(|error| self.named(error))?;
        let token = challenge::token_in(&body).ok_or_else(|| wrong("the registry's token service sent no token"))?;
        challenge::bearer(&token).ok_or_else(|| wrong("the token service sent what cannot be a token"))
    }

    fn named(&self, error: PullError) -> PullError {
        let name = &self.name;
        match error {
            PullError::Wrong(what) => PullError::Wrong(format!("{name}: {what}")),
            PullError::Passing(what) => PullError::Passing(format!("{name}: {what}")),
        }
    }
}

/// No further than a few steps, and never from TLS to plain text on another machine.
fn follow(attempt: redirect::Attempt<'_>) -> redirect::Action {
    if attempt.previous().len() > MOST_REDIRECTS {
        attempt.error("too many redirects")
    } else if may_be_asked(attempt.url()) {
        attempt.follow()
    } else {
        attempt.error("redirected to plain HTTP on another machine")
    }
}

fn may_be_asked(url: &Url) -> bool {
    match url.scheme() {
        "https" => true,
        "http" => url.host_str().is_some_and(is_loopback),
        _ => false,
    }
}

/// The body, as far as `most` allows; it is not believed to be as long as it says.
async fn whole(mut response: Response, most: usize) -> Result<Bytes, PullError> {
    let mut bytes = BytesMut::new();
    loop {
        match response.chunk().await {
            Ok(Some(piece)) if bytes.len().saturating_add(piece.len()) > most => {
                return Err(PullError::Wrong(format!("the registry sends more than {most} bytes")));
            }
            Ok(Some(piece)) => bytes.extend_from_slice(&piece),
            Ok(None) => return Ok(bytes.freeze()),
            Err(error) => return Err(unreachable(&error)),
        }
    }
}

/// The innermost cause says most, and no URL: redirects carry signatures in theirs.
fn unreachable(error: &reqwest::Error) -> PullError {
    let mut cause: &dyn std::error::Error = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    let what = if error.is_timeout() { "no answer in time".to_owned() } else { cause.to_string() };
    PullError::Passing(format!("the registry cannot be asked: {what}"))
}

fn certificates(path: &std::path::Path) -> Result<Vec<Certificate>, String> {
    let told = |what: &str| format!("OCI_CACERT {}: {what}", path.display());
    let pem = crate::config::file::read(path).map_err(|error| told(&format!("cannot be read: {error}")))?;
    match Certificate::from_pem_bundle(pem.as_bytes()) {
        Ok(certificates) if !certificates.is_empty() => Ok(certificates),
        _ => Err(told("not a PEM file with certificates")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_http_is_for_this_machine_only() {
        for (url, may) in [
            ("https://r.io/x", true),
            ("http://127.0.0.1:5000/x", true),
            ("http://[::1]:5000/x", true),
            ("http://localhost/x", true),
            ("http://r.io/x", false),
            ("http://127.0.0.1.r.io/x", false),
            ("ftp://127.0.0.1/x", false),
        ] {
            assert_eq!(may_be_asked(&Url::parse(url).unwrap()), may, "{url}");
        }
    }
}
