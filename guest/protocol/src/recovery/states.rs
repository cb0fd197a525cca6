//! The versions of one state.

use serde::Serialize;

use super::listing::fetch;
use super::refusal::Refused;
use super::views::VersionView;
use super::{Call, json};
use crate::archive::{Archive, Place};
use crate::exchange::Reply;
use crate::outside::{Revision, Slot};
use crate::path::StatePath;

#[derive(Serialize)]
struct VersionsView<'a> {
    path: &'a str,
    versions: Vec<VersionView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<Revision>,
}

/// `GET /-/v1/versions/…`.
pub(super) fn versions<A: Archive>(call: &mut Call<'_, A>, path: &StatePath) -> Result<Reply<A::Blob>, Refused> {
    let query = call.query(&["limit", "before"])?;
    let (limit, before) = (query.limit()?, query.revision("before")?);
    let key = path.state_key();
    let mut revisions = call.archive.revisions(key)?;
    revisions.retain(|revision| before.is_none_or(|before| *revision < before));
    revisions.reverse();
    let more = revisions.len() > limit;
    revisions.truncate(limit);
    let next = revisions.last().copied().filter(|_| more);
    let place = |revision: &Revision| Place { key: key.to_owned(), revision: Some(*revision) };
    let slots = fetch(call.archive, revisions.iter().map(place).collect())?;
    let versions = revisions.iter().zip(slots).filter_map(|(revision, slot)| match slot {
        // Dropped since it was listed.
        Ok(Slot::Absent) => None,
        Ok(slot) => Some(VersionView::of(key, slot)),
        Err(error) => Some(VersionView::failed(*revision, &error.into())),
    });
    Ok(json(&VersionsView { path: key, versions: versions.collect(), next }))
}
