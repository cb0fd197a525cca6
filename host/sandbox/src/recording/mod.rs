//! Recordings of requests that were served, and their replay.
//!
//! A server that is told to (`tofu-state serve --record DIR`) takes down each request with all calls that its
//! component made of the store, their answers, and the reply. Of states stay the shape, the header and the digests;
//! every other text is replaced by a keyed hash of equal length (`secrecy.rs`). So an incident can be replayed on
//! another machine ([`replay`]): the same component, given the same answers, does the same again.

mod format;
mod notes;
mod recorder;
mod replay;
mod secrecy;
mod telling;
#[cfg(test)]
mod tests;

pub use format::{Answer, Asked, Call, Content, Made, Meta, Recording, Replied, Retained, UnreadableRecording};
pub use notes::NotRecorded;
pub use recorder::{Recorder, Taken, Taking};
pub use replay::Replayed;
