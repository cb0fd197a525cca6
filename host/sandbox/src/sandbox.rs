//! What is tried: a component, perhaps several at once, and the policies.

use std::sync::Arc;

use tofu_state_component::policies::Chain;
use tofu_state_component::{Allocation, BUILT_IN, Engine, EngineError, Limits, LoadError, Metering};

use crate::explore::{self, Bounds, Counterexample, Explored, Found, Progress};
use crate::machine::execute::Serving;
use crate::replay::{Outcome, Replay, Replayed};
use crate::run::{self, Ran};
use crate::scenario::{Scenario, ScenarioError};
use crate::world::World;
use crate::world::story::Story;

/// Fuel for one instance: far more than any request takes, and a fraction of a second.
const FUEL: u64 = 200_000_000;

/// Instances at once: one for each processor, and one each for a policy.
const CONCURRENCY: u32 = 64;

/// Holds what is tried. Cheap to clone.
#[derive(Clone)]
pub struct Sandbox {
    engine: Engine,
    servings: Vec<Serving>,
}

/// Why there is no sandbox, or no answer from it.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// WebAssembly cannot be run here.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The component is none that can be served.
    #[error("the component cannot be used: {0}")]
    Component(#[from] LoadError),
    /// The scenario is wrong.
    #[error(transparent)]
    Scenario(#[from] ScenarioError),
}

/// An engine that counts fuel, so that a component does the same every time.
///
/// # Errors
/// See [`EngineError`].
pub fn engine() -> Result<Engine, EngineError> {
    let limits = Limits { concurrency: CONCURRENCY, metering: Metering::Fuel(FUEL), ..Limits::default() };
    match Engine::new(Limits { allocation: Some(Allocation::Pooling), ..limits.clone() }) {
        Ok(engine) => Ok(engine),
        Err(_) => Engine::new(Limits { allocation: Some(Allocation::OnDemand), ..limits }),
    }
}

impl Sandbox {
    /// The protocol component that this program serves with.
    ///
    /// # Errors
    /// See [`SandboxError`].
    pub fn built_in() -> Result<Self, SandboxError> {
        Self::of(BUILT_IN)
    }

    /// Any protocol component.
    ///
    /// # Errors
    /// See [`SandboxError`].
    pub fn of(component: &[u8]) -> Result<Self, SandboxError> {
        let engine = engine()?;
        let protocol = engine.load(component)?;
        Ok(Self { engine, servings: vec![Serving { protocol, policies: Arc::default() }] })
    }

    /// As [`of`](Self::of), in this sandbox's engine: another component to be tried, with the same policies.
    ///
    /// # Errors
    /// See [`SandboxError`].
    pub fn another(&self, component: &[u8]) -> Result<Self, SandboxError> {
        let protocol = self.engine.load(component)?;
        let policies = self.servings.first().map(|serving| Arc::clone(&serving.policies)).unwrap_or_default();
        Ok(Self { engine: self.engine.clone(), servings: vec![Serving { protocol, policies }] })
    }

    /// Another component for the scenarios' second server, and those after it: as in the middle of a swap.
    ///
    /// # Errors
    /// See [`SandboxError`].
    pub fn and_then(mut self, component: &[u8]) -> Result<Self, SandboxError> {
        let other = self.another(component)?;
        self.servings.extend(other.servings);
        Ok(self)
    }

    /// With these policies, which must have been loaded by [`engine`](Self::engine).
    #[must_use]
    pub fn judged_by(mut self, policies: Chain) -> Self {
        let policies = Arc::new(policies);
        self.servings.iter_mut().for_each(|serving| serving.policies = Arc::clone(&policies));
        self
    }

    /// What the scenarios' first server runs.
    pub(crate) fn serving(&self) -> Option<&Serving> {
        self.servings.first()
    }

    /// The engine that everything runs in.
    #[must_use]
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// The SHA-256 of the components, in hex.
    #[must_use]
    pub fn digests(&self) -> Vec<String> {
        self.servings.iter().map(|serving| serving.protocol.digest().to_owned()).collect()
    }

    /// Covers every schedule of the scenario's clients, within bounds. `progress` is called now and then.
    ///
    /// # Errors
    /// The scenario is wrong. That a rule is broken is no error but a [`Counterexample`].
    pub fn explore(
        &self,
        scenario: &Scenario,
        bounds: &Bounds,
        progress: impl FnMut(&Progress),
    ) -> Result<Explored, SandboxError> {
        if scenario.clients.is_empty() {
            return Err(ScenarioError("there is nobody to explore: the scenario has no `[[client]]`".to_owned()).into());
        }
        let (world, beginning) = World::of(scenario, &self.servings)?;
        let Found { mut explored, mut world, broken } = explore::explore(world, beginning.clone(), bounds, progress);
        if let Some((violation, schedule)) = broken {
            let schedule = world.shortened(&beginning, schedule, violation.rule);
            let Story { mut diagram, violation: shortest, .. } = world.story(beginning, &schedule);
            let violation = shortest.map_or(violation, |(violation, _)| violation);
            diagram.title.clone_from(&scenario.name);
            let replay = Replay::new(scenario.clone(), &violation, schedule, self.digests(), self.policies());
            explored.counterexample = Some(Counterexample { violation, diagram, replay });
        }
        Ok(explored)
    }

    /// Makes the scenario's steps, one after the other, and compares what comes of them with what is expected.
    ///
    /// # Errors
    /// The scenario is wrong. That something is not as expected is told in what is returned.
    pub fn run(&self, scenario: &Scenario) -> Result<Ran, SandboxError> {
        let (mut world, mut performing) = World::set_up(scenario, &self.servings)?;
        let steps = run::run(&mut world, &mut performing, scenario)?;
        Ok(Ran { name: scenario.name.clone(), steps })
    }

    /// Makes a schedule again. With the same component and policies the same comes of it; with others it shows
    /// whether they do better.
    ///
    /// # Errors
    /// Its scenario is wrong.
    pub fn replay(&self, replay: &Replay) -> Result<Replayed, SandboxError> {
        let (mut world, beginning) = World::of(&replay.scenario, &self.servings)?;
        let Story { mut diagram, violation, parted_at } = world.story(beginning, &replay.schedule);
        diagram.title.clone_from(&replay.scenario.name);
        let outcome = match (parted_at, violation) {
            (Some(step), _) => Outcome::Parted(step),
            (None, None) => Outcome::Nothing,
            (None, Some((violation, steps))) if violation.rule == replay.rule && steps == replay.steps() => {
                Outcome::Same
            }
            (None, Some((violation, _))) => Outcome::Other(violation),
        };
        Ok(Replayed { diagram, outcome })
    }

    fn policies(&self) -> Vec<String> {
        let policies = self.servings.first().map(|serving| &serving.policies);
        policies.into_iter().flat_map(|chain| chain.entries()).map(|entry| entry.module.digest().to_string()).collect()
    }
}
