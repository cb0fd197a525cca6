//! `deletion-guard`: tells of writes in which many resources have gone.
//!
//! When a state is written, its resources are gone already: refusing the state brings none of them back. So this is
//! made for `mode = "warn"`, which logs and counts. Its entry has to grant `needs = ["resources"]`.

use serde::Deserialize;
use tofu_state_policy_kit::{
    Change, Configured, Context, Example, Expectation, Needs, Operation, Policy, ResourceChanges, TypeChanges, Verdict,
    allow, deny, examples, export_policy, warn,
};

/// How many resources a state must have before a percentage of them says anything, unless configured.
const PERCENT_FROM: u32 = 10;
/// How many types a reason names.
const NAMED_TYPES: usize = 5;

/// The policy.
pub struct DeletionGuard;

/// Its configuration as it is written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Written {
    /// How many resources a write may remove.
    max_removed: Option<u32>,
    /// How many of a hundred.
    max_percent: Option<u32>,
    /// How many resources the state must have had for `max-percent` to count.
    percent_from: Option<u32>,
}

/// Its configuration.
#[derive(Debug, Deserialize)]
#[serde(try_from = "Written")]
pub struct Configuration {
    max_removed: Option<u32>,
    max_percent: Option<u32>,
    percent_from: u32,
}

impl TryFrom<Written> for Configuration {
    type Error = String;

    fn try_from(Written { max_removed, max_percent, percent_from }: Written) -> Result<Self, String> {
        if max_removed.is_none() && max_percent.is_none() {
            return Err("nothing is guarded: write max-removed = 10, or max-percent = 20, or both".to_owned());
        }
        if max_percent.is_some_and(|percent| percent >= 100) {
            return Err("`max-percent` of 100 or more is never exceeded: write a number from 0 to 99".to_owned());
        }
        if max_percent.is_none() && percent_from.is_some() {
            return Err("`percent-from` means nothing without `max-percent`".to_owned());
        }
        Ok(Self { max_removed, max_percent, percent_from: percent_from.unwrap_or(PERCENT_FROM) })
    }
}

impl Configuration {
    /// Which limit a write exceeds; none: no limit.
    fn exceeded(&self, resources: &ResourceChanges) -> Option<String> {
        let ResourceChanges { before, removed, .. } = *resources;
        if let Some(most) = self.max_removed.filter(|most| removed > *most) {
            return Some(format!("more than {most}"));
        }
        let too_many = |percent: &u32| u64::from(removed) * 100 > u64::from(before) * u64::from(*percent);
        let percent = self.max_percent.filter(|_| before >= self.percent_from).filter(too_many)?;
        Some(format!("more than {percent} %"))
    }
}

impl Policy for DeletionGuard {
    type Configuration = Configuration;

    const NEEDS: Needs = Needs::RESOURCES;

    fn review(change: &Change, given: Configured<'_, Configuration>) -> Verdict {
        if change.operation != Operation::Write {
            return allow();
        }
        let Some(resources) = given.resources else {
            return warn("the resources of this state cannot be counted, so nobody knows how many have gone");
        };
        match given.configuration.exceeded(resources) {
            None => allow(),
            Some(limit) => deny(format!(
                "this write removes {} of {} resources ({}), {limit}. They are gone already; if that was meant, \
                 somebody has to accept the state",
                resources.removed,
                resources.before,
                types(resources)
            )),
        }
    }

    fn examples() -> Vec<Example> {
        let example = |name: &str, configuration: &str, before, removed, expected| Example {
            name: name.to_owned(),
            change: examples::write(Some(examples::state(1, "a")), examples::state(2, "a")),
            context: Context { configuration: configuration.to_owned(), resources: Some(gone(before, removed)) },
            expected,
        };
        vec![
            example("few", "max-removed = 3", 40, 3, Expectation::Allow),
            example("many", "max-removed = 3", 40, 4, Expectation::Deny),
            example("a small part", "max-percent = 25", 40, 10, Expectation::Allow),
            example("a large part", "max-percent = 25", 40, 11, Expectation::Deny),
            example("all of a few", "max-percent = 25", 2, 2, Expectation::Allow),
        ]
    }
}

/// The types of which most have gone.
fn types(resources: &ResourceChanges) -> String {
    let mut types: Vec<&TypeChanges> = resources.by_type.iter().filter(|changes| changes.removed > 0).collect();
    types.sort_by_key(|changes| std::cmp::Reverse(changes.removed));
    let named: Vec<_> = types
        .iter()
        .take(NAMED_TYPES)
        .map(|changes| format!("{} {}", changes.removed, changes.resource_type.chars().take(64).collect::<String>()))
        .collect();
    let rest = if types.len() > NAMED_TYPES { " and others" } else { "" };
    format!("{}{rest}", named.join(", "))
}

/// A write that removes `removed` of `before` resources.
fn gone(before: u32, removed: u32) -> ResourceChanges {
    let instances = TypeChanges { resource_type: "aws_instance".to_owned(), added: 0, changed: 0, removed };
    ResourceChanges {
        before,
        after: before.saturating_sub(removed),
        added: 0,
        changed: 0,
        removed,
        by_type: vec![instances],
        outputs: Vec::new(),
    }
}

export_policy!(DeletionGuard);

#[cfg(test)]
mod tests;
