//! OpenBao's KV version 2 as a store.
//!
//! - `client.rs` makes HTTP calls; `current.rs` sees to it that only the active node answers them;
//! - `document.rs` is a document as KV holds it; `answer.rs` alone knows what statuses and messages mean;
//! - `check.rs` looks at the mount and the token's rights at start, and at the store's health.
//!
//! A document's revision is KV's version, and the compare-and-set is KV's `cas`.

mod answer;
mod check;
mod client;
mod current;
mod document;

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use reqwest::Method;
use reqwest::header::HeaderMap;
use secrecy::SecretString;
use serde_json::json;

pub use check::StartError;

use crate::{Error, Health, Key, Outcome, Retention, Slot, Store, Write};
use client::{Answer, Client};
use current::Current;

/// The mount where nobody says otherwise.
pub const DEFAULT_MOUNT: &str = "states";

/// How long one call may take where nobody says otherwise.
pub const DEFAULT_CALL_TIMEOUT: Duration = Duration::from_secs(10);

/// How to reach OpenBao. Neither it nor what is made of it can be printed: it holds a token.
pub struct Settings {
    /// `BAO_ADDR`: `http://` or `https://`, of a node or of a balancer before all of them.
    pub address: String,
    /// `BAO_NAMESPACE`.
    pub namespace: Option<String>,
    /// `BAO_TOKEN`.
    pub token: SecretString,
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
        Ok(Self {
            client: Client::new(&settings)?,
            current: Current::default(),
            mount: mount.as_str().to_owned(),
            keep_versions: settings.keep_versions,
        })
    }

    /// Uses another token from the next call on: the operator has exchanged it.
    ///
    /// # Errors
    /// [`InvalidSettings`], if it cannot be one; the old one stays.
    pub fn replace_token(&self, token: &SecretString) -> Result<(), InvalidSettings> {
        self.client.replace_token(token)
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

    /// Sets `max_versions` on a key before its first revision: KV's own default of 10 would lose the state
    /// from before a long apply. A crash after it leaves a key that was never written.
    async fn keep_history(&self, key: &Key, headers: &HeaderMap) -> Result<(), Error> {
        // A compare-and-set as well: what is there already, from an attempt before or by hand, stays.
        let body = json!({"max_versions": self.keep_versions, "metadata_cas": 0}).to_string();
        let answer = self.client.call(Method::POST, &self.metadata(key), headers, Some(Bytes::from(body))).await?;
        answer::metadata_set(answer.status, &answer.body)
    }
}

#[async_trait]
impl Store for OpenBao {
    async fn get(&self, key: &Key) -> Result<Slot, Error> {
        // A second time only if the cluster behind the address has become another one.
        for _ in 0..2 {
            let demand = self.current.demand(&self.client, &self.mount).await?;
            let answer = self.client.call(Method::GET, &self.data(key), &demand.headers, None).await?;
            let slot = answer::read(key, answer.status, &answer.body);
            let credible = match &slot {
                Ok(Slot::Absent) => current::confirm(&self.client, &self.mount, &demand).await?,
                Ok(Slot::Entry(_) | Slot::Removed(_)) => demand.fits(&answer),
                // The cluster is not named in what failed, and it stays a failure wherever it comes from.
                Err(_) => true,
            };
            if credible {
                return slot;
            }
            self.current.forget(&demand);
        }
        Err(another_cluster())
    }

    async fn put_cas(&self, key: &Key, write: Write) -> Result<Outcome, Error> {
        let headers = self.headers().await?;
        if write.retention == Retention::History && write.expected == 0 {
            self.keep_history(key, &headers).await?;
        }
        let body = document::write_body(&write)
            .map_err(|_| Error::Corrupt(format!("the document for `{key}` cannot be written as JSON")))?;
        drop(write);
        let Answer { status, body, .. } = self.client.call(Method::POST, &self.data(key), &headers, Some(body)).await?;
        answer::write(status, &body)
    }

    async fn delete(&self, key: &Key) -> Result<(), Error> {
        for _ in 0..2 {
            let demand = self.current.demand(&self.client, &self.mount).await?;
            let answer = self.client.call(Method::DELETE, &self.metadata(key), &demand.headers, None).await?;
            answer::done(answer.status, &answer.body)?;
            // A standby of another cluster than the demand's may have done nothing.
            if demand.fits(&answer) {
                return Ok(());
            }
            self.current.forget(&demand);
        }
        Err(another_cluster())
    }

    async fn health(&self) -> Health {
        check::health(self).await
    }
}

fn another_cluster() -> Error {
    Error::Unavailable("OpenBao's address leads to different clusters".to_owned())
}
