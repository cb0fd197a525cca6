//! Follows the files that tokens come from.
//!
//! Their contents are compared every two seconds, by path: a Kubernetes mount swaps a symlink two
//! levels up, which events on the file itself do not show.

use std::sync::Arc;
use std::time::Duration;

use sha2::{Digest, Sha256};
use tokio::sync::Notify;

use super::Access;
use super::sources::Sources;

/// How often the files are looked at.
pub const INTERVAL: Duration = Duration::from_secs(2);

/// Reads the files again whenever their contents change, or at once when `now` says so (SIGHUP). A file
/// that has become wrong changes nothing: the tokens before it stay, and the log says what is wrong.
/// Never returns, unless there is no file to follow.
pub async fn follow(sources: Sources, access: Access, now: Arc<Notify>) {
    if sources.files().next().is_none() {
        return;
    }
    let mut follower = Follower { seen: fingerprint(&sources).await, sources, access };
    let mut ticks = tokio::time::interval(INTERVAL);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            () = now.notified() => {}
        }
        follower.look().await;
    }
}

/// What a look at the files showed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Look {
    Unchanged,
    Replaced,
    Wrong,
}

struct Follower {
    seen: Vec<Option<[u8; 32]>>,
    sources: Sources,
    access: Access,
}

impl Follower {
    async fn look(&mut self) -> Look {
        let current = fingerprint(&self.sources).await;
        if current == self.seen {
            return Look::Unchanged;
        }
        self.seen = current;
        let reader = self.sources.clone();
        match tokio::task::spawn_blocking(move || reader.read()).await {
            Ok(Ok(tokens)) => {
                tracing::info!(entries = tokens.len(), "the callers' tokens have changed and were read again");
                self.access.replace(tokens);
                Look::Replaced
            }
            Ok(Err(mistakes)) => {
                for mistake in mistakes {
                    tracing::error!(%mistake, "the callers' tokens have changed but are wrong: the old ones stay");
                }
                Look::Wrong
            }
            Err(error) => {
                tracing::error!(%error, "reading the callers' tokens failed: the old ones stay");
                Look::Wrong
            }
        }
    }
}

/// A digest of each file's contents; none where it cannot be read.
async fn fingerprint(sources: &Sources) -> Vec<Option<[u8; 32]>> {
    let mut digests = Vec::new();
    for file in sources.files() {
        digests.push(tokio::fs::read(file).await.ok().map(|bytes| Sha256::digest(bytes).into()));
    }
    digests
}

#[cfg(test)]
mod tests {
    use super::*;
    use secrecy::SecretString;
    use std::path::Path;
    use time::OffsetDateTime;

    fn knows(access: &Access, token: &str) -> bool {
        let mut headers = http::HeaderMap::new();
        headers.insert("authorization", format!("Bearer {token}").parse().unwrap());
        access.authenticate(&headers, OffsetDateTime::now_utc()).is_ok()
    }

    fn write(file: &Path, token: &str) {
        let sha256 = hex::encode(super::super::tokens::digest(&SecretString::from(token)));
        let entry = format!("[[token]]\nname=\"ci\"\nsha256=\"{sha256}\"\npaths=[\"**\"]\nrights=[\"read\"]\n");
        std::fs::write(file, entry).unwrap();
    }

    #[tokio::test]
    async fn follows_a_swapped_symlink_and_keeps_the_old_tokens_over_a_broken_file() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        // As Kubernetes does it: tokens.toml -> ..data/tokens.toml, ..data -> ..1, then ..data -> ..2.
        for generation in ["..1", "..2", "..3"] {
            std::fs::create_dir(at(generation)).unwrap();
        }
        write(&at("..1/tokens.toml"), "first");
        write(&at("..2/tokens.toml"), "second");
        std::fs::write(at("..3/tokens.toml"), "broken").unwrap();
        let point = |generation: &str| {
            std::os::unix::fs::symlink(generation, at("..new")).unwrap();
            std::fs::rename(at("..new"), at("..data")).unwrap();
        };
        point("..1");
        std::os::unix::fs::symlink("..data/tokens.toml", at("tokens.toml")).unwrap();
        let sources = Sources { shared: None, tokens_file: Some(at("tokens.toml")) };
        let access = Access::new(sources.read().unwrap());
        let mut follower = Follower { seen: fingerprint(&sources).await, sources, access: access.clone() };

        assert_eq!(follower.look().await, Look::Unchanged);
        assert!(knows(&access, "first") && !knows(&access, "second"));
        point("..2");
        assert_eq!(follower.look().await, Look::Replaced);
        assert!(knows(&access, "second") && !knows(&access, "first"));
        point("..3");
        assert_eq!(follower.look().await, Look::Wrong);
        assert!(knows(&access, "second"));
        std::fs::remove_file(at("..data")).unwrap();
        assert_eq!(follower.look().await, Look::Wrong);
        assert!(knows(&access, "second"));
        write(&at("..2/tokens.toml"), "third");
        point("..2");
        assert_eq!(follower.look().await, Look::Replaced);
        assert!(knows(&access, "third") && !knows(&access, "second"));
    }

    #[tokio::test]
    async fn follows_the_shared_token_in_its_file() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("token");
        std::fs::write(&file, "first\n").unwrap();
        let shared = crate::config::Secret { value: "first".into(), file: Some(file.clone()) };
        let sources = Sources { shared: Some(shared), tokens_file: None };
        let access = Access::new(sources.read().unwrap());
        let mut follower = Follower { seen: fingerprint(&sources).await, sources, access: access.clone() };
        std::fs::write(&file, "second\n").unwrap();
        assert_eq!(follower.look().await, Look::Replaced);
        assert!(knows(&access, "second") && !knows(&access, "first"));
    }
}
