//! Files with credentials for registries, as `docker login` and `podman login` write them:
//! <https://docs.docker.com/reference/cli/docker/login/#configure-credential-stores>

use std::collections::HashMap;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

/// A user's name and password.
#[derive(Clone, Debug)]
pub struct Credentials {
    /// The name.
    pub user: String,
    /// The password, or a token that stands for it.
    pub password: SecretString,
}

/// A file.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct File {
    /// By registry, or registry and repository.
    #[serde(default)]
    pub auths: HashMap<String, Option<Entry>>,
    /// By registry, the name of the program that knows its credentials.
    #[serde(default)]
    pub cred_helpers: HashMap<String, String>,
    /// The name of the program that knows all others.
    #[serde(default)]
    pub creds_store: Option<String>,
}

/// An entry of [`File::auths`].
#[derive(Deserialize)]
pub struct Entry {
    /// Base64 of `user:password`.
    #[serde(default)]
    auth: Option<String>,
    #[serde(default)]
    username: Option<String>,
    #[serde(default)]
    password: Option<String>,
}

/// It is all secrets.
impl std::fmt::Debug for Entry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Entry").finish_non_exhaustive()
    }
}

impl File {
    /// Reads a file's text.
    ///
    /// # Errors
    /// A sentence without a secret.
    pub fn parse(text: &SecretString) -> Result<Self, String> {
        // serde's message may quote what it read.
        serde_json::from_str(text.expose_secret()).map_err(|error| {
            let (line, column) = (error.line(), error.column());
            format!("line {line}, column {column} is not what `docker login` writes")
        })
    }
}

impl Entry {
    /// Whether it holds nothing: programs that keep credentials elsewhere leave such entries.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.auth.as_ref().is_none_or(String::is_empty) && self.username.is_none() && self.password.is_none()
    }

    /// What it holds; none, if it has neither `auth` nor `username` and `password`.
    #[must_use]
    pub fn credentials(&self) -> Option<Credentials> {
        match self {
            Self { username: Some(user), password: Some(password), .. } => {
                Some(Credentials { user: user.clone(), password: password.clone().into() })
            }
            Self { auth: Some(auth), .. } => decode(auth),
            _ => None,
        }
    }
}

fn decode(auth: &str) -> Option<Credentials> {
    let text = SecretString::from(String::from_utf8(BASE64_STANDARD.decode(auth).ok()?).ok()?);
    let (user, password) = text.expose_secret().split_once(':')?;
    Some(Credentials { user: user.to_owned(), password: password.into() })
}
