//! Which releases root modules need: what they have locked, or the newest that they allow.

use std::collections::{BTreeMap, BTreeSet};

use super::Request;
use crate::configuration::{self, Loader};
use crate::sources::Source;
use crate::{Address, Constraints, LockFile, Problem, Style, Version, lockfile};

/// As what a provider is needed.
#[derive(Clone, Debug, Default)]
pub(super) struct Need {
    /// The versions that are locked somewhere.
    locked: BTreeSet<Version>,
    /// Constraints of which the newest version is wanted, by how they are written.
    newest: BTreeMap<String, Constraints>,
}

pub(super) type Needs = BTreeMap<Address, Need>;

/// How many root modules there are, and what all those of a style need.
pub(super) fn read(request: &Request) -> Result<(usize, BTreeMap<Style, Needs>), Vec<Problem>> {
    let loader = Loader::new(request.shallow);
    let roots = configuration::find(&request.folders, &loader)?;
    let (mut all, mut problems): (BTreeMap<Style, Needs>, _) = (BTreeMap::new(), Vec::new());
    for root in &roots {
        let style = request.style.or_else(|| configuration::style_of(root)).unwrap_or(Style::Tofu);
        let path = root.join(lockfile::NAME);
        let locked = match std::fs::read_to_string(&path) {
            Ok(text) => LockFile::read(&path, &text).map_err(|problem| vec![problem]),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(LockFile::default()),
            Err(error) => Err(vec![Problem::new(&path, error.to_string())]),
        };
        match (locked, loader.requirements(root, style)) {
            (Ok(locked), Ok(requirements)) => {
                let needs = all.entry(style).or_default();
                for (provider, constraints) in requirements.into_iter().filter(|(it, _)| it.is_lockable()) {
                    let kept = locked.providers.get(&provider).filter(|lock| constraints.allow(&lock.version));
                    let need = needs.entry(provider).or_default();
                    match kept {
                        Some(lock) => _ = need.locked.insert(lock.version.clone()),
                        None => _ = need.newest.insert(constraints.to_string(), constraints),
                    }
                }
            }
            (locked, requirements) => {
                problems.extend(locked.err().into_iter().flatten());
                problems.extend(requirements.err().into_iter().flatten());
            }
        }
    }
    if problems.is_empty() { Ok((roots.len(), all)) } else { Err(problems) }
}

/// The releases, and what cannot be had.
pub(super) async fn select(needs: &Needs, source: &dyn Source) -> (BTreeSet<(Address, Version)>, Vec<String>) {
    let (mut releases, mut failures) = (BTreeSet::new(), Vec::new());
    for (provider, Need { locked, newest }) in needs {
        releases.extend(locked.iter().map(|version| (provider.clone(), version.clone())));
        if newest.is_empty() {
            continue;
        }
        match source.versions(provider).await {
            Ok(versions) => {
                for (text, constraints) in newest {
                    match constraints.newest(&versions) {
                        Some(version) => _ = releases.insert((provider.clone(), version.clone())),
                        None => failures.push(format!("{provider}: no version matches `{text}`")),
                    }
                }
            }
            Err(error) => failures.push(error.to_string()),
        }
    }
    (releases, failures)
}
