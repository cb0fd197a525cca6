//! The CLIs' own configuration, so that we ask where they would ask: `TF_CLI_CONFIG_FILE`, `.tofurc`, `.terraformrc`,
//! the files beside them, and the environment.
//! (<https://opentofu.org/docs/cli/config/config-file/>)

mod hcl1;
mod helper;
mod installation;
mod locate;
mod oci;
mod template;
mod tokens;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use secrecy::SecretString;

pub use helper::HelperError;
pub use installation::{Method, Pattern, Place};
pub use locate::Environment;
pub use template::Template;

use crate::Style;
use crate::address::normal_host;
use crate::oci::Login;
use hcl1::{Item, Value};
use helper::Helper;
use oci::OciLogins;

/// What the configuration says about providers.
#[derive(Clone, Debug, Default)]
pub struct CliConfig {
    /// By host, the services that are not to be discovered: by name, their URLs.
    pub services: BTreeMap<String, BTreeMap<String, String>>,
    /// The methods of `provider_installation`, in order; none, if there is no such block.
    pub installation: Option<Vec<Method>>,
    /// Providers for which a folder stands, whatever is locked (`dev_overrides`): their sources as written.
    pub dev_overrides: BTreeMap<String, PathBuf>,
    /// Where installed packages are kept for all root modules.
    pub plugin_cache: Option<PathBuf>,
    /// The files that were read.
    pub files: Vec<PathBuf>,
    /// What was read and is not heeded here, in sentences.
    pub remarks: Vec<String>,
    /// By host; none, if its `credentials` block has no token.
    tokens: BTreeMap<String, Option<SecretString>>,
    helper: Option<Helper>,
    oci: OciLogins,
    environment: Environment,
    style: Option<Style>,
}

/// What is wrong with a configuration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CliConfigError {
    /// A file cannot be read.
    #[error("{}: {what}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the operating system says.
        what: String,
    },
    /// A file is not as it should be.
    #[error("{}:{line}: {what}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// The line.
        line: usize,
        /// What is wrong there.
        what: String,
    },
}

impl CliConfig {
    /// Reads what the program of that style would read. The file that `TF_CLI_CONFIG_FILE` names stands alone.
    ///
    /// # Errors
    /// The first mistake.
    pub fn load(style: Style, environment: Environment) -> Result<Self, CliConfigError> {
        let files = locate::files(style, &environment);
        let mut config = Self { environment, style: Some(style), ..Self::default() };
        for path in files {
            let text = std::fs::read_to_string(&path)
                .map_err(|error| CliConfigError::Unreadable { path: path.clone(), what: error.to_string() })?;
            config.read(&text, style, &path).map_err(|(line, what)| CliConfigError::Malformed {
                path: path.clone(),
                line,
                what,
            })?;
            config.files.push(path);
        }
        config.remarks.extend(config.helper.iter().filter_map(Helper::missing).map(HelperError::to_string));
        if let Some(folder) = config.environment.get("TF_PLUGIN_CACHE_DIR").filter(|folder| !folder.is_empty()) {
            config.plugin_cache = Some(folder.into());
        }
        Ok(config)
    }

    /// Takes in one file's text. Of what several say about one host, the last counts, as in both CLIs; but the first
    /// `plugin_cache_dir`.
    fn read(&mut self, text: &str, style: Style, path: &Path) -> Result<(), (usize, String)> {
        for Item { keys, value, line } in hcl1::parse(text)? {
            let wrong = |what: &str| (line, what.to_owned());
            let (name, labels) = keys.split_first().ok_or_else(|| wrong("a value has no name"))?;
            match name.as_str() {
                "host" => {
                    for (host, items) in blocks(labels, &value).ok_or_else(|| wrong("host \"NAME\" { … } is wanted"))?
                    {
                        let host = normal_host(&host).ok_or_else(|| wrong("`host` has a name that is no host's"))?;
                        let services = services(items).ok_or_else(|| wrong("`services` must map names to URLs"))?;
                        self.services.insert(host, services);
                    }
                }
                "credentials" => {
                    let wanted = || wrong("credentials \"HOST\" { token = \"…\" } is wanted");
                    for (host, items) in blocks(labels, &value).ok_or_else(wanted)? {
                        let host = normal_host(&host).ok_or_else(|| wrong("`credentials` names what is no host"))?;
                        let token = find(items, "token").and_then(Value::text);
                        self.tokens.insert(host, token.map(|token| token.to_owned().into()));
                    }
                }
                "credentials_helper" => {
                    let wanted = || wrong("credentials_helper \"NAME\" { args = [\"…\"] } is wanted");
                    for (name, items) in blocks(labels, &value).ok_or_else(wanted)? {
                        if self.helper.as_ref().is_some_and(|helper| helper.name != name) {
                            return Err(wrong("there is more than one `credentials_helper` block"));
                        }
                        let arguments = find(items, "args").map_or_else(|| Some(Vec::new()), Value::texts);
                        let arguments = arguments.ok_or_else(|| wrong("`args` must be a list of strings"))?;
                        let folders = locate::plugin_folders(style, &self.environment);
                        self.helper = Some(Helper::new(&name, arguments, &folders));
                    }
                }
                "plugin_cache_dir" => {
                    let text = value.text().ok_or_else(|| wrong("`plugin_cache_dir` must be a string"))?;
                    let expanded = self.environment.expand(text);
                    self.plugin_cache.get_or_insert_with(|| expanded.into());
                }
                "provider_installation" => {
                    let items = value.object().ok_or_else(|| wrong("provider_installation { … } is wanted"))?;
                    let (methods, overrides) =
                        installation::methods(items, style).map_err(|(inner, what)| (inner.max(line), what))?;
                    if self.installation.is_some() {
                        return Err(wrong("there is more than one `provider_installation` block"));
                    }
                    self.installation = Some(methods);
                    self.dev_overrides.extend(overrides);
                }
                "oci_credentials" if style == Style::Tofu => {
                    let wanted = || wrong("oci_credentials \"REGISTRY[/REPOSITORY]\" { … } is wanted");
                    for (prefix, items) in blocks(labels, &value).ok_or_else(wanted)? {
                        self.oci.block(&prefix, items).map_err(|what| (line, what))?;
                    }
                }
                "oci_default_credentials" if style == Style::Tofu => {
                    let items = value.object().ok_or_else(|| wrong("oci_default_credentials { … } is wanted"))?;
                    self.oci.defaults(items, path).map_err(|what| (line, what))?;
                }
                // The CLIs' other settings are none of ours.
                _ => {}
            }
        }
        Ok(())
    }

