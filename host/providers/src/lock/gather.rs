//! The hashes of every package of a plan, each learned once.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use futures_util::{StreamExt, stream};

use super::{Means, Progress, Request, Sources};
use crate::cache::{Cache, Known};
use crate::hashing::{self, HashError, Sha256Sum, ZipHashes};
use crate::http::Url;
use crate::plan::{Memory, Package, Plan};
use crate::sources::{Location, PackageMeta, Provenance, Source, SourceError};
use crate::{Hash, spans};

/// How many packages are asked about at once. Downloads have a bound of their own.
const AT_ONCE: usize = 32;

/// What was learned of each package.
pub(super) type Facts = BTreeMap<Package, Result<Found, Failure>>;

/// What is known of a package.
#[derive(Debug, Clone)]
pub(super) struct Found {
    /// Everything that may be locked along with it, itself included.
    pub(super) hashes: BTreeSet<Hash>,
    /// The hash of the archive, where there is one.
    pub(super) zip: Option<Hash>,
    /// The archive's size in bytes, where it is known.
    pub(super) bytes: Option<u64>,
    pub(super) provenance: Provenance,
}

/// Why nothing is known of a package.
#[derive(Debug, Clone, thiserror::Error)]
pub(super) enum Failure {
    /// There is none for this platform.
    #[error("there is none for this platform")]
    NoPlatform,
    /// A sentence.
    #[error("{0}")]
    Other(String),
}

/// Learns all of it.
pub(super) async fn gather(
    request: &Request,
    means: &Means,
    sources: &Sources,
    plan: &Plan,
    memory: &Memory,
    progress: &dyn Progress,
) -> Facts {
    let mut facts: Facts = plan
        .remembered
        .iter()
        .filter_map(|package| Some((package.clone(), Ok(remembered(memory, package)?))))
        .collect();
    let ask = |package: &Package| {
        let package = package.clone();
        async move {
            let locked = plan.locked.get(&package);
            let span = spans::package(&package.release.provider, &package.release.version, &package.platform);
            let learning = learn(request, means, sources, &package, locked, progress);
            let found = spans::recorded(span, learning).await;
            progress.done();
            (package, found)
        }
    };
    let asked: Vec<(Package, Result<Found, Failure>)> =
        stream::iter(&plan.asked).map(ask).buffer_unordered(AT_ONCE).collect().await;
    facts.extend(asked);
    facts
}

fn remembered(memory: &Memory, package: &Package) -> Option<Found> {
    let (release, known) = memory.package(package)?;
    let mut hashes: BTreeSet<Hash> = release.sums.iter().cloned().collect();
    hashes.insert(known.hashes()?.h1);
    let provenance = Provenance::Signed(vec![release.signed_by.clone()]);
    Some(Found { hashes, zip: Some(known.sha256.zh()), bytes: Some(known.bytes), provenance })
}

