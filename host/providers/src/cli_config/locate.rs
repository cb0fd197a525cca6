//! Where the configuration's files are, for each of the two programs.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use crate::{Platform, Style};

/// Environment variables, and the folder in which the program runs.
#[derive(Clone, Default)]
pub struct Environment {
    variables: BTreeMap<String, String>,
    folder: PathBuf,
}

/// Values may be secrets.
impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Environment").field("folder", &self.folder).finish_non_exhaustive()
    }
}

impl Environment {
    /// This process's. Variables that are no UTF-8 are left out.
    #[must_use]
    pub fn of_process() -> Self {
        let utf8 = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        };
        let folder = std::env::current_dir().unwrap_or_default();
        Self { variables: std::env::vars_os().filter_map(utf8).collect(), folder }
    }

    /// These variables, in that folder.
    #[must_use]
    pub fn new<const N: usize>(variables: [(&str, &str); N], folder: PathBuf) -> Self {
        let variables = variables.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        Self { variables, folder }
    }

    /// A variable's value.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str)
    }

    /// Sets a variable; an empty value counts as none.
    pub fn set_variable(&mut self, name: &str, value: &str) {
        self.variables.insert(name.to_owned(), value.to_owned());
    }

    pub(super) fn variables(&self) -> impl Iterator<Item = (&str, &str)> {
        self.variables.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    fn set(&self, name: &str) -> Option<&str> {
        self.get(name).filter(|value| !value.is_empty())
    }

    fn home(&self) -> Option<PathBuf> {
        self.set("HOME").map(PathBuf::from)
    }

    /// Replaces `$NAME` and `${NAME}`, as Go's `os.ExpandEnv` does.
    pub(super) fn expand(&self, text: &str) -> String {
        let mut expanded = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('$') {
            expanded.push_str(before);
            let (name, next) = match after.strip_prefix('{').and_then(|inner| inner.split_once('}')) {
                Some(braced) => braced,
                None => {
                    let end = after.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(after.len());
                    after.split_at_checked(end).unwrap_or((after, ""))
                }
            };
            expanded.push_str(self.get(name).unwrap_or_default());
            rest = next;
        }
        expanded + rest
    }
}

/// The files that exist, in the order in which both programs read them.
pub(super) fn files(style: Style, environment: &Environment) -> Vec<PathBuf> {
    let named = ["TF_CLI_CONFIG_FILE", "TERRAFORM_CONFIG"].iter().find_map(|name| environment.set(name));
    if let Some(named) = named {
        // Both programs go on without it when it is not there.
        return Some(environment.folder.join(named)).filter(|path| path.exists()).into_iter().collect();
    }
    let Some(home) = environment.home() else { return Vec::new() };
    let xdg = environment.set("XDG_CONFIG_HOME").map(|folder| Path::new(folder).join("opentofu"));
    let old = home.join(".terraformrc");
    let main = match style {
        Style::Terraform => old,
        Style::Tofu => {
            let new = home.join(".tofurc");
            match xdg.as_ref().filter(|_| !old.exists() && !new.exists()) {
                Some(xdg) => xdg.join("tofurc"),
                None if old.exists() && !new.exists() => old,
                None => new,
            }
        }
    };
    let mut folder = home.join(".terraform.d");
    if let (Style::Tofu, false, Some(xdg)) = (style, folder.exists(), xdg) {
        folder = xdg;
    }
    let is_config = |path: &PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        name.ends_with(".tfrc") || name.ends_with(".tfrc.json")
    };
    let entries = std::fs::read_dir(&folder).into_iter().flatten().flatten();
    let mut beside: Vec<_> = entries.map(|entry| entry.path()).filter(is_config).collect();
    beside.sort();
    Some(main).filter(|path| path.exists()).into_iter().chain(beside).collect()
}

/// The folders in which programs beside the CLIs are looked for, first those that count most.
pub(super) fn plugin_folders(style: Style, environment: &Environment) -> Vec<PathBuf> {
    let mut homes: Vec<_> = environment.home().iter().map(|home| home.join(".terraform.d")).collect();
    if style == Style::Tofu {
        homes.extend(environment.set("XDG_DATA_HOME").map(|data| Path::new(data).join("opentofu")));
    }
    let both = |home: PathBuf| {
        let folder = environment.folder.join(home).join("plugins");
        let machine = folder.join(Platform::current().to_string());
        [folder, machine]
    };
    homes.into_iter().flat_map(both).collect()
}

/// The folders with packages that both programs look into by themselves.
pub(super) fn implied_folders(style: Style, environment: &Environment) -> Vec<PathBuf> {
    let mut folders = vec![environment.folder.join("terraform.d/plugins")];
    let home = environment.home();
    folders.extend(home.iter().map(|home| home.join(".terraform.d/plugins")));
    let data = environment.set("XDG_DATA_HOME").map(PathBuf::from);
    if style == Style::Tofu {
        folders.extend(data.iter().map(|data| data.join("opentofu/plugins")));
    }
    if cfg!(target_os = "macos") {
        folders.extend(home.iter().map(|home| home.join("Library/Application Support/io.terraform/plugins")));
        folders.push("/Library/Application Support/io.terraform/plugins".into());
    } else {
        // The XDG Base Directory specification.
        let data = data.or_else(|| home.map(|home| home.join(".local/share")));
        folders.extend(data.map(|data| data.join("terraform/plugins")));
        let shared = environment.set("XDG_DATA_DIRS").unwrap_or("/usr/local/share:/usr/share");
        folders.extend(shared.split(':').map(|folder| Path::new(folder).join("terraform/plugins")));
    }
    folders.retain(|folder| folder.is_dir());
    folders
}
