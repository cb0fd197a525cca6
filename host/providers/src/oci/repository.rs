//! A repository: its tags, manifests and blobs.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, HeaderValue, LINK};
use http::{HeaderMap, StatusCode};
use reqwest::Response;
use serde::Deserialize;
use sha2::{Digest, Sha256};
use tokio::sync::Mutex;

use super::challenge::{self, Challenge, MAX_TOKEN};
use super::login::{Login, Shown};
use crate::hashing::Sha256Sum;
use crate::http::{Http, HttpError, Url, host, refused, whole};

/// The largest manifest, in bytes (the distribution specification has registries take 4 MiB).
const MAX_MANIFEST: u64 = 4 << 20;
/// The longest page of tags, and the longest complaint, in bytes.
const MAX_PAGE: u64 = 4 << 20;
/// A registry that goes on after so many pages of tags leads nowhere.
const MOST_PAGES: usize = 1000;
/// Docker Hub's registry has another name than it is known by.
const DOCKER_HUB: (&str, &str) = ("docker.io", "registry-1.docker.io");

/// A repository in a registry.
#[derive(Debug)]
pub struct Repository {
    http: Http,
    base: Url,
    registry: String,
    name: String,
    login: Option<Login>,
    /// What was shown last. It is held while somebody asks for another one.
    authorization: Mutex<Option<HeaderValue>>,
}

/// A blob in a repository.
#[derive(Clone)]
pub struct Blob {
    repository: Arc<Repository>,
    url: Url,
}

/// An answer that was not refused for want of credentials.
struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
    url: Url,
}

#[derive(Deserialize)]
struct Page {
    #[serde(default)]
    tags: Option<Vec<String>>,
}

/// <https://github.com/opencontainers/distribution-spec/blob/main/spec.md#error-codes>
#[derive(Deserialize)]
struct Complaint {
    #[serde(default)]
    errors: Vec<ComplaintEntry>,
}

#[derive(Deserialize)]
struct ComplaintEntry {
    #[serde(default)]
    code: String,
}

impl Repository {
    /// Asks nobody yet. Registries are asked over TLS only, as OpenTofu asks them.
    ///
    /// # Errors
    /// A sentence, if no URL can be made of the names.
    pub fn new(http: Http, registry: &str, name: &str, login: Option<Login>) -> Result<Self, String> {
        let host = if registry == DOCKER_HUB.0 { DOCKER_HUB.1 } else { registry };
        let base = Url::parse(&format!("https://{host}/v2/{name}/"));
        let base = base.map_err(|_| format!("no URL can be made for the repository {registry}/{name}"))?;
        Ok(Self::at(http, base, registry, name, login))
    }

    pub(crate) fn at(http: Http, base: Url, registry: &str, name: &str, login: Option<Login>) -> Self {
        let (registry, name) = (registry.to_owned(), name.to_owned());
        Self { http, base, registry, name, login, authorization: Mutex::default() }
    }

    /// All tags; none, if there is no such repository.
    ///
    /// # Errors
    /// See [`HttpError`].
    pub async fn tags(&self) -> Result<Option<Vec<String>>, HttpError> {
        let mut tags = Vec::new();
        let mut url = self.url("tags/list")?;
        for _ in 0..MOST_PAGES {
            let answer = self.get(&url, None, MAX_PAGE).await?;
            if answer.status != StatusCode::OK {
                return if answer.is_unknown_repository() { Ok(None) } else { Err(self.refused(&answer)) };
            }
            let page: Page =
                serde_json::from_slice(&answer.body).map_err(|_| self.wrong("its list of tags is none"))?;
            tags.extend(page.tags.unwrap_or_default());
            match answer.next(&url).map_err(|what| self.wrong(what))? {
                Some(next) => url = next,
                None => return Ok(Some(tags)),
            }
        }
        Err(self.wrong("its list of tags has no end"))
    }

    /// The manifest of a tag, or of a digest (`sha256:…`); none, if there is none.
    ///
    /// # Errors
    /// See [`HttpError`]; also for bytes that are not those of the digest.
    pub async fn manifest(&self, reference: &str, accept: &'static str) -> Result<Option<Bytes>, HttpError> {
        let url = self.url(&format!("manifests/{reference}"))?;
        let answer = self.get(&url, Some(accept), MAX_MANIFEST).await?;
        match answer.status {
            StatusCode::OK => {}
            StatusCode::NOT_FOUND => return Ok(None),
            _ => return Err(self.refused(&answer)),
        }
        let told = answer.headers.get("docker-content-digest").and_then(|value| value.to_str().ok());
        let found = format!("sha256:{}", hex::encode(Sha256::digest(&answer.body)));
        let named = reference.starts_with("sha256:").then_some(reference);
        match named.or(told.filter(|told| told.starts_with("sha256:"))) {
            Some(wanted) if wanted != found => {
                Err(self.wrong(&format!("it sent other bytes for the manifest {wanted}: their digest is {found}")))
            }
            _ => Ok(Some(answer.body)),
        }
    }

