//! Listing and older revisions, from KV's metadata.

use std::collections::BTreeMap;

use async_trait::async_trait;
use reqwest::StatusCode;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::OpenBao;
use super::answer::{self, Words};
use crate::history::{Child, History};
use crate::{Error, Key, Revision, Slot};

#[async_trait]
impl History for OpenBao {
    async fn list(&self, folder: &Key) -> Result<Vec<Child>, Error> {
        let path = format!("{}/?list=true", self.metadata(folder));
        Ok(self.fetch(&path, children).await?.unwrap_or_default())
    }

    async fn top(&self) -> Result<Vec<Child>, Error> {
        let path = format!("{}/metadata/?list=true", self.mount);
        Ok(self.fetch(&path, children).await?.unwrap_or_default())
    }

    async fn revisions(&self, key: &Key) -> Result<Vec<Revision>, Error> {
        Ok(self.fetch(&self.metadata(key), kept).await?.unwrap_or_default())
    }

    async fn revision(&self, key: &Key, revision: Revision) -> Result<Slot, Error> {
        // KV takes 0 for the newest.
        if revision == 0 {
            return Ok(Slot::Absent);
        }
        let path = format!("{}?version={revision}", self.data(key));
        let slot = self.fetch(&path, |status, body| answer::older(key, status, body)).await?;
        Ok(slot.unwrap_or(Slot::Absent))
    }
}

/// The answer to a listing: names, those of folders with a `/` at their end.
fn children(status: StatusCode, body: &[u8]) -> Result<Option<Vec<Child>>, Error> {
    #[derive(Deserialize)]
    struct Keys {
        keys: Vec<String>,
    }
    let child = |name: String| match name.strip_suffix('/') {
        Some(folder) => Child::Folder(folder.to_owned()),
        None => Child::Document(name),
    };
    let found: Option<Keys> = found(status, body)?;
    Ok(found.map(|found| found.keys.into_iter().map(child).collect()))
}

/// The versions in a key's metadata that are not gone for good; and the newest, whatever became of it.
fn kept(status: StatusCode, body: &[u8]) -> Result<Option<Vec<Revision>>, Error> {
    #[derive(Deserialize)]
    struct Metadata {
        current_version: Revision,
        versions: BTreeMap<Revision, Version>,
    }
    #[derive(Deserialize)]
    struct Version {
        destroyed: bool,
    }
    let Some(Metadata { current_version: newest, versions }) = found(status, body)? else { return Ok(None) };
    let kept = versions.into_iter().filter(|(revision, version)| !version.destroyed || *revision == newest);
    Ok(Some(kept.map(|(revision, _)| revision).collect()))
}

/// What KV says of a key, the `data` of its answer; none if it knows nothing of it.
pub(super) fn found<T: DeserializeOwned>(status: StatusCode, body: &[u8]) -> Result<Option<T>, Error> {
    #[derive(Deserialize)]
    struct Body<T> {
        data: T,
    }
    match status {
        StatusCode::OK => serde_json::from_slice(body)
            .map(|Body { data }| Some(data))
            .map_err(|_| Error::Corrupt("the answer about a key's metadata is not KV version 2's".to_owned())),
        StatusCode::NOT_FOUND if answer::says_nothing(body) => Ok(None),
        _ => Err(answer::failure(status, body, Words::Quotable)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listings() {
        let of = |code: u16, body: &str| children(StatusCode::from_u16(code).unwrap(), body.as_bytes());
        assert_eq!(
            of(200, r#"{"data":{"keys":["a","a/","b.lock"]}}"#),
            Ok(Some(vec![
                Child::Document("a".to_owned()),
                Child::Folder("a".to_owned()),
                Child::Document("b.lock".to_owned())
            ]))
        );
        assert_eq!(of(404, r#"{"errors":[]}"#), Ok(None));
        assert!(matches!(of(403, r#"{"errors":["permission denied"]}"#), Err(Error::Denied(_))));
        assert!(matches!(of(404, "<html>"), Err(Error::Corrupt(_))));
    }

    #[test]
    fn kept_revisions() {
        let body = r#"{"data":{"current_version":10,"versions":{
            "2":{"destroyed":false,"deletion_time":"2026-01-01T00:00:00Z"},"9":{"destroyed":true,"deletion_time":""},
            "10":{"destroyed":true,"deletion_time":""}}}}"#;
        assert_eq!(kept(StatusCode::OK, body.as_bytes()), Ok(Some(vec![2, 10])));
        let crashed = r#"{"data":{"current_version":0,"versions":{}}}"#;
        assert_eq!(kept(StatusCode::OK, crashed.as_bytes()), Ok(Some(Vec::new())));
    }
}
