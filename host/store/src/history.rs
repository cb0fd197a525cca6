//! What lies below a folder, and older revisions: beside [`Store`], for whoever tidies up or looks back.
//!
//! Serving a request needs none of it.

use std::collections::BTreeSet;

use async_trait::async_trait;
use bytes::Bytes;

use crate::{Entry, Error, Key, Revision, Slot, Store};

/// A name directly below a folder. A name can be both: `a` beside `a/b`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Child {
    /// A document.
    Document(String),
    /// A folder, which holds documents or folders.
    Folder(String),
}

/// What of `keys` lies directly below a prefix: a folder's key with its `/`, or nothing for the top.
pub fn below<'a>(keys: impl IntoIterator<Item = &'a Key>, prefix: &str) -> Vec<Child> {
    let names = keys.into_iter().filter_map(|key| key.as_str().strip_prefix(prefix));
    let children: BTreeSet<Child> = names
        .map(|name| match name.split_once('/') {
            Some((folder, _)) => Child::Folder(folder.to_owned()),
            None => Child::Document(name.to_owned()),
        })
        .collect();
    children.into_iter().collect()
}

/// A store that can be listed and that tells which revisions it keeps. What it answers is as current as
/// what [`Store::get`] does.
#[async_trait]
pub trait History: Store {
    /// What lies directly below `folder`, in no order that one may count on; nothing if there is no such
    /// folder.
    ///
    /// # Errors
    /// As [`Store::get`]; [`Error::Denied`] where the store's policy lacks the right to list.
    async fn list(&self, folder: &Key) -> Result<Vec<Child>, Error>;

    /// What lies at the top, as [`list`](Self::list) tells what lies below a folder.
    ///
    /// # Errors
    /// As [`list`](Self::list).
    async fn top(&self) -> Result<Vec<Child>, Error>;

    /// The revisions of `key` that are kept, oldest first: the newest, and those that could still be had,
    /// even if only after somebody has restored them with the store's own tools.
    ///
    /// # Errors
    /// As [`Store::get`].
    async fn revisions(&self, key: &Key) -> Result<Vec<Revision>, Error>;

    /// One revision of `key`: [`Slot::Absent`] if it is not kept, [`Slot::Removed`] if somebody has deleted
    /// it in the store and could restore it.
    ///
    /// # Errors
    /// As [`Store::get`].
    async fn revision(&self, key: &Key, revision: Revision) -> Result<Slot, Error>;

    /// As [`revision`](Self::revision), or as [`Store::get`] where no revision is named, but without the
    /// content, which is empty where there is some: for whoever wants to know of many documents. Their chunks are
    /// neither read nor checked.
    ///
    /// # Errors
    /// As [`Store::get`].
    async fn outline(&self, key: &Key, revision: Option<Revision>) -> Result<Slot, Error> {
        let slot = match revision {
            Some(revision) => self.revision(key, revision).await?,
            None => self.get(key).await?,
        };
        Ok(match slot {
            Slot::Entry(entry) => {
                let content = entry.content.as_ref().map(|_| Bytes::new());
                Slot::Entry(Entry { content, ..entry })
            }
            slot => slot,
        })
    }
}
