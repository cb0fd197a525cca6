//! Credentials for registries, from a file as `docker login` and `podman login` write it:
//! <https://docs.docker.com/reference/cli/docker/login/#configure-credential-stores>

use std::path::Path;

use secrecy::SecretString;
use tofu_state_providers::oci::docker::{Credentials, Entry, File};

use crate::config::file;

/// The credentials for `registry` in the file at `path`; none if it holds none for it.
///
/// # Errors
/// A sentence without a secret.
pub fn read(path: &Path, registry: &str) -> Result<Option<Credentials>, String> {
    let told = |what: &str| format!("OCI_CREDENTIALS_FILE {}: {what}", path.display());
    let text = SecretString::from(file::read(path).map_err(|error| told(&format!("cannot be read: {error}")))?);
    let document = File::parse(&text).map_err(|what| told(&what))?;
    let named = |(name, entry): (String, Option<Entry>)| (host_of(&name) == registry).then_some(entry);
    let Some(entry) = document.auths.into_iter().find_map(named).flatten() else { return Ok(None) };
    let wrong = || told(&format!("the entry for {registry} has neither `auth` nor `username` and `password`"));
    entry.credentials().map(Some).ok_or_else(wrong)
}

/// Entries may be URLs.
fn host_of(name: &str) -> &str {
    let name = name.strip_prefix("https://").or_else(|| name.strip_prefix("http://")).unwrap_or(name);
    name.split_once('/').map_or(name, |(host, _)| host)
}

#[cfg(test)]
mod tests {
    use base64::Engine;
    use base64::prelude::BASE64_STANDARD;
    use secrecy::ExposeSecret;

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
