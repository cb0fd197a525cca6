//! The rule, natively.

use tofu_state_policy_kit::examples::{during, example, expectation, state, try_all, unlocked, write};
use tofu_state_policy_kit::{Change, Expectation, Needs, Operation, Verdict, check, examples, review};

use super::*;

fn judge(configuration: &str, change: Change) -> Verdict {
    let example = example("", configuration, change, Expectation::Allow);
    review::<LineageGuard>(&example.change, &example.context)
}

fn verdict(change: Change) -> Expectation {
    expectation(&judge("", change))
}

fn reason(verdict: Verdict) -> String {
    match verdict {
        Verdict::Deny(denial) => {
            assert!(denial.keep, "what is refused is never thrown away");
            denial.reason
        }
        Verdict::Warn(why) => why,
        Verdict::Allow(_) => panic!("allowed"),
    }
}

#[test]
fn its_examples_hold() {
    try_all::<LineageGuard>().unwrap();
}

#[test]
fn serials_of_a_lineage_grow() {
    let over = |serial| write(Some(state(7, "a")), state(serial, "a"));
    assert_eq!(verdict(over(8)), Expectation::Allow);
    assert_eq!(verdict(over(70)), Expectation::Allow);
    assert_eq!(verdict(over(7)), Expectation::Allow, "the same bytes again");
    assert_eq!(verdict(over(6)), Expectation::Deny);
    let mut other = over(7);
    other.proposed.as_mut().unwrap().sha256 = vec![9; 32];
    assert_eq!(verdict(other), Expectation::Deny);
}

#[test]
fn another_lineage_needs_an_empty_place() {
    assert_eq!(verdict(write(Some(state(7, "a")), state(8, "b"))), Expectation::Deny);
    assert_eq!(verdict(write(None, state(1, "b"))), Expectation::Allow);
    let empty = StateHeader { empty: true, ..state(7, "a") };
    assert_eq!(verdict(write(Some(empty), state(1, "b"))), Expectation::Allow);
}

#[test]
fn a_hidden_lineage_leaves_the_serials() {
    let hidden = |serial| StateHeader { encrypted: true, ..state(serial, "") };
    assert_eq!(verdict(write(Some(state(7, "a")), hidden(8))), Expectation::Allow);
    assert_eq!(verdict(write(Some(hidden(7)), state(6, "a"))), Expectation::Deny);
}

#[test]
fn pushes_and_migrations_pass_with_a_warning() {
    let wrong = || write(Some(state(7, "a")), state(1, "b"));
    assert_eq!(verdict(during("state-push", wrong())), Expectation::Warn);
    assert_eq!(verdict(during("migration destination state", wrong())), Expectation::Warn);
    assert_eq!(verdict(during("state-mv", wrong())), Expectation::Deny);
    assert_eq!(expectation(&judge("passes = []", during("state-push", wrong()))), Expectation::Deny);
    assert_eq!(verdict(unlocked(wrong())), Expectation::Deny);
}

#[test]
fn overwrite_counts_for_the_present_serial_only() {
    let overwrite = |serial| Change { overwrite: Some(serial), ..write(Some(state(7, "a")), state(1, "b")) };
    assert_eq!(verdict(overwrite(7)), Expectation::Warn);
    assert!(reason(judge("", overwrite(6))).contains("the present serial is 7"));
    let told = reason(judge("", write(Some(state(7, "a")), state(1, "b"))));
    assert!(told.contains("?overwrite=7") && told.contains("lineage (b)"), "{told}");
}

#[test]
fn only_writes_are_judged() {
    for operation in [Operation::Lock, Operation::Delete, Operation::ForceUnlock] {
        let change = Change { current: Some(state(7, "a")), ..examples::change(operation) };
        assert_eq!(verdict(change), Expectation::Allow);
    }
}

#[test]
fn a_mistake_in_the_configuration_is_named() {
    assert!(check::<LineageGuard>("", Needs::empty()).is_ok());
    let wrong = check::<LineageGuard>("\npass = []", Needs::empty()).unwrap_err();
    assert!(wrong.contains("line 2") && wrong.contains("`pass`"), "{wrong}");
}
