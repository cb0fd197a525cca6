//! Whether OpenBao is as the store needs it: at start, and whenever somebody asks how it is.
//!
//! The token may be one that can do nothing but read and write states: what such a token may not look at is
//! a warning with the line that its policy lacks, not a reason to refuse.

use std::collections::HashMap;
use std::time::Duration;

use bytes::Bytes;
use reqwest::header::HeaderMap;
use reqwest::{Method, StatusCode};
use serde::Deserialize;
use serde_json::json;

use super::OpenBao;
use super::answer::{self, Words};
use super::current::{self, Standing};
use super::login::Ending;
use crate::{Error, Health};

/// How long [`health`] waits.
const HEALTH_TIMEOUT: Duration = Duration::from_secs(3);

/// A token that ends sooner than this is worth a warning.
const SOON: Duration = Duration::from_secs(72 * 60 * 60);

/// A place that stands for every state's, its lock's, and so on. Nothing is ever written there.
const PROBE: &str = "tofu-state/check";

/// Rights on paths of this kind below the mount, in this folder.
type Rights = (&'static str, &'static str, &'static [&'static str]);

/// Rights without which states or locks cannot be served. What the server itself lays down lies in folders
/// that begin with a dot, which a policy may have forgotten.
const NEEDED: [Rights; 4] = [
    ("data", "", &["create", "read", "update"]),
    ("metadata", "", &["create", "update"]),
    ("data", ".chunks/", &["create", "read", "update"]),
    ("data", ".quarantine/", &["create", "read", "update"]),
];

/// Rights without which what nobody needs any more stays, and older revisions cannot be looked at.
const WANTED: [Rights; 4] = [
    ("metadata", "", &["read", "list"]),
    ("metadata", ".chunks/", &["delete", "list"]),
    ("metadata", ".quarantine/", &["create", "read", "update", "delete", "list"]),
    ("destroy", ".quarantine/", &["update"]),
];

/// Rights without which the token ends, and nobody knows when. The policy `default` gives them.
const OF_THE_TOKEN: [(&str, &str); 2] = [("auth/token/lookup-self", "read"), ("auth/token/renew-self", "update")];

/// Why the store does not work at start. The texts are whole sentences about what is wrong and what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StartError {
    /// It will not work before somebody changes something: the server ends.
    #[error("{0}")]
    Fatal(String),
    /// It is not reachable, sealed, or not initialised: the server starts and tries again.
    #[error("{0}")]
    Passing(String),
}

impl From<Error> for StartError {
    fn from(error: Error) -> Self {
        match error {
            Error::Denied(text) | Error::Corrupt(text) | Error::TooLarge(text) => Self::Fatal(text),
            passing => Self::Passing(passing.to_string()),
        }
    }
}

impl OpenBao {
    /// Looks at the mount and at the token's rights, and returns what an operator should know although the
    /// store works.
    ///
    /// # Errors
    /// [`StartError`] says what is wrong and whether it can pass by itself.
    pub async fn check(&self) -> Result<Vec<String>, StartError> {
        let headers = self.headers().await?;
        // The demand may be known from before; the mount may have changed since.
        current::mount_of(&self.client, &self.mount, &headers).await?;
        let mut warnings = Vec::new();
        self.check_configuration(&headers, &mut warnings).await?;
        self.check_rights(&headers, &mut warnings).await?;
        if !self.client.session().can_log_in()
            && let Some(facts) = self.token_facts().await
            && let Some(left) = facts.left().filter(|left| *left < SOON && !facts.is_renewable())
        {
            warnings
                .push(format!("the OpenBao token ends in {} and cannot be renewed: replace it before", duration(left)));
        }
        Ok(warnings)
    }

    async fn check_configuration(&self, headers: &HeaderMap, warnings: &mut Vec<String>) -> Result<(), StartError> {
        #[derive(Deserialize)]
        struct Body {
            data: Configuration,
        }
        #[derive(Deserialize)]
        struct Configuration {
            #[serde(default)]
            delete_version_after: String,
            #[serde(default)]
            max_versions: u32,
        }
        let mount = &self.mount;
        let answer = self.client.call(Method::GET, &format!("{mount}/config"), headers, None).await?;
        if answer.status == StatusCode::FORBIDDEN {
            warnings.push(format!(
                "the token may not read `{mount}/config`, so nobody has checked that `delete_version_after` is not set: \
                 add `path \"{mount}/config\" {{ capabilities = [\"read\"] }}` to its policy"
            ));
            return Ok(());
        }
        if !answer.status.is_success() {
            return Err(answer::failure(answer.status, &answer.body, Words::Quotable).into());
        }
        let Body { data } = read(&answer.body)?;
        if !matches!(data.delete_version_after.as_str(), "" | "0" | "0s") {
            return Err(StartError::Fatal(format!(
                "`{mount}/` deletes every version after {}, states too: \
                 `bao write {mount}/config delete_version_after=0s`",
                data.delete_version_after
            )));
        }
        let keep = self.keep_versions;
        match data.max_versions {
            0 => {}
            limit if limit < keep => warnings.push(format!(
                "`{mount}/` keeps {limit} versions of a key, fewer than KEEP_VERSIONS ({keep}). States created by this \
                 server keep {keep}; those that came there otherwise keep {limit}"
            )),
            limit if limit > keep => warnings.push(format!(
                "`{mount}/` keeps {limit} versions of every key, more than KEEP_VERSIONS ({keep}), which has no effect"
            )),
            _ => {}
        }
        Ok(())
    }

