//! Asks the component which locks are held. No request is served by it.

use std::sync::Arc;

use tofu_state_store::{Key, Store};
use tokio::time::timeout;

use crate::bindings::exports::tofu_state::backend::locks::HeldLock;
use crate::exchange::{Failure, Granted};
use crate::fault;
use crate::guest::{Guest, Reachable};
use crate::load::Protocol;
use crate::policies::Chain;

/// Why it is not known which locks are held.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unknown {
    /// The component failed.
    #[error(transparent)]
    Failed(#[from] Failure),
    /// The store did.
    #[error("the store failed: {0}")]
    Store(String),
}

impl Protocol {
    /// Those of these keys that are held locks. It reads each key that may be one, one after the other, in an
    /// instance that takes a place as a request's does.
    ///
    /// # Errors
    /// See [`Unknown`].
    pub async fn held_locks(&self, keys: &[Key], store: Arc<dyn Store>) -> Result<Vec<HeldLock>, Unknown> {
        let _permit = self.permit().await?;
        let deadline = self.loaded.shared.limits.deadline;
        timeout(deadline, self.holders(keys, store)).await.unwrap_or(Err(Failure::Deadline.into()))
    }

    /// As [`held_locks`](Self::held_locks), without a permit or a deadline, and without the need of a runtime.
    ///
    /// # Errors
    /// See [`Unknown`].
    pub async fn holders(&self, keys: &[Key], store: Arc<dyn Store>) -> Result<Vec<HeldLock>, Unknown> {
        let loaded = &self.loaded;
        let keys: Vec<String> = keys.iter().map(|key| key.as_str().to_owned()).collect();
        let reachable =
            Reachable { store, wait_until: None, policies: Arc::new(Chain::default()), rights: Granted::default() };
        let mut store = Guest::fresh(&loaded.shared, loaded.allowance(), Some(reachable));
        let meter = Arc::clone(&store.data().meter);
        let asking = async {
            let instance = loaded.pre.instantiate_async(&mut store).await?;
            instance.tofu_state_backend_locks().call_held(&mut store, &keys).await
        };
        match meter.charge(asking).await {
            Err(error) => Err(fault::diagnose(&error, store.data()).into()),
            Ok(held) => held.map_err(|error| Unknown::Store(format!("{error:?}"))),
        }
    }
}
