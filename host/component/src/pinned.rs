//! Components from files, pinned by digest: `PATH@sha256:HEX`.
//!
//! The digest says which component is meant, so a file that was exchanged or cut short is refused
//! before anything of it is read as code.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use crate::digest;
use crate::form::{self, FormError};

/// Where a component lies, and which it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pinned {
    path: PathBuf,
    sha256: String,
}

/// Why there is no pinned component.
#[derive(Debug, thiserror::Error)]
pub enum PinError {
    /// The text does not have the form.
    #[error("expected PATH@sha256:DIGEST with 64 hex digits, as `sha256sum PATH` prints them")]
    Syntax,
    /// The file cannot be read.
    #[error("{}: {error}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the operating system says.
        error: std::io::Error,
    },
    /// Another component lies there.
    #[error("{}: its SHA-256 is {found}, not the pinned {expected}", path.display())]
    Digest {
        /// The file.
        path: PathBuf,
        /// What was pinned, in hex.
        expected: String,
        /// What was found, in hex.
        found: String,
    },
    /// It is no component.
    #[error("{}: {error}", path.display())]
    Form {
        /// The file.
        path: PathBuf,
        /// What it is.
        error: FormError,
    },
}

impl FromStr for Pinned {
    type Err = PinError;

    fn from_str(text: &str) -> Result<Self, PinError> {
        let (path, digest) = text.rsplit_once("@sha256:").ok_or(PinError::Syntax)?;
        let is_digest = digest.len() == 64 && digest.bytes().all(|b| b.is_ascii_hexdigit());
        if path.is_empty() || !is_digest {
            return Err(PinError::Syntax);
        }
        Ok(Self { path: path.into(), sha256: digest.to_ascii_lowercase() })
    }
}

impl Pinned {
    /// The component at `path` with that SHA-256, in lower-case hex.
    #[must_use]
    pub fn new(path: PathBuf, sha256: String) -> Self {
        Self { path, sha256 }
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The same, with a relative path taken from `folder`.
    #[must_use]
    pub fn relative_to(self, folder: &Path) -> Self {
        Self { path: folder.join(self.path), ..self }
    }

    /// The pinned SHA-256, in lower-case hex.
    #[must_use]
    pub fn sha256(&self) -> &str {
        &self.sha256
    }

    /// Reads the component (at most 32 MiB) and checks that it is the pinned one. Blocks.
    ///
    /// # Errors
    /// See [`PinError`].
    pub fn read(&self) -> Result<Vec<u8>, PinError> {
        let failed = |error| PinError::Read { path: self.path.clone(), error };
        let mut bytes = Vec::new();
        // One byte more than is taken shows that there is more, whatever the file's size was said to be.
        let limit = form::MAX_BYTES as u64 + 1;
        File::open(&self.path).map_err(failed)?.take(limit).read_to_end(&mut bytes).map_err(failed)?;
        let wrong = |error| PinError::Form { path: self.path.clone(), error };
        if bytes.len() > form::MAX_BYTES {
            return Err(wrong(FormError::TooLarge));
        }
        let found = digest(&bytes);
        if found != self.sha256 {
            return Err(PinError::Digest { path: self.path.clone(), expected: self.sha256.clone(), found });
        }
        form::check(&bytes).map_err(wrong)?;
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn reads_the_form() {
        let pinned: Pinned = format!("a@b/c.wasm@sha256:{}", DIGEST.to_uppercase()).parse().unwrap();
        assert_eq!(pinned.path(), Path::new("a@b/c.wasm"));
        assert_eq!(pinned.sha256(), DIGEST);
        for bad in ["", "c.wasm", "c.wasm@sha256:", "c.wasm@sha256:abc", &format!("@sha256:{DIGEST}")] {
            assert!(matches!(bad.parse::<Pinned>(), Err(PinError::Syntax)), "{bad}");
        }
        assert!(format!("c@sha256:{DIGEST}0").parse::<Pinned>().is_err());
    }
}
