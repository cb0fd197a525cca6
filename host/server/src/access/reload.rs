//! Follows the files that tokens come from.

use std::sync::Arc;

use time::OffsetDateTime;

use super::sources::Sources;
use super::{Access, Tokens};
use crate::config::Mistake;
use crate::following::{Fingerprint, Followed, Follower, Found, Rhythm};
use crate::telemetry::Metrics;

/// Reads the files again and again, and takes what has changed. A file that has become wrong changes nothing: the
/// tokens before it stay, the log says what is wrong, and `metrics` (and with them `/readyz`) that something is.
/// Never returns, unless there is no file to follow.
pub async fn follow(sources: Sources, access: Access, metrics: Arc<Metrics>, rhythm: Rhythm) {
    if sources.can_change() {
        Follower::new(Watched { sources, access, metrics }).follow(rhythm).await;
    }
}

struct Watched {
    sources: Sources,
    access: Access,
    metrics: Arc<Metrics>,
}

impl Followed for Watched {
    type Files = Sources;
    type Made = Tokens;
    const NAME: &'static str = "the callers' tokens";

    fn files(&self) -> &Sources {
        &self.sources
    }

    fn read(sources: &Sources, taken: Option<Fingerprint>) -> Found<Tokens> {
        let contents = sources.contents();
        let fingerprint = contents.fingerprint();
        if fingerprint.is_some() && fingerprint == taken {
            return Found::Taken;
        }
        match (contents.tokens(), fingerprint) {
            (Ok(tokens), Some(fingerprint)) => Found::Other(tokens, fingerprint),
            (Err(mistakes), _) => Found::Wrong(mistakes),
            // What could not be read is a mistake.
            (Ok(_), None) => Found::Wrong(Vec::new()),
        }
    }

    fn take(&mut self, tokens: Tokens, _: OffsetDateTime) -> Result<(), Vec<Mistake>> {
        self.access.replace(tokens);
        Ok(())
    }

    fn note(&mut self, wrong: &[Mistake]) {
        self.metrics.server.set_tokens_current(wrong.is_empty());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::following::Look;
    use secrecy::SecretString;
    use std::path::Path;

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

    fn follower(sources: Sources, access: &Access) -> (Follower<Watched>, Arc<Metrics>) {
        let metrics = Arc::new(Metrics::new().unwrap());
        let watched = Watched { sources, access: access.clone(), metrics: Arc::clone(&metrics) };
        (Follower::new(watched), metrics)
    }

    async fn look(follower: &mut Follower<Watched>) -> Look {
        follower.look(OffsetDateTime::now_utc()).await
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

        assert_eq!(look(&mut follower).await, Look::Replaced, "the first look parses");
        assert_eq!(look(&mut follower).await, Look::Unchanged);
        assert!(knows(&access, "first") && !knows(&access, "second"));
        point("..2");
        assert_eq!(look(&mut follower).await, Look::Replaced);
        assert!(knows(&access, "second") && !knows(&access, "first"));
        point("..3");
        for look_number in 1..=3 {
            assert_eq!(look(&mut follower).await, Look::Wrong, "looked at again until it is mended");
            assert!(knows(&access, "second"));
            assert_eq!(metrics.server.tokens_current(), look_number == 1, "at first it may be half written");
        }
        point("..2");
        assert_eq!(look(&mut follower).await, Look::Unchanged);
        assert!(knows(&access, "second") && metrics.server.tokens_current());
        std::fs::remove_file(at("..data")).unwrap();
        assert_eq!(look(&mut follower).await, Look::Wrong);
        assert!(knows(&access, "second"));
        write(&at("..2/tokens.toml"), "third");
        point("..2");
        assert_eq!(look(&mut follower).await, Look::Replaced);
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
        assert_eq!(look(&mut follower).await, Look::Replaced);
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
        assert_eq!((look(&mut follower).await, look(&mut follower).await), (Look::Wrong, Look::Wrong));
        assert!(knows(&access, "another-token") && !metrics.server.tokens_current());
    }
}
