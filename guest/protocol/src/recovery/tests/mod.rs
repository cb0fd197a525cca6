//! Native tests of the recovery API, over the same store as the protocol's.

mod contents;
mod listing;
mod locking;
mod looking;
mod quarantined;
mod queries;
