//! Nothing but wasmtime: a store, an instance, one call, and all of it dropped.

use std::time::{Duration, Instant};

use anyhow::Context;
use tofu_state_component::{Allocation, BUILT_IN, Limits};
use wasmtime::component::{Component, ComponentExportIndex, InstancePre, Linker, Val};
use wasmtime::{Config, Enabled, Engine, InstanceAllocationStrategy, Store};

use super::Callee;

/// An epoch that never comes.
const NEVER: u64 = u64::MAX / 2;

/// How instances get their memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Setting {
    OnDemand,
    Pooling,
    /// Memories are kept and reset.
    Memories,
    /// Tables, too: as the server has it.
    Tuned,
}

impl Setting {
    pub(super) const ALL: [Self; 4] = [Self::OnDemand, Self::Pooling, Self::Memories, Self::Tuned];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::OnDemand => "bare, on demand",
            Self::Pooling => "bare, pooling",
            Self::Memories => "bare, pooling, memories kept",
            Self::Tuned => "bare, pooling, tuned",
        }
    }

    /// The server's own settings, and less of them.
    fn config(self) -> Config {
        let limits = Limits::default();
        if self == Self::OnDemand {
            return limits.wasmtime(Allocation::OnDemand);
        }
        let mut config = limits.wasmtime(Allocation::Pooling);
        if self != Self::Tuned {
            let mut pool = limits.pool();
            pool.table_keep_resident(0);
            if self == Self::Pooling {
                pool.linear_memory_keep_resident(0).pagemap_scan(Enabled::No);
            }
            config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
        }
        config
    }
}

/// The component, linked to imports that it does not need for this call.
pub(super) struct Bare {
    engine: Engine,
    instance: InstancePre<()>,
    routes: ComponentExportIndex,
}

impl Bare {
    pub(super) fn new(setting: Setting) -> anyhow::Result<Self> {
        let engine = Engine::new(&setting.config()).map_err(told)?;
        let component = Component::from_binary(&engine, BUILT_IN).map_err(told)?;
        let mut linker = Linker::new(&engine);
        linker.define_unknown_imports_as_traps(&component).map_err(told)?;
        let kind = component.component_type();
        let name = kind
            .exports(&engine)
            .map(|(name, _)| name.to_owned())
            .find(|name| name.starts_with("tofu-state:backend/handler"))
            .context("the component exports no handler")?;
        let handler = component.get_export_index(None, &name).context("no handler")?;
        let routes = component.get_export_index(Some(&handler), "routes").context("no routes")?;
        let instance = linker.instantiate_pre(&component).map_err(told)?;
        Ok(Self { engine, instance, routes })
    }

    async fn call(&self) -> anyhow::Result<()> {
        let mut store = Store::new(&self.engine, ());
        store.set_epoch_deadline(NEVER);
        let instance = self.instance.instantiate_async(&mut store).await.map_err(told)?;
        let routes = instance.get_func(&mut store, self.routes).context("no function `routes`")?;
        let mut answer = [Val::Bool(false)];
        routes.call_async(&mut store, &[], &mut answer).await.map_err(told)?;
        anyhow::ensure!(matches!(&answer, [Val::List(routes)] if !routes.is_empty()), "no routes were told");
        Ok(())
    }
}

impl Callee for Bare {
    fn call_for(&self, length: Duration) -> anyhow::Result<u64> {
        let runtime = tokio::runtime::Builder::new_current_thread().build()?;
        runtime.block_on(async {
            let end = Instant::now() + length;
            let mut calls = 0;
            while Instant::now() < end {
                self.call().await?;
                calls += 1;
            }
            Ok(calls)
        })
    }
}

/// wasmtime's error type is no standard one.
fn told(error: wasmtime::Error) -> anyhow::Error {
    anyhow::anyhow!("{error:#}")
}
