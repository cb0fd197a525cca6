//! How many versions of a key KV keeps: many of a state, and one where what was there before is to be gone.
//!
//! KV keeps as many as the larger of the key's and the mount's `max_versions` says, and removes what is beyond that when
//! a version is written. So the key's is set before a write. Where the mount's is larger than one, older versions that
//! are to be gone stay all the same, and are destroyed.

use bytes::Bytes;
use reqwest::header::HeaderMap;
use reqwest::{Method, StatusCode};
use serde::Deserialize;
use serde_json::json;

use super::current::Standing;
use super::{OpenBao, another_cluster, answer, replaced};
use crate::history::History;
use crate::{Error, Key, Revision};

/// How often a key's metadata are set anew because somebody else has set them meanwhile.
const ATTEMPTS: usize = 4;

/// What a key's metadata say of how many versions are kept.
#[derive(Deserialize)]
struct Limit {
    max_versions: u32,
    /// Releases that do not compare metadata have none.
    current_metadata_version: Option<u64>,
}

impl OpenBao {
    /// Sets `max_versions` on a key before its first revision: KV's own default of 10 would lose the state
    /// from before a long apply. A crash after it leaves a key that was never written.
    pub(super) async fn keep_history(&self, key: &Key, headers: &HeaderMap) -> Result<(), Error> {
        // A compare-and-set as well: what is there already, from an attempt before or by hand, stays.
        self.set_limit(key, headers, self.keep_versions, Some(0)).await.map(drop)
    }

    /// Sets `max_versions` on a key to one, so that its next version leaves none before it.
    pub(super) async fn keep_one(&self, key: &Key, headers: &HeaderMap) -> Result<(), Error> {
        for _ in 0..ATTEMPTS {
            let expected = match self.fetch(&self.metadata(key), limit).await? {
                None => Some(0),
                Some(Limit { max_versions: 1, .. }) => return Ok(()),
                Some(limit) => limit.current_metadata_version,
            };
            if self.set_limit(key, headers, 1, expected).await? {
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
        for _ in 0..2 {
            let demand = self.current.demand(&self.client, &self.mount).await?;
            let heard = demand.heard();
            let answer = self.client.call(Method::POST, &path, &demand.headers, Some(body.clone())).await?;
            if answer.status == StatusCode::FORBIDDEN {
                return Err(Error::Denied(format!(
                    "older versions of `{key}` are still in OpenBao: the mount keeps several of every key (its \
                     `max_versions`), and the token may not destroy them. Add `path \"{}/destroy/.quarantine/*\" \
                     {{ capabilities = [\"update\"] }}` to its policy and do this again, or remove the key yourself: \
                     `bao kv metadata delete -mount={} {key}`",
                    self.mount, self.mount
                )));
            }
            answer::done(answer.status, &answer.body)?;
            match demand.judge(&answer, heard) {
                Standing::Current => return Ok(()),
                Standing::Behind => return Err(replaced()),
                Standing::Elsewhere => self.current.forget(&demand),
            }
        }
        Err(another_cluster())
    }

    /// Sets `max_versions` on a key whose metadata are at `expected`; whether they were.
    async fn set_limit(
        &self,
        key: &Key,
        headers: &HeaderMap,
        max_versions: u32,
        expected: Option<u64>,
    ) -> Result<bool, Error> {
        let mut body = json!({"max_versions": max_versions});
        if let (Some(expected), Some(fields)) = (expected, body.as_object_mut()) {
            fields.insert("metadata_cas".to_owned(), expected.into());
        }
        let body = Bytes::from(body.to_string());
        let answer = self.client.call(Method::POST, &self.metadata(key), headers, Some(body)).await?;
        answer::metadata_set(answer.status, &answer.body)
    }
}

fn limit(status: StatusCode, body: &[u8]) -> Result<Option<Limit>, Error> {
    super::history::found::<Metadata>(status, body).map(|found| found.map(|metadata| metadata.data))
}

#[derive(Deserialize)]
struct Metadata {
    data: Limit,
}
