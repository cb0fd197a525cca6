//! Names of chunk sets, and where their chunks lie: `.chunks/<key>/<set>/<number>`.
//!
//! Each attempt of each write has a set of its own, named for the revision that the write expects, the
//! time, and chance: `41-0199f3a2c1d47c0e9f86d081884c7d65` (a UUID of version 7, RFC 9562). So nobody
//! else ever writes or counts on its chunks, and its age shows without reading anything.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use uuid::{Builder, Uuid};

use crate::{Key, Revision};

/// The folder of all chunks. One that an OpenBao policy can name, and that no state can be called.
const FOLDER: &str = ".chunks";

/// A set's name.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(super) struct SetName {
    expected: Revision,
    id: Uuid,
}

/// A text that is no set's name.
#[derive(Debug)]
pub(super) struct NoSet;

impl fmt::Display for NoSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a chunk set's name")
    }
}

impl SetName {
    /// A new one, for a write that expects this revision.
    pub(super) fn new(expected: Revision, now: SystemTime, chance: [u8; 10]) -> Self {
        let since = now.duration_since(UNIX_EPOCH).unwrap_or_default();
        let millis = u64::try_from(since.as_millis()).unwrap_or(u64::MAX);
        Self { expected, id: Builder::from_unix_timestamp_millis(millis, &chance).into_uuid() }
    }

    /// The revision that the write expected which the set was made for.
    pub(super) fn expected(&self) -> Revision {
        self.expected
    }

    /// Whether it was made so long before `now`. Not if it was made after it.
    pub(super) fn is_older_than(&self, age: Duration, now: SystemTime) -> bool {
        let (seconds, nanos) = self.id.get_timestamp().map(|time| time.to_unix()).unwrap_or_default();
        let made = UNIX_EPOCH.checked_add(Duration::new(seconds, nanos));
        made.and_then(|made| now.duration_since(made).ok()).is_some_and(|since| since > age)
    }
}

impl fmt::Display for SetName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.expected, self.id.simple())
    }
}

impl From<SetName> for String {
    fn from(set: SetName) -> Self {
        set.to_string()
    }
}

impl TryFrom<String> for SetName {
    type Error = NoSet;

    fn try_from(text: String) -> Result<Self, NoSet> {
        let (expected, id) = text.split_once('-').ok_or(NoSet)?;
        let set = Self { expected: expected.parse().map_err(|_| NoSet)?, id: Uuid::try_parse(id).map_err(|_| NoSet)? };
        // Only as we write it: a UUID can be written in other ways too, and not all of them are ours.
        if set.id.get_version_num() == 7 && set.to_string() == text { Ok(set) } else { Err(NoSet) }
    }
}

/// The folder of all sets of `key`; none if its name were too long.
pub(super) fn folder(key: &Key) -> Option<Key> {
    Key::parse(&format!("{FOLDER}/{key}")).ok()
}

/// The folder of one set.
pub(super) fn set_folder(key: &Key, set: &SetName) -> Option<Key> {
    Key::parse(&format!("{FOLDER}/{key}/{set}")).ok()
}

/// One chunk.
pub(super) fn chunk(key: &Key, set: &SetName, number: usize) -> Option<Key> {
    Key::parse(&format!("{FOLDER}/{key}/{set}/{number}")).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_tells_its_revision_and_age() {
        let made = UNIX_EPOCH + Duration::from_secs(1_800_000_000);
        let set = SetName::new(41, made, [0; 10]);
        let again = SetName::try_from(set.to_string()).unwrap();
        assert_eq!((again.expected(), &again), (41, &set));
        assert!(again.is_older_than(Duration::from_secs(9), made + Duration::from_secs(10)));
        assert!(!again.is_older_than(Duration::from_secs(10), made + Duration::from_secs(10)));
        assert!(!again.is_older_than(Duration::ZERO, made - Duration::from_secs(10)), "another server's clock");
        assert_ne!(SetName::new(41, made, [1; 10]), set, "no name comes twice");
    }

    #[test]
    fn other_names_are_no_sets() {
        let id = "0199f3a2c1d47c0e9f86d081884c7d65";
        assert!(SetName::try_from(format!("1-{id}")).is_ok());
        for other in [
            String::new(),
            "1".to_owned(),
            id.to_owned(),
            format!("x-{id}"),
            format!("01-{id}"),
            format!("+1-{id}"),
            format!("1-{}", id.to_uppercase()),
            format!("1-{{{id}}}"),
            "1-0199f3a2-c1d4-7c0e-9f86-d081884c7d65".to_owned(),
            "1-00000000000000000000000000000000".to_owned(),
        ] {
            assert!(SetName::try_from(other.clone()).is_err(), "{other}");
        }
    }

    #[test]
    fn chunks_lie_below_their_folders() {
        let key = Key::parse("a/b").unwrap();
        let set = SetName::new(3, SystemTime::now(), [7; 10]);
        assert_eq!(folder(&key).unwrap().as_str(), ".chunks/a/b");
        assert_eq!(set_folder(&key, &set).unwrap().as_str(), format!(".chunks/a/b/{set}"));
        assert_eq!(chunk(&key, &set, 10).unwrap().as_str(), format!(".chunks/a/b/{set}/10"));
        assert_eq!(chunk(&Key::parse(&"x".repeat(2048)).unwrap(), &set, 0), None);
    }
}
