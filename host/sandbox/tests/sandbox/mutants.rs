//! Exploration finds out every mutant (`guest/mutants/protocol`), and nothing in the real protocol.
#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "the lengths of the counter-examples are told; helpers of tests are not recognised as tests"
)]

use std::path::Path;
use std::time::Instant;

use tofu_state_component::testing::MUTANTS;
use tofu_state_mutants::{HEADER, Mutant};
use tofu_state_sandbox::{Bounds, Explored, Sandbox, Scenario};

/// The scenario that finds a mutant out.
fn scenario_of(mutant: Mutant) -> &'static str {
    match mutant {
        Mutant::ReleaseByDelete => "late-unlock",
        Mutant::LockWithoutCas => "lock-race",
        Mutant::UnlockOfAnyId => "wrong-unlock",
        Mutant::LateLockAccepted => "late-duplicate-lock",
        Mutant::LockReplayRefused | Mutant::UnlockReplayRefused | Mutant::PostReplayRefused => "lost-acknowledgements",
        Mutant::TakeoverDespiteWrites | Mutant::TakeoverInOneStep => "lock-ttl",
        Mutant::BreakWithoutFence | Mutant::FenceBeforeBreak | Mutant::LockReadFirst => "break-against-late-post",
        Mutant::NoFenceWithoutState => "break-before-first-state",
        Mutant::BrokenLockTakenUnfenced => "breaker-dies",
        Mutant::LockFromMemory => "remembered-lock",
        Mutant::PostWithoutHolderCheck | Mutant::DeleteWithoutHolderCheck => "held-by-another",
        Mutant::GoneLockAccepted | Mutant::ExpectedRevisionIgnored | Mutant::LostRaceRetriedUnchecked => {
            "break-against-late-post"
        }
        Mutant::LowerSerialAccepted => "late-duplicate-post",
        Mutant::DeleteInStore => "delete-against-post",
        Mutant::UnknownIsDone | Mutant::UnavailableIsEmpty => "unavailable",
    }
}

fn scenario(name: &str) -> Scenario {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scenarios").join(name).with_extension("toml");
    Scenario::parse(&std::fs::read_to_string(file).unwrap()).unwrap()
}

fn explore(sandbox: &Sandbox, scenario: &Scenario) -> Explored {
    // So many states are more than any mutant takes. A bound by time would depend on the machine.
    let bounds = Bounds { states: Some(200_000), ..Bounds::default() };
    sandbox.explore(scenario, &bounds, |_| {}).unwrap()
}

#[test]
fn every_mutant_is_found_out() {
    let mutants = Sandbox::of(MUTANTS).unwrap();
    let began = Instant::now();
    let mut missed = Vec::new();
    for mutant in Mutant::ALL {
        let name = scenario_of(*mutant);
        let mut scenario = scenario(name);
        scenario.headers.insert(HEADER.to_owned(), mutant.name().to_owned());
        let explored = explore(&mutants, &scenario);
        match explored.counterexample {
            Some(found) if found.violation.rule != "component-failed" => println!(
                "{:<28} {:>2} steps of `{name}`: {} ({})",
                mutant.name(),
                found.steps(),
                found.violation.what,
                found.violation.rule
            ),
            other => missed.push((mutant.name(), other)),
        }
    }
    println!("{} mutants in {} s", Mutant::ALL.len(), began.elapsed().as_secs());
    assert!(missed.is_empty(), "not found out: {missed:#?}");
}

/// The component that holds all mutants is the real protocol as long as none is chosen.
#[test]
fn no_mutant_is_the_real_one() {
    let unchosen = Sandbox::of(MUTANTS).unwrap();
    for name in ["late-unlock", "break-before-first-state", "unavailable"] {
        let explored = explore(&unchosen, &scenario(name));
        assert!(explored.complete && explored.counterexample.is_none(), "{name}: {explored:?}");
    }
}
