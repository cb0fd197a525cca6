//! The host's side of `history` and `access`: looking back in the store, and asking for rights.

use futures_util::{StreamExt, stream};
use tofu_state_store as documents;
use tofu_state_store::{Error, History, Key, patience};

use crate::bindings::tofu_state::backend::{access, history, store, types};
use crate::fault::TooMuch;
use crate::guest::{Guest, Reachable};
use crate::store_calls::{parse, told};

/// Places in one `outlines`.
const MAX_PLACES: usize = 64;

/// How many of them are read at once: a store may have to fetch what it leaves out.
const AT_ONCE: usize = 8;

impl history::Host for Guest {
    async fn list(&mut self, folder: Option<String>) -> wasmtime::Result<Result<Vec<history::Child>, store::Error>> {
        let reached = self.reached()?;
        let folder = match folder.as_deref().map(parse).transpose() {
            Ok(folder) => folder,
            Err(error) => return Ok(Err(error)),
        };
        let listing = patience::until(reached.wait_until, || async {
            let history = reached.history()?;
            match &folder {
                Some(folder) => history.list(folder).await,
                None => history.top().await,
            }
        });
        let children = self.meter.waive(listing).await;
        Ok(children.map_err(told).map(|children| {
            children
                .into_iter()
                .map(|child| match child {
                    documents::history::Child::Document(name) => history::Child::Document(name),
                    documents::history::Child::Folder(name) => history::Child::Folder(name),
                })
                .collect()
        }))
    }

    async fn revisions(&mut self, key: String) -> wasmtime::Result<Result<Vec<store::Revision>, store::Error>> {
        let reached = self.reached()?;
        let key = match parse(&key) {
            Ok(key) => key,
            Err(error) => return Ok(Err(error)),
        };
        let asking = patience::until(reached.wait_until, || async { reached.history()?.revisions(&key).await });
        Ok(self.meter.waive(asking).await.map_err(told))
    }

    async fn get(
        &mut self,
        key: String,
        revision: store::Revision,
    ) -> wasmtime::Result<Result<store::Slot, store::Error>> {
        let reached = self.reached()?;
        let key = match parse(&key) {
            Ok(key) => key,
            Err(error) => return Ok(Err(error)),
        };
        let reading =
            patience::until(reached.wait_until, || async { reached.history()?.revision(&key, revision).await });
        let slot = self.meter.waive(reading).await;
        self.slot(slot)
    }

    async fn outlines(
        &mut self,
        places: Vec<history::Place>,
    ) -> wasmtime::Result<Vec<Result<history::Outline, store::Error>>> {
        let reached = self.reached()?;
        if places.len() > MAX_PLACES {
            return Err(TooMuch("places in one call").into());
        }
        let reading: Vec<_> = places.into_iter().map(|place| outline(&reached, place)).collect();
        Ok(self.meter.waive(stream::iter(reading).buffered(AT_ONCE).collect()).await)
    }
}

async fn outline(reached: &Reachable, place: history::Place) -> Result<history::Outline, store::Error> {
    let key = parse(&place.key)?;
    let reading =
        patience::until(reached.wait_until, || async { reached.history()?.outline(&key, place.revision).await });
    Ok(match reading.await.map_err(told)? {
        documents::Slot::Absent => history::Outline::Absent,
        documents::Slot::Removed(revision) => history::Outline::Removed(revision),
        documents::Slot::Entry(entry) => {
            history::Outline::Entry(store::Remembered { revision: entry.revision, meta: entry.meta.to_vec() })
        }
    })
}

impl access::Host for Guest {
    fn rights_on(&mut self, path: String) -> wasmtime::Result<types::Rights> {
        Ok(self.reached()?.rights.on(&path))
    }
}

impl Reachable {
    /// What can be looked back in.
    pub(crate) fn history(&self) -> Result<&dyn History, Error> {
        let none = || Error::Unavailable("it cannot be looked back in at the moment".to_owned());
        self.store.history().ok_or_else(none)
    }
}

/// A document of the store, for whoever inspects it.
pub(crate) async fn revision(
    reached: &Reachable,
    key: &Key,
    revision: documents::Revision,
) -> Result<documents::Slot, Error> {
    patience::until(reached.wait_until, || async { reached.history()?.revision(key, revision).await }).await
}
