//! The HTTP client that registries and mirrors are asked with: bounded, patient, and careful with credentials.

mod reach;

use std::sync::Arc;
use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder, Retryable};
use bytes::{Bytes, BytesMut};
use http::header::{AUTHORIZATION, HeaderValue, RETRY_AFTER};
use http::{HeaderMap, StatusCode};
pub use reqwest::Url;
use reqwest::{Client, Response};
use secrecy::{ExposeSecret, SecretString};

/// A server that asks for a longer pause is asked again all the same.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// How patient the client is.
#[derive(Clone, Debug)]
pub struct Patience {
    /// How long a small request may take, from its start to its answer's end.
    pub request: Duration,
    /// How long a server may send nothing in the middle of a download.
    pub silence: Duration,
    /// How many times a request is made again after a failure that may pass.
    pub retries: usize,
    /// The pause before the first of these; it doubles each time, and varies a little.
    pub pause: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            // The CLIs' default for a registry's answers.
            request: Duration::from_secs(10),
            silence: Duration::from_secs(30),
            retries: 5,
            pause: Duration::from_millis(500),
        }
    }
}

impl Patience {
    /// The default, with the request time that `TF_REGISTRY_CLIENT_TIMEOUT` (seconds) says, as in both CLIs.
    #[must_use]
    pub fn from_environment() -> Self {
        let set = std::env::var("TF_REGISTRY_CLIENT_TIMEOUT").ok().and_then(|text| text.trim().parse().ok());
        match set.filter(|seconds| *seconds > 0) {
            Some(seconds) => Self { request: Duration::from_secs(seconds), ..Self::default() },
            None => Self::default(),
        }
    }

    pub(crate) fn pauses(&self) -> ExponentialBuilder {
        ExponentialBuilder::default()
            .with_min_delay(self.pause)
            .with_max_delay(LONGEST_PAUSE)
            .with_max_times(self.retries)
            .with_jitter()
    }

    pub(crate) fn pause_after(&self) -> impl Iterator<Item = Duration> {
        self.pauses().build()
    }
}

/// Why a request failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HttpError {
    /// The server answered with a status that is no success.
    #[error("{host} answers {status}")]
    Status {
        /// The host that answered.
        host: String,
        /// What it answered.
        status: StatusCode,
        /// How long it asks to wait.
        pause: Option<Duration>,
    },
    /// There was no answer, or not all of it.
    #[error("{host} cannot be asked: {what}")]
    Unreachable {
        /// The host that was asked.
        host: String,
        /// The innermost cause.
        what: String,
    },
    /// The answer is longer than it may be.
    #[error("{host} sends more than {most} bytes")]
    TooLarge {
        /// The host that answered.
        host: String,
        /// The bound.
        most: u64,
    },
    /// The request leads nowhere: asking again would not help.
    #[error("{host}: {what}")]
    Wrong {
        /// The host that was asked.
        host: String,
        /// What is wrong.
        what: String,
    },
}

impl HttpError {
    /// Whether asking again may help.
    #[must_use]
    pub fn passes(&self) -> bool {
        match self {
            Self::Status { status, .. } => {
                status.is_server_error() && *status != StatusCode::NOT_IMPLEMENTED
                    || matches!(*status, StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT)
            }
            Self::Unreachable { .. } => true,
            Self::TooLarge { .. } | Self::Wrong { .. } => false,
        }
    }

    /// The status of the answer, if there was one.
    #[must_use]
    pub fn status(&self) -> Option<StatusCode> {
        match self {
            Self::Status { status, .. } => Some(*status),
            _ => None,
        }
    }

    pub(crate) fn pause(&self) -> Option<Duration> {
        match self {
            Self::Status { pause, .. } => *pause,
            _ => None,
        }
    }
}

/// The client. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Http {
    client: Client,
    patience: Patience,
}

