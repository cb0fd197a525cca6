//! The engine that compiles and runs components, and the count of what runs.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;
use wasmtime::component::{HasSelf, Linker};
use wasmtime::{Config, Enabled, InstanceAllocationStrategy, PoolingAllocationConfig};

use crate::guest::{Guest, MAX_CORE_INSTANCES, MAX_MEMORIES, MAX_TABLES};
use crate::limits::{Allocation, Limits, Metering};
use crate::{bindings, policies, settings, ticker, wasi};

/// Memory that an instance leaves behind in its slot, reset instead of unmapped. Together with
/// `pagemap_scan` this makes a fresh instance twice as fast as the pool's defaults do.
const KEPT_RESIDENT_BYTES: usize = 256 << 10;

/// The same for tables. A table is a page or two, and returning that to the operating system would cost two
/// calls of it, two page faults and an interrupt of all other processors for each instance.
const KEPT_RESIDENT_TABLE_BYTES: usize = 16 << 10;

/// Memories beyond the first one of policies that have several, for all reviews at once. A review that finds too
/// few waits until another has ended.
const SPARE_MEMORIES: u32 = 64;

/// How many states, or pairs of them, are inspected at once. Each takes the memory of two whole states.
const INSPECTIONS: usize = 1;

/// Instances beside those of calls: components are tried while they are loaded, also at full load.
const LOADING_INSTANCES: u32 = 4;

/// A call's stack, and what of it the component may use. The rest is the host's: if that overflowed,
/// the process would end.
const STACK_BYTES: usize = 2 << 20;
const WASM_STACK_BYTES: usize = 512 << 10;

/// Compiles and runs components. Cheap to clone: all clones are one engine.
#[derive(Clone)]
pub struct Engine {
    pub(crate) shared: Arc<Shared>,
}

/// What the clones of an engine, its protocols and their calls share.
pub(crate) struct Shared {
    pub(crate) wasmtime: wasmtime::Engine,
    pub(crate) linker: Linker<Guest>,
    pub(crate) policy_linker: Linker<Guest>,
    pub(crate) limits: Limits,
    pub(crate) gate: Arc<Semaphore>,
    pub(crate) spare_memories: Semaphore,
    pub(crate) inspecting: Arc<Semaphore>,
    pub(crate) calls: TaskTracker,
    /// Components are compiled in the background.
    pub(crate) background: AtomicBool,
    allocation: Allocation,
}

/// Why there is no engine.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// wasmtime refuses the limits, or this machine.
    #[error("WebAssembly cannot be run here: {0:#}")]
    Wasmtime(wasmtime::Error),
    /// The thread that interrupts components could not be started.
    #[error("no thread to interrupt components: {0}")]
    Thread(#[from] std::io::Error),
}

impl Engine {
    /// An engine with these limits.
    ///
    /// # Errors
    /// See [`EngineError`]. Missing address space is one only if [`Limits::allocation`] demands the pool.
    pub fn new(limits: Limits) -> Result<Self, EngineError> {
        let build = |allocation| wasmtime::Engine::new(&limits.wasmtime(allocation));
        let (wasmtime, allocation) = match limits.allocation {
            Some(allocation) => (build(allocation).map_err(EngineError::Wasmtime)?, allocation),
            None => match build(Allocation::Pooling) {
                Ok(engine) => (engine, Allocation::Pooling),
                Err(error) => {
                    tracing::warn!(
                        error = %format!("{error:#}"),
                        "no address space for a pool of instances: each request allocates its own, which is slower"
                    );
                    (build(Allocation::OnDemand).map_err(EngineError::Wasmtime)?, Allocation::OnDemand)
                }
            },
        };
        let linker = linker(&wasmtime).map_err(EngineError::Wasmtime)?;
        let policy_linker = policies::linker(&wasmtime).map_err(EngineError::Wasmtime)?;
        if limits.metering == Metering::Time {
            ticker::start(&wasmtime)?;
        }
        let gate = Arc::new(Semaphore::new(limits.concurrency as usize));
        let calls = TaskTracker::new();
        Ok(Self {
            shared: Arc::new(Shared {
                wasmtime,
                linker,
                policy_linker,
                limits,
                gate,
                spare_memories: Semaphore::new(SPARE_MEMORIES as usize),
                inspecting: Arc::new(Semaphore::new(INSPECTIONS)),
                calls,
                background: AtomicBool::new(false),
                allocation,
            }),
        })
    }

    /// How instances get their memory.
    #[must_use]
    pub fn allocation(&self) -> Allocation {
        self.shared.allocation
    }

    /// How many calls run.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.shared.calls.len()
    }

    /// How many calls may run at once, [`Limits::concurrency`].
    #[must_use]
    pub fn places(&self) -> usize {
        self.shared.limits.concurrency as usize
    }

    /// How many of [`places`](Self::places) are taken.
    #[must_use]
    pub fn places_taken(&self) -> usize {
        self.places().saturating_sub(self.shared.gate.available_permits())
    }

    /// Waits until all calls have ended, also those whose callers went away. It keeps no new one from
    /// beginning, and is bounded by [`Limits::deadline`] if none does.
    pub async fn drain(&self) {
        self.shared.calls.close();
        self.shared.calls.wait().await;
    }
}

impl Limits {
    /// How wasmtime is set up for these limits.
    #[must_use]
    pub fn wasmtime(&self, allocation: Allocation) -> Config {
        // Where address space is short, a memory takes what it uses, and moves when it grows.
        let mut config = settings::compiling(match allocation {
            Allocation::Pooling => self.memory_bytes.max(settings::MEMORY_BYTES),
            Allocation::OnDemand => 0,
        });
        config.async_stack_size(STACK_BYTES).max_wasm_stack(WASM_STACK_BYTES);
        if self.metering != Metering::Time {
            config.epoch_interruption(false).consume_fuel(true);
        }
        match allocation {
            Allocation::Pooling => config.allocation_strategy(InstanceAllocationStrategy::Pooling(self.pool())),
            Allocation::OnDemand => {
                config.allocation_strategy(InstanceAllocationStrategy::OnDemand).memory_reservation_for_growth(1 << 20)
            }
        };
        config
    }

    /// The pool that instances come from with [`Allocation::Pooling`].
    #[must_use]
    pub fn pool(&self) -> PoolingAllocationConfig {
        // Policies run while the protocol's instance waits, one at a time, on the same permit.
        let instances = self.concurrency.saturating_mul(2).saturating_add(LOADING_INSTANCES);
        let mut pool = PoolingAllocationConfig::new();
        pool.total_component_instances(instances)
            .total_core_instances(instances.saturating_mul(MAX_CORE_INSTANCES))
            .max_core_instances_per_component(MAX_CORE_INSTANCES)
            .total_memories(instances.saturating_add(SPARE_MEMORIES))
            .max_memories_per_component(MAX_MEMORIES)
            .total_tables(instances.saturating_mul(MAX_TABLES))
            .max_tables_per_component(MAX_TABLES)
            .total_stacks(instances)
            .max_memory_size(self.memory_bytes)
            .linear_memory_keep_resident(KEPT_RESIDENT_BYTES)
            .table_keep_resident(KEPT_RESIDENT_TABLE_BYTES)
            .pagemap_scan(Enabled::Auto);
        pool
    }
}

fn linker(engine: &wasmtime::Engine) -> wasmtime::Result<Linker<Guest>> {
    let mut linker = Linker::new(engine);
    bindings::Protocol::add_to_linker::<_, HasSelf<Guest>>(&mut linker, |guest| guest)?;
    wasi::link(&mut linker)?;
    Ok(linker)
}
