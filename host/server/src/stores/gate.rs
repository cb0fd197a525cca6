//! A gate before a store that has not been checked yet.
//!
//! A store of the wrong kind looks empty (OpenBao's KV v1 mounts do, to a client of v2), and an empty
//! answer makes a CLI create everything again. So nothing is asked of a store before its check has passed.

use std::sync::Arc;

use arc_swap::ArcSwapOption;
use async_trait::async_trait;
use tofu_state_store::{Error, Health, History, Key, Outcome, Remembered, Slot, Store, Write};

/// A store that answers only while the gate is open.
pub struct Gate {
    inner: Arc<dyn Store>,
    /// Why it is closed; none: it is open.
    closed: ArcSwapOption<Error>,
}

impl Gate {
    /// An open gate.
    #[must_use]
    pub fn open(inner: Arc<dyn Store>) -> Self {
        Self { inner, closed: ArcSwapOption::empty() }
    }

    /// Closes the gate: every call ends with this error.
    pub fn close(&self, why: Error) {
        self.closed.store(Some(Arc::new(why)));
    }

    /// Whether it is open.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.closed.load().is_none()
    }

    /// Opens the gate for good.
    pub fn unlock(&self) {
        self.closed.store(None);
    }

    fn pass(&self) -> Result<&dyn Store, Error> {
        match &*self.closed.load() {
            None => Ok(&*self.inner),
            Some(why) => Err(Error::clone(why)),
        }
    }
}

#[async_trait]
impl Store for Gate {
    async fn get(&self, key: &Key) -> Result<Slot, Error> {
        self.pass()?.get(key).await
    }

    async fn put_cas(&self, key: &Key, write: Write) -> Result<Outcome, Error> {
        self.pass()?.put_cas(key, write).await
    }

    async fn delete(&self, key: &Key) -> Result<(), Error> {
        self.pass()?.delete(key).await
    }

    fn recall(&self, key: &Key) -> Option<Remembered> {
        self.pass().ok().and_then(|store| store.recall(key))
    }

    fn history(&self) -> Option<&dyn History> {
        self.pass().ok().and_then(|store| store.history())
    }

    async fn health(&self) -> Health {
        match self.pass() {
            Ok(store) => store.health().await,
            Err(why) => Health { available: false, detail: why.to_string() },
        }
    }

    async fn get_many(&self, keys: &[Key]) -> Vec<Result<Slot, Error>> {
        match self.pass() {
            Ok(store) => store.get_many(keys).await,
            Err(why) => keys.iter().map(|_| Err(why.clone())).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tofu_state_store::memory::Memory;

    #[tokio::test]
    async fn nothing_is_absent_behind_a_closed_gate() {
        let gate = Gate::open(Arc::new(Memory::new()));
        let key = Key::parse("a/b").unwrap();
        let why = Error::Unavailable("not checked".to_owned());
        gate.close(why.clone());
        assert_eq!(gate.get(&key).await, Err(why.clone()));
        assert_eq!(gate.get_many(std::slice::from_ref(&key)).await, [Err(why)]);
        assert!(!gate.health().await.available);
        gate.unlock();
        assert_eq!(gate.get(&key).await, Ok(Slot::Absent));
    }
}
