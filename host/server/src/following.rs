//! Follows files whose contents are exchanged while the server serves.
//!
//! Contents are compared every two seconds, by path: a Kubernetes mount swaps a symlink two levels up, which
//! events on the files themselves do not show. What is followed says what it reads and what becomes of it
//! ([`Followed`]); when that is done, and that each mistake is told once, is the same for all.

use std::time::Duration;

use time::OffsetDateTime;
use tokio::sync::watch;
use tokio::time::{Interval, MissedTickBehavior};

use crate::config::Mistake;

/// How often files are looked at.
pub const INTERVAL: Duration = Duration::from_secs(2);

/// Tells contents apart: a digest.
pub type Fingerprint = [u8; 32];

/// When to look: every [`INTERVAL`], and at once when somebody says so (SIGHUP).
pub struct Rhythm {
    ticks: Interval,
    now: watch::Receiver<()>,
}

impl Rhythm {
    /// The first look is at once.
    #[must_use]
    pub fn new(now: watch::Receiver<()>) -> Self {
        let mut ticks = tokio::time::interval(INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self { ticks, now }
    }

    /// Waits for the next look. Nothing is lost if it is dropped half-way.
    pub async fn next(&mut self) {
        tokio::select! {
            _ = self.ticks.tick() => {}
            Ok(()) = self.now.changed() => {}
        }
    }
}

/// What one reading of the files gave.
pub enum Found<M> {
    /// What has been taken already.
    Taken,
    /// Something else.
    Other(M, Fingerprint),
    /// What cannot be used.
    Wrong(Vec<Mistake>),
}

/// Files that are followed, and what becomes of what they hold.
pub trait Followed: Send {
    /// Where they are.
    type Files: Clone + Send + 'static;
    /// What is made of them.
    type Made: Send + 'static;
    /// What they hold, for people; in the plural.
    const NAME: &'static str;

    /// Where they are.
    fn files(&self) -> &Self::Files;

    /// Reads them; what has been `taken` already need not be made again. May block.
    fn read(files: &Self::Files, taken: Option<Fingerprint>) -> Found<Self::Made>;

    /// Uses what was made of them from now on.
    ///
    /// # Errors
    /// Why it cannot be used now; what was used before stays.
    fn take(&mut self, made: Self::Made, now: OffsetDateTime) -> Result<(), Vec<Mistake>>;

    /// Notes what is wrong with them, for `/readyz` and the metrics; nothing, if that is empty.
    fn note(&mut self, wrong: &[Mistake]);

    /// They have been looked at, with whatever result.
    fn looked(&mut self, _now: OffsetDateTime) {}
}

/// What a look at the files showed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// What has been taken already.
    Unchanged,
    /// Something else, which is used from now on.
    Replaced,
    /// What cannot be used.
    Wrong,
}

/// Looks at files again and again.
pub struct Follower<F> {
    followed: F,
    /// Of the contents that are in use; none before the first look.
    taken: Option<Fingerprint>,
    /// What the last look found wrong.
    seen: Vec<Mistake>,
    /// What was last told to be wrong.
    told: Vec<Mistake>,
}

impl<F: Followed> Follower<F> {
    /// Has looked at nothing yet; whoever started has read the files once.
    #[must_use]
    pub fn new(followed: F) -> Self {
        Self { followed, taken: None, seen: Vec::new(), told: Vec::new() }
    }

    /// The contents that this fingerprint tells are in use already.
    #[must_use]
    pub fn knowing(followed: F, taken: Fingerprint) -> Self {
        Self { taken: Some(taken), ..Self::new(followed) }
    }

    /// Looks whenever `rhythm` says so. Never returns.
    pub async fn follow(mut self, mut rhythm: Rhythm) {
        loop {
            rhythm.next().await;
            self.look(OffsetDateTime::now_utc()).await;
        }
    }

    /// Looks once.
    pub async fn look(&mut self, now: OffsetDateTime) -> Look {
        let (files, taken) = (self.followed.files().clone(), self.taken);
        let reading = tokio::task::spawn_blocking(move || F::read(&files, taken)).await;
        let look = match reading {
            Ok(Found::Taken) => self.right(Look::Unchanged),
            Ok(Found::Other(made, fingerprint)) => match self.followed.take(made, now) {
                Ok(()) => {
                    if self.taken.replace(fingerprint).is_some() {
                        tracing::info!("{} have changed and were read again", F::NAME);
                    }
                    self.right(Look::Replaced)
                }
                Err(mistakes) => self.wrong(mistakes),
            },
            Ok(Found::Wrong(mistakes)) => self.wrong(mistakes),
            Err(error) => {
                tracing::error!(%error, "reading {} failed: the old ones stay", F::NAME);
                Look::Wrong
            }
        };
        self.followed.looked(now);
        look
    }

    fn right(&mut self, look: Look) -> Look {
        self.seen.clear();
        if !std::mem::take(&mut self.told).is_empty() {
            tracing::info!("{} are right again", F::NAME);
        }
        self.followed.note(&[]);
        look
    }

    /// A file may be half written, and two cannot be exchanged at once: what is wrong for one look only is not told.
    fn wrong(&mut self, mistakes: Vec<Mistake>) -> Look {
        if mistakes == self.seen && mistakes != self.told {
            for mistake in &mistakes {
                tracing::error!(%mistake, "{} have changed but are wrong: the old ones stay", F::NAME);
            }
            self.followed.note(&mistakes);
            self.told.clone_from(&mistakes);
        }
        self.seen = mistakes;
        Look::Wrong
    }
}
