//! Places for connections, and when to say that all of them are taken.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Places for connections.
pub(super) struct Places {
    free: Arc<Semaphore>,
    /// It has been told that all are taken, and they have not become free again since.
    told: bool,
    /// As many must be free before it is told again: else each connection that ends would tell anew.
    recovered: usize,
}

impl Places {
    pub(super) fn new(connections: usize) -> Self {
        let recovered = connections.div_ceil(4);
        Self { free: Arc::new(Semaphore::new(connections)), told: false, recovered }
    }

    /// Whether all have just become taken.
    pub(super) fn ran_out(&mut self) -> bool {
        let free = self.free.available_permits();
        if free >= self.recovered {
            self.told = false;
        }
        let ran_out = free == 0 && !self.told;
        self.told |= ran_out;
        ran_out
    }

    /// A place, as soon as there is one; given back when it is dropped.
    pub(super) async fn take(&self) -> Option<OwnedSemaphorePermit> {
        // The semaphore is never closed.
        Arc::clone(&self.free).acquire_owned().await.ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn told_once_until_a_quarter_is_free_again() {
        let mut places = Places::new(8);
        assert!(!places.ran_out());
        let mut taken = Vec::new();
        for _ in 0..8 {
            assert!(!places.ran_out());
            taken.push(places.take().await);
        }
        assert!(places.ran_out() && !places.ran_out());
        taken.pop();
        assert!(!places.ran_out());
        taken.push(places.take().await);
        assert!(!places.ran_out(), "it has not recovered between");
        taken.truncate(6);
        assert!(!places.ran_out());
        taken.push(places.take().await);
        taken.push(places.take().await);
        assert!(places.ran_out());
    }
}
