//! What the mirror gives, fetched where it is not there yet.

use std::collections::BTreeMap;
use std::fs::File;
use std::sync::PoisonError;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde::Deserialize;

use tracing::Instrument;

use super::record::{self, FORMAT, Record, Signed};
use super::records::Seen;
use super::{Mirror, MirrorError, count};
use crate::cache::now;
use crate::hashing::Sha256Sum;
use crate::http::Url;
use crate::signature::Sums;
use crate::sources::{Described, Location, PackageMeta, Provenance, Source, SourceError};
use crate::{Address, Platform, Version};

/// A registry describes packages one by one, and each description leads to the sums of all. These are asked for
/// until there is one.
const USUAL: [&str; 5] = ["linux_amd64", "darwin_arm64", "windows_amd64", "linux_arm64", "darwin_amd64"];

/// The parts of a registry's description that are passed on.
#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    protocols: Option<Vec<String>>,
    #[serde(default)]
    signing_keys: serde_json::Value,
}

impl Mirror {
    /// The versions of a provider, lowest first.
    ///
    /// # Errors
    /// See [`MirrorError`].
    pub async fn versions(&self, provider: &Address) -> Result<Vec<Version>, MirrorError> {
        self.check_allowed(provider)?;
        let inner = &self.inner;
        if self.is_uploaded(provider) {
            let versions = inner.records.versions(provider)?;
            return if versions.is_empty() { Err(missing(provider)) } else { Ok(versions) };
        }
        let fresh = |seen: &Seen| now().saturating_sub(seen.at) < inner.settings.fresh.as_secs();
        let parsed = |seen: &Seen| seen.versions.iter().filter_map(|version| version.parse().ok()).collect::<Vec<_>>();
        if let Some(seen) = inner.records.seen(provider)?.filter(fresh) {
            return Ok(parsed(&seen));
        }
        let _turn = inner.flights.turn(format!("versions {provider}")).await;
        let old = inner.records.seen(provider)?;
        if let Some(seen) = old.as_ref().filter(|seen| fresh(seen)) {
            return Ok(parsed(seen));
        }
        let asking = tracing::info_span!("versions", tofu_state.provider = %provider);
        match inner.registry.versions(provider).instrument(asking).await {
            Ok(mut versions) => {
                // A release that was seen stays, also when its registry no longer lists it.
                versions.extend(inner.records.versions(provider)?);
                versions.sort();
                versions.dedup();
                let seen = Seen { versions: versions.iter().map(Version::to_string).collect(), at: now() };
                inner.records.put_seen(provider, &seen)?;
                Ok(versions)
            }
            Err(error) => {
                let known = match &old {
                    Some(seen) => parsed(seen),
                    None => inner.records.versions(provider)?,
                };
                if known.is_empty() {
                    return Err(self.upstream(error));
                }
                count(&inner.counters.stale);
                tracing::warn!(%provider, %error, "an old list of versions is given");
                Ok(known)
            }
        }
    }

    /// What is known of a release, with the hashes that were worked out so far. The rest of them follows in the
    /// background.
    ///
    /// # Errors
    /// See [`MirrorError`].
    pub async fn release(&self, provider: &Address, version: &Version) -> Result<Record, MirrorError> {
        self.check_allowed(provider)?;
        let record = match self.inner.records.get(provider, version)? {
            Some(record) => record,
            None => {
                let _turn = self.inner.flights.turn(format!("release {provider} {version}")).await;
                match self.inner.records.get(provider, version)? {
                    Some(record) => record,
                    None => self.pull_release(provider, version).await?,
                }
            }
        };
        let record = self.with_hashes(record);
        self.hash_behind(provider, version, &record);
        Ok(record)
    }

    fn with_hashes(&self, mut record: Record) -> Record {
        for package in record.packages.values_mut() {
            package.known = self.inner.cache.package(&package.sha256);
        }
        record
    }

    #[tracing::instrument(name = "release", skip_all, fields(tofu_state.provider = %provider, tofu_state.version = %version))]
    async fn pull_release(&self, provider: &Address, version: &Version) -> Result<Record, MirrorError> {
        if self.is_uploaded(provider) {
            return Err(missing_version(provider, version));
        }
        let wanted = self.inner.settings.platforms.iter().cloned();
        let usual = USUAL.iter().filter_map(|name| name.parse().ok());
        for platform in wanted.chain(usual) {
            match self.inner.registry.described(provider, version, &platform).await {
                Ok((meta, described)) => return self.keep_release(provider, version, &meta, &described),
                Err(SourceError::NoPlatform { .. }) => {}
                Err(error) => return Err(self.upstream(error)),
            }
        }
        Err(missing_version(provider, version))
    }