/// `locked`: what all who want the package have locked already.
async fn learn(
    request: &Request,
    means: &Means,
    sources: &Sources,
    package: &Package,
    locked: Option<&BTreeSet<Hash>>,
    progress: &dyn Progress,
) -> Result<Found, Failure> {
    let release = &package.release;
    let source: &Arc<dyn Source> = sources
        .values()
        .find(|source| source.identity(&release.provider) == release.place)
        .ok_or_else(|| Failure::Other(format!("nobody knows {}", release.provider)))?;
    let meta =
        source.package(&release.provider, &release.version, &package.platform).await.map_err(|error| match error {
            SourceError::NoPlatform { .. } => Failure::NoPlatform,
            error => Failure::Other(error.to_string()),
        })?;
    let mut found = Found {
        hashes: meta.locked_along.iter().cloned().collect(),
        zip: meta.acceptable.iter().find(|hash| hash.is_zip()).cloned(),
        bytes: None,
        provenance: meta.provenance.clone(),
    };
    if let Some(h1) = &meta.h1 {
        found.hashes.insert(h1.clone());
        found.hashes.extend(found.zip.clone());
        return Ok(found);
    }
    let known = match (known(means, &meta).await.map_err(Failure::Other)?, &meta.location) {
        (Some(known), _) => known,
        (None, Location::Url(_) | Location::Blob(_)) => {
            if is_believed(&meta)
                && let Some(h1) = installed(&meta, locked).await
            {
                found.hashes.extend(found.zip.clone());
                found.hashes.insert(h1);
                return Ok(found);
            }
            if request.no_download {
                return unseen(&meta, found);
            }
            download(means, &meta, progress).await.map_err(Failure::Other)?
        }
        (None, Location::Archive(_) | Location::Folder(_)) => return Err(Failure::Other("it is not there".to_owned())),
    };
    found.zip = known.zip.as_ref().map(Sha256Sum::zh);
    found.bytes = known.bytes;
    found.hashes.extend(found.zip.clone());
    found.hashes.insert(known.h1);
    Ok(found)
}

/// Whether what is told of a package may be locked before anybody has seen the package itself.
fn is_believed(meta: &PackageMeta) -> bool {
    match meta.provenance {
        Provenance::Signed(_) | Provenance::Registry => true,
        Provenance::Mirror { trusted, .. } => trusted,
        Provenance::Folder(_) => false,
    }
}

/// What may be locked of a package that nobody downloads.
fn unseen(meta: &PackageMeta, mut found: Found) -> Result<Found, Failure> {
    if !is_believed(meta) {
        return Err(Failure::Other(
            "a mirror's hashes are believed only with the package, and no package is to be downloaded".to_owned(),
        ));
    }
    found.hashes.extend(found.zip.clone());
    Ok(found)
}

/// The hash of the package as the CLIs have installed it once, if it is locked. As with them, a hash that is not locked
/// yet is never taken from there: nobody knows where that package came from.
async fn installed(meta: &PackageMeta, locked: Option<&BTreeSet<Hash>>) -> Option<Hash> {
    let folder = meta.installed.clone()?;
    let locked = locked.filter(|locked| locked.iter().any(Hash::is_files))?;
    let hashed =
        blocking(move || hashing::of_folder(&folder).map_err(|error| cannot_read(&folder, &error.to_string())));
    match hashed.await {
        Ok(h1) => locked.contains(&h1).then_some(h1),
        Err(error) => {
            tracing::warn!(error, "a package in the CLIs' plugin cache cannot be used");
            None
        }
    }
}

/// What a package's bytes are found to be.
struct Measured {
    zip: Option<Sha256Sum>,
    h1: Hash,
    bytes: Option<u64>,
}

impl Measured {
    fn of(known: &Known) -> Option<Self> {
        Some(Self { zip: Some(known.sha256), h1: known.hashes()?.h1, bytes: Some(known.bytes) })
    }
}

/// What is known of a package without a download.
async fn known(means: &Means, meta: &PackageMeta) -> Result<Option<Measured>, String> {
    match &meta.location {
        Location::Url(_) | Location::Blob(_) => Ok(remembered_zip(means, meta)),
        Location::Archive(path) => {
            let (owned, told) = (path.clone(), meta.clone());
            let cache = means.cache.clone();
            blocking(move || {
                let sum = Sha256Sum::of_file(&owned).map_err(|error| cannot_read(&owned, &error.to_string()))?;
                let known = cache.as_ref().and_then(|cache| Measured::of(&cache.package(&sum)?));
                if let Some(measured) = known {
                    return Ok(Some(measured));
                }
                let bytes = std::fs::metadata(&owned).map_or(0, |about| about.len());
                let hashes = hashing::of_zip(&owned).map_err(|error| cannot_read(&owned, &error.to_string()))?;
                accept(&told, &sum, &hashes)?;
                let known = Known::now(sum, bytes, &hashes, &owned.display().to_string());
                keep(cache.as_ref(), &known);
                Ok(Some(Measured { zip: Some(sum), h1: hashes.h1, bytes: Some(bytes) }))
            })
            .await
        }
        Location::Folder(path) => {
            let path = path.clone();
            blocking(move || {
                let h1 =
                    hashing::of_folder(&path).map_err(|error: HashError| cannot_read(&path, &error.to_string()))?;
                Ok(Some(Measured { zip: None, h1, bytes: None }))
            })
            .await
        }
    }
}

