//! A filesystem mirror for places without a network: every provider that some root modules need, for some platforms,
//! as a folder that both CLIs take (`filesystem_mirror`), and that any web server can offer as a network mirror.
//!
//! Packages that are there already and are right are not fetched again, so a run that was broken off goes on where it
//! was. A package gets its name only when it is whole and was checked.

mod documents;
mod wanted;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Serialize;
use tempfile::NamedTempFile;
use tokio::task::JoinSet;
use tracing::{Instrument, Span};

use crate::fetch::{Fetched, Fetcher};
use crate::hashing::{self, Sha256Sum};
use crate::http::Url;
use crate::sources::{Location, PackageMeta, Source};
use crate::{Address, Platform, Problem, Style, Version, spans};
pub use documents::DocumentError;

/// What is to be mirrored.
#[derive(Clone, Debug)]
pub struct Request {
    /// Folders with root modules in or below them.
    pub folders: Vec<PathBuf>,
    /// The mirror's folder. It is made if it is missing; what is there stays.
    pub to: PathBuf,
    /// For these platforms.
    pub platforms: Vec<Platform>,
    /// Whose defaults hold where a root module does not show it.
    pub style: Option<Style>,
    /// Modules that a root module calls are not read.
    pub shallow: bool,
}

/// A package in the mirror.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Mirrored {
    /// The provider's address.
    pub provider: String,
    /// The version.
    pub version: String,
    /// The platform.
    pub platform: String,
    /// Whether it was fetched now, and not there before.
    pub fetched: bool,
}

/// What a run has done.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// How many root modules were read.
    pub roots: usize,
    /// The packages that are there now.
    pub packages: Vec<Mirrored>,
    /// What is missing, and why, in sentences.
    pub failures: Vec<String>,
}

/// A package that is wanted.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Wanted {
    provider: Address,
    version: Version,
    platform: Platform,
}

/// Makes the mirror, or completes it. Packages that cannot be had do not keep the others from it.
///
/// # Errors
/// Mistakes in the root modules, all of them: then nothing was done.
#[tracing::instrument(name = "providers mirror", skip_all, fields(tofu_state.root_modules))]
pub async fn run(
    request: &Request,
    source: impl Fn(Style) -> Result<Arc<dyn Source>, String>,
    fetcher: &Fetcher,
) -> Result<Report, Vec<Problem>> {
    let (roots, needs) = wanted::read(request)?;
    Span::current().record("tofu_state.root_modules", roots);
    let mut report = Report { roots, ..Report::default() };
    let mut packages: Vec<(Wanted, Arc<dyn Source>)> = Vec::new();
    for (style, needs) in needs {
        let source = match source(style) {
            Ok(source) => source,
            Err(what) => {
                report.failures.push(what);
                continue;
            }
        };
        let (versions, failures) = wanted::select(&needs, source.as_ref()).await;
        report.failures.extend(failures);
        for (provider, version) in versions {
            for platform in &request.platforms {
                let wanted =
                    Wanted { provider: provider.clone(), version: version.clone(), platform: platform.clone() };
                if packages.iter().all(|(known, _)| *known != wanted) {
                    packages.push((wanted, Arc::clone(&source)));
                }
            }
        }
    }
    let releases: BTreeSet<_> =
        packages.iter().map(|(wanted, _)| (wanted.provider.clone(), wanted.version.clone())).collect();
    let mut work = JoinSet::new();
    for (wanted, source) in packages {
        let (to, fetcher) = (request.to.clone(), fetcher.clone());
        let span = spans::package(&wanted.provider, &wanted.version, &wanted.platform);
        let completing = async move {
            let done = complete(&wanted, source.as_ref(), &fetcher, &to).await;
            if let Err(what) = &done {
                Span::current().record("error", what);
            }
            (wanted, done)
        };
        work.spawn(completing.instrument(span));
    }
    while let Some(done) = work.join_next().await {
        match done {
            Ok((Wanted { provider, version, platform }, Ok(fetched))) => report.packages.push(Mirrored {
                provider: provider.to_string(),
                version: version.to_string(),
                platform: platform.to_string(),
                fetched,
            }),
            Ok((Wanted { provider, version, platform }, Err(what))) => {
                report.failures.push(format!("{provider} {version} for {platform}: {what}"));
            }
            Err(error) => report.failures.push(format!("a package's work ended early: {error}")),
        }
    }
    for (provider, version) in releases {
        let place = folder(&request.to, &provider);
        let written = tokio::task::spawn_blocking(move || documents::write(&place, &provider, &version)).await;
        match written {
            Ok(Ok(())) => {}
            Ok(Err(error)) => report.failures.push(error.to_string()),
            Err(error) => report.failures.push(format!("a document's work ended early: {error}")),
        }
    }
    report.packages.sort_by_key(|it| (it.provider.clone(), it.version.clone(), it.platform.clone()));
    report.failures.sort();
    Ok(report)
}

