//! Downloads of zips: streamed to a file, hashed on the way, taken up again where they broke off.
//!
//! Whoever sends too slowly counts as one that has broken off.
//! A zip takes a few hundred kilobytes of memory, however large it is; as many are downloaded at once as
//! [`Fetcher::new`] is told.

pub mod incoming;

use std::io::{Seek, SeekFrom};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT_ENCODING, ETAG, HeaderValue, IF_RANGE, RANGE};
use http::{HeaderMap, StatusCode};
use reqwest::Response;
use sha2::{Digest, Sha256};
use tempfile::NamedTempFile;
use tokio::io::AsyncWriteExt;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout_at};
use tracing::{Instrument, field};

use crate::hashing::Sha256Sum;
use crate::http::{Http, HttpError, Url, host, unreachable};
use crate::oci::Blob;

/// The largest zip that is taken.
const MOST: u64 = 4 << 30;

/// How many bytes must come in each [`Patience::silence`](crate::http::Patience::silence): whoever sends a byte now and
/// then would keep others waiting for ever.
const LEAST: u64 = 256 << 10;
/// How many bytes must have come for a failure to count as the first one again.
const PROGRESS: u64 = 16 << 10;

/// Downloads zips. Cheap to clone; clones share their bound and their counts.
#[derive(Clone, Debug)]
pub struct Fetcher {
    http: Http,
    folder: PathBuf,
    slots: Arc<Semaphore>,
    counts: Arc<Counters>,
}

#[derive(Debug, Default)]
struct Counters {
    zips: AtomicU64,
    bytes: AtomicU64,
    resumed: AtomicU64,
}

/// What was downloaded so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Zips, each once, however often it broke off.
    pub zips: u64,
    /// Bytes of zips.
    pub bytes: u64,
    /// How often a zip was taken up again after a failure.
    pub resumed: u64,
}

/// A downloaded zip. Its file goes when this does.
#[derive(Debug)]
pub struct Fetched {
    /// The file.
    pub file: NamedTempFile,
    /// What its bytes hash to.
    pub sha256: Sha256Sum,
    /// How many they are.
    pub bytes: u64,
}

/// Why there is no zip.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// The server.
    #[error(transparent)]
    Http(#[from] HttpError),
    /// The disk.
    #[error("cannot write {}: {error}", place.display())]
    Disk {
        /// The file's folder.
        place: PathBuf,
        /// What the operating system says.
        error: std::io::Error,
    },
}

/// Where a zip comes from.
enum From<'a> {
    Url(&'a Http, &'a Url),
    Blob(&'a Blob),
}

impl From<'_> {
    fn url(&self) -> &Url {
        match self {
            Self::Url(_, url) => url,
            Self::Blob(blob) => blob.url(),
        }
    }

    /// Sends one request. A status that is no success is an error.
    async fn send(&self, headers: HeaderMap) -> Result<Response, HttpError> {
        match self {
            Self::Url(http, url) => http.send(url, None, headers).await,
            Self::Blob(blob) => blob.send(headers).await,
        }
    }
}

/// A download on its way.
struct Download {
    file: tokio::fs::File,
    hasher: Sha256,
    have: u64,
    tag: Option<HeaderValue>,
}

impl Fetcher {
    /// Puts files into `folder` while they come (see [`incoming`]), and downloads at most `at_once` at a time.
    #[must_use]
    pub fn new(http: Http, folder: PathBuf, at_once: usize) -> Self {
        let slots = Arc::new(Semaphore::new(at_once.max(1)));
        Self { http, folder, slots, counts: Arc::default() }
    }

