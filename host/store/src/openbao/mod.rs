//! OpenBao's KV version 2 as a store.
//!
//! - `client.rs` makes HTTP calls; `current.rs` sees to it that only the active node answers them;
//! - `login/` is the token it calls with, and where that comes from;
//! - `document.rs` is a document as KV holds it; `answer.rs` alone knows what statuses and messages mean;
//! - `history.rs` lists, and reads older revisions; `keeping.rs` and `places.rs` see to how many of them there are;
//! - `check.rs` looks at the mount and the token's rights at start, and at the store's health.
//!
//! A document's revision is KV's version, and the compare-and-set is KV's `cas`.

mod answer;
mod check;
mod client;
mod current;
mod document;
mod history;
mod keeping;
mod login;
mod places;

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use reqwest::header::HeaderMap;
use reqwest::{Method, StatusCode};
use secrecy::SecretString;
use tokio::time::Instant;

pub use check::StartError;
pub use login::{Ending, Login, Secret};

use crate::{Error, Health, Key, Outcome, Retention, Slot, Store, Write};
use client::Client;
use current::{Current, Demand, Standing};

/// The mount where nobody says otherwise.
pub const DEFAULT_MOUNT: &str = "states";

/// How long one call may take where nobody says otherwise.
pub const DEFAULT_CALL_TIMEOUT: Duration = Duration::from_secs(10);

/// How to reach OpenBao. Neither it nor what is made of it can be printed: it holds a secret.
pub struct Settings {
    /// `BAO_ADDR`: `http://` or `https://`, of a node or of a balancer before all of them.
    pub address: String,
    /// `BAO_NAMESPACE`.
    pub namespace: Option<String>,
    /// How the server proves who it is: `BAO_TOKEN`, or a login.
    pub login: Login,
    /// `BAO_MOUNT`: where KV version 2 is mounted.
    pub mount: String,
    /// What `BAO_CACERT` holds (PEM): the only authorities that are trusted. None: the system's.
    pub ca_certificate: Option<Vec<u8>>,
    /// `KEEP_VERSIONS`: how many revisions of a state stay recoverable.
    pub keep_versions: u32,
    /// How long one call may take, with its connection.
    pub call_timeout: Duration,
}

/// A setting that cannot be right. The text does not repeat a secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidSettings(String);

impl InvalidSettings {
    fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

/// A store in OpenBao.
pub struct OpenBao {
    client: Client,
    current: Current,
    mount: String,
    keep_versions: u32,
}

impl OpenBao {
    /// Makes the store; calls nobody yet. [`OpenBao::check`] says whether it would work.
    ///
    /// # Errors
    /// [`InvalidSettings`], if that shows without asking OpenBao.
    pub fn new(settings: Settings) -> Result<Self, InvalidSettings> {
        let mount = Key::parse(settings.mount.trim_matches('/'))
            .map_err(|_| InvalidSettings::new("the mount is not segments of [A-Za-z0-9._-] joined by `/`"))?;
        let keep_versions = settings.keep_versions;
        Ok(Self {
            client: Client::new(settings)?,
            current: Current::default(),
            mount: mount.as_str().to_owned(),
            keep_versions,
        })
    }

    /// Uses another token from the next call on: the operator has exchanged it.
    ///
    /// # Errors
    /// [`InvalidSettings`], if it cannot be one; the old one stays.
    pub fn replace_token(&self, token: &SecretString) -> Result<(), InvalidSettings> {
        self.client.session().replace(token)
    }

    fn data(&self, key: &Key) -> String {
        format!("{}/data/{key}", self.mount)
    }

    fn metadata(&self, key: &Key) -> String {
        format!("{}/metadata/{key}", self.mount)
    }

    async fn headers(&self) -> Result<HeaderMap, Error> {
        Ok(self.current.demand(&self.client, &self.mount).await?.headers.clone())
    }

    /// Reads what lies at `path` below the mount, from the active node; none if nothing does. `parse` says what
    /// an answer is, and gives none for one that says "nothing" and carries no index.
    async fn fetch<T: Send>(&self, path: &str, parse: impl Parse<T>) -> Result<Option<T>, Error> {
        // A second time only if the cluster behind the address has become another one.
        for _ in 0..2 {
            let demand = self.current.demand(&self.client, &self.mount).await?;
            let (found, standing) = match self.look(path, &demand, &parse).await? {
                (None, _) => self.look_again(path, &demand, &parse).await?,
                found => found,
            };
            match standing {
                Standing::Current => return Ok(found),
                Standing::Behind => return Err(replaced()),
                Standing::Elsewhere => self.current.forget(&demand),
            }
        }
        Err(another_cluster())
    }

