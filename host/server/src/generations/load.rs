//! Making a generation of what the sources hold, checked in full before anything of it serves: its pin, its
//! signature if one is wanted, its form, that it is no native code, its imports, that it fits the contract, and a first run.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tofu_state_component::policies::{Chain, PolicyModule};
use tofu_state_component::{Engine, MAX_BYTES, Protocol};
use tokio::sync::Semaphore;

use super::smoke::{self, SmokeFailure};
use super::source::{Contents, Found, Sources};
use super::{Generation, Parts};
use crate::oci::{self, PullError};
use crate::policies::{self, Wanted};

/// How long compiling may take. Nothing can end it: what takes longer is given up, and no other begins
/// before it has ended.
const COMPILING: Duration = Duration::from_secs(60);

/// Why no generation was made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LoadError {
    /// What the sources hold is wrong; it stays so until they change. Every mistake.
    #[error("{}", .0.join("; "))]
    Wrong(Vec<String>),
    /// It may go well another time.
    #[error("{0}")]
    Passing(String),
}

impl LoadError {
    fn wrong(what: impl Into<String>) -> Self {
        Self::Wrong(vec![what.into()])
    }
}

/// Makes generations, one at a time.
#[derive(Clone)]
pub struct Loader {
    engine: Engine,
    one_at_a_time: Arc<Semaphore>,
}

impl Loader {
    /// With an engine to run everything in.
    #[must_use]
    pub fn new(engine: Engine) -> Self {
        Self { engine, one_at_a_time: Arc::new(Semaphore::new(1)) }
    }

    /// From now on compiling takes less from calls.
    pub(super) fn compile_in_background(&self) {
        self.engine.compile_in_background();
    }

    /// Checks all of `contents` and makes it ready. What is unchanged from one of the `known` generations is taken
    /// from there.
    pub(super) async fn load(
        &self,
        contents: Contents,
        sources: &Sources,
        known: &[Arc<Generation>],
    ) -> Result<Parts, LoadError> {
        let Contents { protocol, policies, policy_text } = contents;
        // All of it is there before anything is compiled.
        let (bytes, protocol_source) = fetch(protocol.map_err(LoadError::wrong)?, sources).await?;
        let Fetched { wanted, sources: policy_sources } = Fetched::of(policies, sources).await?;
        let guarded = policies::is_guarded(wanted.iter().map(|(wanted, _)| wanted));
        let protocol = self.protocol(bytes, &protocol_source, known).await?;
        let policies = self.policies(wanted, known).await?;
        if !guarded {
            tracing::warn!(
                "no lineage-guard is enforced on all states: older states and those of others can be written"
            );
        }
        let (policies, policy_text) = (Arc::new(policies), policy_text.into());
        Ok(Parts { protocol, protocol_source, policies, policy_sources, policy_text })
    }

    /// The policies of `sources` alone, checked as those of a generation are.
    ///
    /// # Errors
    /// See [`LoadError`].
    pub async fn policies_alone(&self, sources: &Sources) -> Result<Chain, LoadError> {
        let fetched = Fetched::of(sources.contents().policies, sources).await?;
        self.policies(fetched.wanted, &[]).await
    }

    async fn policies(&self, wanted: Vec<(Wanted, Bytes)>, known: &[Arc<Generation>]) -> Result<Chain, LoadError> {
        let engine = self.engine.clone();
        let known: Vec<PolicyModule> = known
            .iter()
            .flat_map(|generation| generation.parts.policies.entries().map(|entry| entry.module.clone()))
            .collect();
        self.blocking("POLICY_FILE", move || policies::chain(&engine, wanted, &known).map_err(|unmade| unmade.0)).await
    }

