//! Replay files: a schedule that broke a rule, with the scenario that it belongs to.

use serde::{Deserialize, Serialize};

use crate::report::Diagram;
use crate::scenario::Scenario;
use crate::world::invariants::Violation;
use crate::world::transition::Transition;

/// The format that this release writes and reads.
const FORMAT: u32 = 1;

/// A schedule that broke a rule, to be made again. As a file it is JSON.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Replay {
    tofu_state_replay: u32,
    /// SHA-256 of the components that it was found with, in hex.
    pub components: Vec<String>,
    /// SHA-256 of the policies' modules.
    pub policies: Vec<String>,
    /// The rule that it breaks: a stable word.
    pub rule: String,
    /// How, in a sentence.
    pub what: String,
    pub(crate) schedule: Vec<Transition>,
    /// The scenario.
    pub scenario: Scenario,
}

/// What making a schedule again came to.
#[derive(Clone, Debug)]
pub struct Replayed {
    /// What happened.
    pub diagram: Diagram,
    /// Whether it is the same again.
    pub outcome: Outcome,
}

/// Whether a schedule breaks its rule again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The same rule is broken at the same step.
    Same,
    /// All steps were made, and no rule is broken.
    Nothing,
    /// Another rule is broken, or at another step.
    Other(Violation),
    /// This step, counted from 1, cannot be made: the component does something else.
    Parted(usize),
}

/// Why a file is no replay.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// It is not the JSON of one.
    #[error("it is no replay: {0}")]
    Form(#[from] serde_json::Error),
    /// It is another release's.
    #[error("its format is {0}, and this release knows only {FORMAT}")]
    Format(u32),
}

impl Replay {
    pub(crate) fn new(
        scenario: Scenario,
        violation: &Violation,
        schedule: Vec<Transition>,
        components: Vec<String>,
        policies: Vec<String>,
    ) -> Self {
        let Violation { rule, what } = violation.clone();
        Self { tofu_state_replay: FORMAT, components, policies, rule: rule.to_owned(), what, schedule, scenario }
    }

    /// Reads a file's text.
    ///
    /// # Errors
    /// See [`ReplayError`].
    pub fn read(text: &[u8]) -> Result<Self, ReplayError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "kebab-case")]
        struct Format {
            tofu_state_replay: u32,
        }
        match serde_json::from_slice::<Format>(text)?.tofu_state_replay {
            FORMAT => Ok(serde_json::from_slice(text)?),
            other => Err(ReplayError::Format(other)),
        }
    }

    /// As a file's text.
    ///
    /// # Errors
    /// None that is known: a replay can always be written.
    pub fn write(&self) -> Result<String, ReplayError> {
        let mut text = serde_json::to_string_pretty(self)?;
        text.push('\n');
        Ok(text)
    }

    /// How many steps it has.
    #[must_use]
    pub fn steps(&self) -> usize {
        self.schedule.len()
    }
}