impl Http {
    /// Trusts the machine's authorities, `SSL_CERT_FILE` and `SSL_CERT_DIR` included, and uses its proxy settings.
    ///
    /// # Errors
    /// A sentence, if the machine's settings make no client.
    pub fn new(patience: Patience) -> Result<Self, String> {
        // Fails only where the process has a provider already, and then that one serves.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = Client::builder()
            .redirect(reach::redirects())
            .dns_resolver(Arc::new(reach::Names))
            // A signed link is as good as a password, and is nobody else's business.
            .referer(false)
            .connect_timeout(patience.request)
            .read_timeout(patience.silence)
            .user_agent(concat!("tofu-state/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| format!("the HTTP client cannot be made: {}", cause(&error)))?;
        Ok(Self { client, patience })
    }

    /// How patient it is.
    #[must_use]
    pub fn patience(&self) -> &Patience {
        &self.patience
    }

    /// A whole answer of at most `most` bytes, asked for again where that may help. `token` goes along as a Bearer
    /// token, to no other host. Gives the URL that answered in the end, for what is written relative to it.
    ///
    /// # Errors
    /// See [`HttpError`]. None names a token or a query.
    pub async fn get(&self, url: &Url, token: Option<&SecretString>, most: u64) -> Result<(Bytes, Url), HttpError> {
        self.patiently(url, || async {
            let response = self.send(url, token, HeaderMap::new()).await?;
            let end = response.url().clone();
            Ok((whole(response, most).await?, end))
        })
        .await
    }

    /// Does something small, in the time that a request may take, and again where that may help.
    pub(crate) async fn patiently<T, F: Future<Output = Result<T, HttpError>>>(
        &self,
        url: &Url,
        work: impl Fn() -> F,
    ) -> Result<T, HttpError> {
        let once = || async {
            let late = |_| HttpError::Unreachable { host: host(url), what: "no answer in time".to_owned() };
            tokio::time::timeout(self.patience.request, work()).await.map_err(late)?
        };
        once.retry(self.patience.pauses())
            .when(HttpError::passes)
            .adjust(|error, pause| pause.map(|pause| error.pause().unwrap_or(pause)))
            .notify(|error, pause| tracing::info!(%error, ?pause, "asked again after a pause"))
            .await
    }

    /// Sends one request, and gives the answer once its head is there. A status that is no success is an error.
    pub(crate) async fn send(
        &self,
        url: &Url,
        token: Option<&SecretString>,
        mut headers: HeaderMap,
    ) -> Result<Response, HttpError> {
        if let Some(token) = token {
            let text = format!("Bearer {}", token.expose_secret());
            let mut value = HeaderValue::from_str(&text)
                .map_err(|_| HttpError::Wrong { host: host(url), what: "the token for it is no token".to_owned() })?;
            value.set_sensitive(true);
            headers.insert(AUTHORIZATION, value);
        }
        let response = self.ask(url, headers).await?;
        if response.status().is_success() { Ok(response) } else { Err(refused(&response)) }
    }

    /// Sends one request, and gives the answer, whatever its status, once its head is there.
    pub(crate) async fn ask(&self, url: &Url, headers: HeaderMap) -> Result<Response, HttpError> {
        reach::check(url).map_err(|error| HttpError::Wrong { host: host(url), what: error.to_string() })?;
        self.client.get(url.clone()).headers(headers).send().await.map_err(|error| unreachable(url, &error))
    }
}

/// What an answer's status says that is no success.
pub(crate) fn refused(response: &Response) -> HttpError {
    let seconds = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
    let pause = seconds.map(|seconds| Duration::from_secs(seconds).min(LONGEST_PAUSE));
    HttpError::Status { host: host(response.url()), status: response.status(), pause }
}

/// An answer's body, if it has at most `most` bytes.
pub(crate) async fn whole(mut response: Response, most: u64) -> Result<Bytes, HttpError> {
    let url = response.url().clone();
    let mut bytes = BytesMut::new();
    while let Some(piece) = response.chunk().await.map_err(|error| unreachable(&url, &error))? {
        if (bytes.len() as u64).saturating_add(piece.len() as u64) > most {
            return Err(HttpError::TooLarge { host: host(&url), most });
        }
        bytes.extend_from_slice(&piece);
    }
    Ok(bytes.freeze())
}

/// Host and port, which an error may name; paths and queries may hold secrets.
pub(crate) fn host(url: &Url) -> String {
    let name = url.host_str().unwrap_or("?");
    url.port().map_or_else(|| name.to_owned(), |port| format!("{name}:{port}"))
}

pub(crate) fn unreachable(url: &Url, error: &reqwest::Error) -> HttpError {
    let host = host(url);
    if error.is_redirect() {
        return HttpError::Wrong { host, what: cause(error) };
    }
    if error.is_builder() {
        return HttpError::Wrong { host, what: "no request can be made of the URL".to_owned() };
    }
    let what = if error.is_timeout() { "no answer in time".to_owned() } else { cause(error) };
    HttpError::Unreachable { host, what }
}

/// The innermost cause says most, and no URL.
fn cause(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    cause.to_string()
}
