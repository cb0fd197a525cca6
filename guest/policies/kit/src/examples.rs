//! Changes to begin examples and tests with, and a trial of a policy's own examples.

use crate::{
    APPLY, Caller, Change, Context, Example, Expectation, LockInfo, Operation, Policy, StateHeader, Timestamp, Verdict,
    review,
};

/// 2026-01-15T12:00:00Z, a Thursday.
pub const NOON: Timestamp = 1_768_478_400_000;

/// A change to `platform/network` by the caller `ci`, in an apply by `ci@runner` with version 1.12.6. There is no
/// state, neither before nor after.
#[must_use]
pub fn change(operation: Operation) -> Change {
    Change {
        operation,
        path: "platform/network".to_owned(),
        caller: Caller { name: "ci".to_owned(), named: true },
        lock: Some(lock_info(APPLY)),
        current: None,
        proposed: None,
        overwrite: None,
        received: NOON,
    }
}

/// A write of `proposed` over `current`.
#[must_use]
pub fn write(current: Option<StateHeader>, proposed: StateHeader) -> Change {
    Change { current, proposed: Some(proposed), ..change(Operation::Write) }
}

/// The same change without a lock.
#[must_use]
pub fn unlocked(change: Change) -> Change {
    Change { lock: None, ..change }
}

/// The same change in a run of another `LockInfo.Operation`.
#[must_use]
pub fn during(operation: &str, change: Change) -> Change {
    Change { lock: Some(lock_info(operation)), ..change }
}

/// A LockInfo as the CLIs send it.
#[must_use]
pub fn lock_info(operation: &str) -> LockInfo {
    LockInfo {
        id: "8a5e34e3-6f1d-4a5b-9d0e-0d9f6e1c2b3a".to_owned(),
        operation: operation.to_owned(),
        who: "ci@runner".to_owned(),
        version: "1.12.6".to_owned(),
        info: String::new(),
        created: "2026-01-15T12:00:00Z".to_owned(),
    }
}

/// A state in plain text that is not empty; its digest is made of serial and lineage.
#[must_use]
pub fn state(serial: u64, lineage: &str) -> StateHeader {
    let mut sha256 = [0; 32];
    let bytes = serial.to_le_bytes().into_iter().chain(lineage.bytes());
    sha256.iter_mut().zip(bytes).for_each(|(place, byte)| *place = byte);
    StateHeader {
        serial,
        lineage: lineage.to_owned(),
        size: 4096,
        tool_version: Some("1.12.6".to_owned()),
        encrypted: false,
        empty: false,
        sha256: sha256.to_vec(),
    }
}

/// An example without counted resources.
#[must_use]
pub fn example(name: &str, configuration: &str, change: Change, expected: Expectation) -> Example {
    let context = Context { configuration: configuration.to_owned(), resources: None };
    Example { name: name.to_owned(), change, context, expected }
}

/// A verdict without its details.
#[must_use]
pub fn expectation(verdict: &Verdict) -> Expectation {
    match verdict {
        Verdict::Allow(_) => Expectation::Allow,
        Verdict::Warn(_) => Expectation::Warn,
        Verdict::Deny(_) => Expectation::Deny,
    }
}

/// Tries a policy's own examples, as the host does.
///
/// # Errors
/// The first that is judged otherwise, with its name and the verdict.
pub fn try_all<P: Policy>() -> Result<(), String> {
    for example in P::examples() {
        crate::check::<P>(&example.context.configuration, P::NEEDS)
            .map_err(|wrong| format!("{}: {wrong}", example.name))?;
        let verdict = review::<P>(&example.change, &example.context);
        if expectation(&verdict) != example.expected {
            return Err(format!("{}: expected {:?}, and the verdict is {verdict:?}", example.name, example.expected));
        }
    }
    Ok(())
}
