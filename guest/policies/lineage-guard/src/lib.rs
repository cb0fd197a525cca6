//! `lineage-guard`: a state may only be followed by one that continues it.
//!
//! Refused are another lineage, a lower serial, and an equal serial with other bytes. Over no state, or one that is
//! empty, anything goes. What a person does on purpose passes with a warning: `state push` and migrations, which
//! the CLIs name in their lock, and a write with `?overwrite=<the present serial>`.

use serde::Deserialize;
use tofu_state_policy_kit::{
    Change, Configured, Example, Expectation, Policy, StateHeader, Verdict, allow, deny, examples, export_policy, warn,
};

/// The policy.
pub struct LineageGuard;

/// Its configuration.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Configuration {
    /// `LockInfo.Operation` of runs that may write any state.
    passes: Vec<String>,
}

impl Default for Configuration {
    /// What the CLIs call `state push`, and a migration to another backend (OpenTofu 1.12,
    /// `internal/command/state_push.go` and `meta_backend_migrate.go`; Terraform 1.5 says the same).
    fn default() -> Self {
        Self { passes: ["state-push", "migration destination state"].map(str::to_owned).to_vec() }
    }
}

impl Policy for LineageGuard {
    type Configuration = Configuration;

    fn review(change: &Change, given: Configured<'_, Configuration>) -> Verdict {
        let (Some(current), Some(proposed)) = (&change.current, &change.proposed) else { return allow() };
        let Some(wrong) = does_not_follow(current, proposed) else { return allow() };
        if let Some(lock) = change.lock.as_ref().filter(|lock| given.configuration.passes.contains(&lock.operation)) {
            return warn(format!("{wrong}; let through because the lock was taken for `{}`", lock.operation));
        }
        match change.overwrite {
            Some(serial) if serial == current.serial => {
                warn(format!("{wrong}; let through because the request says overwrite={serial}"))
            }
            Some(serial) => deny(format!(
                "{wrong}; the request says overwrite={serial}, but the present serial is {}",
                current.serial
            )),
            None => deny(format!(
                "{wrong}. If that is meant, use `state push -force`, or send the state with ?overwrite={}",
                current.serial
            )),
        }
    }

    fn examples() -> Vec<Example> {
        let write = |current: StateHeader, proposed| examples::write(Some(current), proposed);
        let (first, second) = (|serial| examples::state(serial, "first"), |serial| examples::state(serial, "second"));
        let example = |name: &str, change, expected| examples::example(name, "", change, expected);
        vec![
            example("the next serial", write(first(4), first(5)), Expectation::Allow),
            example("a lower serial", write(first(5), first(4)), Expectation::Deny),
            example("another lineage", write(first(4), second(5)), Expectation::Deny),
            example("the first state", examples::write(None, second(1)), Expectation::Allow),
            example("a push", examples::during("state-push", write(first(4), second(1))), Expectation::Warn),
        ]
    }
}

/// Why `proposed` does not continue `current`; none: it does.
fn does_not_follow(current: &StateHeader, proposed: &StateHeader) -> Option<String> {
    // A client that encrypts may hide the lineage; then only the serials can be compared.
    let hidden = current.lineage.is_empty() || proposed.lineage.is_empty();
    if current.empty {
        None
    } else if current.lineage != proposed.lineage && !hidden {
        Some(format!(
            "this state has another lineage ({}) than the one that is stored ({}): it comes from elsewhere",
            proposed.lineage, current.lineage
        ))
    } else if proposed.serial < current.serial {
        Some(format!(
            "this state is older (serial {}) than the one that is stored ({})",
            proposed.serial, current.serial
        ))
    } else if proposed.serial == current.serial && proposed.sha256 != current.sha256 {
        Some(format!("another state with the same serial ({}) is stored", current.serial))
    } else {
        None
    }
}

export_policy!(LineageGuard);

#[cfg(test)]
mod tests;