    /// Reads once. What is said of the node that answered counts only where something was found: there is
    /// nothing to judge it by where not.
    async fn look<T: Send>(
        &self,
        path: &str,
        demand: &Demand,
        parse: &impl Parse<T>,
    ) -> Result<(Option<T>, Standing), Error> {
        let heard = demand.heard();
        let begun = Instant::now();
        let mut answer = self.client.call(Method::GET, path, &demand.headers, None).await?;
        if demand.is_cluster() && begun.elapsed() > current::SLOW {
            tokio::time::sleep(current::STEP_DOWN).await;
            answer = self.client.call(Method::GET, path, &demand.headers, None).await?;
        }
        match parse(answer.status, &answer.body)? {
            None => Ok((None, Standing::Current)),
            found => Ok((found, demand.judge(&answer, heard))),
        }
    }

    /// Changes something for which no revision is compared. `parse` says whether it was done.
    async fn change(
        &self,
        method: Method,
        path: &str,
        body: Option<Bytes>,
        parse: impl Fn(StatusCode, &[u8]) -> Result<(), Error> + Send + Sync,
    ) -> Result<(), Error> {
        for _ in 0..2 {
            let demand = self.current.demand(&self.client, &self.mount).await?;
            let heard = demand.heard();
            let answer = self.client.call(method.clone(), path, &demand.headers, body.clone()).await?;
            parse(answer.status, &answer.body)?;
            match demand.judge(&answer, heard) {
                Standing::Current => return Ok(()),
                Standing::Behind => return Err(replaced()),
                // A standby of another cluster than the demand's may have done nothing.
                Standing::Elsewhere => self.current.forget(&demand),
            }
        }
        Err(another_cluster())
    }

    /// Reads once more what was said not to be there, and looks at the mount and the cluster meanwhile.
    async fn look_again<T: Send>(
        &self,
        path: &str,
        demand: &Demand,
        parse: &impl Parse<T>,
    ) -> Result<(Option<T>, Standing), Error> {
        let standing = current::confirm(&self.client, &self.mount, demand).await?;
        if !demand.is_cluster() || standing != Standing::Current {
            return Ok((None, standing));
        }
        tokio::time::sleep(current::STEP_DOWN).await;
        self.look(path, demand, parse).await
    }
}

/// Says what an answer is.
trait Parse<T>: Fn(StatusCode, &[u8]) -> Result<Option<T>, Error> + Send + Sync {}

impl<T, F: Fn(StatusCode, &[u8]) -> Result<Option<T>, Error> + Send + Sync> Parse<T> for F {}

#[async_trait]
impl Store for OpenBao {
    async fn get(&self, key: &Key) -> Result<Slot, Error> {
        let parse = |status: StatusCode, body: &[u8]| {
            answer::read(key, status, body).map(|slot| Some(slot).filter(|slot| *slot != Slot::Absent))
        };
        Ok(self.fetch(&self.data(key), parse).await?.unwrap_or(Slot::Absent))
    }

    async fn put_cas(&self, key: &Key, write: Write) -> Result<Outcome, Error> {
        let demand = self.current.demand(&self.client, &self.mount).await?;
        match write.retention {
            Retention::History | Retention::Passing { .. } | Retention::Thinned { .. } if write.expected == 0 => {
                self.keep_history(key, &demand.headers).await?;
            }
            Retention::Passing { .. } => self.make_place(key, write.expected, &demand).await?,
            Retention::Erased => self.keep_one(key, &demand.headers).await?,
            // What is not worth keeping has a place of its own, which was made when the run went on from it.
            Retention::History | Retention::Thinned { .. } | Retention::Latest => {}
        }
        let erases = write.retention == Retention::Erased;
        let body = document::write_body(&write)
            .map_err(|_| Error::Corrupt(format!("the document for `{key}` cannot be written as JSON")))?;
        drop(write);
        let heard = demand.heard();
        let answer = self.client.call(Method::POST, &self.data(key), &demand.headers, Some(body)).await?;
        let outcome = answer::write(answer.status, &answer.body)?;
        // What is written is written, wherever. But what comes next has to be asked in the right place, and
        // must not be older.
        if matches!(outcome, Outcome::Written(_)) && demand.judge(&answer, heard) == Standing::Elsewhere {
            self.current.forget(&demand);
        }
        if let (Outcome::Written(revision), true) = (outcome, erases) {
            self.destroy_before(key, revision).await?;
        }
        Ok(outcome)
    }

    async fn delete(&self, key: &Key) -> Result<(), Error> {
        self.change(Method::DELETE, &self.metadata(key), None, answer::done).await
    }

    async fn health(&self) -> Health {
        check::health(self).await
    }
}

fn replaced() -> Error {
    Error::Unavailable("the node that answered has lost its lead and not noticed yet".to_owned())
}

fn another_cluster() -> Error {
    Error::Unavailable("OpenBao's address leads to different clusters".to_owned())
}
