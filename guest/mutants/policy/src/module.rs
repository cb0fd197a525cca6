//! What the host calls.

use crate::behaviour;
use crate::bindings::types::{Caller, Change, Context, Example, Expectation, Needs, Operation, Verdict};
use crate::bindings::{Module, Policy};

/// The component.
pub(crate) struct Faulty;

impl Module for Faulty {
    fn check(configuration: String, _: Needs) -> Result<(), String> {
        if configuration == "unknown" { Err("what is \"unknown\"?".to_owned()) } else { Ok(()) }
    }

    fn examples() -> Vec<Example> {
        let change = Change {
            operation: Operation::Lock,
            path: "group/project".to_owned(),
            caller: Caller { name: "ada".to_owned(), named: true },
            lock: None,
            current: None,
            proposed: None,
            overwrite: None,
            received: 0,
        };
        let context = Context { configuration: "allow".to_owned(), resources: None };
        let expected = if cfg!(feature = "judges-wrongly") { Expectation::Deny } else { Expectation::Allow };
        vec![Example { name: "nothing is wrong".to_owned(), change, context, expected }]
    }
}

#[cfg(not(feature = "reads-states"))]
impl Policy for Faulty {
    fn review(change: Change, context: Context) -> Verdict {
        #[cfg(feature = "reaches-out")]
        crate::reaching::reach();
        behaviour::behave(&change, &context)
    }
}

#[cfg(feature = "reads-states")]
impl Policy for Faulty {
    fn review(
        change: Change,
        context: Context,
        current: Option<&crate::bindings::State>,
        proposed: Option<&crate::bindings::State>,
    ) -> Verdict {
        let text = |state: Option<&crate::bindings::State>| match state {
            Some(state) => {
                let bytes = state.read(0, u32::MAX);
                format!("{} of {}: {}", bytes.len(), state.len(), String::from_utf8_lossy(&bytes))
            }
            None => "none".to_owned(),
        };
        match context.configuration.as_str() {
            "states" => behaviour::deny(&format!("current {}, proposed {}", text(current), text(proposed)), true),
            _ => behaviour::behave(&change, &context),
        }
    }
}
