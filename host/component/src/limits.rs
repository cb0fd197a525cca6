//! What a call may use.

use std::time::Duration;

use crate::settings::MEMORY_BYTES;

/// How instances get their memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Allocation {
    /// From a pool reserved at the start: several times faster. It takes address space, not memory:
    /// about 39 GB with the default limits.
    Pooling,
    /// From the operating system for each instance, where the pool's address space cannot be had.
    OnDemand,
}

/// How a component's computing is bounded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Metering {
    /// By [`Limits::computing`]: cheap, and not the same twice. For serving.
    Time,
    /// By so many units of wasmtime's fuel, about one for each instruction, in each instance: the same in every
    /// run of the same component. For exploring and replaying.
    Fuel(u64),
}

/// What a call may use, and how many there may be at once.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Time that the component itself may compute in one call. Time in store calls, and time in which
    /// the call waits for a processor's thread, does not count.
    pub computing: Duration,
    /// How long a whole call may take. Then it is dropped wherever it stands, so this must be well
    /// above `computing` and the time that store calls wait for a store that fails over.
    pub deadline: Duration,
    /// How long a call may wait for its turn.
    pub queueing: Duration,
    /// The linear memories of an instance, all together, and the most that a policy's entry may give it.
    pub memory_bytes: usize,
    /// How many calls may run at once.
    pub concurrency: u32,
    /// How instances get their memory; none: pooling, and on demand where that fails.
    pub allocation: Option<Allocation>,
    /// How computing is bounded.
    pub metering: Metering,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            computing: Duration::from_secs(10),
            deadline: Duration::from_secs(60),
            queueing: Duration::from_secs(5),
            memory_bytes: MEMORY_BYTES,
            concurrency: 256,
            allocation: None,
            metering: Metering::Time,
        }
    }
}
