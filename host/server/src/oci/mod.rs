//! Components from an OCI registry, by digest: pulled once, kept in a folder, and taken from there ever after, also
//! when the registry is away.
//!
//! Taken are artifacts of one layer: WebAssembly as <https://tag-runtime.cncf.io/wgs/wasm/deliverables/wasm-oci-artifact/>
//! describes it, or any other manifest with a single layer. What a digest names is checked wherever it comes from.

pub mod cache;
pub mod credentials;
pub mod manifest;
pub mod reference;
mod registry;

use std::path::PathBuf;

use bytes::Bytes;

pub use self::cache::Cache;
use self::manifest::Manifest;
pub use self::reference::Reference;
use self::registry::Registry;

/// The largest manifest, in bytes (the distribution specification has registries take 4 MiB).
const MAX_MANIFEST: usize = 4 << 20;

/// Where components from registries are kept, and how registries are reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The folder (`MODULE_CACHE_DIR`).
    pub cache: PathBuf,
    /// A file with credentials as `docker login` writes it (`OCI_CREDENTIALS_FILE`).
    pub credentials: Option<PathBuf>,
    /// Certificates of a private CA, PEM (`OCI_CACERT`).
    pub ca: Option<PathBuf>,
}

/// Why a component could not be had.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PullError {
    /// What the reference names is no component, or the registry refuses it.
    #[error("{0}")]
    Wrong(String),
    /// The registry is away, or did not answer in time.
    #[error("{0}")]
    Passing(String),
}

/// What was pulled.
#[derive(Clone, Debug)]
pub struct Pulled {
    /// The component.
    pub bytes: Bytes,
    /// Its signature, if the manifest carries one, see [`manifest::SIGNATURE`].
    pub signature: Option<String>,
}

/// Pulls the component that `reference` names; what lies in the cache is not asked for again.
///
/// # Errors
/// See [`PullError`].
pub async fn pull(reference: &Reference, settings: &Settings, most: usize) -> Result<Pulled, PullError> {
    let cache = Cache::new(settings.cache.clone());
    let mut source = Source { cache, registry: None, reference, settings };
    let text = source.get(Kind::Manifest, &reference.sha256, MAX_MANIFEST).await?;
    let wrong = |what: String| PullError::Wrong(format!("{reference}: {what}"));
    let Manifest { layer, size, signature } = Manifest::parse(&text).map_err(wrong)?;
    if size > most as u64 {
        return Err(wrong(format!("its layer has {size} bytes, more than {most}")));
    }
    let bytes = source.get(Kind::Blob, &layer, most).await?;
    Ok(Pulled { bytes, signature })
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Manifest,
    Blob,
}

struct Source<'a> {
    cache: Cache,
    registry: Option<Registry>,
    reference: &'a Reference,
    settings: &'a Settings,
}

impl Source<'_> {
    /// What has that SHA-256.
    async fn get(&mut self, kind: Kind, sha256: &str, most: usize) -> Result<Bytes, PullError> {
        let (cache, name) = (self.cache.clone(), sha256.to_owned());
        let kept = tokio::task::spawn_blocking(move || cache.get(&name, most)).await;
        if let Ok(Some(kept)) = kept {
            return Ok(kept);
        }
        let registry = match &mut self.registry {
            Some(registry) => registry,
            none => none.insert(Registry::new(self.reference, self.settings)?),
        };
        let bytes = registry.fetch(kind, sha256, most).await?;
        let (cache, name, copy) = (self.cache.clone(), sha256.to_owned(), bytes.clone());
        let keeping = tokio::task::spawn_blocking(move || cache.put(&name, &copy));
        let folder = self.settings.cache.display();
        match keeping.await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                tracing::warn!(%error, %folder, "a component could not be kept: the next start needs the registry");
            }
            Err(error) => tracing::error!(%error, %folder, "keeping a component failed"),
        }
        Ok(bytes)
    }
}
