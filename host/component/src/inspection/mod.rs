//! The host's side of `inspection`: what is made of whole states, which take more memory and time than a component
//! has.
//!
//! A state is read in place: of its bytes nothing is copied but addresses and names. One inspection runs at a time,
//! off the threads that serve, and each part of it that a hostile state could blow up is bounded.

mod address;
mod bounded;
mod compare;
mod difference;
mod outputs;
mod sensitive;
mod state;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use sha2::{Digest, Sha256};
use tofu_state_store::{Entry, Key, Slot};
use tokio::time::timeout;

use crate::bindings::tofu_state::backend::inspection::{self, Trouble, Version};
use crate::guest::{Guest, Reachable};
use crate::history_calls;
use crate::store_calls::{parse, told};

/// The most that one answer holds, in bytes.
const MAX_ANSWER_BYTES: usize = 4 << 20;

/// Why a state cannot be inspected, as the end of a sentence; it quotes nothing of the state.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Unreadable(String);

impl Unreadable {
    fn because(why: impl Into<String>) -> Self {
        Self(why.into())
    }
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<serde_json::Error> for Unreadable {
    /// The place only: the error's own text may quote what it met.
    fn from(error: serde_json::Error) -> Self {
        Self(format!("it is not what a state looks like (line {}, column {})", error.line(), error.column()))
    }
}

impl inspection::Host for Guest {
    async fn outputs(
        &mut self,
        key: String,
        version: Version,
        sensitive: bool,
    ) -> wasmtime::Result<Result<Vec<u8>, Trouble>> {
        let reached = self.reached()?;
        self.in_turn(async || {
            let state = bytes(&reached, &key, version).await?;
            Ok(move || outputs::of(&state, sensitive))
        })
        .await
    }

    async fn difference(
        &mut self,
        key: String,
        before: Option<Version>,
        after: Option<Version>,
        sensitive: bool,
    ) -> wasmtime::Result<Result<Vec<u8>, Trouble>> {
        let reached = self.reached()?;
        self.in_turn(async || {
            let before = maybe_bytes(&reached, &key, before).await?;
            let after = maybe_bytes(&reached, &key, after).await?;
            Ok(move || difference::between(before.as_deref(), after.as_deref(), sensitive))
        })
        .await
    }
}

impl Guest {
    /// Waits for its turn, gets what is to be worked on, and works on a thread that may block. The turn ends when the
    /// work does, even where nobody waits for it any more.
    async fn in_turn<W>(
        &mut self,
        get: impl AsyncFnOnce() -> Result<W, Trouble>,
    ) -> wasmtime::Result<Result<Vec<u8>, Trouble>>
    where
        W: FnOnce() -> Result<Vec<u8>, Unreadable> + Send + 'static,
    {
        let turn = timeout(self.queueing, Arc::clone(&self.inspecting).acquire_owned());
        let inspecting = async {
            let Ok(Ok(turn)) = turn.await else { return Err(Trouble::Busy) };
            let work = get().await?;
            let working = tokio::task::spawn_blocking(move || {
                let _turn = turn;
                work()
            });
            match working.await {
                Ok(made) => made.map_err(|why| Trouble::Unreadable(why.to_string())),
                Err(_) => Err(Trouble::Unreadable("reading it failed inside the server".to_owned())),
            }
        };
        Ok(self.meter.waive(inspecting).await)
    }
}

async fn maybe_bytes(reached: &Reachable, key: &str, version: Option<Version>) -> Result<Option<Bytes>, Trouble> {
    match version {
        Some(version) => bytes(reached, key, version).await.map(Some),
        None => Ok(None),
    }
}

/// The bytes of one version, if they are those that its document tells of.
async fn bytes(reached: &Reachable, key: &str, version: Version) -> Result<Bytes, Trouble> {
    let key: Key = parse(key).map_err(Trouble::Store)?;
    let Version { revision, sha256 } = version;
    let slot = history_calls::revision(reached, &key, revision).await;
    let content = match slot.map_err(|error| Trouble::Store(told(error)))? {
        Slot::Entry(Entry { content: Some(content), .. }) => content,
        Slot::Entry(_) => return Err(Trouble::Damaged(revision)),
        Slot::Absent | Slot::Removed(_) => return Err(Trouble::Gone(revision)),
    };
    let hashed = content.clone();
    let digest = tokio::task::spawn_blocking(move || Sha256::digest(&hashed)).await;
    match digest {
        Ok(digest) if digest.as_slice() == sha256 => Ok(content),
        _ => Err(Trouble::Damaged(revision)),
    }
}
