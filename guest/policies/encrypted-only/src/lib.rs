//! `encrypted-only`: only states that the client has encrypted (OpenTofu's `encryption` block) are stored.
//!
//! Terraform cannot encrypt, so this keeps it out. A refused state is kept aside like any other, because its
//! infrastructure has changed already; `keep = false` says that plain text must not lie in the store even there.

use serde::Deserialize;
use tofu_state_policy_kit::{
    Change, Configured, Denial, Example, Expectation, Policy, StateHeader, Verdict, allow, examples, export_policy,
};

/// The policy.
pub struct EncryptedOnly;

/// Its configuration.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Configuration {
    /// Whether a refused state is kept aside, in plain text.
    keep: bool,
}

impl Default for Configuration {
    fn default() -> Self {
        Self { keep: true }
    }
}

impl Policy for EncryptedOnly {
    type Configuration = Configuration;

    fn review(change: &Change, given: Configured<'_, Configuration>) -> Verdict {
        match &change.proposed {
            Some(proposed) if !proposed.encrypted => Verdict::Deny(Denial {
                reason:
                    "only encrypted states are stored here: add an `encryption` block with a `state` method to the \
                         configuration (OpenTofu 1.7 or newer)"
                        .to_owned(),
                keep: given.configuration.keep,
            }),
            _ => allow(),
        }
    }

    fn examples() -> Vec<Example> {
        let plain = examples::state(1, "a");
        let encrypted = StateHeader { encrypted: true, tool_version: None, ..examples::state(1, "a") };
        vec![
            examples::example("plain text", "", examples::write(None, plain), Expectation::Deny),
            examples::example("encrypted", "keep = false", examples::write(None, encrypted), Expectation::Allow),
        ]
    }
}

export_policy!(EncryptedOnly);

#[cfg(test)]
mod tests {
    use super::*;
    use tofu_state_policy_kit::{Needs, Operation, check, review};

    fn judge(configuration: &str, change: Change) -> Verdict {
        let example = examples::example("", configuration, change, Expectation::Allow);
        review::<EncryptedOnly>(&example.change, &example.context)
    }

    #[test]
    fn its_examples_hold() {
        examples::try_all::<EncryptedOnly>().unwrap();
    }

    #[test]
    fn a_refused_state_is_kept_unless_the_operator_says_otherwise() {
        let plain = || examples::write(None, examples::state(1, "a"));
        for (configuration, kept) in [("", true), ("keep = true", true), ("keep = false", false)] {
            let Verdict::Deny(denial) = judge(configuration, plain()) else { panic!("{configuration}") };
            assert_eq!(denial.keep, kept, "{configuration}");
        }
    }

    #[test]
    fn an_empty_state_in_plain_text_is_refused_too() {
        let empty = StateHeader { empty: true, ..examples::state(1, "a") };
        assert!(matches!(judge("", examples::write(None, empty)), Verdict::Deny(_)));
    }

    #[test]
    fn what_writes_no_state_passes() {
        for operation in [Operation::Lock, Operation::ForceUnlock, Operation::Delete] {
            let change = Change { current: Some(examples::state(1, "a")), ..examples::change(operation) };
            assert_eq!(judge("", change), allow());
        }
    }

    #[test]
    fn a_mistake_in_the_configuration_is_named() {
        let wrong = check::<EncryptedOnly>("quarantine = false", Needs::empty()).unwrap_err();
        assert!(wrong.contains("`quarantine`") && wrong.contains("`keep`"), "{wrong}");
    }
}
