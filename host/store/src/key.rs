//! Keys: where a document lies.

use std::fmt;

/// The longest key in bytes. OpenBao's own limit is higher; the file system's of a mirror is not.
const MAX_KEY_BYTES: usize = 2048;

/// A document's place: segments of `[A-Za-z0-9._-]` joined by `/`, none of them empty, `.` or `..`.
///
/// Components name keys, and a component can be replaced while serving: so this type, and not the
/// component's good manners, keeps a key inside its mount.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key(String);

/// A text that is no key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a store key: {0}")]
pub struct InvalidKey(&'static str);

impl Key {
    /// Checks `text` and makes a key of it.
    ///
    /// # Errors
    /// [`InvalidKey`] says which rule it breaks.
    pub fn parse(text: &str) -> Result<Self, InvalidKey> {
        if text.len() > MAX_KEY_BYTES {
            return Err(InvalidKey("longer than 2048 bytes"));
        }
        for segment in text.split('/') {
            if segment.is_empty() {
                return Err(InvalidKey("an empty segment"));
            }
            if segment == "." || segment == ".." {
                return Err(InvalidKey("a segment of dots"));
            }
            if !segment.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-')) {
                return Err(InvalidKey("a character outside [A-Za-z0-9._-]"));
            }
        }
        Ok(Self(text.to_owned()))
    }

    /// The key as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_what_the_protocol_names() {
        for good in ["a/b", "a", "platform/talos-stack.lock", ".chunks/a/b/12-ab/0", "a.b_c-D/9"] {
            assert_eq!(Key::parse(good).unwrap().as_str(), good);
        }
    }

    #[test]
    fn refuses_what_could_leave_the_mount() {
        for bad in ["", "/", "a/", "/a", "a//b", "..", "a/../b", ".", "a/./b", "a b", "a%2fb", "a?x", "a#x", "ä", "a\0"]
        {
            assert!(Key::parse(bad).is_err(), "{bad:?}");
        }
        assert!(Key::parse(&"a".repeat(2049)).is_err());
    }
}