    async fn protocol(&self, bytes: Bytes, source: &str, known: &[Arc<Generation>]) -> Result<Protocol, LoadError> {
        let digest = tofu_state_component::digest(&bytes);
        if let Some(same) = known.iter().find(|generation| generation.parts.protocol.digest() == digest) {
            return Ok(same.parts.protocol.clone());
        }
        let engine = self.engine.clone();
        let compiled = self
            .blocking(&format!("the component {source}"), move || {
                engine.load(&bytes).map_err(|error| vec![error.to_string()])
            })
            .await?;
        smoke::run(&compiled).await.map_err(|failure| {
            let told = format!("the protocol component {source} cannot be used: {failure}");
            match failure {
                SmokeFailure::Busy => LoadError::Passing(told),
                SmokeFailure::Wrong(_) => LoadError::wrong(told),
            }
        })?;
        Ok(compiled)
    }

    /// Does what blocks, where it may, if nothing of the kind goes on already.
    async fn blocking<T: Send + 'static>(
        &self,
        what: &str,
        work: impl FnOnce() -> Result<T, Vec<String>> + Send + 'static,
    ) -> Result<T, LoadError> {
        let Ok(permit) = Arc::clone(&self.one_at_a_time).try_acquire_owned() else {
            return Err(LoadError::Passing(format!("{what} waits: an earlier one is still being compiled")));
        };
        let working = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            work()
        });
        match tokio::time::timeout(COMPILING, working).await {
            Ok(Ok(Ok(made))) => Ok(made),
            Ok(Ok(Err(wrong))) => {
                Err(LoadError::Wrong(wrong.iter().map(|wrong| format!("{what} cannot be used: {wrong}")).collect()))
            }
            Ok(Err(error)) => Err(LoadError::wrong(format!("{what} cannot be loaded: {error}"))),
            Err(_) => {
                let seconds = COMPILING.as_secs();
                Err(LoadError::wrong(format!("{what} takes longer than {seconds} s to compile")))
            }
        }
    }
}

/// The policies that are wanted, their modules fetched.
struct Fetched {
    wanted: Vec<(Wanted, Bytes)>,
    /// Where the modules came from, in the same order.
    sources: Vec<String>,
}

impl Fetched {
    /// Fetches every module, or tells everything that is wrong with them.
    async fn of(found: Result<Vec<(Wanted, Found)>, Vec<String>>, from: &Sources) -> Result<Self, LoadError> {
        let mut fetched = Self { wanted: Vec::new(), sources: Vec::new() };
        let (mut wrong, mut passing) = (Vec::new(), Vec::new());
        for (wanted, found) in found.map_err(LoadError::Wrong)? {
            let name = wanted.name.clone();
            match fetch(found, from).await {
                Ok((bytes, source)) => {
                    fetched.wanted.push((wanted, bytes));
                    fetched.sources.push(source);
                }
                Err(LoadError::Wrong(what)) => {
                    wrong.extend(what.iter().map(|what| format!("policy {name:?}: {what}")));
                }
                Err(LoadError::Passing(what)) => passing.push(format!("policy {name:?}: {what}")),
            }
        }
        match (wrong.is_empty(), passing.is_empty()) {
            (true, true) => Ok(fetched),
            (true, false) => Err(LoadError::Passing(passing.join("; "))),
            (false, _) => Err(LoadError::Wrong(wrong)),
        }
    }
}

/// The component's bytes, signed if they must be, and where they come from.
async fn fetch(found: Found, sources: &Sources) -> Result<(Bytes, String), LoadError> {
    let (bytes, signature, source) = match found {
        Found::BuiltIn(bytes) => return Ok((Bytes::from_static(bytes), "built in".to_owned())),
        Found::File { bytes, signature, source } => (Bytes::from(bytes), signature, source),
        Found::Registry(reference) => {
            let pulled = oci::pull(&reference, &sources.registries, MAX_BYTES).await.map_err(|error| match error {
                PullError::Wrong(what) => LoadError::wrong(what),
                PullError::Passing(what) => LoadError::Passing(what),
            })?;
            (pulled.bytes, pulled.signature, reference.to_string())
        }
    };
    if let Some(key) = &sources.key {
        let checked = key.check(&bytes, signature.as_deref());
        checked.map_err(|what| LoadError::wrong(format!("the component {source} cannot be used: {what}")))?;
    }
    Ok((bytes, source))
}
