//! Folders with packages, packed or unpacked, as `tofu providers mirror` and installed providers lie.
//! (<https://opentofu.org/docs/cli/config/config-file/#filesystem_mirror>)

use std::path::{Path, PathBuf};

use async_trait::async_trait;

use super::{Location, PackageMeta, Provenance, Source, SourceError};
use crate::{Address, Platform, Version};

/// A folder.
#[derive(Clone, Debug)]
pub struct FilesystemMirror {
    folder: PathBuf,
}

impl FilesystemMirror {
    /// Nothing is read yet.
    #[must_use]
    pub fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// What is there of a provider. A folder comes before a zip of the same package, as with the CLIs.
    fn packages(&self, provider: &Address) -> Result<Vec<(Version, Platform, Location)>, SourceError> {
        let failed = |path: &Path, error: std::io::Error| SourceError::Failed {
            place: path.display().to_string(),
            reason: format!("cannot be read: {error}"),
        };
        if !self.folder.is_dir() {
            let place = self.folder.display().to_string();
            return Err(SourceError::Failed { place, reason: "there is no such folder".to_owned() });
        }
        let folder = self.folder.join(provider.display_host()).join(provider.namespace()).join(provider.kind());
        let entries = match std::fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(failed(&folder, error)),
        };
        let (mut unpacked, mut packed) = (Vec::new(), Vec::new());
        for entry in entries {
            let path = entry.map_err(|error| failed(&folder, error))?.path();
            let Some(name) = path.file_name().and_then(|name| name.to_str()) else { continue };
            if path.is_dir() {
                let Ok(version) = name.parse::<Version>() else { continue };
                for entry in std::fs::read_dir(&path).map_err(|error| failed(&path, error))? {
                    let inner = entry.map_err(|error| failed(&path, error))?.path();
                    let platform = inner.file_name().and_then(|name| name.to_str()?.parse().ok());
                    if let (Some(platform), true) = (platform, inner.is_dir()) {
                        unpacked.push((version.clone(), platform, Location::Folder(inner)));
                    }
                }
            } else if let Some((version, platform)) = read_name(name, provider.kind()) {
                packed.push((version, platform, Location::Archive(path)));
            }
        }
        unpacked.extend(packed);
        Ok(unpacked)
    }

    async fn found(&self, provider: &Address) -> Result<Vec<(Version, Platform, Location)>, SourceError> {
        let (mirror, asked) = (self.clone(), provider.clone());
        let place = self.folder.display().to_string();
        match tokio::task::spawn_blocking(move || mirror.packages(&asked)).await {
            Ok(found) => found,
            Err(_) => Err(SourceError::Failed { place, reason: "the search ended early".to_owned() }),
        }
    }
}

/// Version and platform in `terraform-provider-TYPE_VERSION_OS_ARCH.zip`.
fn read_name(name: &str, kind: &str) -> Option<(Version, Platform)> {
    let name = name.to_lowercase();
    let rest = name.strip_prefix("terraform-provider-")?.strip_prefix(kind)?.strip_prefix('_')?;
    let (version, platform) = rest.strip_suffix(".zip")?.split_once('_')?;
    Some((version.parse().ok()?, platform.parse().ok()?))
}

#[async_trait]
impl Source for FilesystemMirror {
    fn identity(&self, _: &Address) -> String {
        let folder = std::path::absolute(&self.folder);
        format!("folder {}", folder.as_deref().unwrap_or(&self.folder).display())
    }

    async fn versions(&self, provider: &Address) -> Result<Vec<Version>, SourceError> {
        let mut versions: Vec<_> = self.found(provider).await?.into_iter().map(|(version, ..)| version).collect();
        versions.sort();
        versions.dedup();
        if versions.is_empty() {
            let place = self.folder.display().to_string();
            return Err(SourceError::NoProvider { provider: provider.clone(), place });
        }
        Ok(versions)
    }

    async fn package(
        &self,
        provider: &Address,
        version: &Version,
        platform: &Platform,
    ) -> Result<PackageMeta, SourceError> {
        let found = self.found(provider).await?.into_iter();
        let mut location = found.filter(|(v, p, _)| v == version && p == platform).map(|(.., location)| location);
        let Some(location) = location.next() else {
            let (provider, version, platform) = (provider.clone(), version.clone(), platform.clone());
            return Err(SourceError::NoPlatform { provider, version, platform });
        };
        Ok(PackageMeta {
            filename: format!("terraform-provider-{}_{version}_{platform}.zip", provider.kind()),
            location,
            acceptable: Vec::new(),
            locked_along: Vec::new(),
            h1: None,
            installed: None,
            provenance: Provenance::Folder(self.folder.clone()),
        })
    }
}
