//! Native tests of the whole protocol against a store in memory whose calls a test can come between.

/// Each rule holds in a server that remembers what it saw last, and in one that has just started.
macro_rules! rules {
    ($($rule:ident),* $(,)?) => {
        mod remembering { $(#[test] fn $rule() { crate::tests::simulated::servers_remember(true); super::$rule(); })* }
        mod forgetful { $(#[test] fn $rule() { crate::tests::simulated::servers_remember(false); super::$rule(); })* }
    };
}

pub(crate) mod scripted;
pub(crate) mod server;
pub(crate) mod simulated;

mod breaking;
mod documents;
mod faults;
mod held;
mod hints;
mod policies;
mod quarantine;
mod random;
mod replies;
mod rules;
mod traces;
