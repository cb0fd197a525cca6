//! Where the credentials for a repository come from.

use std::time::Duration;

use http::header::HeaderValue;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use tokio::process::Command;

use super::challenge;
use super::docker::Credentials;
use crate::program::{self, Said};

/// How long a Docker credential helper may take.
const LONGEST: Duration = Duration::from_secs(60);
/// What such a helper says if it knows nothing about a registry.
/// (<https://github.com/docker/docker-credential-helpers/blob/master/credentials/error.go>)
const UNKNOWN: &str = "credentials not found in native keychain";
/// The user's name that says that the secret is an identity token.
const IDENTITY_TOKEN: &str = "<token>";

/// Credentials, or who knows them.
#[derive(Clone, Debug)]
pub enum Login {
    /// A user and a password.
    Basic(Credentials),
    /// A token that is shown as it is.
    Token(SecretString),
    /// The program `docker-credential-NAME` of that name.
    Helper(String),
}

/// What may be shown to a registry, or to its token service.
pub(super) enum Shown {
    Basic(Credentials),
    Bearer(HeaderValue),
}

#[derive(Deserialize)]
struct HelperAnswer {
    #[serde(rename = "Username")]
    user: String,
    #[serde(rename = "Secret")]
    secret: String,
}

impl Login {
    /// What may be shown to `registry`; none, if the helper knows nothing about it.
    pub(super) async fn shown(&self, registry: &str) -> Result<Option<Shown>, String> {
        match self {
            Self::Basic(credentials) => Ok(Some(Shown::Basic(credentials.clone()))),
            Self::Token(token) => match challenge::bearer(token) {
                Some(value) => Ok(Some(Shown::Bearer(value))),
                None => Err("the access_token for it cannot be a token".to_owned()),
            },
            Self::Helper(name) => {
                let program = format!("docker-credential-{name}");
                let asked = ask(&program, &format!("https://{registry}")).await;
                let found = asked.map_err(|what| format!("the credential helper {program}: {what}"))?;
                Ok(found.map(Shown::Basic))
            }
        }
    }
}

/// Asks a helper about a server's URL.
/// (<https://github.com/docker/docker-credential-helpers#development>)
async fn ask(program: &str, server: &str) -> Result<Option<Credentials>, String> {
    let mut command = Command::new(program);
    command.arg("get");
    let Said { status, answer, complaint } = program::run(command, Some(server), LONGEST).await?;
    let answer = answer.expose_secret().trim();
    if !status.success() {
        // It complains on its standard output.
        let complaint = if complaint.trim().is_empty() { answer } else { &complaint };
        return if answer == UNKNOWN { Ok(None) } else { Err(program::failure(status, complaint)) };
    }
    // serde's message may quote what it read.
    let HelperAnswer { user, secret } = serde_json::from_str(answer)
        .map_err(|_| "its answer is not the JSON object with Username and Secret that is wanted".to_owned())?;
    if user == IDENTITY_TOKEN {
        return Err("it tells an identity token; user and password are wanted, as by OpenTofu".to_owned());
    }
    Ok(Some(Credentials { user, password: secret.into() }))
}
