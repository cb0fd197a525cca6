//! A policy on trial: what the protocol alone cannot rule out, and a policy can.
//!
//! Whoever writes without any lock may come between somebody else's LOCK and its first read. Exploration shows the
//! shortest such schedule; with the policy `require-lock` there is none. A test of one's own policy looks the same:
//! load it with [`Engine::load_policy`](tofu_state_component::Engine::load_policy).
//!
//! `cargo run -p tofu-state-sandbox --example policy`
#![allow(clippy::print_stdout, reason = "an example for people")]

use std::error::Error;

use tofu_state_component::policies::{Chain, Entry, built_in};
use tofu_state_sandbox::{Bounds, Sandbox, Scenario};

const SCENARIO: &str = r#"
name = "somebody writes without a lock"
client = [
    { name = "a", requests = ["LOCK a", "GET", "UNLOCK a"] },
    { name = "b", requests = ["POST - 1 b1"] },
]
"#;

/// Explores with and without the policy.
///
/// # Errors
/// There is no engine, the scenario is wrong, or the outcome is not as told above.
pub fn main() -> Result<(), Box<dyn Error>> {
    let scenario = Scenario::parse(SCENARIO)?;
    let sandbox = Sandbox::built_in()?;

    let without = sandbox.explore(&scenario, &Bounds::default(), |_| {})?;
    let found = without.counterexample.ok_or("no schedule breaks a rule")?;
    println!("{}", found.diagram.text());

    let (name, module) = built_in().iter().find(|(name, _)| *name == "require-lock").ok_or("no such policy")?;
    let module = sandbox.engine().load_policy(module)?;
    let judged = sandbox.judged_by(Chain::new(vec![Entry::new(name, module)])?);
    let with = judged.explore(&scenario, &Bounds::default(), |_| {})?;
    println!("with {name}: {} states, {} schedules, no rule is broken", with.states, with.schedules);
    if with.complete { Ok(()) } else { Err("not everything was covered".into()) }
}
