//! A loaded module, and each of its calls: in a fresh instance, with limits, measured.

use std::sync::Arc;

use bytes::Bytes;
use wasmtime::Store;
use wasmtime::component::{HasSelf, Linker, Resource};

use super::bindings::policy::PolicyModulePre;
use super::bindings::state_policy::{self, StatePolicyModulePre};
use super::contract::{self, Change, Context, Example, Verdict};
use super::entry::{Limits, Needs};
use crate::content::Content;
use crate::engine::Shared;
use crate::guest::{Allowance, Guest};
use crate::{Failure, bindings, fault, wasi};

/// Bytes that one host call of a review, or its verdict, may move into the host: a reason and labels are
/// small, and a gigabyte of them ends the review before it is copied.
const REVIEW_BYTES: usize = 64 << 10;

/// The same for a module's examples.
const EXAMPLES_BYTES: usize = 4 << 20;

/// A policy module that is ready to be asked. Cheap to clone.
#[derive(Clone)]
pub struct PolicyModule {
    pub(super) loaded: Arc<Loaded>,
}

/// Which of the two worlds a module is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum World {
    /// `policy-module`: it sees changes.
    Policy,
    /// `state-policy-module`: it reads states as well.
    StatePolicy,
}

pub(super) struct Loaded {
    pub(super) shared: Arc<Shared>,
    pub(super) kind: Kind,
    pub(super) digest: Arc<str>,
    pub(super) size: usize,
    /// Memories of an instance beyond the first.
    pub(super) spare_memories: u32,
}

pub(super) enum Kind {
    Policy(PolicyModulePre<Guest>),
    StatePolicy(StatePolicyModulePre<Guest>),
}

/// What modules can reach: nothing of WASI that is not empty, and the states that a review is about.
pub(crate) fn linker(engine: &wasmtime::Engine) -> wasmtime::Result<Linker<Guest>> {
    let mut linker = Linker::new(engine);
    bindings::tofu_state::policy::types::add_to_linker::<_, HasSelf<Guest>>(&mut linker, |guest| guest)?;
    state_policy::tofu_state::policy::states::add_to_linker::<_, HasSelf<Guest>>(&mut linker, |guest| guest)?;
    wasi::link(&mut linker)?;
    Ok(linker)
}

impl contract::Host for Guest {}

impl PolicyModule {
    /// The SHA-256 of the module's bytes, in hex.
    #[must_use]
    pub fn digest(&self) -> &Arc<str> {
        &self.loaded.digest
    }

    /// The size of the module in bytes.
    #[must_use]
    pub fn size(&self) -> usize {
        self.loaded.size
    }

    /// The world that it is of.
    #[must_use]
    pub fn world(&self) -> World {
        match self.loaded.kind {
            Kind::Policy(_) => World::Policy,
            Kind::StatePolicy(_) => World::StatePolicy,
        }
    }

    /// Judges a change in a fresh instance. The states are for a module of the world `state-policy-module`.
    /// What the verdict says is not bounded here but by the bytes that a call may move.
    ///
    /// # Errors
    /// See [`Failure`].
    pub async fn review(
        &self,
        change: &Change,
        context: &Context,
        limits: &Limits,
        current: Option<Bytes>,
        proposed: Option<Bytes>,
    ) -> Result<Verdict, Failure> {
        self.ask(limits, REVIEW_BYTES, async |store| match &self.loaded.kind {
            Kind::Policy(pre) => {
                let module = pre.instantiate_async(&mut *store).await?;
                module.tofu_state_policy_policy().call_review(store, change, context).await
            }
            Kind::StatePolicy(pre) => {
                let current = lent(store, current)?;
                let proposed = lent(store, proposed)?;
                let module = pre.instantiate_async(&mut *store).await?;
                module.tofu_state_policy_state_policy().call_review(store, change, context, current, proposed).await
            }
        })
        .await
    }

    /// What the module says of a configuration, and of what its entry grants.
    pub(super) async fn check(
        &self,
        configuration: &str,
        granted: Needs,
        limits: &Limits,
    ) -> Result<Result<(), String>, Failure> {
        let granted = granted.into();
        self.ask(limits, REVIEW_BYTES, async |store| match &self.loaded.kind {
            Kind::Policy(pre) => {
                let module = pre.instantiate_async(&mut *store).await?;
                module.tofu_state_policy_module().call_check(store, configuration, granted).await
            }
            Kind::StatePolicy(pre) => {
                let module = pre.instantiate_async(&mut *store).await?;
                module.tofu_state_policy_module().call_check(store, configuration, granted).await
            }
        })
        .await
    }

    /// The module's own examples.
    pub(super) async fn examples(&self, limits: &Limits) -> Result<Vec<Example>, Failure> {
        self.ask(limits, EXAMPLES_BYTES, async |store| match &self.loaded.kind {
            Kind::Policy(pre) => {
                let module = pre.instantiate_async(&mut *store).await?;
                module.tofu_state_policy_module().call_examples(store).await
            }
            Kind::StatePolicy(pre) => {
                let module = pre.instantiate_async(&mut *store).await?;
                module.tofu_state_policy_module().call_examples(store).await
            }
        })
        .await
    }

    /// One question to a fresh instance, made in `question`, within limits.
    async fn ask<T>(
        &self,
        limits: &Limits,
        host_call_bytes: usize,
        question: impl AsyncFnOnce(&mut Store<Guest>) -> wasmtime::Result<T>,
    ) -> Result<T, Failure> {
        let Loaded { shared, spare_memories, .. } = &*self.loaded;
        // It fails where the semaphore has been closed, which nobody does. All are taken at once, and nothing else
        // is waited for with them, so reviews cannot wait for each other for ever.
        let _spare = shared.spare_memories.acquire_many(*spare_memories).await.map_err(|_| Failure::Busy)?;
        let allowance = Allowance { memory_bytes: limits.memory_bytes, computing: limits.computing, host_call_bytes };
        let mut store = Guest::fresh(shared, allowance, None);
        let meter = Arc::clone(&store.data().meter);
        let answer = meter.charge(question(&mut store)).await;
        answer.map_err(|error| fault::diagnose(&error, store.data()))
    }
}

impl std::fmt::Debug for PolicyModule {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PolicyModule").field("digest", &self.loaded.digest).finish_non_exhaustive()
    }
}

/// A handle that the module borrows; the state itself goes with the instance.
fn lent(store: &mut Store<Guest>, state: Option<Bytes>) -> wasmtime::Result<Option<Resource<Content>>> {
    let Some(state) = state else { return Ok(None) };
    let own = store.data_mut().lend(Content::Plain(state))?;
    Ok(Some(Resource::new_borrow(own.rep())))
}
