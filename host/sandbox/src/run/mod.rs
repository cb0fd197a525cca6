//! `run`: a scenario's steps, one after the other, compared with what is expected.

pub(crate) mod perform;

use self::perform::{Performed, Performing};
use crate::report::describe;
use crate::scenario::{Expectation, FullStep, Scenario, ScenarioError};
use crate::world::World;
use crate::world::history::{Holder, Visible};
use crate::world::invariants::holder_told;

/// What a scenario's steps came to.
#[derive(Clone, Debug)]
pub struct Ran {
    /// The scenario's sentence.
    pub name: String,
    /// Its steps. None: the scenario is for exploring only.
    pub steps: Vec<StepRan>,
}

impl Ran {
    /// Everything is as expected.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.steps.iter().all(|step| step.wrong.is_empty())
    }
}

/// What a step came to.
#[derive(Clone, Debug)]
pub struct StepRan {
    /// The request, or what was done by hand.
    pub text: String,
    /// The reply in few words; none: there was none.
    pub reply: Option<String>,
    /// The calls of the store, with their answers.
    pub calls: Vec<String>,
    /// What is not as expected; empty: all is.
    pub wrong: Vec<String>,
}

/// Makes all steps. `world` is as the set-up left it.
pub(crate) fn run(
    world: &mut World,
    performing: &mut Performing,
    scenario: &Scenario,
) -> Result<Vec<StepRan>, ScenarioError> {
    let mut steps = Vec::new();
    for (number, step) in scenario.steps.iter().enumerate() {
        let step = step.full();
        let at = |error: ScenarioError| ScenarioError(format!("step {}: {}", number + 1, error.0));
        let performed = performing.perform(world, scenario, &step).map_err(at)?;
        steps.push(judged(world, performing, scenario, &step, &performed)?);
    }
    Ok(steps)
}

fn judged(
    world: &mut World,
    performing: &Performing,
    scenario: &Scenario,
    step: &FullStep,
    performed: &Performed,
) -> Result<StepRan, ScenarioError> {
    let tables = &world.machine.tables;
    let calls = performed
        .calls
        .iter()
        .map(|(call, answer)| format!("{} → {}", describe::call(tables, call), describe::answer(tables, answer)))
        .collect();
    let mut wrong: Vec<String> = performed.failure.iter().cloned().collect();
    for fault in &step.faults {
        if fault.call == 0 || usize::from(fault.call) > performed.calls.len() {
            wrong.push(format!(
                "a fault was to happen at call {} (counted from 1), and the request made {}",
                fault.call,
                performed.calls.len()
            ));
        }
    }
    if let Some(expected) = &step.expect {
        let expected = expected.full();
        wrong.extend(replied_wrongly(&expected, performed));
        wrong.extend(left_wrongly(world, performing, scenario, step, &expected)?);
    }
    let by_hand = || step.remove_in_store.as_ref().or(step.destroy_in_store.as_ref());
    let text = match (&performed.intent, by_hand()) {
        (Some(intent), _) => intent.text.clone(),
        (None, Some(key)) => format!("somebody deletes {key} in the store"),
        (None, None) => String::new(),
    };
    Ok(StepRan { text, reply: performed.reply.as_ref().map(describe::reply), calls, wrong })
}

/// What is wrong with the reply.
fn replied_wrongly(expected: &Expectation, performed: &Performed) -> Vec<String> {
    let mut wrong = Vec::new();
    let reply = performed.reply.as_ref();
    if let Some(status) = expected.status {
        let was = reply.map_or(0, |reply| reply.status);
        if was != status {
            let told = |status: u16| if status == 0 { "no reply".to_owned() } else { status.to_string() };
            wrong.push(format!("status: expected {}, was {}", told(status), told(was)));
        }
    }
    let body = reply.map(|reply| reply.body.clone()).unwrap_or_default();
    if let Some(part) = &expected.contains {
        let text = String::from_utf8_lossy(&body);
        if !text.contains(part.as_str()) {
            wrong.push(format!("body: expected {part:?} in it, was {:?}", shortened(&text)));
        }
    }
    if let Some(id) = &expected.holder_told {
        let was = holder_told(&body);
        if was.as_ref() != Some(id) {
            wrong.push(format!(
                "the body's ID: expected {id:?}, was {}",
                was.map_or("none".to_owned(), |was| format!("{was:?}"))
            ));
        }
    }
    wrong
}

/// What is wrong with what lies in the store afterwards.
fn left_wrongly(
    world: &mut World,
    performing: &Performing,
    scenario: &Scenario,
    step: &FullStep,
    expected: &Expectation,
) -> Result<Vec<String>, ScenarioError> {
    if expected.state.is_none() && expected.holder.is_none() {
        return Ok(Vec::new());
    }
    let path = world.names.path(step.path.as_ref().unwrap_or(&scenario.path))?;
    let view = world.until_known(|world| world.view(&performing.contents));
    let Some(sight) = world.sights_of(view).get(usize::from(path)).copied() else {
        return Ok(vec!["the store cannot be looked at".to_owned()]);
    };
    let mut wrong = Vec::new();
    if let Some(state) = &expected.state {
        let was = match sight.state {
            Visible::Nothing => String::new(),
            Visible::State(state) => world.names.state_text(state),
            Visible::Unreadable(_) => world.visible_text(sight.state),
        };
        if was != *state {
            wrong.push(format!("state afterwards: expected {}, was {}", or_none(state), or_none(&was)));
        }
    }
    if let Some(holder) = &expected.holder {
        let was = match sight.holder {
            Holder::Nobody => "",
            Holder::Held(lock) => world.names.lock_text(lock),
            Holder::Unknown => "unknown",
        };
        if was != holder {
            wrong.push(format!("holder afterwards: expected {}, was {}", or_none(holder), or_none(was)));
        }
    }
    Ok(wrong)
}

fn or_none(word: &str) -> &str {
    if word.is_empty() { "none" } else { word }
}

fn shortened(text: &str) -> String {
    const LONGEST: usize = 200;
    if text.chars().count() <= LONGEST { text.to_owned() } else { text.chars().take(LONGEST).chain(['…']).collect() }
}
