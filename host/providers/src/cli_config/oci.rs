//! `oci_credentials` and `oci_default_credentials`: who is let into OCI registries, chosen as OpenTofu chooses.
//! (<https://opentofu.org/docs/cli/oci_registries/credentials/>)

use std::path::{Path, PathBuf};

use secrecy::SecretString;

use super::hcl1::{Item, Value};
use super::{Environment, find};
use crate::oci::Login;
use crate::oci::docker::{Credentials, File};
use crate::oci::name::{is_registry, is_repository};

/// How far credentials are made for one repository: for any registry, for one, or for one with that many parts of a
/// repository's name.
type Specificity = usize;
const ANY_REGISTRY: Specificity = 1;
const ONE_REGISTRY: Specificity = 2;

/// What the configuration says about credentials.
#[derive(Clone, Debug, Default)]
pub(super) struct OciLogins {
    /// By registry, or registry and the beginning of repositories' names.
    blocks: Vec<(String, Login)>,
    defaults: Option<Defaults>,
}

#[derive(Clone, Debug)]
struct Defaults {
    /// Whether what container tools have written counts.
    discover: bool,
    /// Their files; none: where they usually are.
    files: Option<Vec<PathBuf>>,
    /// A Docker credential helper for every registry.
    helper: Option<String>,
}

impl OciLogins {
    /// Takes in an `oci_credentials` block.
    pub(super) fn block(&mut self, prefix: &str, items: &[Item]) -> Result<(), String> {
        let wrong = |what: &str| Err(format!("`oci_credentials \"{prefix}\"` {what}"));
        if specificity_of(prefix).is_none() {
            return wrong("names neither a registry nor a registry and a repository");
        }
        if self.blocks.iter().any(|(known, _)| known == prefix) {
            return wrong("is there twice");
        }
        let text = |name: &str| match find(items, name).map(Value::text) {
            Some(None) => Err(format!("`oci_credentials \"{prefix}\"`: `{name}` must be a string")),
            found => Ok(found.flatten().map(str::to_owned)),
        };
        let (user, password) = (text("username")?, text("password")?);
        let (access, refresh) = (text("access_token")?, text("refresh_token")?);
        let helper = text("docker_credentials_helper")?;
        let login = match (user, password, access, refresh, helper) {
            (Some(user), Some(password), None, None, None) => {
                Login::Basic(Credentials { user, password: password.into() })
            }
            // OpenTofu wants a refresh token, and never uses it.
            (None, None, Some(access), Some(_), None) => Login::Token(SecretString::from(access)),
            (None, None, None, None, Some(_)) if prefix.contains('/') => {
                return wrong("has a docker_credentials_helper, which knows whole registries only");
            }
            (None, None, None, None, Some(name)) => Login::Helper(helper_name(name)?),
            _ => {
                return wrong(
                    "must have either username and password, or access_token and refresh_token, or \
                     docker_credentials_helper",
                );
            }
        };
        self.blocks.push((prefix.to_owned(), login));
        Ok(())
    }

    /// Takes in an `oci_default_credentials` block of the file at `path`.
    pub(super) fn defaults(&mut self, items: &[Item], path: &Path) -> Result<(), String> {
        if self.defaults.is_some() {
            return Err("there is more than one `oci_default_credentials` block".to_owned());
        }
        let wrong = |what: &str| format!("`oci_default_credentials`: {what}");
        let discover = match find(items, "discover_ambient_credentials") {
            None => true,
            Some(Value::Word(word)) if word == "true" => true,
            Some(Value::Word(word)) if word == "false" => false,
            Some(_) => return Err(wrong("`discover_ambient_credentials` must be true or false")),
        };
        let folder = path.parent().unwrap_or(Path::new(""));
        let files = match find(items, "docker_style_config_files").map(Value::texts) {
            None => None,
            Some(None) => return Err(wrong("`docker_style_config_files` must be a list of strings")),
            Some(Some(files)) => Some(files.iter().map(|file| folder.join(file)).collect()),
        };
        if !discover && files.is_some() {
            return Err(wrong("`docker_style_config_files` means nothing without `discover_ambient_credentials`"));
        }
        let helper = match find(items, "docker_credentials_helper").map(Value::text) {
            None => None,
            Some(None) => return Err(wrong("`docker_credentials_helper` must be a string")),
            Some(Some(name)) => Some(helper_name(name.to_owned())?),
        };
        self.defaults = Some(Defaults { discover, files, helper });
        Ok(())
    }

