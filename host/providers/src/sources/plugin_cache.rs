//! The folder in which both CLIs keep installed packages for all root modules (`plugin_cache_dir`,
//! `TF_PLUGIN_CACHE_DIR`).
//!
//! `init` takes a package from there only if its `h1:` hash is locked. So it can tell which platform a locked hash is
//! for, and never brings a new one.
//! (<https://opentofu.org/docs/cli/config/config-file/#provider-plugin-cache>)

use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;

use super::{FilesystemMirror, Location, PackageMeta, Source, SourceError};
use crate::{Address, Platform, Version};

/// A source, together with that folder.
pub struct WithPluginCache {
    source: Arc<dyn Source>,
    cache: FilesystemMirror,
}

impl WithPluginCache {
    /// Nothing is read yet.
    #[must_use]
    pub fn new(source: Arc<dyn Source>, folder: PathBuf) -> Self {
        Self { source, cache: FilesystemMirror::new(folder) }
    }
}

#[async_trait]
impl Source for WithPluginCache {
    fn identity(&self, provider: &Address) -> String {
        self.source.identity(provider)
    }

    async fn versions(&self, provider: &Address) -> Result<Vec<Version>, SourceError> {
        self.source.versions(provider).await
    }

    async fn package(
        &self,
        provider: &Address,
        version: &Version,
        platform: &Platform,
    ) -> Result<PackageMeta, SourceError> {
        let meta = self.source.package(provider, version, platform).await?;
        // A cache that is not there, or not of this package, is no mistake.
        let installed = match self.cache.package(provider, version, platform).await.map(|cached| cached.location) {
            Ok(Location::Folder(folder)) => Some(folder),
            Ok(Location::Archive(_) | Location::Url(_) | Location::Blob(_)) | Err(_) => None,
        };
        Ok(PackageMeta { installed, ..meta })
    }
}
