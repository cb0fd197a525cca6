//! Exploration finds out chunks that are collected too early: mutants of the layout, below the component. They break
//! every layout of the process, so they have a test program of their own.
#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "the lengths of the counter-examples are told; helpers of tests are not recognised as tests"
)]

use std::path::Path;

use tofu_state_sandbox::{Bounds, Explored, Sandbox, Scenario};
use tofu_state_store::testing::mutation::{Mutation, choose};

fn explore(sandbox: &Sandbox, name: &str) -> Explored {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scenarios").join(name).with_extension("toml");
    let scenario = Scenario::parse(&std::fs::read_to_string(file).unwrap()).unwrap();
    let bounds = Bounds { states: Some(200_000), ..Bounds::default() };
    sandbox.explore(&scenario, &bounds, |_| {}).unwrap()
}

#[test]
fn chunks_that_are_collected_too_early() {
    let sandbox = Sandbox::built_in().unwrap();
    for mutation in Mutation::ALL {
        let name = match mutation {
            Mutation::CollectsUnpassed => "chunks-of-the-next-write",
            Mutation::CollectsNamed => "chunks-behind-a-fence",
        };
        choose(None);
        let real = explore(&sandbox, name);
        assert!(real.complete && real.counterexample.is_none(), "{name}: {real:?}");
        choose(Some(*mutation));
        let explored = explore(&sandbox, name);
        choose(None);
        let found = explored.counterexample.unwrap_or_else(|| panic!("{} is not found out", mutation.name()));
        println!("{:<28} {:>2} steps of `{name}`: {}", mutation.name(), found.steps(), found.violation.what);
        assert!(found.violation.rule.starts_with("state-"), "{:?}", found.violation);
    }
}
