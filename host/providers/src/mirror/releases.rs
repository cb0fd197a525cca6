//! Releases: what is known of one, fetched and checked where it is not there yet.

use std::collections::BTreeMap;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde::Deserialize;

use super::pull::missing_version;
use super::record::{self, FORMAT, Record, Signed};
use super::{Mirror, MirrorError};
use crate::cache::now;
use crate::hashing::Sha256Sum;
use crate::signature::Sums;
use crate::sources::{Described, PackageMeta, Provenance, SourceError};
use crate::{Address, Version, spans};

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
    /// What is known of a release, with the hashes that were worked out so far. The rest of them follows in the
    /// background.
    ///
    /// # Errors
    /// See [`MirrorError`].
    pub async fn release(&self, provider: &Address, version: &Version) -> Result<Record, MirrorError> {
        self.check_allowed(provider)?;
        let record = match self.recorded(provider, version).await? {
            Some(record) => record,
            None if self.is_uploaded(provider) => return Err(missing_version(provider, version)),
            None => {
                let (mirror, provider, version) = (self.clone(), provider.clone(), version.clone());
                let what = format!("{provider} {version}");
                let pulling = async move {
                    match mirror.recorded(&provider, &version).await? {
                        Some(record) => Ok(record),
                        None => mirror.pull_release(&provider, &version).await,
                    }
                };
                self.in_time(what, pulling).await?
            }
        };
        self.hash_behind(provider, version, &record);
        Ok(record)
    }

    async fn recorded(&self, provider: &Address, version: &Version) -> Result<Option<Record>, MirrorError> {
        let (provider, version) = (provider.clone(), version.clone());
        self.on_disk(move |mirror| {
            let record = mirror.inner.records.get(&provider, &version)?;
            Ok(record.map(|record| mirror.with_hashes(record)))
        })
        .await
    }

    /// Blocks.
    fn with_hashes(&self, mut record: Record) -> Record {
        for package in record.packages.values_mut() {
            package.known = self.inner.cache.package(&package.sha256);
        }
        record
    }

    async fn pull_release(&self, provider: &Address, version: &Version) -> Result<Record, MirrorError> {
        let asking = async {
            let wanted = self.inner.settings.platforms.iter().cloned();
            let usual = USUAL.iter().filter_map(|name| name.parse().ok());
            for platform in wanted.chain(usual) {
                match self.inner.registry.described(provider, version, &platform).await {
                    Ok((meta, described)) => return self.keep_release(provider, version, &meta, &described).await,
                    Err(SourceError::NoPlatform { .. }) => {}
                    Err(error) => return Err(self.upstream(error)),
                }
            }
            Err(missing_version(provider, version))
        };
        let span = spans::release(provider, version);
        self.ask(&format!("release {provider} {version}"), spans::recorded(span, asking)).await
    }

    async fn keep_release(
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
        let (provider, version) = (provider.clone(), version.clone());
        self.on_disk(move |mirror| match mirror.inner.records.put_new(&provider, &version, &record)? {
            None => Ok(mirror.with_hashes(record)),
            Some(first) if first.sums == record.sums => Ok(mirror.with_hashes(first)),
            Some(_) => Err(mirror.changed(format!(
                "{provider} {version}: another process that shares the folder has seen other sums of it"
            ))),
        })
        .await
    }
}
