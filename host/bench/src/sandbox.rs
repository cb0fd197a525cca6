//! Layer (e): exploration in the sandbox: instances executed, and steps between states, which are a matter of tables.

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use tofu_state_sandbox::{Bounds, Sandbox, Scenario};

use crate::options::Plan;
use crate::report::Report;
use crate::statistics::{median, number};
use crate::table::{Cell, Table};

/// What is explored again and again, each time as if nothing were known.
const SCENARIOS: [(&str, &str); 2] = [
    (
        "2 clients, a fault",
        r#"
        name = "two whole runs with a fault"
        faults = { up-to = 1 }
        client = [
            { name = "a", requests = ["LOCK a", "GET", "POST a 1", "UNLOCK a"] },
            { name = "b", requests = ["LOCK b", "GET", "POST b 2", "UNLOCK b"] },
        ]
        "#,
    ),
    (
        "3 clients",
        r#"
        name = "three clients lock and write"
        client = [
            { name = "a", requests = ["LOCK a", "POST a 1", "UNLOCK a"] },
            { name = "b", requests = ["LOCK b", "POST b 2", "UNLOCK b"] },
            { name = "c", requests = ["LOCK c", "POST c 3", "UNLOCK c"] },
        ]
        "#,
    ),
];

/// Measures the layer.
pub(crate) fn measure(plan: &Plan, report: &mut Report) -> anyhow::Result<()> {
    report.progress("sandbox");
    let sandbox = Sandbox::built_in()?;
    let mut table = Table::new(
        "sandbox",
        "(e) sandbox: exploring every schedule, on all processors",
        &["scenario", "states", "steps", "instances", "instances/s", "steps/s"],
    );
    table.note("instances/s: by the time in which instances are executed; steps/s: by the rest of the time");
    for (place, (name, text)) in SCENARIOS.iter().enumerate() {
        let scenario = Scenario::parse(text)?;
        let (mut instances, mut steps) = (Vec::new(), Vec::new());
        let mut last = None;
        for _ in 0..plan.rounds() {
            let began = Instant::now();
            let (mut executions, mut executing, mut transitions, mut stepping) = (0, Duration::ZERO, 0, Duration::ZERO);
            while began.elapsed() < plan.turn() || executions == 0 {
                let explored = sandbox.explore(&scenario, &Bounds::default(), |_| {})?;
                ensure!(explored.complete, "{name}: not explored to the end: {explored:?}");
                executions += explored.executions;
                executing += explored.executing;
                transitions += explored.transitions;
                stepping += explored.time.saturating_sub(explored.executing);
                last = Some(explored);
            }
            instances.push(number(executions) / executing.as_secs_f64());
            steps.push(number(transitions) / stepping.as_secs_f64());
        }
        let explored = last.context("no rounds")?;
        let (instances, steps) = (median(instances), median(steps));
        table.row([
            Cell::from(*name),
            Cell::Number(number(explored.states), 0),
            Cell::Number(number(explored.transitions), 0),
            Cell::Number(number(explored.executions), 0),
            Cell::number(instances, 0),
            Cell::number(steps, 0),
        ]);
        if place == 0 {
            report.figure("sandbox_instances", instances);
        }
    }
    report.add(table);
    Ok(())
}
