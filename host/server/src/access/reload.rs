//! Follows the files that tokens come from.
//!
//! Their contents are compared every two seconds, by path: a Kubernetes mount swaps a symlink two
//! levels up, which events on the file itself do not show.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::sources::{Fingerprint, Sources};
use super::{Access, Tokens};
use crate::config::Mistake;
use crate::telemetry::Metrics;

/// How often the files are looked at.
pub const INTERVAL: Duration = Duration::from_secs(2);

/// Reads the files again and again, and at once when `now` changes (SIGHUP), and takes what has changed.
/// A file that has become wrong changes nothing: the tokens before it stay, the log says what is wrong,
/// and `metrics` (and with them `/readyz`) that something is.
/// Never returns, unless there is no file to follow.
pub async fn follow(sources: Sources, access: Access, metrics: Arc<Metrics>, mut now: watch::Receiver<()>) {
    if !sources.can_change() {
        return;
    }
    let mut follower = Follower::new(sources, access, metrics);
    let mut ticks = tokio::time::interval(INTERVAL);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            Ok(()) = now.changed() => {}
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

/// What one reading of the files gave.
enum Found {
    /// What has been taken already.
    Taken,
    /// Other tokens.
    Other(Tokens, Option<Fingerprint>),
}

struct Follower {
    sources: Sources,
    access: Access,
    metrics: Arc<Metrics>,
    /// Of the contents whose tokens are in use; none before the first look.
    taken: Option<Fingerprint>,
    /// What was last found wrong, and told.
    told: Vec<Mistake>,
}

impl Follower {
    fn new(sources: Sources, access: Access, metrics: Arc<Metrics>) -> Self {
        Self { sources, access, metrics, taken: None, told: Vec::new() }
    }

    async fn look(&mut self) -> Look {
        let (sources, taken) = (self.sources.clone(), self.taken);
        let reading = tokio::task::spawn_blocking(move || {
            let contents = sources.contents();
            let fingerprint = contents.fingerprint();
            if fingerprint.is_some() && fingerprint == taken {
                return Ok(Found::Taken);
            }
            contents.tokens().map(|tokens| Found::Other(tokens, fingerprint))
        });
        match reading.await {
            Ok(Ok(found)) => self.right(found),
            Ok(Err(mistakes)) => self.wrong(mistakes),
            Err(error) => {
                tracing::error!(%error, "reading the callers' tokens failed: the old ones stay");
                self.metrics.server.set_tokens_current(false);
                Look::Wrong
            }
        }
    }

    fn right(&mut self, found: Found) -> Look {
        self.metrics.server.set_tokens_current(true);
        if !std::mem::take(&mut self.told).is_empty() {
            tracing::info!("the callers' tokens are right again");
        }
        let Found::Other(tokens, fingerprint) = found else { return Look::Unchanged };
        if self.taken.is_some() {
            tracing::info!(entries = tokens.len(), "the callers' tokens have changed and were read again");
        }
        self.access.replace(tokens);
        self.taken = fingerprint;
        Look::Replaced
    }

    fn wrong(&mut self, mistakes: Vec<Mistake>) -> Look {
        self.metrics.server.set_tokens_current(false);
        if mistakes != self.told {
            for mistake in &mistakes {
                tracing::error!(%mistake, "the callers' tokens have changed but are wrong: the old ones stay");
            }
            self.told = mistakes;
        }
        Look::Wrong
    }
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

    fn follower(sources: Sources, access: &Access) -> (Follower, Arc<Metrics>) {
        let metrics = Arc::new(Metrics::new().unwrap());
        (Follower::new(sources, access.clone(), Arc::clone(&metrics)), metrics)
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
        let (mut follower, metrics) = follower(sources, &access);

        assert_eq!(follower.look().await, Look::Replaced, "the first look parses");
        assert_eq!(follower.look().await, Look::Unchanged);
        assert!(knows(&access, "first") && !knows(&access, "second"));
        point("..2");
        assert_eq!(follower.look().await, Look::Replaced);
        assert!(knows(&access, "second") && !knows(&access, "first"));
        point("..3");
        for _ in 0..2 {
            assert_eq!(follower.look().await, Look::Wrong, "looked at again until it is mended");
            assert!(knows(&access, "second") && !metrics.server.tokens_current());
        }
        point("..2");
        assert_eq!(follower.look().await, Look::Unchanged);
        assert!(knows(&access, "second") && metrics.server.tokens_current());
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
        // It changes between the start's own reading and the first look.
        let (mut follower, _) = follower(sources, &access);
        std::fs::write(&file, "second\n").unwrap();
        assert_eq!(follower.look().await, Look::Replaced);
        assert!(knows(&access, "second") && !knows(&access, "first"));
    }

    #[tokio::test]
    async fn an_entry_with_the_shared_token_is_wrong_before_and_after_the_start() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("tokens.toml");
        write(&file, "shared-token");
        let shared = crate::config::Secret { value: "shared-token".into(), file: None };
        let sources = Sources { shared: Some(shared), tokens_file: Some(file.clone()) };
        let mistakes = sources.read().unwrap_err();
        assert!(mistakes.len() == 1 && mistakes[0].to_string().contains("\"ci\""), "{mistakes:?}");

        write(&file, "another-token");
        let access = Access::new(sources.read().unwrap());
        let (mut follower, metrics) = follower(sources, &access);
        write(&file, "shared-token");
        assert_eq!(follower.look().await, Look::Wrong);
        assert!(knows(&access, "another-token") && !metrics.server.tokens_current());
    }
}
