//! The rule, natively.

use tofu_state_policy_kit::examples::{change, example, expectation, lock_info, state, try_all, unlocked, write};
use tofu_state_policy_kit::{APPLY, Needs, StateHeader, check, review};

use super::*;

fn judge(configuration: &str, change: Change) -> Verdict {
    let example = example("", configuration, change, Expectation::Allow);
    review::<VersionPin>(&example.change, &example.context)
}

fn locks(configuration: &str, version: &str) -> Expectation {
    let lock = LockInfo { version: version.to_owned(), ..lock_info(APPLY) };
    expectation(&judge(configuration, Change { lock: Some(lock), ..change(Operation::Lock) }))
}

#[test]
fn its_examples_hold() {
    try_all::<VersionPin>().unwrap();
}

#[test]
fn one_of_the_ranges_is_enough() {
    let both = r#"versions = ["~1.5.7", ">=1.9, <2"]"#;
    for (version, expected) in [
        ("1.5.7", Expectation::Allow),
        ("1.5.6", Expectation::Deny),
        ("1.6.0", Expectation::Deny),
        ("1.9.0", Expectation::Allow),
        ("v1.12.6", Expectation::Allow),
        ("2.0.0", Expectation::Deny),
        ("1.12.6+vendor", Expectation::Allow),
    ] {
        assert_eq!(locks(both, version), expected, "{version}");
    }
    assert_eq!(locks(r#"versions = ["=1.12.6"]"#, "1.12.6"), Expectation::Allow);
    assert_eq!(locks(r#"versions = ["=1.12.6"]"#, "1.12.7"), Expectation::Deny);
}

#[test]
fn prereleases_have_to_be_allowed() {
    let strict = r#"versions = [">=1.12, <2"]"#;
    assert_eq!(locks(strict, "1.13.0-dev"), Expectation::Deny);
    assert_eq!(locks(&format!("{strict}\nprereleases = true"), "1.13.0-dev"), Expectation::Allow);
    assert_eq!(locks(&format!("{strict}\nprereleases = true"), "2.0.0-rc1"), Expectation::Deny);
    assert_eq!(locks(r#"versions = ["=1.13.0-beta1"]"#, "1.13.0-beta1"), Expectation::Allow, "named outright");
}

#[test]
fn who_tells_no_version_is_a_matter_of_configuration() {
    for version in ["", "1.12", "terragrunt", "1.2.3.4"] {
        assert_eq!(locks(r#"versions = ["*"]"#, version), Expectation::Deny, "{version}");
        assert_eq!(locks("versions = [\"*\"]\nunknown = \"allow\"", version), Expectation::Allow, "{version}");
    }
    let without = unlocked(change(Operation::Lock));
    assert_eq!(expectation(&judge(r#"versions = ["*"]"#, without)), Expectation::Deny);
}

#[test]
fn a_denial_says_what_is_needed() {
    let lock = LockInfo { version: "1.5.7".to_owned(), ..lock_info(PLAN) };
    let verdict = judge(r#"versions = [">=1.9, <2"]"#, Change { lock: Some(lock), ..change(Operation::Lock) });
    let Verdict::Deny(denial) = verdict else { panic!("{verdict:?}") };
    assert!(denial.reason.contains("1.5.7") && denial.reason.contains(">=1.9, <2"), "{}", denial.reason);
}

#[test]
fn writes_are_never_refused() {
    let old = || StateHeader { tool_version: Some("1.5.7".to_owned()), ..state(1, "a") };
    let pinned = r#"versions = [">=1.9"]"#;
    assert_eq!(expectation(&judge(pinned, write(None, old()))), Expectation::Allow, "LOCK has decided");
    assert_eq!(expectation(&judge(pinned, unlocked(write(None, old())))), Expectation::Warn);
    assert_eq!(expectation(&judge(pinned, unlocked(write(None, state(1, "a"))))), Expectation::Allow);
    let encrypted = StateHeader { encrypted: true, tool_version: None, ..state(1, "") };
    assert_eq!(expectation(&judge(pinned, unlocked(write(None, encrypted)))), Expectation::Allow);
    for operation in [Operation::Delete, Operation::ForceUnlock] {
        assert_eq!(expectation(&judge(pinned, change(operation))), Expectation::Allow);
    }
}

#[test]
fn mistakes_in_the_configuration_are_named() {
    for (text, why) in [
        ("", "`versions`"),
        ("versions = []", "names none"),
        (r#"versions = ["new"]"#, "\"new\" is no range"),
        ("versions = [\">=1.9\"]\nunknown = \"maybe\"", "line 2"),
        ("version = \"1\"", "`version`"),
    ] {
        let wrong = check::<VersionPin>(text, Needs::empty()).unwrap_err();
        assert!(wrong.contains(why), "{text}: {wrong}");
    }
}