    /// What was downloaded so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let Counters { zips, bytes, resumed } = &*self.counts;
        Counts { zips: read(zips), bytes: read(bytes), resumed: read(resumed) }
    }

    /// Downloads what is at `url`; `progress` is told of bytes as they come. No credentials go along, as with the CLIs.
    ///
    /// # Errors
    /// Why there is no zip, once trying again has not helped.
    pub async fn zip(&self, url: &Url, progress: impl Fn(u64) + Send + Sync) -> Result<Fetched, FetchError> {
        self.traced(&From::Url(&self.http, url), progress).await
    }

    /// Downloads a blob, with the credentials that its registry wants.
    ///
    /// # Errors
    /// As [`Self::zip`].
    pub async fn blob(&self, blob: &Blob, progress: impl Fn(u64) + Send + Sync) -> Result<Fetched, FetchError> {
        self.traced(&From::Blob(blob), progress).await
    }

    async fn traced(&self, from: &From<'_>, progress: impl Fn(u64) + Send + Sync) -> Result<Fetched, FetchError> {
        let url = from.url();
        let span = tracing::info_span!(
            "download",
            server.address = url.host_str().unwrap_or_default(),
            server.port = url.port_or_known_default().unwrap_or_default(),
            tofu_state.zip.bytes = field::Empty,
            error = field::Empty
        );
        let fetched = self.to_the_end(from, &progress).instrument(span.clone()).await;
        match &fetched {
            Ok(fetched) => span.record("tofu_state.zip.bytes", fetched.bytes),
            Err(error) => span.record("error", error.to_string()),
        };
        fetched
    }

    async fn to_the_end(
        &self,
        from: &From<'_>,
        progress: &(impl Fn(u64) + Send + Sync),
    ) -> Result<Fetched, FetchError> {
        // The semaphore is never closed.
        let _slot = self.slots.acquire().await.ok();
        let disk = |error| FetchError::Disk { place: self.folder.clone(), error };
        let (named, file) = incoming::opened(self.folder.clone()).await.map_err(disk)?;
        let mut download = Download { file, hasher: Sha256::new(), have: 0, tag: None };
        self.counts.zips.fetch_add(1, Ordering::Relaxed);
        let mut pauses = self.http.patience().pause_after();
        loop {
            let before = download.have;
            let error = match self.go_on(&mut download, from, progress).await {
                Ok(()) => break,
                Err(FetchError::Http(error)) if error.passes() => error,
                Err(error) => return Err(error),
            };
            if download.have >= before.saturating_add(PROGRESS) {
                // Whoever sends something is not out of order.
                pauses = self.http.patience().pause_after();
            }
            let Some(pause) = pauses.next() else { return Err(error.into()) };
            let (pause, have) = (error.pause().unwrap_or(pause), download.have);
            tracing::info!(%error, ?pause, have, "a download is taken up again after a pause");
            self.counts.resumed.fetch_add(1, Ordering::Relaxed);
            tokio::time::sleep(pause).await;
        }
        download.file.flush().await.map_err(disk)?;
        Ok(Fetched { file: named, sha256: Sha256Sum::from_hasher(download.hasher), bytes: download.have })
    }

    /// From where the download is to its end, if nothing goes wrong.
    async fn go_on(&self, download: &mut Download, from: &From<'_>, progress: &impl Fn(u64)) -> Result<(), FetchError> {
        let url = from.url();
        let disk = |error| FetchError::Disk { place: self.folder.clone(), error };
        let mut headers = HeaderMap::new();
        // A range of what is compressed on the way would be a range of something else.
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        if let (true, Some(tag)) = (download.have > 0, &download.tag) {
            headers.insert(IF_RANGE, tag.clone());
            if let Ok(range) = HeaderValue::from_str(&format!("bytes={}-", download.have)) {
                headers.insert(RANGE, range);
            }
        }
        let mut response = from.send(headers).await?;
        if response.status() != StatusCode::PARTIAL_CONTENT || !begins_at(&response, download.have) {
            if download.have > 0 && response.status() == StatusCode::PARTIAL_CONTENT {
                return Err(wrong(url, "sends another part of the zip than it was asked for").into());
            }
            download.start_again().await.map_err(disk)?;
        }
        // Only a strong tag says that the bytes are the same.
        let tag = response.headers().get(ETAG).filter(|tag| !tag.as_bytes().starts_with(b"W/"));
        download.tag = tag.cloned();
        if response.content_length().is_some_and(|length| length.saturating_add(download.have) > MOST) {
            return Err(too_large(url).into());
        }
        let mut pace = Pace::new(self.http.patience().silence);
        while let Some(piece) = pace.next(url, &mut response).await? {
            let length = piece.len() as u64;
            if download.have.saturating_add(length) > MOST {
                return Err(too_large(url).into());
            }
            download.file.write_all(&piece).await.map_err(disk)?;
            download.hasher.update(&piece);
            download.have = download.have.saturating_add(length);
            self.counts.bytes.fetch_add(length, Ordering::Relaxed);
            progress(length);
        }
        Ok(())
    }
}

impl Download {
    /// Forgets what came so far.
    async fn start_again(&mut self) -> std::io::Result<()> {
        if self.have == 0 {
            return Ok(());
        }
        self.file.flush().await?;
        self.file.set_len(0).await?;
        let mut file = self.file.try_clone().await?.into_std().await;
        file.seek(SeekFrom::Start(0))?;
        self.file = tokio::fs::File::from_std(file);
        self.hasher = Sha256::new();
        self.have = 0;
        Ok(())
    }
}

/// Sees to it that enough comes in each span of time.
struct Pace {
    span: Duration,
    end: Instant,
    missing: u64,
}

impl Pace {
    fn new(span: Duration) -> Self {
        Self { span, end: Instant::now() + span, missing: LEAST }
    }

    async fn next(&mut self, url: &Url, response: &mut Response) -> Result<Option<Bytes>, HttpError> {
        let late = |_| HttpError::Unreachable { host: host(url), what: "it sends too slowly".to_owned() };
        let piece = timeout_at(self.end, response.chunk()).await.map_err(late)?;
        let piece = piece.map_err(|error| unreachable(url, &error))?;
        self.missing = self.missing.saturating_sub(piece.as_ref().map_or(0, Bytes::len) as u64);
        if self.missing == 0 {
            *self = Self::new(self.span);
        }
        Ok(piece)
    }
}

/// Whether a partial answer is the part from that offset on (RFC 9110, section 14.4).
fn begins_at(response: &Response, offset: u64) -> bool {
    let range = response.headers().get(http::header::CONTENT_RANGE).and_then(|value| value.to_str().ok());
    let start = range.and_then(|text| text.strip_prefix("bytes ")?.split('-').next()?.parse().ok());
    start == Some(offset)
}

fn wrong(url: &Url, what: &str) -> HttpError {
    HttpError::Wrong { host: host(url), what: what.to_owned() }
}

fn too_large(url: &Url) -> HttpError {
    HttpError::TooLarge { host: host(url), most: MOST }
}
