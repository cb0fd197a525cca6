//! As much of OpenPGP (RFC 9580, RFC 4880) as it takes to check the signature of a `SHA256SUMS`: version 4 keys and
//! binary signatures by RSA, ECDSA and Ed25519; and to make one by ECDSA. The arithmetic is `ring`'s.
//!
//! A crate for all of OpenPGP would bring ciphers, compression and key generation that nothing here may use, and turn
//! on features of crates that the WebAssembly engine is built with.

mod armor;
mod key;
mod packet;
mod sign;
mod signature;

pub(crate) use key::Certificate;
pub use sign::{SignError, Signer};
pub(crate) use signature::Signature;

/// What is wrong with OpenPGP data, in a few words.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Malformed(pub(crate) &'static str);

#[cfg(test)]
mod hostile;
#[cfg(test)]
mod tests;