    async fn check_rights(&self, headers: &HeaderMap, warnings: &mut Vec<String>) -> Result<(), StartError> {
        let mount = &self.mount;
        let path = |kind: &str, folder: &str| format!("{mount}/{kind}/{folder}{PROBE}");
        let below = NEEDED.iter().chain(&WANTED).map(|(kind, folder, _)| path(kind, folder));
        let paths: Vec<String> = below.chain(OF_THE_TOKEN.map(|(path, _)| path.to_owned())).collect();
        let body = Bytes::from(json!({"paths": paths}).to_string());
        let answer = self.client.call(Method::POST, "sys/capabilities-self", headers, Some(body)).await?;
        if answer.status == StatusCode::FORBIDDEN {
            warnings.push(
                "the token may not ask what it may do, so its rights to write were not checked: add the policy \
                 `default` to it, or `path \"sys/capabilities-self\" { capabilities = [\"update\"] }` to its policy"
                    .to_owned(),
            );
            return self.check_read(headers).await;
        }
        if !answer.status.is_success() {
            return Err(answer::failure(answer.status, &answer.body, Words::Quotable).into());
        }
        #[derive(Deserialize)]
        struct Body {
            data: HashMap<String, Vec<String>>,
        }
        let Body { data } = read(&answer.body)?;
        let lacks = |path: &str, right: &str| {
            let held = data.get(path).map(Vec::as_slice).unwrap_or_default();
            !held.iter().any(|held| held == right || held == "root")
        };
        let missing = |rights: &[Rights]| {
            let lines = rights.iter().filter_map(|(kind, folder, rights)| {
                let path = path(kind, folder);
                let missing: Vec<&str> = rights.iter().filter(|right| lacks(&path, right)).copied().collect();
                (!missing.is_empty()).then(|| format!("{} on `{mount}/{kind}/{folder}*`", missing.join(", ")))
            });
            lines.collect::<Vec<_>>().join("; ")
        };
        let wanted = missing(&WANTED);
        if !wanted.is_empty() {
            warnings.push(format!(
                "the token's policy lacks rights to remove what nobody needs any more and to look at older revisions: {wanted}"
            ));
        }
        for (path, right) in OF_THE_TOKEN.into_iter().filter(|(path, right)| lacks(path, right)) {
            warnings.push(format!("the token cannot be looked after: its policy lacks {right} on `{path}`"));
        }
        let needed = missing(&NEEDED);
        if needed.is_empty() {
            Ok(())
        } else {
            Err(StartError::Fatal(format!("the token's policy lacks rights: {needed}")))
        }
    }

    /// What is left to try without the right to ask.
    async fn check_read(&self, headers: &HeaderMap) -> Result<(), StartError> {
        let path = format!("{}/data/{PROBE}", self.mount);
        let answer = self.client.call(Method::GET, &path, headers, None).await?;
        match answer.status {
            StatusCode::OK | StatusCode::NOT_FOUND => Ok(()),
            status => Err(answer::failure(status, &answer.body, Words::Quotable).into()),
        }
    }
}

/// Whether the active node can be reached, with this token, on this mount.
pub(super) async fn health(store: &OpenBao) -> Health {
    let look = async {
        let demand = store.current.demand(&store.client, &store.mount).await?;
        match current::confirm(&store.client, &store.mount, &demand).await? {
            Standing::Current => Ok(()),
            Standing::Behind => Err(super::replaced()),
            Standing::Elsewhere => {
                store.current.forget(&demand);
                Err(super::another_cluster())
            }
        }
    };
    match tokio::time::timeout(HEALTH_TIMEOUT, look).await {
        Ok(Ok(())) => {
            let token = match store.token_ending() {
                Ending::After(left) => format!("; the token ends in {}", duration(left)),
                Ending::Never | Ending::Unknown => String::new(),
            };
            Health { available: true, detail: format!("OpenBao's active node answers{token}") }
        }
        Ok(Err(error)) => Health { available: false, detail: error.to_string() },
        Err(_) => Health { available: false, detail: Error::Timeout.to_string() },
    }
}

fn read<'a, T: Deserialize<'a>>(body: &'a Bytes) -> Result<T, StartError> {
    serde_json::from_slice(body).map_err(|_| StartError::Fatal("an answer is not OpenBao's".to_owned()))
}

/// A duration as a person says it: in its largest unit.
fn duration(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} days", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_passes_and_what_does_not() {
        for passing in
            [Error::Sealed, Error::Timeout, Error::Unavailable("x".to_owned()), Error::OutOfSpace("x".to_owned())]
        {
            assert!(matches!(StartError::from(passing), StartError::Passing(_)));
        }
        for fatal in [Error::Denied("x".to_owned()), Error::Corrupt("x".to_owned())] {
            assert_eq!(StartError::from(fatal), StartError::Fatal("x".to_owned()));
        }
    }

    #[test]
    fn durations() {
        let of = |seconds| duration(Duration::from_secs(seconds));
        assert_eq!([of(119), of(120), of(7_200), of(172_800)], ["119 s", "2 min", "2 h", "2 days"]);
    }
}
