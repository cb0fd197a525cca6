//! Credentials for registries, from a file as `docker login` and `podman login` write it:
//! <https://docs.docker.com/reference/cli/docker/login/#configure-credential-stores>

use std::collections::HashMap;
use std::path::Path;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use crate::config::file;

/// A user's name and password.
#[derive(Clone, Debug)]
pub struct Credentials {
    /// The name.
    pub user: String,
    /// The password, or a token that stands for it.
    pub password: SecretString,
}

#[derive(Deserialize)]
struct Document {
    #[serde(default)]
    auths: HashMap<String, Login>,
}

#[derive(Deserialize)]
struct Login {
    /// Base64 of `user:password`.
    #[serde(default)]
    auth: Option<String>,
    #[serde(default)]
    username: Option<String>,
    #[serde(default)]
    password: Option<String>,
}

/// The credentials for `registry` in the file at `path`; none if it holds none for it.
///
/// # Errors
/// A sentence without a secret.
pub fn read(path: &Path, registry: &str) -> Result<Option<Credentials>, String> {
    let told = |what: &str| format!("OCI_CREDENTIALS_FILE {}: {what}", path.display());
    let text = SecretString::from(file::read(path).map_err(|error| told(&format!("cannot be read: {error}")))?);
    // serde's message may quote what it read.
    let document: Document = serde_json::from_str(text.expose_secret()).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        told(&format!("line {line}, column {column} is not what `docker login` writes"))
    })?;
    let named = |(name, login): (String, Login)| (host_of(&name) == registry).then_some(login);
    let Some(login) = document.auths.into_iter().find_map(named) else { return Ok(None) };
    let wrong = || told(&format!("the entry for {registry} has neither `auth` nor `username` and `password`"));
    let (user, password) = match login {
        Login { username: Some(user), password: Some(password), .. } => (user, password.into()),
        Login { auth: Some(auth), .. } => decode(&auth.into()).ok_or_else(wrong)?,
        _ => return Err(wrong()),
    };
    Ok(Some(Credentials { user, password }))
}

/// Entries may be URLs.
fn host_of(name: &str) -> &str {
    let name = name.strip_prefix("https://").or_else(|| name.strip_prefix("http://")).unwrap_or(name);
    name.split_once('/').map_or(name, |(host, _)| host)
}

fn decode(auth: &SecretString) -> Option<(String, SecretString)> {
    let bytes = BASE64_STANDARD.decode(auth.expose_secret()).ok()?;
    let text = SecretString::from(String::from_utf8(bytes).ok()?);
    let (user, password) = text.expose_secret().split_once(':')?;
    Some((user.to_owned(), password.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_a_registrys_login_and_tells_no_secret() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.json");
        let auth = BASE64_STANDARD.encode("ci:hunter2:more");
        let text = format!(
            r#"{{"auths":{{"https://r.io/v1/":{{"auth":"{auth}"}},"plain.io:5000":{{"username":"u","password":"hunter2"}},"empty.io":{{}}}}}}"#
        );
        std::fs::write(&path, text).unwrap();
        let found = |registry: &str| read(&path, registry);
        let login = found("r.io").unwrap().unwrap();
        assert_eq!((&*login.user, login.password.expose_secret()), ("ci", "hunter2:more"));
        assert_eq!(found("plain.io:5000").unwrap().unwrap().user, "u");
        assert!(found("plain.io").unwrap().is_none() && found("other.io").unwrap().is_none());
        assert!(found("empty.io").unwrap_err().contains("empty.io"));
        std::fs::write(&path, r#"{"auths":{"r.io":{"auth":{"hunter2":1}}}}"#).unwrap();
        let refused = found("r.io").unwrap_err();
        assert!(refused.contains("line 1") && !refused.contains("hunter2"), "{refused}");
    }
}