/// Where a provider's packages lie.
fn folder(to: &Path, provider: &Address) -> PathBuf {
    to.join(provider.display_host()).join(provider.namespace()).join(provider.kind())
}

/// The name that a packed mirror has for a package.
fn filename(provider: &Address, version: &Version, platform: &Platform) -> String {
    format!("terraform-provider-{}_{version}_{platform}.zip", provider.kind())
}

/// Sees to it that a package is there; gives whether it was fetched.
async fn complete(wanted: &Wanted, source: &dyn Source, fetcher: &Fetcher, to: &Path) -> Result<bool, String> {
    let Wanted { provider, version, platform } = wanted;
    let meta = source.package(provider, version, platform).await.map_err(|error| error.to_string())?;
    let place = folder(to, provider);
    let path = place.join(filename(provider, version, platform));
    let disk = |error: std::io::Error| format!("{}: {error}", place.display());
    if path.is_file() {
        let (there, acceptable) = (path.clone(), meta.clone());
        let right = tokio::task::spawn_blocking(move || is_right(&there, &acceptable)).await;
        if right.unwrap_or(false) {
            return Ok(false);
        }
        tracing::warn!(path = %path.display(), "a package in the mirror is not what it should be: it is fetched again");
    }
    std::fs::create_dir_all(&place).map_err(disk)?;
    let zip = match &meta.location {
        Location::Url(url) => {
            let url = Url::parse(url).map_err(|_| "its URL is none".to_owned())?;
            let Fetched { file, .. } = fetcher.zip(&url, |_| {}).await.map_err(|error| error.to_string())?;
            file
        }
        Location::Blob(blob) => fetcher.blob(blob, |_| {}).await.map_err(|error| error.to_string())?.file,
        Location::Archive(path) => {
            let file = NamedTempFile::new_in(&place).map_err(disk)?;
            tokio::fs::copy(path, file.path()).await.map_err(|error| format!("{}: {error}", path.display()))?;
            file
        }
        Location::Folder(path) => {
            return Err(format!("it lies unpacked in {}, and cannot be packed as it was", path.display()));
        }
    };
    let kept = tokio::task::spawn_blocking(move || {
        if !is_right(zip.path(), &meta) {
            return Err("its zip is not what its source says".to_owned());
        }
        hashing::of_zip(zip.path()).map_err(|error| format!("its zip {error}"))?;
        persist(zip, &path).map_err(|error| format!("{}: {error}", path.display()))
    });
    kept.await.unwrap_or_else(|error| Err(format!("keeping it ended early: {error}"))).map(|()| true)
}

/// Whether a zip has one of the hashes that its source says; one that says none is believed.
fn is_right(zip: &Path, meta: &PackageMeta) -> bool {
    if meta.acceptable.is_empty() {
        return hashing::of_zip(zip).is_ok();
    }
    let by_sum = Sha256Sum::of_file(zip).is_ok_and(|sum| meta.acceptable.contains(&sum.zh()));
    by_sum || hashing::of_zip(zip).is_ok_and(|hashes| meta.acceptable.contains(&hashes.h1_of_zip))
}

/// Gives a whole file its name. The fetcher's folder may be on another disk.
fn persist(zip: NamedTempFile, path: &Path) -> std::io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let near = NamedTempFile::new_in(folder)?;
    let near = match zip.persist(near.path()) {
        Ok(_) => near,
        Err(failed) => {
            std::fs::copy(failed.file.path(), near.path())?;
            near
        }
    };
    // Whoever may read the folder may read its files, unlike temporary ones.
    #[cfg(unix)]
    std::fs::set_permissions(near.path(), std::os::unix::fs::PermissionsExt::from_mode(0o644))?;
    std::fs::File::open(near.path())?.sync_all()?;
    near.persist(path)?;
    Ok(())
}
