//! Native tests of the whole protocol against a store in memory whose calls a test can come between.

pub(crate) mod simulated;

mod documents;
mod faults;
mod hints;
mod random;
mod replies;
mod rules;
mod server;
