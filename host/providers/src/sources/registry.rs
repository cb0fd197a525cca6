//! Providers' own registries, over the provider registry protocol.
//! (<https://opentofu.org/docs/internals/provider-registry-protocol/>)

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use http::StatusCode;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio::sync::OnceCell;

use super::discovery::Discovery;
use super::{Location, PackageMeta, Provenance, Source, SourceError};
use crate::cache::{Cache, Release, now};
use crate::cli_config::CliConfig;
use crate::hashing::Sha256Sum;
use crate::http::{Http, HttpError, Url};
use crate::signature::{self, SignatureError, Sums};
use crate::{Address, Hash, Platform, Style, Version};

/// The longest answer that is read: registries list hundreds of versions with all their platforms.
const MOST_ANSWER: u64 = 16 << 20;
/// The longest `SHA256SUMS`, and the longest signature.
const MOST_SUMS: u64 = 4 << 20;

/// How many releases are remembered. A server would remember all that there are, and again each time their URLs change.
const MOST_RELEASES: usize = 1_000;

/// The registries of all hosts.
pub struct Registry {
    http: Http,
    config: Arc<CliConfig>,
    discovery: Discovery,
    cache: Option<Cache>,
    releases: Mutex<HashMap<String, Arc<OnceCell<Arc<Verified>>>>>,
}

/// A release whose `SHA256SUMS` is believed.
struct Verified {
    sums: Sums,
    signed_by: Option<String>,
    document: Bytes,
    /// Empty, if the release may go unsigned.
    signature: Bytes,
}

/// What a registry says about a package, and what vouches for it; for whoever serves it on.
pub struct Described {
    /// The registry's answer, as it came.
    pub answer: Bytes,
    /// The document that was signed.
    pub document: Bytes,
    /// Its signature.
    pub signature: Bytes,
}

#[derive(Deserialize)]
struct VersionsAnswer {
    #[serde(default)]
    versions: Option<Vec<VersionAnswer>>,
}

#[derive(Deserialize)]
struct VersionAnswer {
    version: String,
}

#[derive(Deserialize)]
struct PackageAnswer {
    os: String,
    arch: String,
    filename: String,
    download_url: String,
    shasum: String,
    shasums_url: String,
    shasums_signature_url: String,
    #[serde(default)]
    signing_keys: KeysAnswer,
    #[serde(default)]
    packages: Option<BTreeMap<String, HashesAnswer>>,
}

#[derive(Default, Deserialize)]
struct KeysAnswer {
    #[serde(default)]
    gpg_public_keys: Option<Vec<KeyAnswer>>,
}

#[derive(Deserialize)]
struct KeyAnswer {
    ascii_armor: String,
}

#[derive(Deserialize)]
struct HashesAnswer {
    #[serde(default)]
    hashes: Vec<String>,
}

impl Registry {
    /// Asks nobody yet. What `cache` remembers of a release must be what the registry says now.
    #[must_use]
    pub fn new(http: Http, config: Arc<CliConfig>, cache: Option<Cache>) -> Self {
        let discovery = Discovery::new(http.clone(), Arc::clone(&config));
        Self { http, config, discovery, cache, releases: Mutex::default() }
    }

    async fn json<T: DeserializeOwned>(&self, provider: &Address, path: &str) -> Result<(T, Bytes, Url), Asked> {
        let base = self.discovery.registry(provider.host()).await.map_err(Asked::Failed)?;
        let place = place(provider);
        let failed = |reason: String| Asked::Failed(SourceError::Failed { place: place.clone(), reason });
        let url = base.join(path).map_err(|_| failed("no URL can be made for it".to_owned()))?;
        let token = self.config.token(provider.host()).await.map_err(|error| failed(error.to_string()))?;
        let (body, end) =
            self.http.get(&url, token.as_ref(), MOST_ANSWER).await.map_err(|error| match error.status() {
                Some(StatusCode::NOT_FOUND) => Asked::NotFound,
                Some(status @ (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN)) => failed(match token {
                    Some(_) => format!("it answers {status}: it refuses the token that is configured for it"),
                    None => {
                        format!("it answers {status}: it wants a token: {}", self.config.advice(provider.host()))
                    }
                }),
                _ => failed(error.to_string()),
            })?;
        let answer = serde_json::from_slice(&body)
            .map_err(|error| failed(format!("its answer is not what the registry protocol says: {error}")))?;
        Ok((answer, body, end))
    }

    /// The sums of a release, fetched and checked once for all its platforms.
    async fn verified(
        &self,
        provider: &Address,
        version: &Version,
        answer: &PackageAnswer,
        base: &Url,
    ) -> Result<Arc<Verified>, SourceError> {
        let key = format!("{provider}\n{version}\n{}\n{}", answer.shasums_url, answer.shasums_signature_url);
        let cell = {
            let mut releases = self.releases.lock().unwrap_or_else(PoisonError::into_inner);
            if releases.len() >= MOST_RELEASES {
                releases.retain(|_, release| Arc::strong_count(release) > 1);
            }
            Arc::clone(releases.entry(key).or_default())
        };
        cell.get_or_try_init(|| async { Ok(Arc::new(self.verify(provider, version, answer, base).await?)) })
            .await
            .cloned()
    }

