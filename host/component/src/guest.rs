//! What the host keeps for one instance.

use std::sync::Arc;
use std::time::Duration;

use tofu_state_store::Store;
use tokio::sync::Semaphore;
use tokio::time::Instant;
use wasmtime::component::{Resource, ResourceTable};
use wasmtime::{ResourceLimiter, UpdateDeadline};
use wasmtime_wasi::cli::WasiCliCtx;

use crate::content::Content;
use crate::engine::Shared;
use crate::exchange::Granted;
use crate::fault::{NothingReachable, OutOfTime, TooMuch};
use crate::limits::Metering;
use crate::messages::Messages;
use crate::meter::Meter;
use crate::policies::{Chain, Review};

/// Blobs and streams that a component may hold at once.
const MAX_RESOURCES: usize = 256;

/// Bytes that the blobs of a component may stand for, all together: a request's body and a few states.
const MAX_LENT_BYTES: usize = 512 << 20;

/// Bytes that one host call may move into the host. A reply's own body and a document's `meta` are
/// small; states stay where they are.
pub(crate) const MAX_BYTES_PER_HOST_CALL: usize = 16 << 20;

/// Elements of a table: functions that a component calls indirectly.
const MAX_TABLE_ELEMENTS: usize = 20_000;

/// Core instances, memories and tables in one component; a Rust component has 4, 1 and 2.
pub(crate) const MAX_CORE_INSTANCES: u32 = 32;
/// See [`MAX_CORE_INSTANCES`]. A policy that is a script has more than one: beside its interpreter's, each stub
/// that stands in for WASI brings one.
pub(crate) const MAX_MEMORIES: u32 = 4;
/// See [`MAX_CORE_INSTANCES`].
pub(crate) const MAX_TABLES: u32 = 8;

/// What an instance may use.
#[derive(Clone, Copy)]
pub(crate) struct Allowance {
    /// Its memories, all together.
    pub(crate) memory_bytes: usize,
    /// Time that it may compute.
    pub(crate) computing: Duration,
    /// Bytes that one host call may move into the host.
    pub(crate) host_call_bytes: usize,
}

/// What a call reaches: the store of documents, and the policies.
#[derive(Clone)]
pub(crate) struct Reachable {
    /// Where the calls go.
    pub(crate) store: Arc<dyn Store>,
    /// Until when calls wait for a store that fails over; none: they do not.
    pub(crate) wait_until: Option<Instant>,
    /// Who judges changes.
    pub(crate) policies: Arc<Chain>,
    /// What the caller may do, and where.
    pub(crate) rights: Granted,
}

/// What the host keeps for one instance, and drops with it.
pub(crate) struct Guest {
    /// Its blobs and streams.
    pub(crate) table: ResourceTable,
    /// WASI's arguments, environment and standard streams, all of them empty.
    pub(crate) cli: WasiCliCtx,
    /// What it wrote to standard error.
    pub(crate) messages: Messages,
    /// Counts its computing time.
    pub(crate) meter: Arc<Meter>,
    /// The store and the policies; none while a component is loaded, and for a policy.
    pub(crate) reachable: Option<Reachable>,
    /// What the policies last said of this call's change.
    pub(crate) reviews: Vec<Review>,
    /// Its memory.
    pub(crate) memory: Memory,
    /// Whose turn it is to inspect whole states, and how long one waits for it.
    pub(crate) inspecting: Arc<Semaphore>,
    pub(crate) queueing: Duration,
    lent_bytes: usize,
}

impl Guest {
    /// A wasmtime store with a new guest and all its limits.
    pub(crate) fn fresh(shared: &Shared, allowance: Allowance, reachable: Option<Reachable>) -> wasmtime::Store<Self> {
        let meter = Arc::new(Meter::default());
        let mut table = ResourceTable::new();
        table.set_max_capacity(MAX_RESOURCES);
        let guest = Self {
            table,
            cli: WasiCliCtx::default(),
            messages: Messages::default(),
            meter: Arc::clone(&meter),
            reachable,
            reviews: Vec::new(),
            memory: Memory { left: allowance.memory_bytes, refused: false },
            inspecting: Arc::clone(&shared.inspecting),
            queueing: shared.limits.queueing,
            lent_bytes: 0,
        };
        let mut store = wasmtime::Store::new(&shared.wasmtime, guest);
        store.limiter(|guest| &mut guest.memory);
        store.set_hostcall_fuel(allowance.host_call_bytes);
        store.set_max_component_handles(MAX_RESOURCES);
        if let Metering::Fuel(fuel) = shared.limits.metering {
            if let Err(error) = store.set_fuel(fuel) {
                tracing::error!(%error, "the engine was made to count fuel, and does not");
            }
            return store;
        }
        let computing = allowance.computing;
        // Yielding lets other calls have the thread, and the hard deadline be seen.
        store.epoch_deadline_callback(move |_| {
            if meter.spent() > computing { Err(OutOfTime(computing).into()) } else { Ok(UpdateDeadline::Yield(1)) }
        });
        store.set_epoch_deadline(1);
        store
    }

    /// What this call reaches.
    pub(crate) fn reached(&self) -> wasmtime::Result<Reachable> {
        self.reachable.clone().ok_or_else(|| NothingReachable.into())
    }

    /// Gives the component a handle to `content`.
    pub(crate) fn lend(&mut self, content: Content) -> wasmtime::Result<Resource<Content>> {
        self.lent_bytes = self.lent_bytes.saturating_add(content.bytes().len());
        if self.lent_bytes > MAX_LENT_BYTES {
            return Err(TooMuch("blobs").into());
        }
        Ok(self.table.push(content)?)
    }

    /// Ends a handle.
    pub(crate) fn take_back(&mut self, blob: Resource<Content>) -> wasmtime::Result<Content> {
        let content = self.table.delete(blob)?;
        self.lent_bytes = self.lent_bytes.saturating_sub(content.bytes().len());
        Ok(content)
    }
}

/// Bounds an instance's memories, all together, and remembers having refused some: the trap that follows says only
/// `unreachable`.
pub(crate) struct Memory {
    left: usize,
    /// More was asked for than there may be.
    pub(crate) refused: bool,
}

impl ResourceLimiter for Memory {
    fn memory_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> wasmtime::Result<bool> {
        let fits = maximum.is_none_or(|maximum| desired <= maximum);
        let left = self.left.checked_sub(desired.saturating_sub(current)).filter(|_| fits);
        self.refused |= left.is_none();
        self.left = left.unwrap_or(self.left);
        Ok(left.is_some())
    }

    fn memory_grow_failed(&mut self, _: wasmtime::Error) -> wasmtime::Result<()> {
        self.refused = true;
        Ok(())
    }

    fn table_growing(&mut self, _: usize, desired: usize, maximum: Option<usize>) -> wasmtime::Result<bool> {
        Ok(desired <= MAX_TABLE_ELEMENTS && maximum.is_none_or(|maximum| desired <= maximum))
    }

    fn instances(&self) -> usize {
        MAX_CORE_INSTANCES as usize
    }

    fn tables(&self) -> usize {
        MAX_TABLES as usize
    }

    fn memories(&self) -> usize {
        MAX_MEMORIES as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memories_count_together() {
        let mut memory = Memory { left: 100, refused: false };
        let mut grows = |current, desired| memory.memory_growing(current, desired, None).unwrap();
        assert!(grows(0, 60) && grows(0, 20) && grows(60, 70));
        assert!(!grows(20, 40), "each fits, and all of them do not");
        assert!(grows(20, 30) && !grows(0, 1));
        assert!(memory.refused);
    }
}
