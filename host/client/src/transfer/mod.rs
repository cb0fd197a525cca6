//! States that move in numbers: `tofu-state import` and `tofu-state export`.
//!
//! An import reads a source and writes only what is not there yet; an export reads a server. Neither changes where it
//! reads from, and either can be run again: what was done already is found done.

pub mod decode;
pub mod export;
pub mod import;
pub mod manifest;
pub mod naming;
pub mod report;
pub mod source;

use sha2::{Digest, Sha256};

/// The SHA-256 of a state's bytes, in hexadecimal.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}
