//! `freeze`: in freeze windows nobody but named callers begins a run that changes something.
//!
//! It is decided on LOCK, where nothing has happened yet: a plan passes, an apply (and whatever else locks) does
//! not. A run that holds its lock when a window begins may finish. Deleting a state is refused too; breaking a lock
//! is not, because it may be what helps. A write without a lock was never asked: it is only warned about, because
//! its infrastructure has changed already.

mod configuration;
mod window;

pub use configuration::Configuration;

use jiff::Timestamp;
use tofu_state_policy_kit::{
    APPLY, Change, Configured, Example, Expectation, Operation, PLAN, Policy, Verdict, allow, deny, examples,
    export_policy, warn,
};
use window::Frozen;

/// The policy.
pub struct Freeze;

impl Policy for Freeze {
    type Configuration = Configuration;

    fn review(change: &Change, given: Configured<'_, Configuration>) -> Verdict {
        let configuration = given.configuration;
        let passes = match (change.operation, &change.lock) {
            (Operation::Lock, Some(lock)) => lock.operation == PLAN,
            (Operation::Lock | Operation::Delete, _) => false,
            // The run was let in when it took its lock.
            (Operation::Write, lock) => lock.is_some(),
            (Operation::ForceUnlock, _) => true,
        };
        // A name counts only if it is a token's; `shared` is everybody.
        if passes || (change.caller.named && configuration.callers.contains(&change.caller.name)) {
            return allow();
        }
        let Some(now) = i64::try_from(change.received).ok().and_then(|ms| Timestamp::from_millisecond(ms).ok()) else {
            return deny("the time of this request is beyond any calendar");
        };
        let Some(frozen) = configuration.frozen(now) else { return allow() };
        match change.operation {
            Operation::Write => warn(format!("written without a lock, while {}", told(&frozen, configuration))),
            _ => deny(told(&frozen, configuration)),
        }
    }

    fn examples() -> Vec<Example> {
        let thursday = "time-zone = \"Europe/Berlin\"\ncallers = [\"release\"]\n\
                        [[weekly]]\nfrom = \"Thu 12:00\"\nto = \"Fri 08:00\"\n";
        // The examples' time is a Thursday, 13:00 in Berlin and 07:00 in New York.
        let elsewhere = thursday.replace("Europe/Berlin", "America/New_York");
        let lock = |operation: &str| examples::during(operation, examples::change(Operation::Lock));
        let mut named = lock(APPLY);
        named.caller.name = "release".to_owned();
        let begun = examples::write(None, examples::state(1, "a"));
        vec![
            examples::example("an apply", thursday, lock(APPLY), Expectation::Deny),
            examples::example("a plan", thursday, lock(PLAN), Expectation::Allow),
            examples::example("an apply elsewhere", &elsewhere, lock(APPLY), Expectation::Allow),
            examples::example("by a named caller", thursday, named, Expectation::Allow),
            examples::example("a run that began before", thursday, begun, Expectation::Allow),
        ]
    }
}

fn told(frozen: &Frozen, configuration: &Configuration) -> String {
    let mut text = format!("applies are frozen until {}", frozen.until.strftime("%a %Y-%m-%d %H:%M %Z"));
    for more in [frozen.reason.as_deref(), configuration.message.as_deref()].into_iter().flatten() {
        text.push_str(": ");
        text.push_str(more);
    }
    text.push_str(". A plan passes; -lock-timeout waits");
    text
}

export_policy!(Freeze);

#[cfg(test)]
mod tests;
