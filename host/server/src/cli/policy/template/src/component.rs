//! The glue: the WIT's types on one side, the rule on the other.

use crate::Run;

wit_bindgen::generate!({ path: "wit", world: "policy-module" });

use exports::tofu_state::policy::{module, policy};
use tofu_state::policy::types::{
    Caller, Change, Context, Denial, Example, Expectation, LockInfo, Needs, Operation, Verdict,
};

struct Component;

export!(Component);

impl module::Guest for Component {
    fn check(configuration: String, _granted: Needs) -> Result<(), String> {
        crate::check(&configuration)
    }

    /// The host tries these before it uses the module.
    fn examples() -> Vec<Example> {
        let lock = LockInfo {
            id: "1".to_owned(),
            operation: "OperationTypeApply".to_owned(),
            who: "root@laptop".to_owned(),
            version: "1.12.6".to_owned(),
            info: String::new(),
            created: String::new(),
        };
        let change = Change {
            operation: Operation::Lock,
            path: "platform/network".to_owned(),
            caller: Caller { name: "ci".to_owned(), named: true },
            lock: Some(lock),
            current: None,
            proposed: None,
            overwrite: None,
            received: 0,
        };
        let context = Context { configuration: "root@".to_owned(), resources: None };
        vec![Example { name: "an apply by root".to_owned(), change, context, expected: Expectation::Deny }]
    }
}

impl policy::Guest for Component {
    fn review(change: Change, context: Context) -> Verdict {
        // On LOCK a change can still be prevented. When a state is written, the infrastructure has changed already.
        let objection = match (change.operation, &change.lock) {
            (Operation::Lock, Some(lock)) => {
                crate::objection(&Run { who: &lock.who, operation: &lock.operation }, &context.configuration)
            }
            _ => None,
        };
        match objection {
            None => Verdict::Allow(Vec::new()),
            Some(reason) => Verdict::Deny(Denial { reason, keep: true }),
        }
    }
}
