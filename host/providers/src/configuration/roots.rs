//! Which folders are root modules.
//!
//! A folder with configuration is a root module if it is given itself, has a lock file, says where its state is stored
//! (a `backend` or `cloud` block), or is called as a module by no other folder that was found and lies below no folder
//! named `modules`. Hidden folders are passed over, and symbolic links not followed.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use walkdir::{DirEntry, WalkDir};

use super::content::Source;
use super::files::Files;
use super::tree::{Loader, is_local, normal};
use crate::problem::Problem;
use crate::{Style, lockfile};

/// Finds the root modules in and below `folders`, in the order of their paths, each once. Files are read with `loader`,
/// so that they need not be read again for what the modules need.
///
/// # Errors
/// A given folder that is none, or holds no root module.
pub fn find(folders: &[PathBuf], loader: &Loader) -> Result<Vec<PathBuf>, Vec<Problem>> {
    let mut roots = BTreeSet::new();
    let mut problems = Vec::new();
    for given in folders {
        match below(given, loader) {
            Ok(found) if found.is_empty() => {
                problems.push(Problem::new(given, "there is no root module in this folder or below it"));
            }
            Ok(found) => roots.extend(found),
            Err(problem) => problems.push(problem),
        }
    }
    if problems.is_empty() { Ok(roots.into_iter().collect()) } else { Err(problems) }
}

struct Candidate {
    folder: PathBuf,
    calls: Vec<PathBuf>,
    certain: bool,
}

fn below(given: &Path, loader: &Loader) -> Result<Vec<PathBuf>, Problem> {
    let given = normal(given);
    if !given.is_dir() {
        return Err(Problem::new(&given, "there is no such folder"));
    }
    let mut folders = Vec::new();
    let walk = WalkDir::new(&given).sort_by_file_name().into_iter();
    for entry in walk.filter_entry(|entry| entry.depth() == 0 || entry.file_type().is_dir() && !is_hidden(entry)) {
        let entry = entry.map_err(|error| Problem::new(&given, format!("cannot be searched: {error}")))?;
        let folder = entry.into_path();
        // The wider of the two styles: a folder may hold `.tofu` files only.
        let files = Files::of(&folder, Style::Tofu)
            .map_err(|error| Problem::new(&folder, format!("cannot be read: {error}")))?;
        if !files.is_empty() {
            folders.push(folder);
        }
    }
    let candidates: Vec<Candidate> =
        folders.into_par_iter().filter_map(|folder| candidate(folder, &given, loader)).collect();
    let called: BTreeSet<&PathBuf> = candidates.iter().flat_map(|candidate| &candidate.calls).collect();
    let is_root = |candidate: &&Candidate| {
        candidate.certain || !called.contains(&candidate.folder) && !in_modules(&given, &candidate.folder)
    };
    Ok(candidates.iter().filter(is_root).map(|candidate| candidate.folder.clone()).collect())
}

fn candidate(folder: PathBuf, given: &Path, loader: &Loader) -> Option<Candidate> {
    let module = loader.module(&folder, Style::Tofu).ok()?;
    let calls = module.calls.values().filter_map(|call| match &call.source {
        Source::Text(source) if is_local(source) => Some(normal(&folder.join(source))),
        _ => None,
    });
    let calls = calls.collect();
    let certain = module.stores_state || folder == given || folder.join(lockfile::NAME).is_file();
    Some(Candidate { folder, calls, certain })
}

fn is_hidden(entry: &DirEntry) -> bool {
    entry.file_name().as_encoded_bytes().starts_with(b".")
}

fn in_modules(given: &Path, folder: &Path) -> bool {
    folder.strip_prefix(given).is_ok_and(|below| below.components().any(|part| part.as_os_str() == "modules"))
}

/// Whose root module a folder is, if anything there says so: the head of its lock file, or a `.tofu` file.
#[must_use]
pub fn style_of(root: &Path) -> Option<Style> {
    let lock = std::fs::read_to_string(root.join(lockfile::NAME)).ok();
    lock.as_deref().and_then(lockfile::style_of).or_else(|| {
        let files = Files::of(root, Style::Tofu).ok()?;
        let tofu = |file: &PathBuf| file.to_string_lossy().trim_end_matches(".json").ends_with(".tofu");
        files.primary.iter().chain(&files.overrides).any(tofu).then_some(Style::Tofu)
    })
}
