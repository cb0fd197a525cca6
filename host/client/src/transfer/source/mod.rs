//! Where states come from. A source is only ever read.

pub mod consul;
pub mod folder;
pub mod gitlab;
pub mod kv;
pub mod named;
pub mod s3;
pub mod server;

use std::collections::BTreeMap;

use async_trait::async_trait;
use bytes::Bytes;

use crate::error::Error;

/// A place that holds states under names.
#[async_trait]
pub trait Source: Send + Sync {
    /// What it is, for people; without secrets.
    fn describe(&self) -> String;

    /// All that it holds.
    ///
    /// # Errors
    /// It cannot be listed. A part of a list is no list.
    async fn list(&self) -> Result<Listing, Error>;

    /// The bytes under a name, as they lie there; none: nothing is there.
    ///
    /// # Errors
    /// They cannot be had.
    async fn read(&self, name: &str) -> Result<Option<Bytes>, Error>;
}

/// What a source holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    /// What may be states.
    pub names: Vec<Name>,
    /// What is left out, and why.
    pub skipped: BTreeMap<String, String>,
}

/// A name in a source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name {
    /// What it is read by.
    pub name: String,
    /// What its path is, if the source knows; otherwise the name says it.
    pub path: Option<String>,
    /// The SHA-256 that its bytes must have, if the source knows.
    pub sha256: Option<String>,
}

impl Name {
    /// One of which nothing else is known.
    #[must_use]
    pub fn plain(name: impl Into<String>) -> Self {
        Self { name: name.into(), path: None, sha256: None }
    }
}

/// Why something that stands among states is none, judged by its name; none: it may be one.
#[must_use]
pub fn left_out(name: &str) -> Option<&'static str> {
    let file = name.rsplit('/').next().unwrap_or(name);
    if file == "errored.tfstate" {
        Some("a state that a run could not save: see the runbook before it is pushed")
    } else if file.ends_with(".tfstate.backup") {
        Some("the CLI's copy of an older state")
    } else if [".tflock", ".lock", ".lock.info", ".lockinfo", "-lock", "-md5"].iter().any(|end| file.ends_with(end)) {
        Some("a lock")
    } else {
        None
    }
}
