//! Paths: which state a request is about.
//!
//! The host has decoded every segment once; nothing is decoded here, so what is checked is what is used.

use std::fmt;

/// The longest segment in bytes.
const MAX_SEGMENT_BYTES: usize = 128;
/// The end that lock documents have, so that no state may.
pub const LOCK_SUFFIX: &str = ".lock";
/// The first segment of everything that is not a state.
pub(crate) const RESERVED: &str = "-";

/// A state's path: checked segments, joined by `/`. It is also the state's key in the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatePath(String);

/// Which of the protocol's faces a path addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// The state itself.
    State(StatePath),
    /// Its lock, for proxies that let no LOCK or UNLOCK through: `/-/lock/<group>/<project>`.
    Lock(StatePath),
}

/// Why a path is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidPath(String);

impl fmt::Display for InvalidPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl StatePath {
    /// Checks `segments` by the rules that `design.md` and the README state.
    ///
    /// # Errors
    /// [`InvalidPath`] says which segment breaks which rule.
    pub fn parse(segments: &[String], most: u8) -> Result<Self, InvalidPath> {
        if segments.len() > usize::from(most) {
            return Err(InvalidPath(format!(
                "the path has {} segments, at most {most} are allowed (PATH_SEGMENTS)",
                segments.len()
            )));
        }
        for (position, segment) in segments.iter().enumerate() {
            if let Some(fault) = fault_of(segment) {
                return Err(InvalidPath(format!("segment {} of the path {fault}", position + 1)));
            }
        }
        if segments.is_empty() {
            return Err(InvalidPath("the path names no state".to_owned()));
        }
        Ok(Self(segments.join("/")))
    }

    /// The key of the state document.
    #[must_use]
    pub fn state_key(&self) -> &str {
        &self.0
    }

    /// The key of the lock document.
    #[must_use]
    pub fn lock_key(&self) -> String {
        format!("{}{LOCK_SUFFIX}", self.0)
    }
}

impl Target {
    /// Finds out what the decoded path `segments` address.
    ///
    /// # Errors
    /// [`InvalidPath`], also for what is reserved: a 404 there would mean "no state" to a CLI.
    pub fn parse(segments: &[String], most: u8) -> Result<Self, InvalidPath> {
        match segments {
            [reserved, face, rest @ ..] if reserved == RESERVED => {
                if face == "lock" {
                    StatePath::parse(rest, most).map(Self::Lock)
                } else {
                    Err(InvalidPath("below /-/ there is no such place, and no state".to_owned()))
                }
            }
            [reserved] if reserved == RESERVED => Err(InvalidPath("/- is reserved and holds no state".to_owned())),
            _ => StatePath::parse(segments, most).map(Self::State),
        }
    }
}

/// What is wrong with a segment, as the end of a sentence.
pub(crate) fn fault_of(segment: &str) -> Option<String> {
    let mut characters = segment.chars();
    let Some(first) = characters.next() else {
        return Some("is empty (a doubled or trailing slash?)".to_owned());
    };
    if segment.len() > MAX_SEGMENT_BYTES {
        return Some(format!("is longer than {MAX_SEGMENT_BYTES} characters"));
    }
    if !first.is_ascii_alphanumeric() {
        return Some("does not begin with a letter or a digit".to_owned());
    }
    if !characters.all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-')) {
        return Some("has a character outside A-Z a-z 0-9 . _ -".to_owned());
    }
    if segment.ends_with(LOCK_SUFFIX) {
        return Some("ends in .lock, which is kept for lock documents".to_owned());
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parse(path: &str, most: u8) -> Result<Target, InvalidPath> {
        Target::parse(&path.split('/').map(str::to_owned).collect::<Vec<_>>(), most)
    }

    #[test]
    fn takes_states_and_the_lock_face() {
        for good in ["platform/talos-stack", "a", "0/9", "a.b/c_d-e", "A..b/c", "-/lock/a/b", "a/lock", "a/x.locked"] {
            assert!(parse(good, 2).is_ok(), "{good}");
        }
        assert_eq!(parse("-/lock/a/b", 2), Ok(Target::Lock(StatePath("a/b".to_owned()))));
        assert!(parse("a/b/c/d", 4).is_ok());
    }

    #[test]
    fn refuses_everything_else() {
        let long = "a".repeat(129);
        for bad in [
            "",
            "/",
            "a/",
            "/a",
            "a//b",
            ".",
            "..",
            "a/..",
            "../a",
            "a/.",
            ".a/b",
            "-a/b",
            "_a",
            "a/b/c",
            "a b",
            "a%2eb",
            "a\0",
            "ä",
            "a/b.lock",
            "a.lock/b",
            ".lock",
            "-",
            "-/",
            "-/x",
            "-/lock",
            "-/lock/",
            "-/lock/a/b/c",
            "-/lock/-/lock",
            "-/v1/states",
            "a\u{fffd}",
            &long,
        ] {
            assert!(parse(bad, 2).is_err(), "{bad:?}");
        }
        assert!(Target::parse(&["a/b".to_owned()], 2).is_err());
        assert!(Target::parse(&[], 2).is_err());
    }

    proptest! {
        /// Whatever is accepted names a key inside the mount, that is no lock's, and that no other path names.
        #[test]
        fn an_accepted_path_is_its_own_key(segments in prop::collection::vec(".{0,6}|[a-z.%-]{1,8}|[a-z]{1,3}\\.lock", 1..4)) {
            if let Ok(path) = StatePath::parse(&segments, 8) {
                prop_assert_eq!(path.state_key().split('/').map(str::to_owned).collect::<Vec<_>>(), segments);
                for segment in path.state_key().split('/') {
                    prop_assert!(!segment.starts_with('.') && !segment.ends_with(".lock") && segment.is_ascii());
                }
            }
        }
    }
}
