//! Several sources behind one: the methods of `provider_installation`, chosen between as both CLIs do.

use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;

use super::{FilesystemMirror, NetworkMirror, OciMirror, PackageMeta, Registry, Source, SourceError};
use crate::cache::Cache;
use crate::cli_config::{CliConfig, Method, Place};
use crate::http::{Http, Url};
use crate::{Address, Platform, Version};

/// The sources that a configuration names, in order.
pub struct Installation {
    methods: Vec<(Method, Arc<dyn Source>)>,
    /// Folders that stand for the registry of what lies in them, when no method was configured.
    implied: Vec<Arc<FilesystemMirror>>,
    registry: Arc<dyn Source>,
}

impl Installation {
    /// Without a `provider_installation` block, the folders that the CLIs look into by themselves stand for the
    /// registry of whatever lies in them.
    ///
    /// # Errors
    /// A sentence, for a mirror's URL that is none.
    pub fn new(config: &Arc<CliConfig>, http: &Http, cache: Option<Cache>) -> Result<Self, String> {
        let registry: Arc<dyn Source> = Arc::new(Registry::new(http.clone(), Arc::clone(config), cache));
        let mut methods: Vec<(Method, Arc<dyn Source>)> = Vec::new();
        for method in config.installation.iter().flatten() {
            let source: Arc<dyn Source> = match &method.place {
                Place::Direct => Arc::clone(&registry),
                Place::Filesystem(folder) => Arc::new(FilesystemMirror::new(folder.clone())),
                Place::Oci(template) => Arc::new(OciMirror::new(http.clone(), Arc::clone(config), template.clone())),
                Place::Network { url, trusted } => {
                    let parsed = Url::parse(url).map_err(|_| format!("the network mirror `{url}` is no URL"))?;
                    Arc::new(NetworkMirror::new(http.clone(), Arc::clone(config), parsed, *trusted))
                }
            };
            methods.push((method.clone(), source));
        }
        let implied = match config.installation {
            Some(_) => Vec::new(),
            None => {
                config.implied_folders().into_iter().map(|folder| Arc::new(FilesystemMirror::new(folder))).collect()
            }
        };
        if config.installation.is_none() {
            let all = Method { place: Place::Direct, include: Vec::new(), exclude: Vec::new() };
            methods.push((all, Arc::clone(&registry)));
        }
        Ok(Self { methods, implied, registry })
    }

    /// Those that are asked about `provider`.
    async fn asked(&self, provider: &Address) -> Vec<Arc<dyn Source>> {
        let mut local: Vec<Arc<dyn Source>> = Vec::new();
        for folder in &self.implied {
            if folder.versions(provider).await.is_ok() {
                local.push(Arc::clone(folder) as Arc<dyn Source>);
            }
        }
        if !local.is_empty() {
            return local;
        }
        self.methods
            .iter()
            .filter(|(method, _)| method.serves(provider))
            .map(|(_, source)| Arc::clone(source))
            .collect()
    }
}

#[async_trait]
impl Source for Installation {
    fn identity(&self, provider: &Address) -> String {
        let serving = self.methods.iter().filter(|(method, _)| method.serves(provider));
        let mut names: Vec<_> = self.implied.iter().map(|folder| folder.identity(provider)).collect();
        names.extend(serving.map(|(_, source)| source.identity(provider)));
        // What a registry said is remembered under its own name.
        if names.len() == 1 { names.concat() } else { names.join(", then ") }
    }

    async fn versions(&self, provider: &Address) -> Result<Vec<Version>, SourceError> {
        let mut versions = BTreeSet::new();
        let mut missing = None;
        for source in self.asked(provider).await {
            match source.versions(provider).await {
                Ok(found) => versions.extend(found),
                Err(error @ SourceError::NoProvider { .. }) => missing = Some(error),
                Err(error) => return Err(error),
            }
        }
        if versions.is_empty() {
            let place = "the CLI configuration's provider_installation".to_owned();
            return Err(missing.unwrap_or_else(|| SourceError::NoProvider { provider: provider.clone(), place }));
        }
        Ok(versions.into_iter().collect())
    }

    async fn package(
        &self,
        provider: &Address,
        version: &Version,
        platform: &Platform,
    ) -> Result<PackageMeta, SourceError> {
        for source in self.asked(provider).await {
            match source.package(provider, version, platform).await {
                Err(SourceError::NoProvider { .. } | SourceError::NoPlatform { .. }) => {}
                answered => return answered,
            }
        }
        let (provider, version, platform) = (provider.clone(), version.clone(), platform.clone());
        Err(SourceError::NoPlatform { provider, version, platform })
    }
}

impl Installation {
    /// The providers' own registries alone, whatever the configuration says about mirrors: what
    /// `tofu providers lock` asks.
    #[must_use]
    pub fn registry(&self) -> Arc<dyn Source> {
        Arc::clone(&self.registry)
    }
}