    async fn verify(
        &self,
        provider: &Address,
        version: &Version,
        answer: &PackageAnswer,
        base: &Url,
    ) -> Result<Verified, SourceError> {
        let failed = |reason: String| SourceError::Failed { place: place(provider), reason };
        let untrusted = |reason: String| untrusted(provider, version, reason);
        let (document, _) = self
            .http
            .get(
                &file(base, &answer.shasums_url).ok_or_else(|| failed("it gives no URL for SHA256SUMS".to_owned()))?,
                None,
                MOST_SUMS,
            )
            .await
            .map_err(|error| failed(format!("SHA256SUMS of {provider} {version}: {error}")))?;
        let keys: Vec<String> =
            answer.signing_keys.gpg_public_keys.iter().flatten().map(|key| key.ascii_armor.clone()).collect();
        let (signed_by, signature) = if keys.is_empty() && may_go_unsigned(provider) {
            (None, Bytes::new())
        } else {
            let url = file(base, &answer.shasums_signature_url)
                .ok_or_else(|| untrusted("it gives no URL for the signature of SHA256SUMS".to_owned()))?;
            let signature = match self.http.get(&url, None, MOST_SUMS).await {
                Ok((signature, _)) => signature,
                Err(HttpError::Status { status: StatusCode::NOT_FOUND, .. }) => {
                    return Err(untrusted("SHA256SUMS has no signature".to_owned()));
                }
                Err(error) => return Err(failed(format!("the signature of {provider} {version}: {error}"))),
            };
            let (checked, by) = (document.clone(), signature.clone());
            // Verifying takes milliseconds of arithmetic.
            let id = tokio::task::spawn_blocking(move || signature::verify(&checked, &by, &keys)).await;
            let id = id.unwrap_or_else(|_| Err(SignatureError::BadSignature("the check ended early".to_owned())));
            (Some(id.map_err(|error| untrusted(error.to_string()))?), signature)
        };
        let sums = Sums::parse(&document).map_err(|error| untrusted(error.to_string()))?;
        if let Some(cache) = self.cache.clone() {
            let release = Release {
                sums: sums.iter().map(|(name, sum)| (name.to_owned(), sum)).collect(),
                signed_by: signed_by.clone(),
                origin: place(provider),
                at: now(),
            };
            let (source, owner, number) = (self.identity(provider), provider.clone(), version.clone());
            // It reads and writes files.
            let compared = tokio::task::spawn_blocking(move || compare(&cache, &source, &owner, &number, &release));
            let early = |_| Err("the comparison with what was first seen ended early".to_owned());
            compared.await.unwrap_or_else(early).map_err(untrusted)?;
        }
        Ok(Verified { sums, signed_by, document, signature })
    }

    /// A package's description, and the very bytes of the signed sums that were checked for it, after the same checks
    /// as [`Source::package`].
    ///
    /// # Errors
    /// As [`Source::package`].
    pub async fn described(
        &self,
        provider: &Address,
        version: &Version,
        platform: &Platform,
    ) -> Result<(PackageMeta, Described), SourceError> {
        let (meta, answer, release) = self.asked(provider, version, platform).await?;
        // Asked for once more, they could be others, which nobody has checked.
        let (document, signature) = (release.document.clone(), release.signature.clone());
        Ok((meta, Described { answer, document, signature }))
    }

