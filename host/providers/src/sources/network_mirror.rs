//! Network mirrors: <https://opentofu.org/docs/internals/provider-network-mirror-protocol/>
//!
//! Our own mirror says more than the protocol asks for: under `tofu-state` stands, by platform, the package's `h1:` as
//! lock files have it, every hash that a lock file of the version may hold, and what vouches for them. A configuration
//! that trusts the mirror (`trust_all_hashes`) so gets a whole lock without a single download.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use http::StatusCode;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::{Location, PackageMeta, Provenance, Source, SourceError};
use crate::address::normal_host;
use crate::cli_config::CliConfig;
use crate::http::{Http, Url, host};
use crate::{Address, Hash, Platform, Version};

/// The longest answer that is read.
const MOST: u64 = 16 << 20;

/// A mirror.
pub struct NetworkMirror {
    http: Http,
    config: Arc<CliConfig>,
    url: Url,
    trusted: bool,
}

/// A list of versions, `index.json`.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Index {
    /// By version, nothing that has a meaning yet.
    pub versions: BTreeMap<String, serde_json::Map<String, serde_json::Value>>,
}

/// A version's archives, `VERSION.json`.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Archives {
    /// By platform.
    pub archives: BTreeMap<String, Archive>,
    /// What our own mirror adds.
    #[serde(rename = "tofu-state", default, skip_serializing_if = "Option::is_none")]
    pub lock: Option<LockSet>,
}

/// Where an archive is.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Archive {
    /// A URL, relative to the document's.
    pub url: String,
    /// Hashes of which the archive has one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hashes: Vec<String>,
}

/// Everything that a lock file may hold of a version.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LockSet {
    /// Every `zh:` of the release, the manifest's too.
    pub zh: Vec<String>,
    /// By platform, the `h1:` as lock files have it; platforms whose package was not hashed yet are missing.
    pub h1: BTreeMap<String, String>,
    /// The ID of the OpenPGP key that signed the release's sums; none for what was uploaded to the mirror.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signed_by: Option<String>,
    /// Where the release came from.
    pub origin: String,
    /// When the release was first seen, in seconds since 1970.
    pub at: u64,
    /// Whether `h1` has every platform of the release.
    pub complete: bool,
}

impl NetworkMirror {
    /// Asks nobody yet. `trusted` is what the configuration says: whether its hashes may be locked unseen.
    #[must_use]
    pub fn new(http: Http, config: Arc<CliConfig>, mut url: Url, trusted: bool) -> Self {
        if !url.path().ends_with('/') {
            let path = format!("{}/", url.path());
            url.set_path(&path);
        }
        Self { http, config, url, trusted }
    }

    fn place(&self) -> String {
        format!("the network mirror {}", host(&self.url))
    }

    async fn json<T: DeserializeOwned>(&self, provider: &Address, name: &str) -> Result<Option<(T, Url)>, SourceError> {
        let failed = |reason: String| SourceError::Failed { place: self.place(), reason };
        let path = format!("{}/{}/{}/{name}", provider.host(), provider.namespace(), provider.kind());
        let url = self.url.join(&path).map_err(|_| failed("no URL can be made for it".to_owned()))?;
        let token = match normal_host(&host(&self.url)) {
            Some(host) => self.config.token(&host).await.map_err(|error| failed(error.to_string()))?,
            None => None,
        };
        match self.http.get(&url, token.as_ref(), MOST).await {
            Ok((body, end)) => match serde_json::from_slice(&body) {
                Ok(answer) => Ok(Some((answer, end))),
                Err(error) => Err(failed(format!("its answer is not what the mirror protocol says: {error}"))),
            },
            Err(error) => match error.status() {
                Some(StatusCode::NOT_FOUND) => Ok(None),
                Some(status @ (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN)) => {
                    Err(failed(format!("it answers {status}: is there a right token for it in the CLI configuration?")))
                }
                _ => Err(failed(error.to_string())),
            },
        }
    }
}

#[async_trait]
impl Source for NetworkMirror {
    fn identity(&self, _: &Address) -> String {
        format!("network mirror {}", self.url)
    }

    async fn versions(&self, provider: &Address) -> Result<Vec<Version>, SourceError> {
        match self.json::<Index>(provider, "index.json").await? {
            Some((index, _)) => Ok(index.versions.keys().filter_map(|version| version.parse().ok()).collect()),
            None => Err(SourceError::NoProvider { provider: provider.clone(), place: self.place() }),
        }
    }

    async fn package(
        &self,
        provider: &Address,
        version: &Version,
        platform: &Platform,
    ) -> Result<PackageMeta, SourceError> {
        let none = || SourceError::NoPlatform {
            provider: provider.clone(),
            version: version.clone(),
            platform: platform.clone(),
        };
        let failed = |reason: String| SourceError::Failed { place: self.place(), reason };
        let (archives, base) = self.json::<Archives>(provider, &format!("{version}.json")).await?.ok_or_else(none)?;
        let archive = archives.archives.get(&platform.to_string()).ok_or_else(none)?;
        let url = base
            .join(&archive.url)
            .ok()
            .filter(|url| matches!(url.scheme(), "http" | "https"))
            .ok_or_else(|| failed(format!("the URL of {provider} {version} for {platform} is none")))?;
        let hashes = |texts: &[String]| -> Result<Vec<Hash>, SourceError> {
            let read = texts.iter().map(|text| text.parse()).collect::<Result<_, _>>();
            read.map_err(|error| failed(format!("{provider} {version}: {error}")))
        };
        let acceptable = hashes(&archive.hashes)?;
        let (mut locked_along, mut h1) = (Vec::new(), None);
        if self.trusted {
            match &archives.lock {
                Some(lock) => {
                    locked_along.extend(hashes(&lock.zh)?);
                    for (name, hash) in &lock.h1 {
                        let hash: Hash =
                            hash.parse().map_err(|error| failed(format!("{provider} {version}: {error}")))?;
                        if *name == platform.to_string() {
                            h1 = Some(hash.clone());
                        }
                        locked_along.push(hash);
                    }
                }
                // As OpenTofu does with `trust_all_hashes`.
                None => {
                    for archive in archives.archives.values() {
                        locked_along.extend(hashes(&archive.hashes)?);
                    }
                }
            }
        }
        let filename = url.path_segments().and_then(Iterator::last).unwrap_or_default().to_owned();
        Ok(PackageMeta {
            filename,
            location: Location::Url(url.into()),
            acceptable,
            locked_along,
            h1,
            installed: None,
            provenance: Provenance::Mirror { url: self.url.to_string(), trusted: self.trusted },
        })
    }
}
