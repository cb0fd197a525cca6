//! Tokens, by their digests, and what each of them allows.

use std::fmt;
use std::sync::Arc;

use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use subtle::{Choice, ConstantTimeEq};
use time::OffsetDateTime;
use tofu_state_component::{Caller, CallerKind, Rights};

use super::paths::Paths;

/// The caller's name under the token that all callers share.
pub const SHARED: &str = "shared";

/// One entry: a token's digest, and what it allows where.
#[derive(Clone)]
pub struct Entry {
    /// The caller's name.
    pub name: Arc<str>,
    /// SHA-256 of the token.
    pub digest: [u8; 32],
    /// The paths on which the rights hold; none: everywhere.
    pub paths: Option<Paths>,
    /// What it allows there.
    pub rights: Rights,
    /// From when on it allows nothing.
    pub expires: Option<OffsetDateTime>,
}

impl Entry {
    fn has_expired(&self, now: OffsetDateTime) -> bool {
        self.expires.is_some_and(|expires| expires <= now)
    }
}

impl fmt::Debug for Entry {
    /// The name only: a digest of a weak token gives the token away.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entry").field("name", &self.name).finish_non_exhaustive()
    }
}

/// All entries. A token may have several: what they allow adds up.
#[derive(Clone, Debug, Default)]
pub struct Tokens {
    entries: Vec<Entry>,
}

impl Tokens {
    /// These entries.
    #[must_use]
    pub fn new(entries: Vec<Entry>) -> Self {
        Self { entries }
    }

    /// Adds the token that all callers share, with all rights everywhere.
    #[must_use]
    pub fn with_shared(mut self, token: &SecretString) -> Self {
        self.entries.push(Entry {
            name: SHARED.into(),
            digest: digest(token),
            paths: None,
            rights: all_rights(),
            expires: None,
        });
        self
    }

    /// How many entries there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether nobody is let in.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The names of the entries that have expired by `now`.
    pub fn expired(&self, now: OffsetDateTime) -> impl Iterator<Item = &str> {
        self.entries.iter().filter(move |entry| entry.has_expired(now)).map(|entry| &*entry.name)
    }

    /// Who presents `token`; nobody, if no entry that has not expired has it.
    ///
    /// Digests are compared in constant time and all of them always, so that how long it takes says
    /// nothing about which entry was close.
    #[must_use]
    pub fn identify(&self, token: &SecretString, now: OffsetDateTime) -> Option<Identity> {
        let presented = digest(token);
        let hits: Vec<Choice> = self.entries.iter().map(|entry| entry.digest.ct_eq(&presented)).collect();
        let valid: Vec<Entry> = self
            .entries
            .iter()
            .zip(hits)
            .filter(|(entry, hit)| bool::from(*hit) && !entry.has_expired(now))
            .map(|(entry, _)| entry.clone())
            .collect();
        let name = Arc::clone(&valid.first()?.name);
        Some(Identity { name, grants: valid })
    }
}

/// Somebody who has shown a token.
#[derive(Clone, Debug)]
pub struct Identity {
    name: Arc<str>,
    grants: Vec<Entry>,
}

impl Identity {
    /// The caller's name.
    #[must_use]
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// The caller, as the component is told, with the rights it has on the state at `path` (segments).
    #[must_use]
    pub fn caller(&self, path: &[String]) -> Caller {
        let rights = self.rights_where(|paths| paths.match_segments(path));
        let shared = self.grants.iter().any(|grant| grant.paths.is_none());
        Caller {
            name: self.name.to_string(),
            kind: if shared { CallerKind::SharedToken } else { CallerKind::NamedToken },
            rights,
        }
    }

    /// The rights on the state at `path`, as the protocol has checked it.
    #[must_use]
    pub fn rights_on(&self, path: &str) -> Rights {
        self.rights_where(|paths| paths.match_path(path))
    }

    fn rights_where(&self, matches: impl Fn(&Paths) -> bool) -> Rights {
        let holds = |grant: &&Entry| grant.paths.as_ref().is_none_or(&matches);
        self.grants.iter().filter(holds).fold(Rights::empty(), |rights, grant| rights | grant.rights)
    }
}

/// SHA-256 of a token.
#[must_use]
pub fn digest(token: &SecretString) -> [u8; 32] {
    Sha256::digest(token.expose_secret().as_bytes()).into()
}

fn all_rights() -> Rights {
    Rights::READ | Rights::WRITE | Rights::UNLOCK | Rights::DELETE | Rights::OUTPUTS
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::Duration;

    fn entry(name: &str, token: &str, globs: &[&str], rights: Rights) -> Entry {
        let globs: Vec<_> = globs.iter().map(|glob| (*glob).to_owned()).collect();
        let paths = Some(Paths::compile(&globs).unwrap());
        Entry { name: name.into(), digest: digest(&token.into()), paths, rights, expires: None }
    }

    fn path(text: &str) -> Vec<String> {
        text.split('/').map(str::to_owned).collect()
    }

    #[test]
    fn the_shared_token_may_everything_even_on_odd_paths() {
        let tokens = Tokens::default().with_shared(&"shared-token".into());
        let caller = tokens.identify(&"shared-token".into(), OffsetDateTime::UNIX_EPOCH).unwrap().caller(&path("a/.."));
        assert_eq!(caller.name, "shared");
        assert!(caller.rights.contains(all_rights()) && matches!(caller.kind, CallerKind::SharedToken));
        assert!(tokens.identify(&"shared-toke".into(), OffsetDateTime::UNIX_EPOCH).is_none());
        assert!(tokens.identify(&"".into(), OffsetDateTime::UNIX_EPOCH).is_none());
    }

    #[test]
    fn rights_hold_where_the_paths_match_and_add_up() {
        let tokens = Tokens::new(vec![
            entry("ci", "one", &["**"], Rights::READ),
            entry("ci", "one", &["team/*"], Rights::WRITE),
            entry("other", "two", &["**"], all_rights()),
        ]);
        let ci = tokens.identify(&"one".into(), OffsetDateTime::UNIX_EPOCH).unwrap();
        assert!(ci.caller(&path("team/a")).rights.contains(Rights::READ | Rights::WRITE));
        assert!(!ci.caller(&path("else/a")).rights.contains(Rights::WRITE));
        assert!(!ci.caller(&path("team/a")).rights.contains(Rights::DELETE));
        assert_eq!(ci.caller(&path("team/a/..")).rights, Rights::empty());
        assert!(matches!(ci.caller(&path("team/a")).kind, CallerKind::NamedToken));
    }

    #[test]
    fn two_tokens_at_once_in_a_rotation_and_the_old_one_expires() {
        let mut old = entry("ci", "old", &["**"], Rights::READ);
        old.expires = Some(OffsetDateTime::UNIX_EPOCH + Duration::hours(1));
        let tokens = Tokens::new(vec![old, entry("ci", "new", &["**"], Rights::READ)]);
        let name = |token: &str, hours: i64| {
            let now = OffsetDateTime::UNIX_EPOCH + Duration::hours(hours);
            tokens.identify(&token.into(), now).map(|identity| identity.name().to_string())
        };
        assert_eq!(name("old", 0).as_deref(), Some("ci"));
        assert_eq!(name("new", 0).as_deref(), Some("ci"));
        assert_eq!(name("old", 1), None);
        assert_eq!(name("new", 1).as_deref(), Some("ci"));
        let expired = |hours| tokens.expired(OffsetDateTime::UNIX_EPOCH + Duration::hours(hours)).count();
        assert_eq!((expired(0), expired(1)), (0, 1));
    }
}