    async fn asked(
        &self,
        provider: &Address,
        version: &Version,
        platform: &Platform,
    ) -> Result<(PackageMeta, Bytes, Arc<Verified>), SourceError> {
        let Platforms { os, arch } = Platforms::of(platform);
        let path = format!("{}/{}/{version}/download/{os}/{arch}", provider.namespace(), provider.kind());
        let (answer, body, base) = match self.json::<PackageAnswer>(provider, &path).await {
            Ok(answered) => answered,
            Err(Asked::NotFound) => {
                let (provider, version, platform) = (provider.clone(), version.clone(), platform.clone());
                return Err(SourceError::NoPlatform { provider, version, platform });
            }
            Err(Asked::Failed(error)) => return Err(error),
        };
        let untrusted = |reason: String| untrusted(provider, version, reason);
        if answer.os != os || answer.arch != arch {
            return Err(untrusted(format!(
                "asked for {platform}, it describes a package for {}_{}",
                answer.os, answer.arch
            )));
        }
        if answer.filename.contains(['/', '\\']) || answer.filename.starts_with('.') {
            return Err(untrusted("the package's file name is no file name".to_owned()));
        }
        let sum: Sha256Sum = answer
            .shasum
            .to_ascii_lowercase()
            .parse()
            .map_err(|_| untrusted("the package's `shasum` is no SHA-256".to_owned()))?;
        let release = self.verified(provider, version, &answer, &base).await?;
        match release.sums.of(&answer.filename) {
            Some(signed) if signed == sum => {}
            Some(signed) => {
                return Err(untrusted(format!(
                    "the package's `shasum` for {platform} is {sum}, but SHA256SUMS has {signed}"
                )));
            }
            None => return Err(untrusted(format!("SHA256SUMS has no line for {}", answer.filename))),
        }
        let location = file(&base, &answer.download_url)
            .ok_or_else(|| untrusted("the package's `download_url` is no http or https URL".to_owned()))?;
        let mut locked_along = release.sums.hashes();
        let mut h1 = None;
        // OpenTofu takes a registry's word for what is not signed from its own registry only.
        if may_go_unsigned(provider) {
            for (name, hashes) in answer.packages.iter().flatten() {
                let told: Vec<Hash> = hashes.hashes.iter().filter_map(|hash| hash.parse().ok()).collect();
                if *name == platform.to_string() && told.contains(&sum.zh()) {
                    h1 = told.iter().find(|hash| hash.is_files()).cloned();
                }
                locked_along.extend(told);
            }
            locked_along.sort();
            locked_along.dedup();
        }
        let provenance = match &release.signed_by {
            Some(key) => Provenance::Signed(vec![key.clone()]),
            None => Provenance::Registry,
        };
        let meta = PackageMeta {
            filename: answer.filename.clone(),
            location: Location::Url(location.into()),
            acceptable: vec![sum.zh()],
            locked_along,
            h1,
            installed: None,
            provenance,
        };
        Ok((meta, body, release))
    }
}

#[async_trait]
impl Source for Registry {
    fn identity(&self, provider: &Address) -> String {
        let host = provider.host();
        match self.config.service(host, "providers.v1") {
            Some(url) => format!("registry {}", url.unwrap_or("none")),
            None => format!("registry of {host}"),
        }
    }

    async fn versions(&self, provider: &Address) -> Result<Vec<Version>, SourceError> {
        let path = format!("{}/{}/versions", provider.namespace(), provider.kind());
        match self.json::<VersionsAnswer>(provider, &path).await {
            Ok((answer, _, _)) => {
                let versions = answer.versions.unwrap_or_default();
                // As both CLIs do, what is no version is passed over.
                Ok(versions.iter().filter_map(|version| version.version.parse().ok()).collect())
            }
            Err(Asked::NotFound) => Err(SourceError::NoProvider { provider: provider.clone(), place: place(provider) }),
            Err(Asked::Failed(error)) => Err(error),
        }
    }

    async fn package(
        &self,
        provider: &Address,
        version: &Version,
        platform: &Platform,
    ) -> Result<PackageMeta, SourceError> {
        Ok(self.asked(provider, version, platform).await?.0)
    }
}

/// A release does not change. One that does is not believed, whoever has signed it. Blocks.
fn compare(
    cache: &Cache,
    source: &str,
    provider: &Address,
    version: &Version,
    release: &Release,
) -> Result<(), String> {
    match cache.release(source, provider, version) {
        Some(known) if known.sums == release.sums => Ok(()),
        Some(_) => Err(format!(
            "SHA256SUMS is not what it was when it was first seen here: the release has changed. If that is known to be \
             right, remove {}",
            cache.release_path(source, provider, version).display()
        )),
        None => {
            if let Err(error) = cache.keep_release(source, provider, version, release) {
                tracing::warn!(%error, folder = %cache.folder().display(), "the provider cache cannot be written");
            }
            Ok(())
        }
    }
}

enum Asked {
    NotFound,
    Failed(SourceError),
}

struct Platforms<'a> {
    os: &'a str,
    arch: &'a str,
}

impl<'a> Platforms<'a> {
    fn of(platform: &'a Platform) -> Self {
        Self { os: platform.os(), arch: platform.architecture() }
    }
}

fn place(provider: &Address) -> String {
    format!("the registry of {}", provider.display_host())
}

fn untrusted(provider: &Address, version: &Version, reason: String) -> SourceError {
    SourceError::Untrusted { provider: provider.clone(), version: version.clone(), place: place(provider), reason }
}

fn file(base: &Url, text: &str) -> Option<Url> {
    base.join(text).ok().filter(|url| !text.is_empty() && matches!(url.scheme(), "http" | "https"))
}

/// OpenTofu lets its own registry go without signatures where it knows no key, unless that is switched off.
/// (<https://github.com/opentofu/opentofu/issues/266>)
fn may_go_unsigned(provider: &Address) -> bool {
    provider.host() == Style::Tofu.default_host()
        && std::env::var_os("OPENTOFU_ENFORCE_GPG_VALIDATION").is_none_or(|value| value != "true")
}
