//! A root module with the modules that it calls: local ones are read where they lie, others where `init` put them.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::path::{Component, Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use serde::Deserialize;

use super::Requirements;
use super::content::{self, Call, Content, Source};
use super::files::Files;
use super::module::Module;
use crate::Style;
use crate::problem::Problem;

/// Reads configuration, each file once however many root modules share it.
#[derive(Debug, Default)]
pub struct Loader {
    shallow: bool,
    files: Mutex<HashMap<PathBuf, Arc<Content>>>,
}

impl Loader {
    /// `shallow` leaves out what modules need: only what stands in the root module counts then.
    #[must_use]
    pub fn new(shallow: bool) -> Self {
        Self { shallow, ..Self::default() }
    }

    /// Everything that a root module needs, of what a lock file can hold.
    ///
    /// # Errors
    /// What is wrong in its configuration, or keeps it from being read as a whole.
    pub fn requirements(&self, root: &Path, style: Style) -> Result<Requirements, Vec<Problem>> {
        let manifest = if self.shallow { Ok(Manifest::default()) } else { Manifest::of(root) };
        let manifest = manifest.map_err(|problem| vec![problem])?;
        let mut walk = Walk { loader: self, root, style, manifest, needs: Requirements::new(), problems: Vec::new() };
        walk.module(root, "", &mut Vec::new());
        if walk.problems.is_empty() {
            walk.needs.retain(|provider, _| provider.is_lockable());
            Ok(walk.needs)
        } else {
            walk.problems.dedup();
            Err(walk.problems)
        }
    }

    /// The module in a folder.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub(super) fn module(&self, folder: &Path, style: Style) -> io::Result<Module> {
        let Files { primary, overrides } = Files::of(folder, style)?;
        let read = |files: Vec<PathBuf>| files.into_iter().map(|file| self.file(file)).collect::<Vec<_>>();
        Ok(Module::of(&read(primary), &read(overrides)))
    }

    fn file(&self, file: PathBuf) -> Arc<Content> {
        let known = self.files.lock().unwrap_or_else(PoisonError::into_inner).get(&file).cloned();
        known.unwrap_or_else(|| {
            // Two threads may read the same file: that is cheaper than to have one wait for the other.
            let content = Arc::new(content::read(&file));
            self.files.lock().unwrap_or_else(PoisonError::into_inner).insert(file, Arc::clone(&content));
            content
        })
    }
}

struct Walk<'a> {
    loader: &'a Loader,
    root: &'a Path,
    style: Style,
    manifest: Manifest,
    needs: Requirements,
    problems: Vec<Problem>,
}

impl Walk<'_> {
    /// Adds what the module in `folder` needs. `key` is its name in the manifest; `above` are the folders that lead here.
    fn module(&mut self, folder: &Path, key: &str, above: &mut Vec<PathBuf>) {
        let module = match self.loader.module(folder, self.style) {
            Ok(module) => module,
            Err(error) => return self.problems.push(Problem::new(folder, format!("cannot be read: {error}"))),
        };
        self.problems.extend(module.problems.iter().cloned());
        module.add_requirements(self.style, &mut self.needs, &mut self.problems);
        if self.loader.shallow {
            return;
        }
        // The real path, so that a module which reaches itself over a symbolic link is noticed, too.
        above.push(folder.canonicalize().unwrap_or_else(|_| folder.to_owned()));
        for call in module.calls.values() {
            let key = if key.is_empty() { call.name.clone() } else { format!("{key}.{}", call.name) };
            let Some(called) = self.called(folder, call, &key) else { continue };
            if called.canonicalize().is_ok_and(|called| above.contains(&called)) {
                self.tell(call, "this module calls itself".to_owned());
            } else {
                self.module(&called, &key, above);
            }
        }
        above.pop();
    }

    /// The folder of a called module.
    fn called(&mut self, folder: &Path, call: &Call, key: &str) -> Option<PathBuf> {
        let source = match &call.source {
            Source::Text(source) if is_local(source) => {
                let called = normal(&folder.join(source));
                let usable = Files::of(&called, self.style).is_ok_and(|files| !files.is_empty());
                if !usable {
                    self.tell(call, format!("there is no configuration in {}", called.display()));
                }
                return usable.then_some(called);
            }
            Source::Missing => {
                self.tell(call, format!("the module `{}` has no source", call.name));
                return None;
            }
            Source::Text(source) => source.as_str(),
            Source::Expression => "a source that is to be evaluated",
        };
        if let Some(installed) = self.manifest.folders.get(key) {
            let installed = normal(&self.root.join(installed));
            if installed.is_dir() {
                return Some(installed);
            }
        }
        let program = self.style.program();
        let root = self.root.display();
        let name = &call.name;
        self.tell(
            call,
            format!(
                "the module `{name}` ({source}) is not installed, so what it needs is not known: run `{program} get` in \
                 {root}, or give --shallow to leave out what modules need"
            ),
        );
        None
    }

    fn tell(&mut self, call: &Call, message: String) {
        self.problems.push(Problem { message, ..call.place.clone() });
    }
}

/// Whether a module's source is a folder next to the module that calls it.
pub(super) fn is_local(source: &str) -> bool {
    ["./", "../", ".\\", "..\\"].iter().any(|start| source.starts_with(start)) || matches!(source, "." | "..")
}

/// A path without `.` and, where that is plain, without `..`.
pub(super) fn normal(path: &Path) -> PathBuf {
    let mut normal = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir if matches!(normal.components().next_back(), Some(Component::Normal(_))) => {
                normal.pop();
            }
            _ => normal.push(component),
        }
    }
    if normal.as_os_str().is_empty() { PathBuf::from(".") } else { normal }
}

/// Where `init` or `get` put the modules: `.terraform/modules/modules.json`.
#[derive(Debug, Default)]
struct Manifest {
    folders: BTreeMap<String, PathBuf>,
}

#[derive(Deserialize)]
struct ManifestFile {
    #[serde(rename = "Modules", default)]
    modules: Vec<ManifestRecord>,
}

#[derive(Deserialize)]
struct ManifestRecord {
    #[serde(rename = "Key")]
    key: String,
    #[serde(rename = "Dir")]
    folder: PathBuf,
}

impl Manifest {
    fn of(root: &Path) -> Result<Self, Problem> {
        let data = std::env::var_os("TF_DATA_DIR").filter(|folder| !folder.is_empty());
        let data = data.map_or_else(|| PathBuf::from(".terraform"), PathBuf::from);
        let file = root.join(data).join("modules").join("modules.json");
        let text = match std::fs::read(&file) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(Problem::new(&file, format!("cannot be read: {error}"))),
        };
        let content: ManifestFile = serde_json::from_slice(&text)
            .map_err(|error| Problem::new(&file, format!("not the list of modules that `init` writes: {error}")))?;
        let folders = content.modules.into_iter().map(|record| (record.key, record.folder)).collect();
        Ok(Self { folders })
    }
}
