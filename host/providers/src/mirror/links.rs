//! Links to archives that need no credentials: the CLIs send none with a zip's request. A link carries when it ends
//! and a keyed hash over what it leads to.

use std::io;
use std::path::Path;

use ring::hmac;
use ring::rand::{SecureRandom, SystemRandom};

use super::secret;
use crate::cache::now;

/// How long a link is good at least, in seconds, and at most twice as long: a client uses it at once, but may be slow,
/// and may take it up again.
const GOOD_FOR: u64 = 60 * 60;

/// The bytes of a key.
const LENGTH: usize = 32;

/// Makes links and checks them.
pub struct Links {
    key: hmac::Key,
}

impl Links {
    /// With the key that lies at `path`, or a new one that is put there: links outlive a restart.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn open(path: &Path) -> io::Result<Self> {
        let secret = secret::kept(path, || {
            let mut secret = vec![0; LENGTH];
            SystemRandom::new().fill(&mut secret).map_err(|_| io::Error::other("no random numbers"))?;
            Ok(secret)
        })?;
        if secret.len() != LENGTH {
            let told = format!("{} does not have {LENGTH} bytes", path.display());
            return Err(io::Error::new(io::ErrorKind::InvalidData, told));
        }
        Ok(Self { key: hmac::Key::new(hmac::HMAC_SHA256, &secret) })
    }

    /// What stands in a link to `target` from now on: `EXPIRY.TAG`.
    #[must_use]
    pub fn grant(&self, target: &str) -> String {
        // Whole spans, so that the same link is given for a while, and answers can be kept.
        let until = (now() / GOOD_FOR).saturating_add(2).saturating_mul(GOOD_FOR);
        format!("{until}.{}", hex::encode(self.tag(until, target)))
    }

    /// Whether `grant` is good for `target` now.
    #[must_use]
    pub fn allows(&self, grant: &str, target: &str) -> bool {
        let Some((until, tag)) = grant.split_once('.') else { return false };
        let (Ok(until), Ok(tag)) = (until.parse::<u64>(), hex::decode(tag)) else { return false };
        until > now() && hmac::verify(&self.key, signed(until, target).as_bytes(), &tag).is_ok()
    }

    fn tag(&self, until: u64, target: &str) -> hmac::Tag {
        hmac::sign(&self.key, signed(until, target).as_bytes())
    }
}

fn signed(until: u64, target: &str) -> String {
    format!("{until}\n{target}")
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    #[test]
    fn a_link_is_good_for_what_it_was_made_for() {
        let folder = TempDir::new().unwrap();
        let links = Links::open(&folder.path().join("key")).unwrap();
        let grant = links.grant("a/b");
        assert!(links.allows(&grant, "a/b"));
        assert!(!links.allows(&grant, "a/c"));
        let again = Links::open(&folder.path().join("key")).unwrap();
        assert!(again.allows(&grant, "a/b"), "the key is kept");
        let other = Links::open(&folder.path().join("other")).unwrap();
        assert!(!other.allows(&grant, "a/b"));
        let (until, tag) = grant.split_once('.').unwrap();
        let later = until.parse::<u64>().unwrap() + 1;
        for bad in [
            format!("{later}.{tag}"),
            format!("{until}.{}", &tag[2..]),
            until.to_owned(),
            ".".to_owned(),
            String::new(),
        ] {
            assert!(!links.allows(&bad, "a/b"), "{bad}");
        }
        let past = now() - 1;
        assert!(!links.allows(&format!("{past}.{}", hex::encode(links.tag(past, "a/b"))), "a/b"));
    }
}
