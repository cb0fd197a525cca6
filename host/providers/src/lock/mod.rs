//! `providers lock`: many root modules' lock files brought up to date at once.
//!
//! In order: the root modules are found and read ([`survey`]), versions selected ([`select`]), everything that is needed
//! over all of them listed once ([`crate::plan`]), asked for and, where nobody knows its hashes, downloaded once
//! ([`gather`]), and the files written or compared ([`settle`]). A root module that fails leaves the others alone.

mod gather;
mod progress;
mod report;
mod select;
mod settle;
mod survey;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

pub use progress::{Progress, Silent};
pub use report::{Locked, Outcome, Report, Root};

use crate::cache::Cache;
use crate::fetch::Fetcher;
use crate::plan::{Memory, Package, Plan, Release};
use crate::problem::Problem;
use crate::sources::Source;
use crate::{Hash, Platform, Style};
use select::{Selected, Wanted};
use survey::Surveyed;

/// What to do.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// Where to look for root modules.
    pub folders: Vec<PathBuf>,
    /// The platforms to lock for. Without any: those that a root module's lock file has already.
    pub platforms: Vec<Platform>,
    /// The platforms where a lock file tells none.
    pub usual_platforms: Vec<Platform>,
    /// Whose lock files to write; without it what is there says so.
    pub style: Option<Style>,
    /// Select the newest versions that the constraints allow, whatever is locked.
    pub upgrade: bool,
    /// Write nothing; tell what would be written.
    pub check: bool,
    /// Leave out what modules need.
    pub shallow: bool,
    /// Remove entries of providers that the configuration does not require, as `init` does; `providers lock` keeps them.
    pub prune: bool,
    /// Download no package: what only a package can tell is left out.
    pub no_download: bool,
}

/// What to do it with.
pub struct Means {
    /// Where providers are to be had, by whose configuration says so; asked once for each style of a run.
    pub source: SourceOf,
    /// Downloads archives.
    pub fetcher: Fetcher,
    /// What is remembered between runs.
    pub cache: Option<Cache>,
}

/// Makes the source of a style, or tells in a sentence why it cannot.
pub type SourceOf = Box<dyn Fn(Style) -> Result<Arc<dyn Source>, String> + Send + Sync>;

/// The sources of a run, by style.
type Sources = BTreeMap<Style, Arc<dyn Source>>;

/// Locks, or checks.
///
/// # Errors
/// What keeps all of it from being done: folders without root modules, a configuration that cannot be read. What is wrong
/// with one root module stands in its report.
#[tracing::instrument(name = "providers lock", skip_all, fields(tofu_state.root_modules, tofu_state.packages))]
pub async fn run(request: &Request, means: &Means, progress: &dyn Progress) -> Result<Report, Vec<Problem>> {
    let asked = request.clone();
    let survey = tokio::task::spawn_blocking(move || survey::survey(&asked)).await;
    let (roots, mut report) = survey.unwrap_or_else(|_| Err(Vec::new()))?;
    progress.roots(roots.len());
    tracing::Span::current().record("tofu_state.root_modules", roots.len());
    let sources = sources(means, &roots)?;
    let mut roots = select::select(request, &sources, roots, &mut report).await;
    let memory = remember(means, &roots).await;
    select::choose_platforms(request, &memory, &mut roots, &mut report);
    let mut plan = Plan::default();
    for (package, locked) in roots.iter().flat_map(packages) {
        plan.want(package, locked, &memory);
    }
    progress.packages(plan.asked.len());
    tracing::Span::current().record("tofu_state.packages", plan.asked.len().saturating_add(plan.remembered.len()));
    let facts = gather::gather(request, means, &sources, &plan, &memory, progress).await;
    settle::settle(request, roots, &facts, &mut report);
    let counts = means.fetcher.counts();
    report.finish(&facts, counts.zips, counts.bytes);
    Ok(report)
}

fn sources(means: &Means, roots: &[Surveyed]) -> Result<Sources, Vec<Problem>> {
    let styles: BTreeSet<Style> = roots.iter().map(|root| root.style).collect();
    let source = |style: Style| {
        let source = (means.source)(style);
        let source = source.map_err(|reason| vec![Problem::new("CLI configuration".as_ref(), reason)])?;
        Ok((style, source))
    };
    styles.into_iter().map(source).collect()
}

/// Looks up what is remembered of the releases that were selected, and of those that are locked.
async fn remember(means: &Means, roots: &[Selected]) -> Memory {
    let wanted = |root: &Selected| root.providers.iter().flat_map(Wanted::releases).collect::<Vec<_>>();
    let releases: BTreeSet<Release> = roots.iter().flat_map(wanted).collect();
    let cache = means.cache.clone();
    let memory = tokio::task::spawn_blocking(move || Memory::of(cache.as_ref(), releases)).await;
    memory.unwrap_or_default()
}

/// The packages that a root module wants, each with the hashes that are locked for its release.
fn packages(root: &Selected) -> impl Iterator<Item = (Package, Option<&BTreeSet<Hash>>)> {
    root.providers.iter().flat_map(|wanted| {
        let release = &wanted.release;
        let old = root.root.old.providers.get(&release.provider).filter(|old| old.version == release.version);
        let package = |platform: &Platform| Package { release: release.clone(), platform: platform.clone() };
        wanted.platforms.iter().map(move |platform| (package(platform), old.map(|old| &old.hashes)))
    })
}
