//! From the policy file's entries to a chain: modules are fetched, loaded, asked whether they take their
//! configuration, and tried on their own examples. It blocks: call it on a thread that may.

use std::borrow::Cow;
use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use sha2::{Digest, Sha256};
use tofu_state_component::Engine;
use tofu_state_component::policies::{Chain, Entry, LINEAGE_GUARD, PathFilter, PolicyModule, built_in};

use super::file::{Source, Wanted};
use crate::access::paths::Paths;

/// The largest module, see `host/component`.
const LARGEST: u64 = 32 * 1024 * 1024;

/// Why entries do not become a chain: every mistake, each with its entry's name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.join("\n"))]
pub struct Unmade(pub Vec<String>);

/// Makes a chain; `fetch` gives a module's bytes, see [`local`].
///
/// # Errors
/// See [`Unmade`].
pub fn chain(
    engine: &Engine,
    wanted: Vec<Wanted>,
    fetch: impl FnMut(&Source) -> Result<Cow<'static, [u8]>, String>,
) -> Result<Chain, Unmade> {
    chain_with(engine, wanted, fetch, &[])
}

/// The same; what is among the `known` modules is not compiled again.
///
/// # Errors
/// See [`Unmade`].
pub fn chain_with(
    engine: &Engine,
    wanted: Vec<Wanted>,
    mut fetch: impl FnMut(&Source) -> Result<Cow<'static, [u8]>, String>,
    known: &[PolicyModule],
) -> Result<Chain, Unmade> {
    let mut mistakes = Vec::new();
    let mut entries = Vec::new();
    for wanted in wanted {
        let name = wanted.name.clone();
        match fetch(&wanted.source).and_then(|bytes| entry(engine, wanted, &bytes, known)) {
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

/// The chain where no `POLICY_FILE` is given: the guard of serials and lineages.
///
/// # Errors
/// See [`Unmade`].
pub fn default_chain(engine: &Engine) -> Result<Chain, Unmade> {
    chain(engine, super::parse(&default_text()).map_err(Unmade)?, local(Path::new("")))
}

/// Gives the modules that are built in, and those in files; relative paths begin at `folder`, where the policy
/// file lies.
pub fn local(folder: &Path) -> impl FnMut(&Source) -> Result<Cow<'static, [u8]>, String> + use<> {
    let folder = folder.to_owned();
    move |source| match source {
        Source::BuiltIn(name) => {
            let found = built_in().iter().find(|(known, _)| known == name);
            found.map(|(_, bytes)| Cow::Borrowed(*bytes)).ok_or_else(|| format!("no module {name:?} is built in"))
        }
        Source::File { path, sha256 } => read(&folder.join(path), sha256).map(Cow::Owned),
        Source::Oci(reference) => Err(format!("{reference}: this release takes no modules from registries")),
    }
}

fn read(path: &Path, sha256: &str) -> Result<Vec<u8>, String> {
    let bytes = read_module(path)?;
    let found = hex::encode(Sha256::digest(&bytes));
    if found == sha256 {
        Ok(bytes)
    } else {
        Err(format!("{}: its SHA-256 is {found}, not the {sha256} of its entry", path.display()))
    }
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
    File::open(path).map_err(failed)?.take(LARGEST.saturating_add(1)).read_to_end(&mut bytes).map_err(failed)?;
    Ok(bytes)
}

fn entry(engine: &Engine, wanted: Wanted, bytes: &[u8], known: &[PolicyModule]) -> Result<Entry, String> {
    let digest = tofu_state_component::digest(bytes);
    let module = match known.iter().find(|module| **module.digest() == *digest) {
        Some(same) => same.clone(),
        None => engine.load_policy(bytes).map_err(|error| error.to_string())?,
    };
    module.prove(&wanted.configuration, wanted.needs, &wanted.limits).map_err(|error| error.to_string())?;
    let Wanted { name, source: _, mode, on_error, paths, needs, uncounted, configuration, limits } = wanted;
    let paths = paths.map(filter);
    Ok(Entry { name: name.into(), module, mode, on_error, paths, needs, uncounted, configuration, limits })
}

fn filter(paths: Paths) -> PathFilter {
    Arc::new(move |path| paths.match_path(path))
}
