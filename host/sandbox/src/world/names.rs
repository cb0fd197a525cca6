//! Numbers for the names that scenarios use.

use bytes::Bytes;

use crate::scenario::ScenarioError;
use crate::scenario::intent::{LockId, PathId, StateId};
use crate::store::tables::Table;

/// Paths, lock IDs, and states.
#[derive(Default)]
pub(crate) struct Names {
    paths: Table<String>,
    locks: Table<String>,
    states: Table<Bytes>,
}

impl Names {
    /// The number of a state's path.
    pub(crate) fn path(&mut self, path: &str) -> Result<PathId, ScenarioError> {
        let number = self.paths.number(path.to_owned());
        PathId::try_from(number).map_err(|_| ScenarioError("more than 256 paths".to_owned()))
    }

    /// All paths.
    pub(crate) fn paths(&self) -> impl Iterator<Item = (PathId, &str)> {
        (0..=PathId::MAX).map_while(|path| Some((path, self.paths.get(u32::from(path))?.as_str())))
    }

    /// The number of a lock ID.
    pub(crate) fn lock(&mut self, id: &str) -> LockId {
        LockId::try_from(self.locks.number(id.to_owned())).unwrap_or(LockId::MAX)
    }

    /// The number of a lock ID that was named.
    pub(crate) fn find_lock(&self, id: &str) -> Option<LockId> {
        self.locks.find(&id.to_owned()).and_then(|number| LockId::try_from(number).ok())
    }

    /// The lock ID with that number.
    pub(crate) fn lock_text(&self, lock: LockId) -> &str {
        self.locks.get(u32::from(lock)).map_or("?", |lock| lock.as_str())
    }

    /// The number of a state's bytes.
    pub(crate) fn state(&mut self, state: Bytes) -> StateId {
        self.states.number(state)
    }

    /// The word by which a state is told from others, and its serial.
    pub(crate) fn state_text(&self, state: StateId) -> String {
        self.states.get(state).map_or_else(|| "?".to_owned(), |bytes| word(bytes))
    }
}

/// The word in a state that scenarios made, or its size.
pub(crate) fn word(state: &[u8]) -> String {
    let json: Option<serde_json::Value> = serde_json::from_slice(state).ok();
    let word = json.as_ref().and_then(|json| json.pointer("/outputs/word/value")?.as_str());
    word.map_or_else(|| format!("{} bytes", state.len()), str::to_owned)
}

impl Names {
    /// The bytes of a state.
    pub(crate) fn state_bytes(&self, state: StateId) -> Option<&Bytes> {
        self.states.get(state).map(|bytes| &**bytes)
    }
}
