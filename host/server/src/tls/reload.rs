//! Follows the files of certificate and key.
//!
//! Their contents are compared every two seconds, by path: a Kubernetes mount swaps a symlink two
//! levels up, which events on the files themselves do not show.

use std::time::Duration;

use time::OffsetDateTime;
use tokio::sync::watch;

use super::pair::{Contents, Fingerprint};
use super::{Files, Pair, Tls};
use crate::config::Mistake;

/// How often the files are looked at.
pub const INTERVAL: Duration = Duration::from_secs(2);

/// A certificate that ends sooner than this, and has lived three quarters of its life, should have been
/// renewed.
const SOON: time::Duration = time::Duration::days(14);

/// Reads the files again and again, and at once when `now` says so (SIGHUP), and takes what has changed.
/// A pair that is wrong changes nothing: the one before stays, and log, metrics and `/readyz` say what is
/// wrong. Never returns.
pub async fn follow(files: Files, tls: Tls, mut now: watch::Receiver<()>) {
    let mut follower = Follower::new(files, tls);
    let mut ticks = tokio::time::interval(INTERVAL);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            Ok(()) = now.changed() => {}
        }
        follower.look(OffsetDateTime::now_utc()).await;
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
    /// Another pair.
    Other(Box<Pair>, Fingerprint),
    /// No pair.
    Wrong(Vec<Mistake>),
}

/// How much longer the certificate in use is good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Age {
    Fresh,
    Old,
    Expired,
}

struct Follower {
    files: Files,
    tls: Tls,
    /// Of the contents whose pair is in use; none before the first look.
    taken: Option<Fingerprint>,
    /// What the last look found wrong.
    seen: Vec<Mistake>,
    /// What was last told to be wrong.
    told: Vec<Mistake>,
    /// What was last told of the certificate's age; the start has told of one that has expired.
    age: Age,
}

impl Follower {
    fn new(files: Files, tls: Tls) -> Self {
        let expired = !tls.pair().is_valid(OffsetDateTime::now_utc());
        let age = if expired { Age::Expired } else { Age::Fresh };
        Self { files, tls, taken: None, seen: Vec::new(), told: Vec::new(), age }
    }

    async fn look(&mut self, now: OffsetDateTime) -> Look {
        let (files, taken) = (self.files.clone(), self.taken);
        let reading = tokio::task::spawn_blocking(move || find(&files, taken)).await;
        let look = match reading {
            Ok(Found::Taken) => self.right(Look::Unchanged),
            Ok(Found::Other(pair, _)) if !pair.is_valid(now) && self.tls.pair().is_valid(now) => {
                // The one in use still serves everybody, and this one nobody.
                self.wrong(vec![self.not_valid(&pair, now)])
            }
            Ok(Found::Other(pair, fingerprint)) => {
                self.take(*pair, now);
                self.taken = Some(fingerprint);
                self.right(Look::Replaced)
            }
            Ok(Found::Wrong(mistakes)) => self.wrong(mistakes),
            Err(error) => {
                tracing::error!(%error, "reading the certificate and its key failed: the old ones stay");
                Look::Wrong
            }
        };
        self.watch_age(now);
        look
    }

    fn take(&mut self, pair: Pair, now: OffsetDateTime) {
        if self.taken.is_some() {
            let validity = pair.validity(now);
            tracing::info!(validity, "the certificate and its key have changed and were read again");
        }
        self.tls.replace(pair);
    }

    fn right(&mut self, look: Look) -> Look {
        self.seen.clear();
        if !std::mem::take(&mut self.told).is_empty() {
            tracing::info!("the certificate and its key are right again");
        }
        self.tls.note(None);
        look
    }

    /// Two files cannot be exchanged at once: what is wrong for one look only is not told.
    fn wrong(&mut self, mistakes: Vec<Mistake>) -> Look {
        if mistakes == self.seen && mistakes != self.told {
            for mistake in &mistakes {
                tracing::error!(%mistake, "the certificate or its key has changed but is wrong: the old ones stay");
            }
            let text = mistakes.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
            self.tls.note(Some(text));
            self.told.clone_from(&mistakes);
        }
        self.seen = mistakes;
        Look::Wrong
    }

    fn not_valid(&self, pair: &Pair, now: OffsetDateTime) -> Mistake {
        Mistake {
            setting: crate::config::settings::TLS_CERT_FILE.name.to_owned(),
            value: Some(self.files.certificate.display().to_string()),
            wrong: crate::config::Wrong::new(pair.validity(now), "put a certificate there that is valid now"),
        }
    }

    fn watch_age(&mut self, now: OffsetDateTime) {
        let pair = self.tls.pair();
        let age = age(&pair, now);
        if age == self.age {
            return;
        }
        let validity = pair.validity(now);
        match age {
            Age::Fresh => {}
            Age::Old => tracing::warn!(validity, "the certificate should be renewed"),
            Age::Expired => tracing::error!(validity, "clients refuse the certificate"),
        }
        self.age = age;
    }
}

fn age(pair: &Pair, now: OffsetDateTime) -> Age {
    let left = pair.expires() - now;
    if !pair.is_valid(now) {
        Age::Expired
    } else if left < SOON && left < pair.lifetime() / 4 {
        Age::Old
    } else {
        Age::Fresh
    }
}

fn find(files: &Files, taken: Option<Fingerprint>) -> Found {
    let contents = match Contents::read(files) {
        Ok(contents) => contents,
        Err(mistakes) => return Found::Wrong(mistakes),
    };
    let fingerprint = contents.fingerprint();
    if taken == Some(fingerprint) {
        return Found::Taken;
    }
    match Pair::parse(files, &contents) {
        Ok(pair) => Found::Other(Box::new(pair), fingerprint),
        Err(mistakes) => Found::Wrong(mistakes),
    }
}

#[cfg(test)]
mod tests;
