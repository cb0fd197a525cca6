//! As the server calls it: gate, task, deadline and record included.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tofu_state_component::{Allocation, BUILT_IN, Engine, Granted, Limits, Protocol, Surroundings};
use tofu_state_store::memory::Memory;

use super::Callee;
use crate::dispatch::component;

/// What is compared.
pub(super) const KINDS: [(&str, Allocation); 2] =
    [("host, on demand", Allocation::OnDemand), ("host, pooling, tuned", Allocation::Pooling)];

/// The built-in component on an empty store.
pub(super) struct Hosted {
    protocol: Protocol,
    around: Surroundings,
}

impl Hosted {
    pub(super) fn new(allocation: Allocation) -> anyhow::Result<Self> {
        let engine = Engine::new(Limits { allocation: Some(allocation), ..Limits::default() })?;
        let around = Surroundings {
            store: Arc::new(Memory::new()),
            store_wait: None,
            policies: Arc::default(),
            rights: Granted::default(),
        };
        Ok(Self { protocol: engine.load(BUILT_IN)?, around })
    }
}

impl Callee for Hosted {
    fn call_for(&self, length: Duration) -> anyhow::Result<u64> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
        runtime.block_on(async {
            let end = Instant::now() + length;
            let mut calls = 0;
            while Instant::now() < end {
                let request = component::request("GET", vec![".refused".to_owned()], None, None);
                let reply = self.protocol.handle(request, self.around.clone()).await?;
                anyhow::ensure!(reply.status == 400, "a wrong path was answered {}", reply.status);
                calls += 1;
            }
            Ok(calls)
        })
    }
}