    /// A blob. Nothing is asked yet.
    ///
    /// # Errors
    /// If no URL can be made for it.
    pub fn blob(self: &Arc<Self>, sum: &Sha256Sum) -> Result<Blob, HttpError> {
        let url = self.url(&format!("blobs/sha256:{sum}"))?;
        Ok(Blob { repository: Arc::clone(self), url })
    }

    fn url(&self, path: &str) -> Result<Url, HttpError> {
        // A path alone, or a digest's colon would make a scheme of what is before it.
        self.base.join(&format!("./{path}")).map_err(|_| self.wrong("no URL can be made for it"))
    }

    /// A whole answer, asked for again where that may help, and with other credentials if those shown were refused.
    async fn get(&self, url: &Url, accept: Option<&'static str>, most: u64) -> Result<Answer, HttpError> {
        let mut headers = HeaderMap::new();
        if let Some(accept) = accept {
            headers.insert(ACCEPT, HeaderValue::from_static(accept));
        }
        let once = async |shown: Option<HeaderValue>| {
            let work = || async {
                let response = self.send(url, headers.clone(), shown.clone()).await?;
                if refused(&response).passes() {
                    return Err(refused(&response));
                }
                let (status, headers, url) = (response.status(), response.headers().clone(), response.url().clone());
                Ok(Answer { status, headers, url, body: whole(response, most).await? })
            };
            self.http.patiently(url, work).await
        };
        let shown = self.authorization.lock().await.clone();
        let answer = once(shown.clone()).await?;
        if !is_challenge(answer.status, &answer.url, url) {
            return Ok(answer);
        }
        // Not in the time that a request may take: somebody may have to be asked.
        let fresh = self.renew(&answer.headers, shown).await?;
        once(fresh).await
    }

    /// Sends one request with what was shown last, and with other credentials if that was refused.
    async fn ask(&self, url: &Url, headers: HeaderMap) -> Result<Response, HttpError> {
        let shown = self.authorization.lock().await.clone();
        let response = self.send(url, headers.clone(), shown.clone()).await?;
        if !is_challenge(response.status(), response.url(), url) {
            return Ok(response);
        }
        let fresh = self.renew(response.headers(), shown).await?;
        self.send(url, headers, fresh).await
    }

    /// What to show after `shown` was refused, asked for once, however many were refused with it.
    async fn renew(&self, headers: &HeaderMap, shown: Option<HeaderValue>) -> Result<Option<HeaderValue>, HttpError> {
        let mut authorization = self.authorization.lock().await;
        if *authorization == shown {
            *authorization = Some(self.authorize(headers).await?);
        }
        Ok(authorization.clone())
    }

    async fn send(&self, url: &Url, mut headers: HeaderMap, shown: Option<HeaderValue>) -> Result<Response, HttpError> {
        if let Some(shown) = shown {
            headers.insert(AUTHORIZATION, shown);
        }
        self.http.ask(url, headers).await
    }

    /// What satisfies a registry's challenge.
    async fn authorize(&self, headers: &HeaderMap) -> Result<HeaderValue, HttpError> {
        let challenge = Challenge::of(headers)
            .ok_or_else(|| self.wrong("it wants credentials of a kind that is not known here"))?;
        let shown = match &self.login {
            Some(login) => login.shown(&self.registry).await.map_err(|what| self.wrong(&what))?,
            None => None,
        };
        match (challenge, shown) {
            (Challenge::Basic, Some(Shown::Basic(credentials))) => Ok(challenge::basic(&credentials)),
            (Challenge::Basic, Some(Shown::Bearer(_))) => {
                Err(self.wrong("it wants a user and a password, and an access_token is configured for it"))
            }
            (Challenge::Basic, None) => Err(self.wrong(ADVICE)),
            (Challenge::Bearer { .. }, Some(Shown::Bearer(token))) => Ok(token),
            (Challenge::Bearer { realm, service, scope }, shown) => {
                self.token(&realm, service.as_deref(), scope.as_deref(), shown).await
            }
        }
    }

