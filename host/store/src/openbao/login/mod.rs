//! How the server proves to OpenBao who it is: with a token that somebody has made for it, or by a login that
//! gives it one.
//!
//! - `session.rs` holds the token in use, and logs in again when OpenBao does not know it any more;
//! - `keep.rs` has the token renewed long before it ends.
//!
//! Whoever calls OpenBao (`client.rs`) knows none of this: it asks the session for a token.

mod keep;
mod session;

use std::io;
use std::path::{Path, PathBuf};

use reqwest::StatusCode;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};

use super::answer::{self, Words};
use crate::Error;

pub use keep::Ending;
pub(super) use session::Session;

/// The largest file with a secret that is read, in bytes.
const LARGEST_SECRET: u64 = 64 * 1024;

/// How the server proves who it is. Its `Debug` shows no secret.
#[derive(Clone, Debug)]
pub enum Login {
    /// A token (`BAO_TOKEN`).
    Token(SecretString),
    /// The auth method AppRole.
    AppRole {
        /// Where the method is mounted below `auth/`.
        mount: String,
        /// The role's ID: a name rather than a secret.
        role_id: String,
        /// The secret that belongs to it.
        secret_id: Secret,
    },
    /// The auth method for Kubernetes' service accounts.
    Kubernetes {
        /// Where the method is mounted below `auth/`.
        mount: String,
        /// The role's name.
        role: String,
        /// The file with the service account's token. Kubernetes exchanges it, so it is read at each login.
        token_file: PathBuf,
    },
}

/// Where a secret for the login comes from. Its `Debug` does not show it.
#[derive(Clone, Debug)]
pub enum Secret {
    /// It does not change.
    Value(SecretString),
    /// From this file, which is read at each login.
    File(PathBuf),
}

impl From<SecretString> for Login {
    fn from(token: SecretString) -> Self {
        Self::Token(token)
    }
}

/// What is sent for a login.
struct Request {
    path: String,
    body: Value,
}

impl Login {
    /// What is to be sent; none for a token, which needs no login.
    async fn request(&self) -> Result<Option<Request>, Error> {
        let (mount, body) = match self {
            Self::Token(_) => return Ok(None),
            Self::AppRole { mount, role_id, secret_id } => {
                let secret_id = match secret_id {
                    Secret::Value(value) => value.clone(),
                    Secret::File(file) => read("the file with the secret ID", file).await?,
                };
                (mount, json!({"role_id": role_id, "secret_id": secret_id.expose_secret()}))
            }
            Self::Kubernetes { mount, role, token_file } => {
                let jwt = read("the service account's token", token_file).await?;
                (mount, json!({"role": role, "jwt": jwt.expose_secret()}))
            }
        };
        Ok(Some(Request { path: format!("auth/{mount}/login"), body }))
    }

    /// What a refused login means, and what to look at.
    fn refused(&self, status: StatusCode, body: &[u8]) -> Error {
        let look_at = match self {
            Self::Token(_) => "the token",
            Self::AppRole { .. } => {
                "`BAO_ROLE_ID`, `BAO_SECRET_ID` (used up, expired, or bound to other addresses?), and that AppRole is \
                 enabled there (`BAO_AUTH_MOUNT`, `BAO_NAMESPACE`)"
            }
            Self::Kubernetes { .. } => {
                "`BAO_KUBERNETES_ROLE`, which service accounts and audience the role is bound to, and that the auth \
                 method for Kubernetes is enabled there (`BAO_AUTH_MOUNT`, `BAO_NAMESPACE`)"
            }
        };
        match status.as_u16() {
            // Without a mount the answer is 403 too.
            400 | 401 | 403 | 404 => {
                let said = answer::words(body);
                let said = if said.is_empty() { status.as_u16().to_string() } else { said };
                Error::Denied(format!(
                    "OpenBao refused the login at `auth/{}/` ({said}): check {look_at}",
                    self.mount()
                ))
            }
            _ => answer::failure(status, body, Words::Quotable),
        }
    }

    fn mount(&self) -> &str {
        match self {
            Self::Token(_) => "token",
            Self::AppRole { mount, .. } | Self::Kubernetes { mount, .. } => mount,
        }
    }
}

/// Reads a file that holds one secret.
async fn read(what: &str, file: &Path) -> Result<SecretString, Error> {
    let wrong = |why: &dyn std::fmt::Display| Error::Denied(format!("{what}, {}, {why}", file.display()));
    let metadata = tokio::fs::metadata(file).await.map_err(|error| unreadable(&wrong, &error))?;
    if !metadata.is_file() || metadata.len() > LARGEST_SECRET {
        return Err(wrong(&"is no regular file of at most 64 KiB"));
    }
    let text = tokio::fs::read_to_string(file).await.map_err(|error| unreadable(&wrong, &error))?;
    match text.trim_end_matches(['\r', '\n']) {
        "" => Err(wrong(&"is empty")),
        secret => Ok(secret.into()),
    }
}

fn unreadable(wrong: &impl Fn(&dyn std::fmt::Display) -> Error, error: &io::Error) -> Error {
    wrong(&format!("cannot be read: {error}"))
}
