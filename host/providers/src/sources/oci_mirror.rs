//! Mirrors in repositories of OCI registries, as OpenTofu has them since 1.10:
//! <https://opentofu.org/docs/cli/oci_registries/provider-mirror/>
//!
//! A template names each provider's repository. Its tags are versions, with `_` for `+`; a tag names an index with a
//! manifest for each platform, and that has the zip as a layer. Nothing is signed: it is believed as a network mirror is.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio::sync::OnceCell;

use super::{Location, PackageMeta, Provenance, Source, SourceError};
use crate::cli_config::{CliConfig, Template};
use crate::hashing::Sha256Sum;
use crate::http::{Http, HttpError};
use crate::oci::Repository;
use crate::{Address, Platform, Version};

const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// An image's manifest is taken, too, to say that it is none of a provider.
const INDEX_OR_MANIFEST: &str = "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json";
const PROVIDER: &str = "application/vnd.opentofu.provider";
const TARGET: &str = "application/vnd.opentofu.provider-target";
const ZIP: &str = "archive/zip";

/// A mirror.
pub struct OciMirror {
    http: Http,
    config: Arc<CliConfig>,
    template: Template,
    /// By address.
    repositories: Mutex<HashMap<String, Arc<Repository>>>,
    /// By repository's address and tag; none, if there is no such tag.
    releases: Mutex<HashMap<String, Arc<OnceCell<Option<Index>>>>>,
}

#[derive(Deserialize)]
struct Index {
    #[serde(flatten)]
    kind: Kind,
    #[serde(default)]
    manifests: Vec<Descriptor>,
}

#[derive(Deserialize)]
struct Manifest {
    #[serde(flatten)]
    kind: Kind,
    #[serde(default)]
    layers: Vec<Descriptor>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Kind {
    #[serde(default)]
    media_type: String,
    #[serde(default)]
    artifact_type: String,
}

#[derive(Deserialize)]
struct Descriptor {
    #[serde(flatten)]
    kind: Kind,
    digest: String,
    #[serde(default)]
    platform: Option<Target>,
}

#[derive(Deserialize)]
struct Target {
    #[serde(default)]
    os: String,
    #[serde(default)]
    architecture: String,
    /// A version of the system: nobody knows yet what to do with such a package.
    #[serde(default, rename = "os.version")]
    os_version: String,
}

/// Where a provider's releases are.
struct Found {
    repository: Arc<Repository>,
    /// Registry and repository.
    address: String,
}

impl Found {
    fn place(&self) -> String {
        format!("the OCI repository {}", self.address)
    }

    fn failed(&self, reason: String) -> SourceError {
        SourceError::Failed { place: self.place(), reason }
    }

    fn unasked(&self, error: HttpError) -> SourceError {
        self.failed(error.to_string())
    }
}

impl OciMirror {
    /// Asks nobody yet.
    #[must_use]
    pub fn new(http: Http, config: Arc<CliConfig>, template: Template) -> Self {
        Self { http, config, template, repositories: Mutex::default(), releases: Mutex::default() }
    }

    fn found(&self, provider: &Address) -> Result<Found, SourceError> {
        let failed = |reason| SourceError::Failed { place: "the oci_mirror".to_owned(), reason };
        let (registry, name) = self.template.repository(provider).map_err(failed)?;
        let address = format!("{registry}/{name}");
        let mut repositories = self.repositories.lock().unwrap_or_else(PoisonError::into_inner);
        let repository = match repositories.get(&address) {
            Some(known) => Arc::clone(known),
            None => {
                let login = self.config.oci_login(&registry, &name).map_err(failed)?;
                let made = Arc::new(Repository::new(self.http.clone(), &registry, &name, login).map_err(failed)?);
                repositories.insert(address.clone(), Arc::clone(&made));
                made
            }
        };
        Ok(Found { repository, address })
    }

