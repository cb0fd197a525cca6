//! The server's API for versions and recovery, below `/-/v1/`; its OpenAPI file says what each field means.

mod answers;

pub use answers::{
    Accepted, AttributeChange, Comparison, Difference, Lock, LockStatus, OutputChange, Quarantined, ResourceChange,
    StateEntry, Version,
};

use bytes::Bytes;
use reqwest::header::HeaderMap;
use reqwest::{Method, Url};
use serde::de::DeserializeOwned;

use crate::error::Error;
use crate::http::{Answer, Http, place};
use crate::protocol::refusal;
use answers::{Page, VersionPage};

/// How many items a page is asked for: the most that there may be.
const PAGE: &str = "500";

/// The API of one server.
pub struct Api<'a> {
    /// Who speaks.
    pub http: &'a Http,
    /// The server's address, with a `/` at its end.
    pub server: &'a Url,
}

impl Api<'_> {
    /// All states that the token may read below `prefix`, by whole segments; with those that were deleted, if asked.
    ///
    /// # Errors
    /// The server says no, or is none of ours.
    pub async fn states(&self, prefix: &str, deleted: bool) -> Result<Vec<StateEntry>, Error> {
        let mut query = vec![("limit", PAGE.to_owned())];
        if !prefix.is_empty() {
            query.push(("prefix", prefix.to_owned()));
        }
        if deleted {
            query.push(("deleted", "true".to_owned()));
        }
        self.pages("states", query).await
    }

    /// The versions of a state that can still be had, newest first.
    ///
    /// # Errors
    /// The server says no.
    pub async fn versions(&self, path: &str) -> Result<Vec<Version>, Error> {
        let mut found: Vec<Version> = Vec::new();
        let mut before: Option<u64> = None;
        loop {
            let mut query = vec![("limit", PAGE.to_owned())];
            query.extend(before.map(|before| ("before", before.to_string())));
            let page: VersionPage = self.json(&format!("versions/{path}"), &query).await?;
            found.extend(page.versions);
            match page.next {
                None => return Ok(found),
                Some(next) if before.is_some_and(|before| next >= before) => return Err(endless()),
                Some(next) => before = Some(next),
            }
        }
    }

    /// The bytes of one version.
    ///
    /// # Errors
    /// The server says no; it has no such version.
    pub async fn content(&self, path: &str, revision: u64) -> Result<Bytes, Error> {
        let query = [("revision", revision.to_string())];
        let answer = self.send(&Method::GET, &format!("content/{path}"), &query).await?;
        Ok(answer.body)
    }

    /// What differs between two versions; with values that are sensitive, if asked.
    ///
    /// # Errors
    /// The server says no; the states are encrypted by their client.
    pub async fn difference(
        &self,
        path: &str,
        from: Option<u64>,
        to: Option<u64>,
        sensitive: bool,
    ) -> Result<Comparison, Error> {
        let mut query = Vec::new();
        query.extend(from.map(|revision| ("from", revision.to_string())));
        query.extend(to.map(|revision| ("to", revision.to_string())));
        if sensitive {
            query.push(("sensitive", "true".to_owned()));
        }
        self.json(&format!("difference/{path}"), &query).await
    }

    /// Who holds the lock.
    ///
    /// # Errors
    /// The server says no.
    pub async fn lock(&self, path: &str) -> Result<LockStatus, Error> {
        self.json(&format!("lock/{path}"), &[]).await
    }

    /// The states below `prefix` that a policy refused.
    ///
    /// # Errors
    /// The server says no.
    pub async fn quarantine(&self, prefix: &str) -> Result<Vec<Quarantined>, Error> {
        let mut query = vec![("limit", PAGE.to_owned())];
        if !prefix.is_empty() {
            query.push(("prefix", prefix.to_owned()));
        }
        self.pages("quarantine", query).await
    }

    /// The bytes of a refused state.
    ///
    /// # Errors
    /// The server says no; there is no such state.
    pub async fn quarantined(&self, path: &str, sha256: &str) -> Result<Bytes, Error> {
        let query = [("sha256", sha256.to_owned())];
        Ok(self.send(&Method::GET, &format!("quarantined/{path}"), &query).await?.body)
    }

    /// Makes a refused state the present one, under the lock `id`.
    ///
    /// # Errors
    /// The server says no: the lock is not held, or a policy denies it still.
    pub async fn accept(&self, path: &str, sha256: &str, id: &str, overrule: bool) -> Result<Accepted, Error> {
        let mut query = vec![("sha256", sha256.to_owned()), ("id", id.to_owned())];
        if overrule {
            query.push(("overrule", "true".to_owned()));
        }
        let place = format!("quarantined/{path}");
        let answer = self.send(&Method::POST, &place, &query).await?;
        self.parsed(&place, &answer)
    }

    /// Throws a refused state away.
    ///
    /// # Errors
    /// The server says no; there is no such state.
    pub async fn discard(&self, path: &str, sha256: &str) -> Result<(), Error> {
        let query = [("sha256", sha256.to_owned())];
        self.send(&Method::DELETE, &format!("quarantined/{path}"), &query).await.map(drop)
    }

    /// All pages of a list.
    async fn pages<T: DeserializeOwned>(&self, path: &str, query: Vec<(&str, String)>) -> Result<Vec<T>, Error> {
        let mut found = Vec::new();
        let mut after: Option<String> = None;
        loop {
            let mut query = query.clone();
            query.extend(after.clone().map(|after| ("after", after)));
            let page: Page<T> = self.json(path, &query).await?;
            found.extend(page.states);
            match page.next {
                None => return Ok(found),
                Some(next) if Some(&next) == after.as_ref() => return Err(endless()),
                Some(next) => after = Some(next),
            }
        }
    }

    async fn json<T: DeserializeOwned>(&self, path: &str, query: &[(&str, String)]) -> Result<T, Error> {
        let answer = self.send(&Method::GET, path, query).await?;
        self.parsed(path, &answer)
    }

    fn parsed<T: DeserializeOwned>(&self, path: &str, answer: &Answer) -> Result<T, Error> {
        let odd = |error: serde_json::Error| {
            let place = format!("{}-/v1/{path}", self.server);
            Error::other(format!("{place}: the answer is not this release's: {error}"))
        };
        serde_json::from_slice(&answer.body).map_err(odd)
    }

    async fn send(&self, method: &Method, path: &str, query: &[(&str, String)]) -> Result<Answer, Error> {
        let mut url = self
            .server
            .join(&format!("-/v1/{path}"))
            .map_err(|error| Error::other(format!("`{path}` is no path: {error}")))?;
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        let answer = self.http.send(method, &url, &HeaderMap::new(), &Bytes::new()).await?;
        match answer.status {
            200 | 204 => Ok(answer),
            _ => Err(refusal(&place(&url), &answer)),
        }
    }
}

fn endless() -> Error {
    Error::other("the server's list does not end")
}
