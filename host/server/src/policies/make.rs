//! From the policy file's entries to a chain: modules are loaded, asked whether they take their configuration, and
//! tried on their own examples. It blocks: call it on a thread that may.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use tofu_state_component::policies::{Chain, Entry, LINEAGE_GUARD, PathFilter, PolicyModule, built_in};
use tofu_state_component::{Engine, MAX_BYTES};

use super::file::Wanted;
use crate::access::paths::Paths;

/// Why entries do not become a chain: every mistake, each with its entry's name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.join("\n"))]
pub struct Unmade(pub Vec<String>);

/// Makes a chain of entries and their modules' bytes; what is among the `known` modules is not compiled again.
///
/// # Errors
/// See [`Unmade`].
pub fn chain(engine: &Engine, wanted: Vec<(Wanted, Bytes)>, known: &[PolicyModule]) -> Result<Chain, Unmade> {
    let mut mistakes = Vec::new();
    let mut entries = Vec::new();
    for (wanted, bytes) in wanted {
        let name = wanted.name.clone();
        match entry(engine, wanted, &bytes, known) {
            Ok(entry) => entries.push(entry),
            Err(why) => mistakes.push(format!("policy {name:?}: {why}")),
        }
    }
    if !mistakes.is_empty() {
        return Err(Unmade(mistakes));
    }
    Chain::new(entries).map_err(|error| Unmade(vec![error.to_string()]))
}

/// What a file of policies would say where no `POLICY_FILE` is given: the guard of serials and lineages, if this
/// build has it.
#[must_use]
pub fn default_text() -> String {
    if built_in().iter().all(|(name, _)| *name != LINEAGE_GUARD) {
        return String::new();
    }
    format!("[[policy]]\nname = \"{LINEAGE_GUARD}\"\nbuiltin = \"{LINEAGE_GUARD}\"\n")
}

/// Reads a module's file, whatever its digest is; of one that is too large no more than shows that it is.
///
/// # Errors
/// What the operating system says, with the file's name.
pub fn read_module(path: &Path) -> Result<Vec<u8>, String> {
    let failed = |error: std::io::Error| format!("{}: {error}", path.display());
    // Before it is opened: to open a pipe is to wait for its other end.
    if !std::fs::metadata(path).map_err(failed)?.is_file() {
        return Err(format!("{}: not a regular file", path.display()));
    }
    let mut bytes = Vec::new();
    File::open(path).map_err(failed)?.take(MAX_BYTES as u64 + 1).read_to_end(&mut bytes).map_err(failed)?;
    Ok(bytes)
}

fn entry(engine: &Engine, wanted: Wanted, bytes: &[u8], known: &[PolicyModule]) -> Result<Entry, String> {
    let digest = tofu_state_component::digest(bytes);
    let module = match known.iter().find(|module| **module.digest() == *digest) {
        Some(same) => same.clone(),
        None => engine.load_policy(bytes).map_err(|error| error.to_string())?,
    };
    module.prove(&wanted.configuration, wanted.needs, &wanted.limits).map_err(|error| error.to_string())?;
    let Wanted { name, source: _, mode, on_error, paths, operations, needs, uncounted, configuration, limits } = wanted;
    let paths = paths.map(filter);
    Ok(Entry { name: name.into(), module, mode, on_error, paths, operations, needs, uncounted, configuration, limits })
}

fn filter(paths: Paths) -> PathFilter {
    Arc::new(move |path| paths.match_path(path))
}