    fn keep_release(
        &self,
        provider: &Address,
        version: &Version,
        meta: &PackageMeta,
        described: &Described,
    ) -> Result<Record, MirrorError> {
        let unsound = |what: String| MirrorError::Unsound(format!("{provider} {version}: {what}"));
        let sums = Sums::parse(&described.document).map_err(|error| unsound(error.to_string()))?;
        let sums: BTreeMap<String, Sha256Sum> = sums.iter().map(|(name, sum)| (name.to_owned(), sum)).collect();
        let answer: Answer = serde_json::from_slice(&described.answer).map_err(|error| unsound(error.to_string()))?;
        let key = match &meta.provenance {
            Provenance::Signed(keys) => keys.first().cloned(),
            _ => None,
        };
        let record = Record {
            format: FORMAT,
            provider: provider.to_string(),
            version: version.to_string(),
            packages: record::packages(provider, version, &sums),
            sums,
            signed: Some(Signed {
                key,
                document: BASE64_STANDARD.encode(&described.document),
                signature: BASE64_STANDARD.encode(&described.signature),
                keys: answer.signing_keys,
            }),
            protocols: answer.protocols.unwrap_or_default(),
            origin: format!("the registry of {}", provider.display_host()),
            at: now(),
        };
        match self.inner.records.put_new(provider, version, &record)? {
            None => Ok(record),
            Some(first) if first.sums == record.sums => Ok(first),
            Some(_) => Err(self.changed(format!(
                "{provider} {version}: another process that shares the folder has seen other sums of it"
            ))),
        }
    }

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
        if let Some((file, length)) = self.inner.archives.get(&sha256) {
            count(&self.inner.counters.served);
            return Ok((file, length, sha256));
        }
        self.pull_package(provider, version, platform, sha256).await
    }

    #[tracing::instrument(
        name = "package",
        skip_all,
        fields(tofu_state.provider = %provider, tofu_state.version = %version, tofu_state.platform = %platform)
    )]
    async fn pull_package(
        &self,
        provider: &Address,
        version: &Version,
        platform: &Platform,
        sha256: Sha256Sum,
    ) -> Result<(File, u64, Sha256Sum), MirrorError> {
        let inner = &self.inner;
        let _turn = inner.flights.turn(format!("package {sha256}")).await;
        let opened = || inner.archives.get(&sha256).map(|(file, length)| (file, length, sha256));
        if let Some(found) = opened() {
            return Ok(found);
        }
        if self.is_uploaded(provider) {
            return Err(missing_platform(provider, version, platform));
        }
        let named = format!("{provider} {version} for {platform}");
        let meta = inner.registry.package(provider, version, platform).await.map_err(|error| match error {
            // It was to be trusted when the release was first seen.
            SourceError::Untrusted { .. } => self.changed(format!("{named}: {error}")),
            error => self.upstream(error),
        })?;
        if meta.acceptable != [sha256.zh()] {
            return Err(self.changed(format!("{named}: its registry now has another SHA-256 than {sha256}")));
        }
        let url = match &meta.location {
            Location::Url(url) => Url::parse(url).ok(),
            Location::Archive(_) | Location::Folder(_) => None,
        };
        let url = url.ok_or_else(|| missing_platform(provider, version, platform))?;
        let fetched = inner.fetcher.zip(&url, |_| {}).await.map_err(|error| {
            let place = format!("the registry of {}", provider.display_host());
            self.upstream(SourceError::Failed { place, reason: format!("{named}: {error}") })
        })?;
        if fetched.sha256 != sha256 {
            let found = fetched.sha256;
            return Err(self.changed(format!("{named}: its zip has the SHA-256 {found}, and {sha256} was signed")));
        }
        let origin = format!("the registry of {}", provider.display_host());
        self.on_disk(move |mirror| mirror.keep(fetched, &origin, &named)).await?;
        count(&inner.counters.downloaded);
        opened().ok_or_else(|| MirrorError::Disk(std::io::ErrorKind::NotFound.into()))
    }

    /// Fetches and hashes what is wanted of a release and not hashed yet, once at a time.
    fn hash_behind(&self, provider: &Address, version: &Version, record: &Record) {
        let wanted = &self.inner.settings.platforms;
        let missing = record.packages.iter().filter(|(_, package)| package.known.is_none());
        let missing = missing.filter_map(|(name, package)| Some((name.parse::<Platform>().ok()?, package.sha256)));
        let missing: Vec<_> = missing.filter(|(it, _)| wanted.is_empty() || wanted.contains(it)).collect();
        let name = format!("{provider} {version}");
        let mut running = self.inner.hashing.lock().unwrap_or_else(PoisonError::into_inner);
        if missing.is_empty() || !running.insert(name.clone()) {
            return;
        }
        let (mirror, provider, version) = (self.clone(), provider.clone(), version.clone());
        let span = tracing::info_span!("hash in the background", tofu_state.provider = %provider, tofu_state.version = %version);
        let hashing = async move {
            // Never closed.
            let slot = mirror.inner.background.acquire().await;
            for (platform, sha256) in missing {
                if let Err(error) = mirror.pull_package(&provider, &version, &platform, sha256).await {
                    tracing::warn!(%provider, %version, %platform, %error, "a package could not be hashed");
                }
            }
            drop(slot);
            mirror.inner.hashing.lock().unwrap_or_else(PoisonError::into_inner).remove(&name);
        };
        tokio::spawn(hashing.instrument(span));
    }

    fn upstream(&self, error: SourceError) -> MirrorError {
        match error {
            SourceError::NoProvider { provider, .. } => missing(&provider),
            SourceError::NoPlatform { provider, version, platform } => missing_platform(&provider, &version, &platform),
            error => {
                count(&self.inner.counters.failed);
                if matches!(error, SourceError::Untrusted { .. }) {
                    tracing::error!(%error, "a registry is not to be trusted");
                }
                MirrorError::Upstream(error)
            }
        }
    }

    fn changed(&self, what: String) -> MirrorError {
        count(&self.inner.counters.changed);
        tracing::error!(what, "a release has changed upstream: what was first seen stays");
        MirrorError::Changed(what)
    }
}

fn missing(provider: &Address) -> MirrorError {
    MirrorError::NotFound(format!("there is no provider {provider}"))
}

fn missing_version(provider: &Address, version: &Version) -> MirrorError {
    MirrorError::NotFound(format!("there is no {provider} {version}"))
}

pub(super) fn missing_platform(provider: &Address, version: &Version, platform: &Platform) -> MirrorError {
    MirrorError::NotFound(format!("there is no package of {provider} {version} for {platform}"))
}
