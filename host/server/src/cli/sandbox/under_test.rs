//! What is tried: scenarios, a component, policies, from files.

use std::ffi::OsStr;
use std::io::Write;
use std::path::{Path, PathBuf};

use tofu_state_sandbox::{Sandbox, Scenario};

use super::Given;
use crate::cli::Flags;
use crate::config::{self};
use crate::generations::load::Loader;
use crate::policies::make;

/// A scenario, and the file that it came from.
pub(super) struct Read {
    pub(super) file: PathBuf,
    pub(super) scenario: Scenario,
}

impl Read {
    /// The file's name without its extension.
    pub(super) fn short(&self) -> String {
        self.file.file_stem().unwrap_or(OsStr::new("scenario")).to_string_lossy().into_owned()
    }

    /// What is wrong with the scenario, with its file.
    pub(super) fn wrong(&self, what: &dyn std::fmt::Display) -> String {
        format!("{}: {what}", self.file.display())
    }
}

/// Reads all scenarios that these paths stand for.
pub(super) fn scenarios(paths: &[PathBuf]) -> Result<Vec<Read>, String> {
    let mut read = Vec::new();
    for path in paths {
        for file in Scenario::files(path).map_err(|error| error.to_string())? {
            let scenario = Scenario::read(&file).map_err(|error| error.to_string())?;
            read.push(Read { file, scenario });
        }
    }
    Ok(read)
}

/// A sandbox with what is given.
pub(super) fn sandbox(given: &Given) -> Result<Sandbox, String> {
    let named = |path: &Path, error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
    let mut sandbox = match &given.component {
        None => Sandbox::built_in().map_err(|error| error.to_string())?,
        Some(path) => Sandbox::of(&make::read_module(path)?).map_err(|error| named(path, &error))?,
    };
    if let Some(path) = &given.swapped {
        sandbox = sandbox.and_then(&make::read_module(path)?).map_err(|error| named(path, &error))?;
    }
    let Some(path) = &given.policies else { return Ok(sandbox) };
    let sources = Flags::default().with_environment(|source| config::policy_sources(source, path));
    let sources = sources.map_err(|mistakes| mistakes.to_string())?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| error.to_string())?;
    let chain = runtime.block_on(Loader::new(sandbox.engine().clone()).policies_alone(&sources));
    Ok(sandbox.judged_by(chain.map_err(|error| error.to_string())?))
}

/// Writes a whole file, or nothing.
pub(super) fn write(path: &Path, text: &str) -> Result<(), String> {
    let failed = |error: std::io::Error| format!("{} cannot be written: {error}", path.display());
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder).map_err(failed)?;
    let mut file = tempfile::NamedTempFile::new_in(folder).map_err(failed)?;
    file.write_all(text.as_bytes()).map_err(failed)?;
    file.persist(path).map_err(|error| failed(error.error))?;
    Ok(())
}
