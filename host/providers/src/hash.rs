//! The hashes of a lock file.

use std::fmt;
use std::str::FromStr;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;

/// A hash as lock files and mirrors write it: a scheme, a colon and a value. Ordered by bytes, as a lock file's are.
///
/// Schemes that this program does not know are kept as they are.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Hash(String);

/// A text that is no hash.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no hash: it must start with a scheme and a colon, such as h1: or zh:")]
pub struct HashError(String);

impl Hash {
    /// The hash of a package's archive.
    #[must_use]
    pub fn zip(sha256: &[u8; 32]) -> Self {
        Self(format!("zh:{}", hex::encode(sha256)))
    }

    /// The hash of a package's files, from the SHA-256 of their list.
    #[must_use]
    pub fn files(digest: &[u8; 32]) -> Self {
        Self(format!("h1:{}", BASE64_STANDARD.encode(digest)))
    }

    /// Whether it is the hash of an archive (`zh:`).
    #[must_use]
    pub fn is_zip(&self) -> bool {
        self.0.starts_with("zh:")
    }

    /// Whether it is the hash of a package's files (`h1:`).
    #[must_use]
    pub fn is_files(&self) -> bool {
        self.0.starts_with("h1:")
    }

    /// The SHA-256 of the archive, if this is a `zh:` with a valid value.
    #[must_use]
    pub fn zip_sha256(&self) -> Option<[u8; 32]> {
        let mut sha256 = [0; 32];
        hex::decode_to_slice(self.0.strip_prefix("zh:")?, &mut sha256).ok()?;
        Some(sha256)
    }

    /// As it is written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Hash {
    type Err = HashError;

    fn from_str(text: &str) -> Result<Self, HashError> {
        match text.find(':') {
            Some(colon) if colon > 0 => Ok(Self(text.to_owned())),
            _ => Err(HashError(text.to_owned())),
        }
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
