//! Packages: from disk, or fetched first; and those that are fetched before anybody asks, for their hashes.

use std::fs::File;
use std::sync::PoisonError;

use tracing::Instrument;

use super::pull::missing_platform;
use super::record::Record;
use super::upload::ORIGIN;
use super::{Mirror, MirrorError, count};
use crate::fetch::{FetchError, Fetched};
use crate::hashing::Sha256Sum;
use crate::http::Url;
use crate::sources::{Location, Source, SourceError};
use crate::{Address, Platform, Version, spans};

/// A package of a release that has a record.
#[derive(Clone)]
pub(super) struct Wanted {
    provider: Address,
    version: Version,
    platform: Platform,
    pub(super) sha256: Sha256Sum,
    /// From where the record is.
    pub(super) origin: String,
}

/// A package's open file. What is let go meanwhile can still be read from it.
pub(super) struct Opened {
    pub(super) file: File,
    pub(super) length: u64,
    /// Whether it was fetched for this.
    pub(super) fetched: bool,
}

impl Mirror {
    /// A package, opened, and its length: from disk, or fetched first.
    ///
    /// # Errors
    /// See [`MirrorError`].
    pub async fn package(
        &self,
        provider: &Address,
        version: &Version,
        platform: &Platform,
    ) -> Result<(File, u64, Sha256Sum), MirrorError> {
        let record = self.release(provider, version).await?;
        let package = record.packages.get(&platform.to_string());
        let sha256 = package.ok_or_else(|| missing_platform(provider, version, platform))?.sha256;
        let wanted = Wanted {
            provider: provider.clone(),
            version: version.clone(),
            platform: platform.clone(),
            sha256,
            origin: record.origin,
        };
        let opened = match self.on_disk(move |mirror| Ok(mirror.inner.archives.get(&sha256)?)).await? {
            Some((file, length)) => Opened { file, length, fetched: false },
            None => self.had(wanted).await?,
        };
        if !opened.fetched {
            count(&self.inner.counters.served);
        }
        Ok((opened.file, opened.length, sha256))
    }

    /// A package that is sound: what lies on the disk is read whole, what does not is fetched.
    async fn had(&self, wanted: Wanted) -> Result<Opened, MirrorError> {
        let mirror = self.clone();
        self.in_turn(format!("package {}", wanted.sha256), async move {
            let there = wanted.clone();
            if let Some(opened) = mirror.on_disk(move |mirror| mirror.sound(&there)).await? {
                return Ok(opened);
            }
            let span = spans::package(&wanted.provider, &wanted.version, &wanted.platform);
            mirror.ask(&wanted.asked_as(), spans::recorded(span, mirror.pull_package(&wanted))).await
        })
        .await
    }

    async fn pull_package(&self, wanted: &Wanted) -> Result<Opened, MirrorError> {
        let (inner, sha256) = (&self.inner, wanted.sha256);
        let Wanted { provider, version, platform, .. } = wanted;
        if wanted.origin.starts_with(ORIGIN) {
            return Err(MirrorError::Lost(format!("{wanted} was uploaded, and its zip is lost: upload it again")));
        }
        let meta = inner.registry.package(provider, version, platform).await.map_err(|error| match error {
            // It was to be trusted when the release was first seen.
            SourceError::Untrusted { .. } => self.changed(format!("{wanted}: {error}")),
            error => self.upstream(error),
        })?;
        if meta.acceptable != [sha256.zh()] {
            return Err(self.changed(format!("{wanted}: its registry now has another SHA-256 than {sha256}")));
        }
        let url = match &meta.location {
            Location::Url(url) => Url::parse(url).ok(),
            Location::Blob(_) | Location::Archive(_) | Location::Folder(_) => None,
        };
        let url = url.ok_or_else(|| missing_platform(provider, version, platform))?;
        let place = format!("the registry of {}", provider.display_host());
        let fetched = inner.fetcher.zip(&url, |_| {}).await.map_err(|error| match error {
            FetchError::Http(error) => {
                self.upstream(SourceError::Failed { place: place.clone(), reason: format!("{wanted}: {error}") })
            }
            FetchError::Disk { error, .. } => MirrorError::Disk(error),
        })?;
        let Fetched { sha256: found, .. } = fetched;
        if found != sha256 {
            return Err(self.changed(format!("{wanted}: its zip has the SHA-256 {found}, and {sha256} was signed")));
        }
        let named = wanted.to_string();
        let opened = self.on_disk(move |mirror| mirror.keep(fetched, &place, &named)).await?;
        count(&inner.counters.downloaded);
        Ok(opened)
    }

    /// Fetches and hashes what is wanted of a release and not hashed yet, once at a time.
    pub(super) fn hash_behind(&self, provider: &Address, version: &Version, record: &Record) {
        let inner = &self.inner;
        let missing = record.packages.iter().filter_map(|(name, package)| {
            let platform: Platform = name.parse().ok().filter(|_| package.known.is_none())?;
            let (provider, version, origin) = (provider.clone(), version.clone(), record.origin.clone());
            Some(Wanted { provider, version, platform, sha256: package.sha256, origin })
        });
        let only = &inner.settings.platforms;
        let missing = missing.filter(|wanted| only.is_empty() || only.contains(&wanted.platform));
        let missing: Vec<_> = missing.filter(|wanted| inner.failures.of(&wanted.asked_as()).is_none()).collect();
        let name = format!("{provider} {version}");
        let mut running = inner.hashing.lock().unwrap_or_else(PoisonError::into_inner);
        if missing.is_empty() || !running.insert(name.clone()) {
            return;
        }
        let (mirror, span) = (self.clone(), spans::hash_behind(provider, version));
        let hashing = async move {
            // Never closed.
            let slot = mirror.inner.background.acquire().await;
            for wanted in missing {
                if let Err(error) = mirror.had(wanted.clone()).await {
                    tracing::warn!(package = %wanted, %error, "a package could not be hashed");
                }
            }
            drop(slot);
            mirror.inner.hashing.lock().unwrap_or_else(PoisonError::into_inner).remove(&name);
        };
        tokio::spawn(hashing.instrument(span));
    }
}

impl Wanted {
    /// The name under which its failures are remembered.
    fn asked_as(&self) -> String {
        format!("package {self}")
    }
}

impl std::fmt::Display for Wanted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {} for {}", self.provider, self.version, self.platform)
    }
}
