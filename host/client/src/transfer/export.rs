//! The export: every state of a server as a file of its own, in a folder or a tar archive, with a manifest.
//!
//! The server goes on serving. Each state is whole; they are not all of one moment. Locks and older versions stay.

use std::path::Path;

use futures_util::stream;
use futures_util::{StreamExt, TryStreamExt};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::manifest::{self, Exported, Manifest};
use super::report::{Entry, Outcome, Report};
use super::sha256;
use super::source::Source;
use crate::error::Error;
use crate::keep::keep;
use crate::serial::header;

/// The end that exported files have.
const SUFFIX: &str = ".tfstate";

/// Writes the states of `source` below `folder`, which is made if need be. A folder that holds a finished export is
/// refused; an unfinished one is written again.
///
/// # Errors
/// Something could not be read or written; then there is no manifest.
pub async fn to_folder(source: &dyn Source, folder: &Path, parallel: usize) -> Result<Report, Error> {
    let failed = |error: std::io::Error| Error::other(format!("{}: {error}", folder.display()));
    std::fs::create_dir_all(folder).map_err(failed)?;
    if folder.join(manifest::NAME).exists() {
        return Err(Error::other(format!("{} holds a finished export: name another folder", folder.display())));
    }
    let listing = source.list().await?;
    let written = stream::iter(listing.names).map(|name| async move {
        let Some(bytes) = source.read(&name.name).await? else {
            // It was deleted since the list was made.
            return Ok(None);
        };
        let path = name.path.unwrap_or(name.name);
        let state = header(&bytes).map_err(|why| Error::other(format!("{path}: {why}")))?;
        let file = format!("{path}{SUFFIX}");
        let target = folder.join(&file);
        if let Some(parent) = target.parent() {
            std::fs::create_dir_all(parent).map_err(|error| Error::other(format!("{}: {error}", parent.display())))?;
        }
        keep(&target, &bytes).map_err(Error::Other)?;
        let exported = Exported {
            path,
            file,
            size: bytes.len() as u64,
            sha256: sha256(&bytes),
            serial: state.serial,
            lineage: state.lineage,
        };
        Ok::<_, Error>(Some(exported))
    });
    let mut states: Vec<Exported> =
        written.buffer_unordered(parallel.max(1)).try_filter_map(async |found| Ok(found)).try_collect().await?;
    states.sort_by(|one, other| one.path.cmp(&other.path));
    let report = Report { source: source.describe(), applied: true, states: states.iter().map(entry).collect() };
    let exported = OffsetDateTime::now_utc().format(&Rfc3339).unwrap_or_default();
    let manifest = Manifest { format: manifest::FORMAT, server: source.describe(), exported, states };
    let text = serde_json::to_vec_pretty(&manifest).map_err(|error| Error::other(error.to_string()))?;
    keep(&folder.join(manifest::NAME), &text).map_err(Error::Other)?;
    Ok(report)
}

/// Writes the states of `source` into the archive `to`, whole or not at all.
///
/// # Errors
/// Something could not be read or written; then `to` is as it was.
pub async fn to_tar(source: &dyn Source, to: &Path, parallel: usize) -> Result<Report, Error> {
    let failed = |error: std::io::Error| Error::other(format!("{} cannot be written: {error}", to.display()));
    let beside = match to.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        Some(parent) => parent,
        None => Path::new("."),
    };
    let folder = tempfile::Builder::new().prefix(".tofu-state-export").tempdir_in(beside).map_err(failed)?;
    let states = folder.path().join("states");
    let report = to_folder(source, &states, parallel).await?;
    let file = tempfile::Builder::new().prefix(".tofu-state-export").tempfile_in(beside).map_err(failed)?;
    let mut archive = tar::Builder::new(std::io::BufWriter::new(file.as_file()));
    archive.follow_symlinks(false);
    archive.append_dir_all(".", &states).map_err(failed)?;
    let mut out = archive.into_inner().map_err(failed)?;
    std::io::Write::flush(&mut out).map_err(failed)?;
    drop(out);
    file.as_file().sync_all().map_err(failed)?;
    file.persist(to).map_err(|error| failed(error.error))?;
    std::fs::File::open(beside).and_then(|folder| folder.sync_all()).map_err(failed)?;
    Ok(report)
}

fn entry(state: &Exported) -> Entry {
    Entry {
        name: state.file.clone(),
        path: Some(state.path.clone()),
        outcome: Outcome::Exported,
        serial: Some(state.serial),
        lineage: Some(state.lineage.clone()),
        size: Some(state.size),
        sha256: Some(state.sha256.clone()),
        reason: None,
    }
}