/// What is remembered of an archive that would do.
fn remembered_zip(means: &Means, meta: &PackageMeta) -> Option<Measured> {
    let cache = means.cache.as_ref()?;
    meta.acceptable.iter().filter_map(Sha256Sum::in_zh).find_map(|sum| Measured::of(&cache.package(&sum)?))
}

fn keep(cache: Option<&Cache>, known: &Known) {
    if let Some(Err(error)) = cache.map(|cache| cache.keep_package(known)) {
        tracing::warn!(%error, "the provider cache cannot be written");
    }
}

async fn download(means: &Means, meta: &PackageMeta, progress: &dyn Progress) -> Result<Measured, String> {
    let name = &meta.filename;
    let (parsed, blob) = match &meta.location {
        Location::Blob(blob) => (blob.url().clone(), Some(blob)),
        Location::Url(url) => (Url::parse(url).map_err(|_| format!("{name} lies at what is no URL"))?, None),
        Location::Archive(_) | Location::Folder(_) => return Err(format!("{name} is on this machine already")),
    };
    progress.download(name);
    let counted = |bytes| progress.bytes(bytes);
    let fetched = match blob {
        Some(blob) => means.fetcher.blob(blob, counted).await,
        None => means.fetcher.zip(&parsed, counted).await,
    };
    let fetched = fetched.map_err(|error| format!("{name}: {error}"))?;
    let (meta, cache) = (meta.clone(), means.cache.clone());
    blocking(move || {
        let name = &meta.filename;
        let zips: Vec<Sha256Sum> = meta.acceptable.iter().filter_map(Sha256Sum::in_zh).collect();
        if !zips.is_empty() && !zips.contains(&fetched.sha256) {
            return Err(format!("{name} is not what was promised: its SHA-256 is {}", fetched.sha256));
        }
        let hashes = hashing::of_zip(fetched.file.path()).map_err(|error| format!("{name}: {error}"))?;
        accept(&meta, &fetched.sha256, &hashes)?;
        let mut origin = parsed;
        origin.set_query(None);
        let known = Known::now(fetched.sha256, fetched.bytes, &hashes, origin.as_str());
        keep(cache.as_ref(), &known);
        Ok(Measured { zip: Some(known.sha256), h1: hashes.h1, bytes: Some(known.bytes) })
    })
    .await
}

/// Refuses a package that matches nothing of what was told of it.
fn accept(meta: &PackageMeta, zip: &Sha256Sum, hashes: &ZipHashes) -> Result<(), String> {
    let name = &meta.filename;
    if meta.acceptable.is_empty() {
        // A folder tells no hashes: the configuration that names it vouches for what lies there.
        return match meta.provenance {
            Provenance::Folder(_) => Ok(()),
            _ => Err(format!("{name} comes without any hash that it could be compared with, so it is not locked")),
        };
    }
    let own = [zip.zh(), hashes.h1.clone(), hashes.h1_of_zip.clone()];
    if meta.acceptable.iter().any(|hash| own.contains(hash)) {
        Ok(())
    } else {
        Err(format!("{name} is not what was promised: none of its hashes is among those that were told"))
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, String> + Send + 'static) -> Result<T, String> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|_| Err("the package could not be hashed".to_owned()))
}

fn cannot_read(path: &Path, reason: &str) -> String {
    format!("{}: {reason}", path.display())
}