    /// The most specific credentials for a repository; of equally specific ones the first.
    pub(super) fn find(
        &self,
        environment: &Environment,
        registry: &str,
        repository: &str,
    ) -> Result<Option<Login>, String> {
        let mut found: Vec<(Specificity, Login)> = Vec::new();
        for (prefix, login) in &self.blocks {
            found.extend(specificity(prefix, registry, repository).map(|how| (how, login.clone())));
        }
        let defaults = self.defaults.as_ref();
        if let Some(helper) = defaults.and_then(|defaults| defaults.helper.clone()) {
            found.push((ANY_REGISTRY, Login::Helper(helper)));
        }
        if defaults.is_none_or(|defaults| defaults.discover) {
            for (path, file) in ambient(defaults.and_then(|defaults| defaults.files.as_deref()), environment)? {
                found.extend(of_file(&path, &file, registry, repository)?);
            }
        }
        let mut best: Option<(Specificity, Login)> = None;
        for (how, login) in found {
            if best.as_ref().is_none_or(|(known, _)| how > *known) {
                best = Some((how, login));
            }
        }
        Ok(best.map(|(_, login)| login))
    }
}

/// What container tools have written. Only files that the configuration names have to be right.
fn ambient(named: Option<&[PathBuf]>, environment: &Environment) -> Result<Vec<(PathBuf, File)>, String> {
    let usual = usual_files(environment);
    let read = |path: &PathBuf| -> Result<Option<(PathBuf, File)>, String> {
        let told = |what: String| format!("the credentials file {}: {what}", path.display());
        let text = match std::fs::read_to_string(path) {
            Ok(text) => SecretString::from(text),
            Err(error) if named.is_none() && error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(told(format!("cannot be read: {error}"))),
        };
        Ok(Some((path.clone(), File::parse(&text).map_err(told)?)))
    };
    let files = named.unwrap_or(&usual).iter().filter_map(|path| read(path).transpose());
    match (files.collect::<Result<Vec<_>, _>>(), named) {
        (Err(error), None) => {
            tracing::warn!("no credentials for OCI registries are taken from this machine's files: {error}");
            Ok(Vec::new())
        }
        (read, _) => read,
    }
}

/// Where container tools keep credentials.
/// (<https://github.com/containers/image/blob/main/docs/containers-auth.json.5.md>)
fn usual_files(environment: &Environment) -> Vec<PathBuf> {
    let set = |name: &str| environment.get(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let home = set("HOME").unwrap_or_else(|| "/".into());
    let first = if cfg!(target_os = "macos") { Some(home.join(".config")) } else { set("XDG_RUNTIME_DIR") };
    let config = set("XDG_CONFIG_HOME").unwrap_or_else(|| home.join(".config"));
    let mut files: Vec<_> =
        first.into_iter().chain([config]).map(|folder| folder.join("containers/auth.json")).collect();
    files.extend([home.join(".docker/config.json"), home.join(".dockercfg")]);
    files.dedup();
    files
}

fn of_file(path: &Path, file: &File, registry: &str, repository: &str) -> Result<Vec<(Specificity, Login)>, String> {
    let mut found = Vec::new();
    for (name, entry) in &file.auths {
        let (Some(how), Some(entry)) = (specificity(name, registry, repository), entry) else { continue };
        if entry.is_empty() {
            continue;
        }
        let credentials = entry.credentials().ok_or_else(|| {
            format!("the credentials file {}: the entry for {name} holds no user and password", path.display())
        })?;
        found.push((how, Login::Basic(credentials)));
    }
    let filled = |name: &&String| !name.is_empty();
    if let Some(helper) = file.cred_helpers.get(registry).filter(filled) {
        found.push((ONE_REGISTRY, Login::Helper(helper_name(helper.clone())?)));
    }
    if let Some(helper) = file.creds_store.as_ref().filter(filled) {
        found.push((ANY_REGISTRY, Login::Helper(helper_name(helper.clone())?)));
    }
    Ok(found)
}

/// How far `name` means that repository; none: not at all.
fn specificity(name: &str, registry: &str, repository: &str) -> Option<Specificity> {
    let how = specificity_of(name)?;
    let (named, path) = name.split_once('/').unwrap_or((name, ""));
    let mut parts = repository.split('/');
    let is_beginning = path.is_empty() || path.split('/').all(|part| parts.next() == Some(part));
    (named == registry && is_beginning).then_some(how)
}

/// How far `name` means one repository; none, if it is no name.
fn specificity_of(name: &str) -> Option<Specificity> {
    match name.split_once('/') {
        None => is_registry(name).then_some(ONE_REGISTRY),
        Some((registry, path)) if is_registry(registry) && is_repository(path) => {
            Some(ONE_REGISTRY.saturating_add(path.split('/').count()))
        }
        Some(_) => None,
    }
}

/// A helper's name becomes a part of a program's.
fn helper_name(name: String) -> Result<String, String> {
    if name.is_empty() || name.contains(['/', '\0']) {
        return Err(format!("`{name}` is no name of a Docker credential helper"));
    }
    Ok(name)
}

#[cfg(test)]
mod tests;