    /// A token of the token service, for who logs in there or for anybody.
    async fn token(
        &self,
        realm: &str,
        service: Option<&str>,
        scope: Option<&str>,
        shown: Option<Shown>,
    ) -> Result<HeaderValue, HttpError> {
        let own = format!("repository:{}:pull", self.name);
        let url = challenge::token_url(realm, service, Some(scope.unwrap_or(&own)))
            .filter(|url| url.scheme() == "https" || url.origin() == self.base.origin())
            .ok_or_else(|| self.wrong("it names a token service that has no https URL"))?;
        let mut headers = HeaderMap::new();
        let anonymous = !matches!(shown, Some(Shown::Basic(_)));
        if let Some(Shown::Basic(credentials)) = shown {
            headers.insert(AUTHORIZATION, challenge::basic(&credentials));
        }
        let answered = self
            .http
            .patiently(&url, || async {
                let response = self.http.ask(&url, headers.clone()).await?;
                if !response.status().is_success() {
                    return Err(refused(&response));
                }
                whole(response, MAX_TOKEN as u64).await
            })
            .await;
        let body = answered.map_err(|error| match error.status() {
            Some(StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) if anonymous => self.wrong(ADVICE),
            Some(status @ (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN)) => self.wrong(&format!(
                "its token service answers {status}: it refuses the credentials for {}",
                self.at_registry()
            )),
            _ => error,
        })?;
        let token = challenge::token_in(&body).and_then(|token| challenge::bearer(&token));
        token.ok_or_else(|| self.wrong("its token service sent no token"))
    }

    fn at_registry(&self) -> String {
        format!("{}/{}", self.registry, self.name)
    }

    fn wrong(&self, what: &str) -> HttpError {
        HttpError::Wrong { host: host(&self.base), what: what.to_owned() }
    }

    fn refused(&self, answer: &Answer) -> HttpError {
        let status = answer.status;
        let codes = answer.codes();
        let told = if codes.is_empty() { String::new() } else { format!(" ({})", codes.join(", ")) };
        let shown = self.login.is_some();
        self.wrong(&match status {
            StatusCode::UNAUTHORIZED if shown => {
                format!("it answers {status}{told}: it refuses the credentials for {}", self.at_registry())
            }
            StatusCode::UNAUTHORIZED => ADVICE.to_owned(),
            _ => format!("it answers {status}{told}"),
        })
    }
}

/// Whether the registry itself wants credentials: whom it redirects to gets none of the registry's.
fn is_challenge(status: StatusCode, answered: &Url, asked: &Url) -> bool {
    status == StatusCode::UNAUTHORIZED && answered.origin() == asked.origin()
}

const ADVICE: &str = "it wants credentials: give them in an `oci_credentials` block of the CLI configuration, or log in \
                      with `docker login` or `podman login`";

impl Answer {
    /// What the registry complains about: codes that the specification has, and no free text.
    fn codes(&self) -> Vec<String> {
        let complaint = serde_json::from_slice::<Complaint>(&self.body).map(|complaint| complaint.errors);
        let is_code = |code: &String| {
            (1..=64).contains(&code.len()) && code.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_')
        };
        complaint.unwrap_or_default().into_iter().map(|entry| entry.code).filter(is_code).collect()
    }

    /// Whether there is no such repository: as OpenTofu sees it, which counts the code more than the status.
    fn is_unknown_repository(&self) -> bool {
        match self.codes().as_slice() {
            [] => self.status == StatusCode::NOT_FOUND,
            codes => codes.iter().any(|code| matches!(code.as_str(), "NAME_UNKNOWN" | "NAME_INVALID")),
        }
    }

    /// Where the next page is (RFC 8288), which must be with the same registry.
    fn next(&self, asked: &Url) -> Result<Option<Url>, &'static str> {
        let Some(link) = self.headers.get(LINK) else { return Ok(None) };
        let target = link.to_str().ok().and_then(|text| text.strip_prefix('<')?.split_once('>'));
        let url = target.and_then(|(target, _)| self.url.join(target).ok());
        match url {
            Some(url) if url.origin() == asked.origin() => Ok(Some(url)),
            _ => Err("its list of tags goes on at what is no URL of its own"),
        }
    }
}

impl Blob {
    /// Where it lies.
    #[must_use]
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// Sends one request for it, or for a part of it. A status that is no success is an error.
    pub(crate) async fn send(&self, headers: HeaderMap) -> Result<Response, HttpError> {
        let response = self.repository.ask(&self.url, headers).await?;
        if response.status().is_success() { Ok(response) } else { Err(refused(&response)) }
    }
}

impl PartialEq for Blob {
    fn eq(&self, other: &Self) -> bool {
        self.url == other.url
    }
}

impl Eq for Blob {}

impl fmt::Debug for Blob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Blob").field(&self.url.as_str()).finish()
    }
}

#[cfg(test)]
mod tests;
