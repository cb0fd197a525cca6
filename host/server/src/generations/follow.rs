//! Follows the sources of generations, and publishes what has changed and is good. When they are looked at is
//! [`crate::following`]'s business; what is done with them takes long, may fail for a while, and can be asked for.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use super::control::Outcome;
use super::load::{LoadError, Loader};
use super::source::{Contents, Sources};
use super::{Generations, Origin};
use crate::following::{Fingerprint, Rhythm};
use crate::telemetry::Metrics;

/// When something that may go well another time is tried again although nothing has changed.
const AGAIN: Duration = Duration::from_secs(30);

/// Somebody who asked for a reload, and waits to hear how it went.
pub type Asked = oneshot::Sender<Result<Outcome, String>>;

/// Makes the first generation.
///
/// # Errors
/// A sentence: why there is none.
pub async fn first(sources: Sources, loader: Loader, metrics: Arc<Metrics>) -> Result<Follower, String> {
    let contents = read(&sources).await?;
    let fingerprint = contents.fingerprint();
    let parts = loader.load(contents, &sources, &[]).await.map_err(|error| error.to_string())?;
    // What comes later must not disturb those that are served.
    loader.compile_in_background();
    let generations = Arc::new(Generations::new(parts, metrics));
    Ok(Follower { sources, loader, generations, tried: fingerprint, told: None, again: None })
}

/// Publishes a new generation whenever the sources have changed to something good.
pub struct Follower {
    sources: Sources,
    loader: Loader,
    generations: Arc<Generations>,
    /// The contents that were last tried, good or not.
    tried: Fingerprint,
    /// What was last found wrong, and logged.
    told: Option<String>,
    /// When to try the same contents again.
    again: Option<Instant>,
}

impl Follower {
    /// The generations that it publishes.
    #[must_use]
    pub fn generations(&self) -> &Arc<Generations> {
        &self.generations
    }

    /// Looks again and again, where anything can change, and loads everything anew when somebody has `asked` (the
    /// admin socket).
    pub async fn follow(mut self, mut rhythm: Rhythm, mut asked: mpsc::Receiver<Asked>) {
        let changes = self.sources.can_change();
        loop {
            tokio::select! {
                () = rhythm.next(), if changes => {}
                Some(asker) = asked.recv() => {
                    // Whoever asked may have gone away.
                    let _ = asker.send(self.look(Some(Origin::Reload)).await);
                    continue;
                }
                else => return,
            }
            // What is wrong has been told.
            let _ = self.look(None).await;
        }
    }

    /// Looks at the sources once. `forced`: loads them although they are the same.
    ///
    /// # Errors
    /// What is wrong with them.
    pub async fn look(&mut self, forced: Option<Origin>) -> Result<Outcome, String> {
        let begun = self.generations.begin();
        let contents = match read(&self.sources).await {
            Ok(contents) => contents,
            Err(error) => return Err(self.failed(error)),
        };
        let fingerprint = contents.fingerprint();
        let due = self.again.is_some_and(|again| Instant::now() >= again);
        if fingerprint == self.tried && forced.is_none() && !due {
            return Ok(self.unchanged());
        }
        self.tried = fingerprint;
        self.again = None;
        let current = self.generations.current();
        let known: Vec<_> = [Some(Arc::clone(&current)), self.generations.previous()].into_iter().flatten().collect();
        let parts = match self.loader.load(contents, &self.sources, &known).await {
            Ok(parts) => parts,
            Err(error) => {
                if matches!(error, LoadError::Passing(_)) {
                    self.again = Some(Instant::now() + AGAIN);
                }
                return Err(self.failed(error.to_string()));
            }
        };
        if self.told.take().is_some() {
            tracing::info!("what the files hold can be used again");
        }
        if parts.is_same_as(&current.parts) {
            self.generations.unchanged();
            return Ok(self.unchanged());
        }
        match self.generations.publish(parts, forced.unwrap_or(Origin::Change), begun) {
            Ok(next) => {
                tracing::info!(
                    generation = next.number,
                    component = next.parts.protocol.digest(),
                    source = next.parts.protocol_source,
                    "a new generation serves"
                );
                Ok(Outcome::Published { generation: next.number })
            }
            Err(overtaken) => Err(overtaken.to_string()),
        }
    }

    fn unchanged(&self) -> Outcome {
        Outcome::Unchanged { generation: self.generations.current().number }
    }

    fn failed(&mut self, what: String) -> String {
        self.generations.failed(what.clone());
        if self.told.as_ref() != Some(&what) {
            let generation = self.generations.current().number;
            tracing::error!(what, generation, "no new generation: the present one goes on serving");
            self.told = Some(what.clone());
        }
        what
    }
}

async fn read(sources: &Sources) -> Result<Contents, String> {
    let sources = sources.clone();
    let reading = tokio::task::spawn_blocking(move || sources.contents());
    reading.await.map_err(|error| format!("the files cannot be read: {error}"))
}

#[cfg(test)]
mod tests;
