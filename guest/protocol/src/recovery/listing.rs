//! Pages of states, and of refused ones.

use serde::Serialize;

use super::refusal::Refused;
use super::views::{LockView, QuarantinedView, VersionView};
use super::walk::{Found, Wanted, walk};
use super::{Call, json};
use crate::archive::{Archive, MOST_OUTLINES, Place};
use crate::document::{self, LockDocument, LockStatus};
use crate::exchange::Reply;
use crate::outside::{Slot, StoreError};
use crate::path::LOCK_SUFFIX;
use crate::quarantine::PREFIX;
use crate::reply::Refusal;

#[derive(Serialize)]
struct PageView<T> {
    states: Vec<T>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

#[derive(Serialize)]
struct StateView {
    path: String,
    current: VersionView,
    #[serde(skip_serializing_if = "Option::is_none")]
    lock: Option<LockView>,
}

/// `GET /-/v1/states`.
pub(super) fn states<A: Archive>(call: &mut Call<'_, A>) -> Result<Reply<A::Blob>, Refused> {
    let query = call.query(&["prefix", "limit", "after", "deleted"])?;
    let with_deleted = query.flag("deleted")?;
    let page = walk(
        call.archive,
        &Wanted {
            prefix: query.segments("prefix")?,
            after: query.segments("after")?,
            limit: query.limit()?,
            root: None,
            most_segments: usize::from(call.request.settings.path_segments),
            with_locks: true,
            may_know: &|path| call.archive.may_read(&path.join("/")),
        },
    )?;
    let mut places = Vec::new();
    for Found { path, document, lock } in &page.found {
        let key = path.join("/");
        let lock_key = lock.then(|| format!("{key}{LOCK_SUFFIX}"));
        places.extend(document.then_some(key).into_iter().chain(lock_key));
    }
    let mut slots = outlines(call.archive, places)?.into_iter();
    let mut states = Vec::new();
    for Found { path, document, lock } in page.found {
        let path = path.join("/");
        let current = match document.then(|| slots.next()).flatten() {
            None => VersionView::nothing(),
            Some(Ok(slot)) => VersionView::of(&path, slot),
            Some(Err(error)) => VersionView::failed(0, &error.into()),
        };
        let lock = lock.then(|| slots.next()).flatten().and_then(|slot| held(&path, slot, call.request.received));
        let is_told = match current.kind {
            "none" => lock.is_some(),
            "deleted" => with_deleted || lock.is_some(),
            _ => true,
        };
        if is_told {
            states.push(StateView { path, current, lock });
        }
    }
    Ok(json(&PageView { states, next: page.next.map(|next| next.join("/")) }))
}

/// Whoever holds the lock; nobody also where nobody knows, for that alone fails no list.
fn held<B>(path: &str, slot: Result<Slot<B>, StoreError>, now: u64) -> Option<LockView> {
    let Ok(Slot::Entry(entry)) = slot else { return None };
    match document::decode::<LockDocument>(path, &entry.meta).ok()?.status {
        LockStatus::Held(held) => Some(LockView::of(&held, now)),
        LockStatus::Free | LockStatus::Broken => None,
    }
}

/// `GET /-/v1/quarantine`.
pub(super) fn quarantine<A: Archive>(call: &mut Call<'_, A>) -> Result<Reply<A::Blob>, Refused> {
    let query = call.query(&["prefix", "limit", "after"])?;
    let prefix = query.segments("prefix")?;
    let page = walk(
        call.archive,
        &Wanted {
            after: query.segments("after")?,
            limit: query.limit()?,
            root: Some(PREFIX),
            // The digest is one more.
            most_segments: usize::from(call.request.settings.path_segments) + 1,
            with_locks: false,
            may_know: &|path| match path.split_last() {
                Some((_, path)) => {
                    !path.is_empty() && path.starts_with(&prefix) && call.archive.may_read(&path.join("/"))
                }
                None => false,
            },
            prefix: prefix.clone(),
        },
    )?;
    let keys: Vec<String> = page.found.iter().map(|found| format!("{PREFIX}/{}", found.path.join("/"))).collect();
    let slots = outlines(call.archive, keys.clone())?;
    let mut states = Vec::new();
    for ((found, key), slot) in page.found.into_iter().zip(keys).zip(slots) {
        let Some((sha256, path)) = found.path.split_last() else { continue };
        let (path, sha256) = (path.join("/"), sha256.clone());
        match slot {
            Ok(Slot::Entry(entry)) => states.extend(QuarantinedView::of(path, sha256, &key, &entry.meta)),
            // Accepted or discarded meanwhile.
            Ok(Slot::Absent) => {}
            Ok(Slot::Removed(revision)) => {
                states.push(QuarantinedView::failed(path, sha256, &Refusal::RemovedInStore { key, revision }));
            }
            Err(error) => states.push(QuarantinedView::failed(path, sha256, &error.into())),
        }
    }
    Ok(json(&PageView { states, next: page.next.map(|next| next.join("/")) }))
}

/// Documents without their contents, each as far as it could be read.
pub(super) type Slots<B> = Vec<Result<Slot<B>, StoreError>>;

/// The newest revisions under `keys`, without their contents. What is wrong with one document is told with it;
/// what is wrong with the store fails the page.
pub(super) fn outlines<A: Archive>(archive: &A, keys: Vec<String>) -> Result<Slots<A::Blob>, StoreError> {
    fetch(archive, keys.into_iter().map(|key| Place { key, revision: None }).collect())
}

/// As [`outlines`], of any revision.
pub(super) fn fetch<A: Archive>(archive: &A, places: Vec<Place>) -> Result<Slots<A::Blob>, StoreError> {
    let mut slots = Vec::with_capacity(places.len());
    for places in places.chunks(MOST_OUTLINES) {
        for slot in archive.outlines(places.to_vec()) {
            match slot {
                Err(error) if !matches!(error, StoreError::Corrupt(_)) => return Err(error),
                slot => slots.push(slot),
            }
        }
    }
    Ok(slots)
}
