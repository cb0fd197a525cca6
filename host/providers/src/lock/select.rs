//! Which version of each provider a root module gets, and for which platforms.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures_util::{StreamExt, stream};

use super::report::{Report, Root};
use super::survey::Surveyed;
use super::{Request, Sources};
use crate::plan::{Memory, Release};
use crate::problem::Problem;
use crate::sources::{Source, SourceError};
use crate::{Address, Constraints, Platform, Version, lockfile};

/// How many lists of versions are asked for at once.
const AT_ONCE: usize = 16;

/// A root module with the versions that it gets.
pub(super) struct Selected {
    pub(super) root: Surveyed,
    pub(super) providers: Vec<Wanted>,
}

/// A provider that a root module is to be locked to.
pub(super) struct Wanted {
    pub(super) release: Release,
    pub(super) constraints: Constraints,
    /// What it is locked to so far.
    pub(super) locked: Option<Release>,
    pub(super) platforms: BTreeSet<Platform>,
    /// Whether each of the platforms was asked for by name, so that it is a mistake if there is no package for it.
    pub(super) by_name: bool,
}

impl Wanted {
    /// The releases that it concerns.
    pub(super) fn releases(&self) -> impl Iterator<Item = Release> + '_ {
        std::iter::once(&self.release).chain(&self.locked).cloned()
    }
}

type Lists = BTreeMap<(String, Address), Result<Vec<Version>, SourceError>>;

/// Selects as the command lines do: what is locked stays, as long as the constraints allow it; else the newest allowed.
pub(super) async fn select(
    request: &Request,
    sources: &Sources,
    roots: Vec<Surveyed>,
    report: &mut Report,
) -> Vec<Selected> {
    let lists = lists(request, sources, &roots).await;
    let mut selected = Vec::new();
    for root in roots {
        let Some(source) = sources.get(&root.style) else { continue };
        let mut providers = Vec::new();
        let mut problems = Vec::new();
        for (provider, constraints) in &root.needs {
            match wanted(request, source.as_ref(), &lists, &root, provider, constraints) {
                Ok(wanted) => providers.push(wanted),
                Err(reason) => problems.push(Problem::new(&root.folder, reason)),
            }
        }
        if problems.is_empty() {
            selected.push(Selected { root, providers });
        } else {
            report.roots.push(Root::failed(root.folder, root.style, problems));
        }
    }
    selected
}

/// Every list of versions that is needed, asked for once.
async fn lists(request: &Request, sources: &Sources, roots: &[Surveyed]) -> Lists {
    let mut asked: BTreeMap<(String, Address), Arc<dyn Source>> = BTreeMap::new();
    for root in roots {
        let Some(source) = sources.get(&root.style) else { continue };
        for provider in
            root.needs.keys().filter(|provider| request.upgrade || !root.old.providers.contains_key(provider))
        {
            asked.entry((source.identity(provider), provider.clone())).or_insert_with(|| Arc::clone(source));
        }
    }
    let ask = |((place, provider), source): ((String, Address), Arc<dyn Source>)| async move {
        let versions = source.versions(&provider).await;
        ((place, provider), versions)
    };
    stream::iter(asked).map(ask).buffer_unordered(AT_ONCE).collect().await
}

fn wanted(
    request: &Request,
    source: &dyn Source,
    lists: &Lists,
    root: &Surveyed,
    provider: &Address,
    constraints: &Constraints,
) -> Result<Wanted, String> {
    let place = source.identity(provider);
    let release =
        |version: &Version| Release { place: place.clone(), provider: provider.clone(), version: version.clone() };
    let locked = root.old.providers.get(provider).map(|lock| &lock.version);
    let version = match locked {
        Some(locked) if !request.upgrade => {
            if !constraints.allow(locked) {
                return Err(format!(
                    "{provider} is locked to {locked}, which the constraints {constraints} do not allow: give --upgrade to \
                     select another version"
                ));
            }
            locked
        }
        _ => match lists.get(&(place.clone(), provider.clone())) {
            Some(Ok(versions)) => constraints.newest(versions).ok_or_else(|| none(provider, constraints, versions))?,
            Some(Err(error)) => return Err(error.to_string()),
            None => return Err(format!("the versions of {provider} were not asked for")),
        },
    };
    Ok(Wanted {
        release: release(version),
        constraints: constraints.clone(),
        locked: locked.map(release),
        platforms: BTreeSet::new(),
        by_name: false,
    })
}

fn none(provider: &Address, constraints: &Constraints, versions: &[Version]) -> String {
    let Some(newest) = versions.iter().max() else {
        return format!("there is no version of {provider}");
    };
    if constraints.is_empty() {
        return format!("{provider} has only prereleases, which must be asked for by name; the newest is {newest}");
    }
    let count = versions.len();
    format!(
        "of the {count} versions of {provider} none is allowed by the constraints {constraints}; the newest is {newest}"
    )
}

/// Sets the platforms: those that were asked for; else those whose packages are locked already, and the usual ones where
/// that is not known.
pub(super) fn choose_platforms(request: &Request, memory: &Memory, roots: &mut Vec<Selected>, report: &mut Report) {
    if !request.platforms.is_empty() {
        for wanted in roots.iter_mut().flat_map(|root| &mut root.providers) {
            wanted.platforms = request.platforms.iter().cloned().collect();
            wanted.by_name = true;
        }
        return;
    }
    let all = std::mem::take(roots);
    for mut root in all {
        match locked_platforms(&root, memory) {
            Ok(locked) => {
                let usual = request.usual_platforms.iter().filter(|_| locked.unknown || locked.platforms.is_empty());
                let platforms: BTreeSet<Platform> = locked.platforms.iter().chain(usual).cloned().collect();
                for wanted in &mut root.providers {
                    let packaged = memory.release(&wanted.release);
                    let has = |platform: &&Platform| packaged.is_none_or(|it| it.packages.contains_key(*platform));
                    wanted.platforms = platforms.iter().filter(has).cloned().collect();
                }
                roots.push(root);
            }
            Err(problem) => {
                let Surveyed { folder, style, .. } = root.root;
                report.roots.push(Root::failed(folder, style, vec![problem]));
            }
        }
    }
}

#[derive(Default)]
struct LockedPlatforms {
    platforms: BTreeSet<Platform>,
    /// Whether there is a hash of which nobody here knows what it is for.
    unknown: bool,
}

fn locked_platforms(selected: &Selected, memory: &Memory) -> Result<LockedPlatforms, Problem> {
    let mut all = LockedPlatforms::default();
    let old = &selected.root.old.providers;
    for wanted in &selected.providers {
        let (Some(locked), Some(lock)) = (&wanted.locked, old.get(&wanted.release.provider)) else { continue };
        let known = memory.release(locked).map(|release| release.platforms_in(&lock.hashes)).unwrap_or_default();
        let unknown = lock.hashes.iter().filter(|hash| hash.is_files() && !known.contains_key(hash)).count();
        if unknown > 0 && locked.version != wanted.release.version {
            let file = selected.root.folder.join(lockfile::NAME);
            let message = format!(
                "{} is locked for {unknown} platforms that are not known here, and would lose them with its new version {}: \
                 give --platform for each platform that is wanted",
                wanted.release.provider, wanted.release.version
            );
            return Err(Problem::new(&file, message));
        }
        all.unknown |= unknown > 0;
        all.platforms.extend(known.into_values());
    }
    Ok(all)
}
