//! A mirror of providers that fills itself: what is asked for is fetched from the provider's own registry once,
//! checked as a client would check it, and kept on disk.
//!
//! A release is immutable once it was seen: its record is written once, and an upstream that later says something else
//! is an alert, never an update. So everything that was seen can be served without the upstream. Packages may be let
//! go when the disk is full; what they hash to stays.
//!
//! Nothing here knows HTTP servers: `host/server` has the routes.

mod archives;
mod failures;
mod flights;
mod keep;
pub mod links;
mod packages;
mod pull;
pub mod record;
mod records;
mod releases;
mod secret;
mod upload;
mod versions;
mod vouching;

use std::collections::BTreeSet;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::Semaphore;

use crate::cache::Cache;
use crate::cli_config::{CliConfig, Pattern};
use crate::fetch::Fetcher;
use crate::http::Http;
use crate::sources::{Registry, SourceError};
use crate::{Address, Platform, Signer};
use archives::Archives;
use failures::Failures;
use flights::Flights;
use links::Links;
pub use record::Record;
use records::Records;
pub use vouching::Sums;

/// How a mirror is set up.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where everything is kept.
    pub folder: PathBuf,
    /// Which providers are mirrored.
    pub allowed: Vec<Pattern>,
    /// Which providers are uploaded: these are never looked for anywhere else.
    pub uploaded: Vec<Pattern>,
    /// How many bytes of packages are kept. Uploaded packages stay, whatever they take.
    pub most_bytes: u64,
    /// For which platforms packages are fetched and hashed in the background; empty: for all of a release.
    pub platforms: Vec<Platform>,
    /// How long a list of versions is given without asking the registry again.
    pub fresh: Duration,
    /// How long a registry is waited for with a document that a client waits for. It is asked on meanwhile.
    pub answer_in: Duration,
    /// How long a package or a release that is not to be trusted is not asked for again.
    pub wary: Duration,
}

/// A mirror. Cheap to clone.
#[derive(Clone)]
pub struct Mirror {
    inner: Arc<Inner>,
}

struct Inner {
    settings: Settings,
    records: Records,
    archives: Archives,
    links: Links,
    signer: Signer,
    cache: Cache,
    registry: Registry,
    fetcher: Fetcher,
    flights: Flights,
    failures: Failures,
    counters: Counters,
    /// Releases whose packages are being hashed.
    hashing: Mutex<BTreeSet<String>>,
    background: Semaphore,
}

#[derive(Default)]
struct Counters {
    served: AtomicU64,
    downloaded: AtomicU64,
    evicted: AtomicU64,
    changed: AtomicU64,
    stale: AtomicU64,
    failed: AtomicU64,
    damaged: AtomicU64,
    uploaded: AtomicU64,
}

/// What a mirror has done since it started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Packages that were on disk when they were asked for.
    pub served: u64,
    /// Packages that were fetched from a registry.
    pub downloaded: u64,
    /// Bytes of these.
    pub downloaded_bytes: u64,
    /// Packages that were let go for want of room.
    pub evicted: u64,
    /// Releases and packages that are no longer what they were: each is an alert.
    pub changed: u64,
    /// Lists of versions that were given though they were old, because the registry did not answer.
    pub stale: u64,
    /// Requests to registries that failed.
    pub failed: u64,
    /// Packages on disk that were no longer what they had been.
    pub damaged: u64,
    /// Packages that were uploaded.
    pub uploaded: u64,
}

/// Why a mirror has no answer.
#[derive(Debug, thiserror::Error)]
pub enum MirrorError {
    /// The provider is not one that is mirrored.
    #[error("{0} is not mirrored here: the mirror's allow-list does not have it")]
    NotAllowed(Address),
    /// There is no such provider, version or package.
    #[error("{0}")]
    NotFound(String),
    /// The registry does not answer, or says what must not be believed.
    #[error(transparent)]
    Upstream(SourceError),
    /// The registry does not say what it said before.
    #[error("{0}")]
    Changed(String),
    /// The package may not be served: it has no hash.
    #[error("{0}")]
    Unsound(String),
    /// The registry is still being asked.
    #[error("{0}")]
    Late(String),
    /// The package was uploaded, and the disk has lost it.
    #[error("{0}")]
    Lost(String),
    /// That failed a moment ago, and is not tried again yet.
    #[error("{error}. This is remembered: it is tried again in {seconds} s")]
    Remembered {
        /// What the matter was.
        error: Box<MirrorError>,
        /// From when on it is tried again.
        seconds: u64,
    },
    /// What is uploaded is there already, and is something else.
    #[error("{0}")]
    Conflict(String),
    /// The disk.
    #[error("the mirror's folder: {0}")]
    Disk(#[from] io::Error),
}

impl MirrorError {
    /// What the matter is, or was when it was last tried.
    #[must_use]
    pub fn cause(&self) -> &Self {
        match self {
            Self::Remembered { error, .. } => error.cause(),
            error => error,
        }
    }

    /// Whether there is no room left on the disk.
    #[must_use]
    pub fn is_out_of_space(&self) -> bool {
        use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
        matches!(self.cause(), Self::Disk(error) if matches!(error.kind(), StorageFull | QuotaExceeded | FileTooLarge))
    }
}

impl Mirror {
    /// Opens the folder, which is made if it is missing. `upstream` says where registries are and has their tokens.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn open(settings: Settings, upstream: Arc<CliConfig>, http: Http) -> io::Result<Self> {
        let folder = &settings.folder;
        std::fs::create_dir_all(folder)?;
        let archives = Archives::open(folder.join("zips"), settings.most_bytes)?;
        let cache = Cache::new(folder.join("hashes"));
        let inner = Inner {
            records: Records::new(folder.join("releases")),
            links: Links::open(&folder.join("link.key"))?,
            signer: vouching::signer(&folder.join("upload.key"))?,
            fetcher: Fetcher::new(http.clone(), archives.incoming(), 4),
            registry: Registry::new(http, upstream, Some(cache.clone())),
            archives,
            cache,
            failures: Failures::new(settings.wary),
            settings,
            flights: Flights::default(),
            counters: Counters::default(),
            hashing: Mutex::default(),
            background: Semaphore::new(2),
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Makes and checks links to packages.
    #[must_use]
    pub fn links(&self) -> &Links {
        &self.inner.links
    }

    /// What was done.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let Counters { served, downloaded, evicted, changed, stale, failed, damaged, uploaded } = &self.inner.counters;
        Counts {
            served: read(served),
            downloaded: read(downloaded),
            downloaded_bytes: self.inner.fetcher.counts().bytes,
            evicted: read(evicted),
            changed: read(changed),
            stale: read(stale),
            failed: read(failed),
            damaged: read(damaged),
            uploaded: read(uploaded),
        }
    }

    /// How many bytes of packages are on disk. Blocks, for a moment.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.inner.archives.bytes()
    }

    fn check_allowed(&self, provider: &Address) -> Result<(), MirrorError> {
        let allowed = self.inner.settings.allowed.iter().any(|pattern| pattern.matches(provider));
        if allowed || self.is_uploaded(provider) { Ok(()) } else { Err(MirrorError::NotAllowed(provider.clone())) }
    }

    fn is_uploaded(&self, provider: &Address) -> bool {
        self.inner.settings.uploaded.iter().any(|pattern| pattern.matches(provider))
    }
}

fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}
