//! Single flight: what several ask for at once is done once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::{Mutex as Turn, OwnedMutexGuard};

/// Turns, by what is done in them.
#[derive(Default)]
pub(super) struct Flights {
    turns: Mutex<HashMap<String, Weak<Turn<()>>>>,
}

impl Flights {
    /// Waits for its turn at `what`. Whoever has it should first look whether the work is done.
    pub(super) async fn turn(&self, what: String) -> OwnedMutexGuard<()> {
        let turn = {
            let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
            match turns.get(&what).and_then(Weak::upgrade) {
                Some(turn) => turn,
                None => {
                    turns.retain(|_, turn| turn.strong_count() > 0);
                    let turn = Arc::new(Turn::new(()));
                    turns.insert(what, Arc::downgrade(&turn));
                    turn
                }
            }
        };
        turn.lock_owned().await
    }
}
