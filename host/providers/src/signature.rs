//! `SHA256SUMS` and its OpenPGP signature: which `zh:` hashes a release's author vouches for.
//!
//! As both CLIs do: the signature is binary and detached, made by one of the keys that the registry names. A key or
//! a signature whose time is over still counts (authors renew neither for old releases); a revoked key does not.

use std::collections::BTreeMap;

use crate::Hash;
use crate::hashing::Sha256Sum;
use crate::openpgp::{Certificate, Malformed, Signature};

/// The most keys that a registry may name for a release; each costs a hash over the sums.
const MOST_KEYS: usize = 16;
/// The most lines that a `SHA256SUMS` may have.
const MOST_LINES: usize = 10_000;

/// The sums of a release, file by file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sums(BTreeMap<String, Sha256Sum>);

/// Why sums are not trusted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// They are not written as `sha256sum` writes them.
    #[error("SHA256SUMS is malformed in line {0}")]
    Malformed(usize),
    /// The registry names no key.
    #[error("the registry names no key that could have signed the release")]
    NoKeys,
    /// A key is no OpenPGP key.
    #[error("the registry names a key that is no sound OpenPGP key: {0}")]
    BadKey(String),
    /// The signature is no OpenPGP signature.
    #[error("the signature of SHA256SUMS is no binary OpenPGP signature: {0}")]
    BadSignature(String),
    /// No key has made it.
    #[error("the signature of SHA256SUMS was made by none of the keys that the registry names, or over other bytes")]
    Unknown,
    /// The key that has made it was revoked.
    #[error("the key {0} that signed SHA256SUMS is revoked")]
    Revoked(String),
}

impl Sums {
    /// Reads the document.
    ///
    /// # Errors
    /// The number of the first line that is not a sum and a name.
    pub fn parse(document: &[u8]) -> Result<Self, SignatureError> {
        let text = std::str::from_utf8(document).map_err(|_| SignatureError::Malformed(1))?;
        let mut sums = BTreeMap::new();
        for (index, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
            let wrong = || SignatureError::Malformed(index.saturating_add(1));
            let mut words = line.split_whitespace();
            let (Some(sum), Some(name)) = (words.next(), words.next()) else { return Err(wrong()) };
            // `sha256sum` marks binary mode with a star.
            let name = name.strip_prefix('*').unwrap_or(name);
            let sum = sum.to_ascii_lowercase().parse().map_err(|_| wrong())?;
            if index >= MOST_LINES || sums.insert(name.to_owned(), sum).is_some_and(|other| other != sum) {
                return Err(wrong());
            }
        }
        Ok(Self(sums))
    }

    /// The sum of the file of that name.
    #[must_use]
    pub fn of(&self, name: &str) -> Option<Sha256Sum> {
        self.0.get(name).copied()
    }

    /// Every file and its sum, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Sha256Sum)> {
        self.0.iter().map(|(name, sum)| (name.as_str(), *sum))
    }

    /// Every line as a `zh:`: the manifest's too, as the CLIs lock it.
    #[must_use]
    pub fn hashes(&self) -> Vec<Hash> {
        self.0.values().map(Sha256Sum::zh).collect()
    }
}

/// Checks that one of `keys` (each in ASCII armour) has signed `document`, and says which: its ID, as the CLIs
/// print it.
///
/// # Errors
/// See [`SignatureError`].
pub fn verify(document: &[u8], signature: &[u8], keys: &[String]) -> Result<String, SignatureError> {
    if keys.is_empty() {
        return Err(SignatureError::NoKeys);
    }
    if keys.len() > MOST_KEYS {
        return Err(SignatureError::BadKey(format!("there are {} of them, and {MOST_KEYS} is the most", keys.len())));
    }
    let bad = |Malformed(what)| SignatureError::BadSignature(what.to_owned());
    let signatures = Signature::read_all(signature).map_err(bad)?;
    for armoured in keys {
        let bad = |Malformed(what)| SignatureError::BadKey(what.to_owned());
        for key in Certificate::read_all(armoured).map_err(bad)? {
            if signatures.iter().any(|signature| key.has_signed(document, signature)) {
                return if key.is_revoked() { Err(SignatureError::Revoked(key.id())) } else { Ok(key.id()) };
            }
        }
    }
    Err(SignatureError::Unknown)
}