    /// The token for `host`, written as [`Address::host`](crate::Address::host) has it: from a `TF_TOKEN_…` variable,
    /// else from a `credentials` block, else, where the host has none of the two, from the credentials helper.
    ///
    /// # Errors
    /// If the helper fails.
    pub async fn token(&self, host: &str) -> Result<Option<SecretString>, HelperError> {
        match (self.environment.token(host), self.tokens.get(host), &self.helper) {
            (Some(token), _, _) => Ok(Some(token)),
            (None, Some(written), _) => Ok(written.clone()),
            (None, None, Some(helper)) => helper.token(host).await,
            (None, None, None) => Ok(None),
        }
    }

    /// What to do about a host that wants a token and has none.
    #[must_use]
    pub fn advice(&self, host: &str) -> String {
        let variable = format!("TF_TOKEN_{}", host.replace('-', "__").replace('.', "_"));
        let give = format!("give one in a `credentials` block of the CLI configuration or in {variable}");
        match &self.helper {
            Some(helper) => match helper.missing() {
                Some(missing) => format!("{give} ({missing})"),
                None => format!("{give} (credentials_helper \"{}\" tells none)", helper.name),
            },
            None => give,
        }
    }

    /// The credentials for a repository of an OCI registry: the most specific of those in `oci_credentials` blocks, and of
    /// those that container tools have written on this machine. Nobody is asked.
    ///
    /// # Errors
    /// A sentence, if a file that the configuration names cannot be read.
    pub fn oci_login(&self, registry: &str, repository: &str) -> Result<Option<Login>, String> {
        self.oci.find(&self.environment, registry, repository)
    }

    /// The URL of a host's service, if the configuration names it. `None` within: the host has a `host` block that
    /// does not name the service, so it has none.
    #[must_use]
    pub fn service(&self, host: &str, name: &str) -> Option<Option<&str>> {
        self.services.get(host).map(|services| services.get(name).map(String::as_str))
    }

    /// The folders that are searched for packages when there is no `provider_installation`. Those that exist.
    #[must_use]
    pub fn implied_folders(&self) -> Vec<PathBuf> {
        locate::implied_folders(self.style.unwrap_or(Style::Tofu), &self.environment)
    }
}

/// Blocks with one label: `name "label" { … }` or `name { "label" { … } }`, which JSON writes.
fn blocks<'a>(labels: &[String], value: &'a Value) -> Option<Vec<(String, &'a [Item])>> {
    match labels {
        [label] => Some(vec![(label.clone(), value.object()?)]),
        [] => value
            .object()?
            .iter()
            .map(|item| match item.keys.as_slice() {
                [label] => Some((label.clone(), item.value.object()?)),
                _ => None,
            })
            .collect(),
        _ => None,
    }
}

fn services(items: &[Item]) -> Option<BTreeMap<String, String>> {
    let Some(value) = find(items, "services") else { return Some(BTreeMap::new()) };
    let entry = |item: &Item| match (item.keys.as_slice(), item.value.text()) {
        // Other services may be objects.
        ([name], url) => Some((name.clone(), url.unwrap_or_default().to_owned())),
        _ => None,
    };
    value.object()?.iter().map(entry).collect()
}

fn find<'a>(items: &'a [Item], name: &str) -> Option<&'a Value> {
    items.iter().find(|item| item.keys == [name]).map(|item| &item.value)
}

#[cfg(test)]
mod tests;
