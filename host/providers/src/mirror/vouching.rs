//! What vouches for a release, as clients of a registry check it: the signature of its own registry, or the mirror's for
//! what was uploaded.

use std::io;
use std::path::Path;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

use super::{Mirror, MirrorError, Record, secret};
use crate::Signer;

/// Who signs, as people read it in the key.
const USER: &str = "tofu-state mirror, for what was uploaded to it";

/// A release's `SHA256SUMS`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sums {
    /// The document.
    pub document: Vec<u8>,
    /// Its binary signature.
    pub signature: Vec<u8>,
}

/// With the key that lies at `path`, or a new one that is put there: clients may remember it.
pub(super) fn signer(path: &Path) -> io::Result<Signer> {
    let secret = secret::kept(path, || Signer::secret().map_err(io::Error::other))?;
    Signer::of(&secret, USER).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}

impl Mirror {
    /// The keys that may have signed a release, as the registry protocol tells them.
    #[must_use]
    pub fn signing_keys(&self, record: &Record) -> Value {
        match &record.signed {
            Some(signed) => signed.keys.clone(),
            None => json!({"gpg_public_keys": [{
                "key_id": self.inner.signer.id(),
                "ascii_armor": self.inner.signer.public(),
                "trust_signature": "",
                "source": "tofu-state",
                "source_url": null,
            }]}),
        }
    }

    /// A release's sums and their signature: byte for byte what its registry gave, or made now of what was uploaded.
    ///
    /// # Errors
    /// See [`MirrorError`].
    pub fn sums(&self, record: &Record) -> Result<Sums, MirrorError> {
        let Some(signed) = &record.signed else {
            let line = |(name, sum)| format!("{sum}  {name}\n");
            let document = record.sums.iter().map(line).collect::<String>().into_bytes();
            let signature = self.inner.signer.sign(&document).map_err(io::Error::other)?;
            return Ok(Sums { document, signature });
        };
        let decoded = |text: &str| {
            let wrong = |error| io::Error::new(io::ErrorKind::InvalidData, format!("a record's sums: {error}"));
            BASE64_STANDARD.decode(text).map_err(wrong)
        };
        Ok(Sums { document: decoded(&signed.document)?, signature: decoded(&signed.signature)? })
    }
}
