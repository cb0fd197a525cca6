//! Finding and reading the root modules of a run.

use std::io;
use std::path::{Path, PathBuf};

use rayon::prelude::*;

use super::Request;
use super::report::{Report, Root};
use crate::configuration::{self, Loader, Requirements};
use crate::problem::Problem;
use crate::{LockFile, Style, lockfile};

/// A root module that was read.
pub(super) struct Surveyed {
    pub(super) folder: PathBuf,
    pub(super) style: Style,
    /// The lock file's text, if there is one.
    pub(super) text: Option<String>,
    /// What it says; OpenTofu's takes over what Terraform's default providers were locked at.
    pub(super) old: LockFile,
    pub(super) needs: Requirements,
}

/// Finds and reads them. A root module with mistakes goes into the report.
///
/// # Errors
/// No root module in a given folder.
pub(super) fn survey(request: &Request) -> Result<(Vec<Surveyed>, Report), Vec<Problem>> {
    let loader = Loader::new(request.shallow);
    let folders = configuration::find(&request.folders, &loader)?;
    let found: Vec<(PathBuf, Option<Style>)> = folders
        .into_par_iter()
        .map(|folder| {
            let style = request.style.or_else(|| configuration::style_of(&folder));
            (folder, style)
        })
        .collect();
    let usual = usual_style(&found);
    let read: Vec<Result<Surveyed, Root>> = found
        .into_par_iter()
        .map(|(folder, style)| {
            let style = style.unwrap_or(usual);
            read(&loader, &folder, style).map_err(|problems| Root::failed(folder, style, problems))
        })
        .collect();
    let mut report = Report::default();
    let mut roots = Vec::new();
    for root in read {
        match root {
            Ok(root) => roots.push(root),
            Err(failed) => report.roots.push(failed),
        }
    }
    Ok((roots, report))
}

/// The style of root modules that do not say: the others' if they agree, else OpenTofu's.
fn usual_style(found: &[(PathBuf, Option<Style>)]) -> Style {
    let mut styles = found.iter().filter_map(|(_, style)| *style);
    let first = styles.next().unwrap_or(Style::Tofu);
    if styles.all(|style| style == first) { first } else { Style::Tofu }
}

fn read(loader: &Loader, folder: &Path, style: Style) -> Result<Surveyed, Vec<Problem>> {
    let needs = loader.requirements(folder, style)?;
    let file = folder.join(lockfile::NAME);
    let text = match std::fs::read_to_string(&file) {
        Ok(text) => Some(text),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(vec![Problem::new(&file, format!("cannot be read: {error}"))]),
    };
    let mut old = match &text {
        Some(text) => LockFile::read(&file, text).map_err(|problem| vec![problem])?,
        None => LockFile::default(),
    };
    if style == Style::Tofu {
        old.adopt_predecessors();
    }
    Ok(Surveyed { folder: folder.to_owned(), style, text, old, needs })
}
