//! Exploration of small scenarios with the component that serves.

use tofu_state_sandbox::{Bounds, Explored, Sandbox, SandboxError, Scenario};

fn explore(text: &str) -> Result<Explored, SandboxError> {
    Sandbox::built_in()?.explore(&Scenario::parse(text)?, &Bounds::default(), |_| {})
}

#[test]
fn two_clients_lock_and_unlock() {
    let explored = explore(
        r#"
        name = "two clients lock and unlock"
        client = [
            { name = "a", requests = ["LOCK a", "UNLOCK a"] },
            { name = "b", requests = ["LOCK b", "UNLOCK b"] },
        ]
        "#,
    )
    .unwrap();
    assert!(explored.complete, "{explored:?}");
    assert!(explored.schedules > 10, "{explored:?}");
}

#[test]
fn two_whole_runs_with_a_fault() {
    let explored = explore(
        r#"
        name = "two runs"
        faults = { up-to = 1 }
        client = [
            { name = "a", requests = ["LOCK a", "GET", "POST a 1", "UNLOCK a"] },
            { name = "b", requests = ["LOCK b", "GET", "POST b 2", "UNLOCK b"] },
        ]
        "#,
    )
    .unwrap();
    assert!(explored.complete, "{explored:?}");
}

/// Two pairs on two states have nothing to do with each other: their orders need not be mixed.
const TWO_STATES: &str = r#"
name = "two states"
tolerate = ["unlocked-writers"]
client = [
    { name = "a", requests = ["LOCK a", "POST a 1", "UNLOCK a"] },
    { name = "reader", requests = ["GET"] },
    { name = "c", requests = [{ do = "LOCK c", path = "group/other" }] },
    { name = "d", requests = [{ do = "POST - 1", path = "group/other" }] },
]
"#;

#[test]
fn the_reduction_leaves_out_orders_and_no_violation() {
    let sandbox = Sandbox::built_in().unwrap();
    let explore = |text: &str, every_order| {
        let bounds = Bounds { every_order, ..Bounds::default() };
        sandbox.explore(&Scenario::parse(text).unwrap(), &bounds, |_| {}).unwrap()
    };
    let (reduced, whole) = (explore(TWO_STATES, false), explore(TWO_STATES, true));
    assert!(reduced.complete && whole.complete, "{reduced:?} {whole:?}");
    assert!(reduced.states * 3 < whole.states, "{} of {}", reduced.states, whole.states);

    let strict = TWO_STATES.replace(r#"tolerate = ["unlocked-writers"]"#, "");
    let found = [false, true].map(|every_order| explore(&strict, every_order).counterexample.unwrap());
    for found in &found {
        assert_eq!(found.violation.rule, "written-under-anothers-lock");
        assert!(!found.diagram.text().contains("POST a 1"), "{}", found.diagram.text());
    }
    assert_eq!(found[0].steps(), found[1].steps());
}
