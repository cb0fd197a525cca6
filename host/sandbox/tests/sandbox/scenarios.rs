//! The scenarios that are shipped: their steps, and every schedule of their clients.
//!
//! The two largest take minutes without optimisation; here they are explored as far as a bound on states lets them,
//! and to the end by `make explore`.

use std::path::PathBuf;

use tofu_state_sandbox::{Bounds, Sandbox, Scenario};

/// States of each scenario. A bound by time would depend on the machine.
const STATES: u64 = 40_000;

/// How many may be larger than that.
const LARGER: usize = 3;

fn shipped() -> Result<Vec<(PathBuf, Scenario)>, tofu_state_sandbox::ScenarioError> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../scenarios");
    Scenario::files(&folder)?.into_iter().map(|file| Ok((file.clone(), Scenario::read(&file)?))).collect()
}

#[test]
fn their_steps_come_to_what_is_expected() {
    let sandbox = Sandbox::built_in().unwrap();
    let mut steps = 0;
    for (file, scenario) in shipped().unwrap() {
        let ran = sandbox.run(&scenario).unwrap();
        assert!(ran.passed(), "{}: {ran:#?}", file.display());
        steps += ran.steps.len();
    }
    assert!(steps > 0);
}

#[test]
fn no_schedule_breaks_a_rule() {
    let sandbox = Sandbox::built_in().unwrap();
    let bounds = Bounds { states: Some(STATES), ..Bounds::default() };
    let (mut complete, mut larger) = (0, Vec::new());
    for (file, scenario) in shipped().unwrap() {
        if scenario.clients.is_empty() {
            continue;
        }
        let explored = sandbox.explore(&scenario, &bounds, |_| {}).unwrap();
        if let Some(found) = explored.counterexample {
            panic!("{}: {}\n{}", file.display(), found.violation.what, found.diagram.text());
        }
        if explored.complete { complete += 1 } else { larger.push(file) }
    }
    assert!(complete > 0 && larger.len() <= LARGER, "{complete} to the end; larger: {larger:?}");
}
