//! Signatures of components: detached, by minisign (<https://jedisct1.github.io/minisign/>).
//!
//! Where a key is configured, nothing serves that it has not signed.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use minisign_verify::{PublicKey, Signature};

use crate::config::file;

/// The key that signs components (`MODULE_PUBLIC_KEY`).
#[derive(Clone)]
pub struct Key {
    text: String,
    key: PublicKey,
}

/// The text is no such key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a minisign public key")]
pub struct NoKey;

impl FromStr for Key {
    type Err = NoKey;

    fn from_str(text: &str) -> Result<Self, NoKey> {
        let key = PublicKey::from_base64(text).map_err(|_| NoKey)?;
        Ok(Self { text: text.to_owned(), key })
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Key {}

impl Key {
    /// Checks that it has signed `bytes`.
    ///
    /// # Errors
    /// A sentence.
    pub(super) fn check(&self, bytes: &[u8], signature: Option<&str>) -> Result<(), String> {
        let signature = signature.ok_or("it is not signed, and MODULE_PUBLIC_KEY wants a signature")?;
        let signature = Signature::decode(signature).map_err(|_| "its signature is not one of minisign")?;
        // The legacy form has the whole file signed at once; minisign makes the other since 2015.
        self.key.verify(bytes, &signature, false).map_err(|_| "its signature is not by MODULE_PUBLIC_KEY".to_owned())
    }
}

/// The signature beside a file: what minisign writes to `PATH.minisig`; none if there is none.
pub(super) fn beside(path: &Path) -> Option<String> {
    let mut name = path.as_os_str().to_owned();
    name.push(".minisig");
    file::read(&PathBuf::from(name)).ok()
}

#[cfg(test)]
mod tests {
    use tofu_state_testing::minisign::Signer;

    use super::*;

    #[test]
    fn only_what_the_key_has_signed() {
        let signer = Signer::new(1);
        let key: Key = signer.public_key().parse().unwrap();
        let signature = signer.sign(b"component");
        assert_eq!(key.check(b"component", Some(&signature)), Ok(()));
        let refused = |bytes: &[u8], signature: Option<&str>| key.check(bytes, signature).unwrap_err();
        assert!(refused(b"component", None).contains("not signed"));
        assert!(refused(b"another", Some(&signature)).contains("not by MODULE_PUBLIC_KEY"));
        assert!(refused(b"component", Some(&Signer::new(2).sign(b"component"))).contains("not by"));
        assert!(refused(b"component", Some("nonsense")).contains("not one of minisign"));
        assert_eq!("RWnonsense".parse::<Key>(), Err(NoKey));
    }

    /// A signature that minisign itself made, from the documentation of its verifying library.
    #[test]
    fn takes_what_minisign_makes() {
        let key: Key = "RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3".parse().unwrap();
        let signature = "untrusted comment: signature from minisign secret key\n\
            RUQf6LRCGA9i559r3g7V1qNyJDApGip8MfqcadIgT9CuhV3EMhHoN1mGTkUidF/z7SrlQgXdy8ofjb7bNJJylDOocrCo8KLzZwo=\n\
            trusted comment: timestamp:1556193335\tfile:test\n\
            y/rUw2y8/hOUYjZU71eHp/Wo1KZ40fGy2VJEDl34XMJM+TX48Ss/17u3IvIfbVR1FkZZSNCisQbuQY+bHwhEBg==";
        assert_eq!(key.check(b"test", Some(signature)), Ok(()));
    }
}
