//! The verdicts, and the faults.
#![allow(clippy::panic, unconditional_recursion, reason = "faults are what this component is for")]

use std::hint::black_box;

use crate::bindings::types::{Change, Context, Denial, Label, Operation, Verdict};

/// Does what the first word of the configuration says; the rest is its argument.
pub(crate) fn behave(change: &Change, context: &Context) -> Verdict {
    let (word, rest) = context.configuration.split_once(' ').unwrap_or((&context.configuration, ""));
    match word {
        "deny" => deny(rest, true),
        "deny-and-throw-away" => deny(rest, false),
        "deny-operation" if rest == operation(change.operation) => deny("not that", true),
        // A freeze that a serial ends; plans pass.
        "freeze-below-serial" if change.operation == Operation::Lock => {
            let applies = change.lock.as_ref().is_some_and(|lock| lock.operation == "OperationTypeApply");
            let serial = change.current.as_ref().map_or(0, |current| current.serial);
            let frozen = rest.parse().is_ok_and(|end: u64| serial < end);
            if applies && frozen { deny("changes are frozen; ask the platform team", true) } else { allow() }
        }
        "deny-lower-serial" => match (&change.current, &change.proposed) {
            (Some(current), Some(proposed)) if proposed.serial < current.serial => {
                deny(&format!("serial {} is lower than {}", proposed.serial, current.serial), true)
            }
            _ => allow(),
        },
        "warn" => Verdict::Warn(rest.to_owned()),
        "echo" => deny(&format!("{change:?} {:?}", context.resources), true),
        "panic" => panic!("the secret is {rest}"),
        "loop" => loop {
            black_box(());
        },
        "recurse" => deny(&recurse(0).to_string(), true),
        "eat" => eat(),
        "giant-reason" => deny(&"x".repeat(rest.parse().unwrap_or_default()), true),
        "label" => {
            let (name, value) = rest.split_once(' ').unwrap_or((rest, ""));
            Verdict::Allow(vec![label(name, value)])
        }
        "labels" => Verdict::Allow(vec![label("n", "v"); rest.parse().unwrap_or_default()]),
        "giant-labels" => Verdict::Allow(vec![label(&"ä".repeat(1000), &"ü\n".repeat(1000)); 3]),
        _ => Verdict::Allow(vec![label("operation", operation(change.operation))]),
    }
}

/// A denial.
pub(crate) fn deny(reason: &str, keep: bool) -> Verdict {
    Verdict::Deny(Denial { reason: reason.to_owned(), keep })
}

fn allow() -> Verdict {
    Verdict::Allow(Vec::new())
}

fn label(name: &str, value: &str) -> Label {
    Label { name: name.to_owned(), value: value.to_owned() }
}

fn operation(operation: Operation) -> &'static str {
    match operation {
        Operation::Lock => "lock",
        Operation::Write => "write",
        Operation::ForceUnlock => "force-unlock",
        Operation::Delete => "delete",
    }
}

fn recurse(depth: u64) -> u64 {
    let frame = black_box([depth; 64]);
    recurse(depth + 1) + frame.iter().sum::<u64>()
}

/// Asks for more memory than there is.
fn eat() -> Verdict {
    let mut eaten: Vec<Vec<u8>> = Vec::new();
    loop {
        eaten.push(black_box(vec![1; 1 << 20]));
    }
}
