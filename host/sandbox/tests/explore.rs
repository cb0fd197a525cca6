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
