//! `require-lock`: no write and no deletion without a lock.
//!
//! A backend block without `lock_address`, and a run with `-lock=false`, write without one.

use serde::Deserialize;
use tofu_state_policy_kit::{
    Change, Configured, Example, Expectation, Operation, Policy, Verdict, allow, deny, examples, export_policy,
};

/// The policy.
pub struct RequireLock;

/// Its configuration.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct Configuration {
    /// Whether a state may be deleted without a lock. No CLI deletes one: it is done by hand.
    allow_delete: bool,
}

impl Policy for RequireLock {
    type Configuration = Configuration;

    fn review(change: &Change, given: Configured<'_, Configuration>) -> Verdict {
        match change.operation {
            Operation::Lock | Operation::ForceUnlock => allow(),
            Operation::Write | Operation::Delete if change.lock.is_some() => allow(),
            Operation::Write => deny(
                "states here are written under a lock only: set lock_address and unlock_address in the backend block, \
                 and leave out -lock=false",
            ),
            Operation::Delete if given.configuration.allow_delete => allow(),
            Operation::Delete => deny("states here are deleted under a lock only: take it with LOCK, and send ?ID="),
        }
    }

    fn examples() -> Vec<Example> {
        let write = || examples::write(None, examples::state(1, "a"));
        let without = |change| examples::unlocked(change);
        let delete = || examples::change(Operation::Delete);
        vec![
            examples::example("a write under a lock", "", write(), Expectation::Allow),
            examples::example("a write without a lock", "", without(write()), Expectation::Deny),
            examples::example("a deletion without a lock", "", without(delete()), Expectation::Deny),
            examples::example("the same, allowed", "allow-delete = true", without(delete()), Expectation::Allow),
        ]
    }
}

export_policy!(RequireLock);

#[cfg(test)]
mod tests {
    use super::*;
    use tofu_state_policy_kit::{Needs, check};

    #[test]
    fn its_examples_hold() {
        examples::try_all::<RequireLock>().unwrap();
    }

    #[test]
    fn locking_and_breaking_locks_is_nobodys_write() {
        let configuration = Configuration::default();
        for operation in [Operation::Lock, Operation::ForceUnlock] {
            let change = examples::unlocked(examples::change(operation));
            let given = Configured { configuration: &configuration, resources: None };
            assert_eq!(RequireLock::review(&change, given), allow());
        }
    }

    #[test]
    fn allowing_deletions_allows_no_write() {
        let configuration = Configuration { allow_delete: true };
        let given = Configured { configuration: &configuration, resources: None };
        let write = examples::unlocked(examples::write(None, examples::state(1, "a")));
        assert!(matches!(RequireLock::review(&write, given), Verdict::Deny(_)));
    }

    #[test]
    fn a_mistake_in_the_configuration_is_named() {
        assert!(check::<RequireLock>("allow-delete = \"yes\"", Needs::empty()).unwrap_err().contains("line 1"));
        assert!(check::<RequireLock>("allow_delete = true", Needs::empty()).unwrap_err().contains("allow_delete"));
    }
}
