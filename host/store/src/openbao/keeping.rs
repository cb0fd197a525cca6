//! How many versions of a key KV keeps: many of a state, and one where what was there before is to be gone.
//!
//! KV keeps as many as the larger of the key's and the mount's `max_versions` says, and removes what is beyond that when
//! a version is written. So the key's is set before a write. Where the mount's is larger than one, older versions that
//! are to be gone stay all the same, and are destroyed.

use std::collections::BTreeMap;

use bytes::Bytes;
use reqwest::header::HeaderMap;
use reqwest::{Method, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::history::found;
use super::{OpenBao, answer};
use crate::history::History;
use crate::{Error, Key, Revision};

/// How often a key's metadata are set anew because somebody else has set them meanwhile.
const ATTEMPTS: usize = 4;

/// What KV knows of a key, as far as it matters for how much of it is kept.
#[derive(Deserialize)]
pub(super) struct Metadata {
    pub(super) max_versions: u32,
    /// What a change is compared with. Releases that do not compare metadata have none.
    pub(super) current_metadata_version: Option<u64>,
    pub(super) custom_metadata: Option<BTreeMap<String, String>>,
}

/// What is to be another way in a key's metadata; what it leaves out stays.
#[derive(Serialize)]
pub(super) struct Change {
    pub(super) max_versions: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) metadata_cas: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) custom_metadata: Option<BTreeMap<String, String>>,
}

impl OpenBao {
    /// Sets `max_versions` on a key before its first revision: KV's own default of 10 would lose the state
    /// from before a long apply. A crash after it leaves a key that was never written.
    pub(super) async fn keep_history(&self, key: &Key, headers: &HeaderMap) -> Result<(), Error> {
        // A compare-and-set as well: what is there already, from an attempt before or by hand, stays.
        let change = Change { max_versions: self.keep_versions, metadata_cas: Some(0), custom_metadata: None };
        self.change_metadata(key, headers, &change).await.map(drop)
    }

    /// Sets `max_versions` on a key to one, so that its next version leaves none before it.
    pub(super) async fn keep_one(&self, key: &Key, headers: &HeaderMap) -> Result<(), Error> {
        for _ in 0..ATTEMPTS {
            let expected = match self.fetch(&self.metadata(key), found::<Metadata>).await? {
                None => Some(0),
                Some(Metadata { max_versions: 1, .. }) => return Ok(()),
                Some(metadata) => metadata.current_metadata_version,
            };
            let change = Change { max_versions: 1, metadata_cas: expected, custom_metadata: None };
            if self.change_metadata(key, headers, &change).await? {
                return Ok(());
            }
        }
        Err(Error::Unavailable(format!("the metadata of `{key}` change faster than they can be set")))
    }

    /// Destroys the versions before `newest` that the mount has kept.
    pub(super) async fn destroy_before(&self, key: &Key, newest: Revision) -> Result<(), Error> {
        let mut left = self.revisions(key).await?;
        left.retain(|revision| *revision < newest);
        if left.is_empty() {
            return Ok(());
        }
        let path = format!("{}/destroy/{key}", self.mount);
        let body = Bytes::from(json!({"versions": left}).to_string());
        self.change(Method::POST, &path, Some(body), |status, body| {
            if status != StatusCode::FORBIDDEN {
                return answer::done(status, body);
            }
            Err(Error::Denied(format!(
                "older versions of `{key}` are still in OpenBao: the mount keeps several of every key (its \
                 `max_versions`), and the token may not destroy them. Add `path \"{}/destroy/.quarantine/*\" \
                 {{ capabilities = [\"update\"] }}` to its policy and do this again, or remove the key yourself: \
                 `bao kv metadata delete -mount={} {key}`",
                self.mount, self.mount
            )))
        })
        .await
    }

    /// Changes a key's metadata; whether they were those that the change compares with.
    pub(super) async fn change_metadata(&self, key: &Key, headers: &HeaderMap, change: &Change) -> Result<bool, Error> {
        let body = serde_json::to_vec(change)
            .map_err(|_| Error::Corrupt(format!("the metadata of `{key}` cannot be written as JSON")))?;
        let answer = self.client.call(Method::POST, &self.metadata(key), headers, Some(Bytes::from(body))).await?;
        answer::metadata_set(answer.status, &answer.body)
    }
}
