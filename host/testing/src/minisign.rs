//! Signs as minisign does: <https://jedisct1.github.io/minisign/#signature-format>

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use blake2::{Blake2b512, Digest};
use ring::signature::{Ed25519KeyPair, KeyPair};

/// A key pair.
pub struct Signer {
    pair: Ed25519KeyPair,
    number: [u8; 8],
}

impl Signer {
    /// The same one for the same seed.
    ///
    /// # Panics
    /// Never: every seed makes a key.
    #[must_use]
    pub fn new(seed: u8) -> Self {
        let pair = Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).expect("a key");
        Self { pair, number: [seed; 8] }
    }

    /// The public key, as it stands in the second line of a `.pub` file.
    #[must_use]
    pub fn public_key(&self) -> String {
        BASE64_STANDARD.encode([&b"Ed"[..], &self.number, self.pair.public_key().as_ref()].concat())
    }

    /// What stands in a `.minisig` file.
    #[must_use]
    pub fn sign(&self, bytes: &[u8]) -> String {
        let signature = self.pair.sign(&Blake2b512::digest(bytes));
        let comment = "a test";
        let all = self.pair.sign(&[signature.as_ref(), comment.as_bytes()].concat());
        let line = BASE64_STANDARD.encode([&b"ED"[..], &self.number, signature.as_ref()].concat());
        let last = BASE64_STANDARD.encode(all);
        format!("untrusted comment: signature\n{line}\ntrusted comment: {comment}\n{last}\n")
    }
}