    /// The manifest of a version for one platform. The version's index is fetched once for all its platforms.
    async fn target(
        &self,
        found: &Found,
        version: &Version,
        platform: &Platform,
    ) -> Result<Option<Manifest>, SourceError> {
        let tag = version.to_string().replace('+', "_");
        let cell = {
            let mut releases = self.releases.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(releases.entry(format!("{}:{tag}", found.address)).or_default())
        };
        let failed = |what: String| found.failed(format!("{tag}: {what}"));
        let fetch = || async {
            let fetched = found.repository.manifest(&tag, INDEX_OR_MANIFEST).await;
            let Some(body) = fetched.map_err(|error| found.unasked(error))? else { return Ok(None) };
            let index: Index = read(&body, INDEX, PROVIDER, |index: &Index| &index.kind).map_err(failed)?;
            Ok(Some(index))
        };
        let index = cell.get_or_try_init(fetch).await?;
        let Some(descriptor) = index.as_ref().map(|index| index.of(platform)).transpose().map_err(failed)?.flatten()
        else {
            return Ok(None);
        };
        let sum =
            sha256(&descriptor.digest).ok_or_else(|| failed(format!("its manifest for {platform} has no SHA-256")))?;
        let fetched = found.repository.manifest(&format!("sha256:{sum}"), MANIFEST).await;
        let missing = || failed(format!("there is no manifest {}, which it names", descriptor.digest));
        let body = fetched.map_err(|error| found.unasked(error))?.ok_or_else(missing)?;
        read(&body, MANIFEST, TARGET, |manifest: &Manifest| &manifest.kind).map(Some).map_err(failed)
    }
}

/// Reads a document that must be of this kind.
fn read<T: DeserializeOwned>(
    body: &[u8],
    media_type: &str,
    artifact_type: &str,
    kind: impl Fn(&T) -> &Kind,
) -> Result<T, String> {
    let document = serde_json::from_slice(body).map_err(|error| format!("its manifest cannot be read: {error}"))?;
    let Kind { media_type: media, artifact_type: artifact } = kind(&document);
    if media != media_type {
        return Err(format!(
            "it is of the type `{media}`, and not `{media_type}`: a tag of a provider names an index of its platforms"
        ));
    }
    if artifact != artifact_type {
        return Err(format!("its artifact type is `{artifact}`, and not `{artifact_type}`: it is no provider"));
    }
    Ok(document)
}

impl Index {
    /// The manifest for a platform.
    fn of(&self, platform: &Platform) -> Result<Option<&Descriptor>, String> {
        let mut found = None;
        let mut targets = 0_usize;
        for descriptor in self.manifests.iter().filter(|descriptor| descriptor.kind.artifact_type == TARGET) {
            targets = targets.saturating_add(1);
            if descriptor.kind.media_type != MANIFEST {
                return Err(format!("a platform's manifest is of the type `{}`", descriptor.kind.media_type));
            }
            let target = descriptor.platform.as_ref().ok_or("a platform's manifest does not say for which platform")?;
            let is_it = target.os == platform.os() && target.architecture == platform.architecture();
            if is_it && target.os_version.is_empty() && found.replace(descriptor).is_some() {
                return Err(format!("it has several manifests for {platform}"));
            }
        }
        if targets == 0 {
            return Err(format!("it names no manifest of the type `{TARGET}`: it is no provider"));
        }
        Ok(found)
    }
}

impl Manifest {
    /// The SHA-256 of the zip.
    fn zip(&self) -> Result<Sha256Sum, String> {
        let mut zips = self.layers.iter().filter(|layer| layer.kind.media_type == ZIP);
        let (Some(layer), None) = (zips.next(), zips.next()) else {
            return Err(format!("its manifest must have one layer of the type `{ZIP}`"));
        };
        sha256(&layer.digest).ok_or_else(|| "the digest of its zip is no SHA-256".to_owned())
    }
}

fn sha256(digest: &str) -> Option<Sha256Sum> {
    digest.strip_prefix("sha256:")?.parse().ok()
}

#[async_trait]
impl Source for OciMirror {
    fn identity(&self, provider: &Address) -> String {
        match self.template.repository(provider) {
            Ok((registry, name)) => format!("OCI repository {registry}/{name}"),
            Err(what) => what,
        }
    }

    async fn versions(&self, provider: &Address) -> Result<Vec<Version>, SourceError> {
        let found = self.found(provider)?;
        match found.repository.tags().await.map_err(|error| found.unasked(error))? {
            // As OpenTofu does, what is no version is passed over.
            Some(tags) => Ok(tags.iter().filter_map(|tag| tag.replace('_', "+").parse().ok()).collect()),
            None => Err(SourceError::NoProvider { provider: provider.clone(), place: found.place() }),
        }
    }

    async fn package(
        &self,
        provider: &Address,
        version: &Version,
        platform: &Platform,
    ) -> Result<PackageMeta, SourceError> {
        let found = self.found(provider)?;
        let Some(manifest) = self.target(&found, version, platform).await? else {
            let (provider, version, platform) = (provider.clone(), version.clone(), platform.clone());
            return Err(SourceError::NoPlatform { provider, version, platform });
        };
        let sum = manifest.zip().map_err(|what| found.failed(format!("{version} for {platform}: {what}")))?;
        let blob = found.repository.blob(&sum).map_err(|error| found.unasked(error))?;
        Ok(PackageMeta {
            filename: format!("terraform-provider-{}_{version}_{platform}.zip", provider.kind()),
            location: Location::Blob(blob),
            acceptable: vec![sum.zh()],
            locked_along: Vec::new(),
            h1: None,
            installed: None,
            provenance: Provenance::Mirror { url: format!("oci://{}", found.address), trusted: false },
        })
    }
}

#[cfg(test)]
mod tests;
