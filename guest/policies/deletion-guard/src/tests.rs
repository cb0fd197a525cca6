//! The rule, natively.

use tofu_state_policy_kit::examples::{change, expectation, state, try_all, write};
use tofu_state_policy_kit::{check, review};

use super::*;

fn judge(configuration: &str, resources: Option<ResourceChanges>) -> Verdict {
    let context = Context { configuration: configuration.to_owned(), resources };
    review::<DeletionGuard>(&write(Some(state(1, "a")), state(2, "a")), &context)
}

fn verdict(configuration: &str, before: u32, removed: u32) -> Expectation {
    expectation(&judge(configuration, Some(gone(before, removed))))
}

#[test]
fn its_examples_hold() {
    try_all::<DeletionGuard>().unwrap();
}

#[test]
fn either_limit_is_enough() {
    let both = "max-removed = 10\nmax-percent = 50\npercent-from = 4";
    for (before, removed, expected) in [
        (100, 10, Expectation::Allow),
        (100, 11, Expectation::Deny),
        (4, 2, Expectation::Allow),
        (4, 3, Expectation::Deny),
        (3, 3, Expectation::Allow),
        (0, 0, Expectation::Allow),
        (u32::MAX, u32::MAX, Expectation::Deny),
    ] {
        assert_eq!(verdict(both, before, removed), expected, "{removed} of {before}");
    }
}

#[test]
fn nothing_may_go_where_the_limit_is_none() {
    assert_eq!(verdict("max-removed = 0", 5, 1), Expectation::Deny);
    assert_eq!(verdict("max-removed = 0", 5, 0), Expectation::Allow);
    assert_eq!(verdict("max-percent = 0", 5, 1), Expectation::Allow, "5 are less than `percent-from`");
    assert_eq!(verdict("max-percent = 0", 500, 1), Expectation::Deny);
}

#[test]
fn the_reason_names_what_has_gone() {
    let mut resources = gone(40, 7);
    for (number, name) in ["a", "b", "c", "d", "e", "f"].into_iter().enumerate() {
        let removed = u32::try_from(number).unwrap();
        resources.by_type.push(TypeChanges { resource_type: name.to_owned(), added: 1, changed: 1, removed });
    }
    let Verdict::Deny(denial) = judge("max-removed = 3", Some(resources)) else { panic!() };
    let expected = "7 of 40 resources (7 aws_instance, 5 f, 4 e, 3 d, 2 c and others), more than 3";
    assert!(denial.reason.contains(expected) && denial.keep, "{}", denial.reason);
}

#[test]
fn what_cannot_be_counted_is_told() {
    assert_eq!(expectation(&judge("max-removed = 3", None)), Expectation::Warn);
}

#[test]
fn only_writes_are_judged() {
    let context = Context { configuration: "max-removed = 0".to_owned(), resources: None };
    for operation in [Operation::Lock, Operation::Delete, Operation::ForceUnlock] {
        assert_eq!(review::<DeletionGuard>(&change(operation), &context), allow());
    }
}

#[test]
fn mistakes_in_the_entry_are_named() {
    for (text, why) in [
        ("", "max-removed = 10"),
        ("max-percent = 100", "0 to 99"),
        ("max-removed = 1\npercent-from = 4", "without `max-percent`"),
        ("max-removed = -1", "line 1"),
        ("max_removed = 1", "`max_removed`"),
    ] {
        let wrong = check::<DeletionGuard>(text, Needs::RESOURCES).unwrap_err();
        assert!(wrong.contains(why), "{text}: {wrong}");
    }
    let wrong = check::<DeletionGuard>("max-removed = 1", Needs::CURRENT).unwrap_err();
    assert!(wrong.contains("needs = [\"resources\"]"), "{wrong}");
}
