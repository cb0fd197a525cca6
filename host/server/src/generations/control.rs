//! What an operator asks of the generations: how they are, a reload, a roll-back.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, oneshot};

use super::follow::Asked;
use super::{Generations, Listing, NothingBefore};

/// How a reload went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "kebab-case")]
pub enum Outcome {
    /// A new generation serves.
    Published {
        /// Its number.
        generation: u64,
    },
    /// What the files hold serves already.
    Unchanged {
        /// The number of the generation that serves.
        generation: u64,
    },
}

/// Asks the task that follows the sources. Cheap to clone.
#[derive(Clone)]
pub struct Control {
    generations: Arc<Generations>,
    follower: mpsc::Sender<Asked>,
}

impl Control {
    /// The handle, and what the follower gets its questions from.
    #[must_use]
    pub fn new(generations: Arc<Generations>) -> (Self, mpsc::Receiver<Asked>) {
        let (follower, asked) = mpsc::channel(1);
        (Self { generations, follower }, asked)
    }

    /// How they are.
    #[must_use]
    pub fn listing(&self) -> Listing {
        self.generations.listing()
    }

    /// Reads the files now and checks all of them anew. A roll-back ends with it.
    ///
    /// # Errors
    /// What is wrong with them.
    pub async fn reload(&self) -> Result<Outcome, String> {
        let ended = |_| "the server is ending".to_owned();
        let (asker, answer) = oneshot::channel();
        self.follower.send(asker).await.map_err(|_| "the server is ending".to_owned())?;
        answer.await.map_err(ended)?
    }

    /// Returns to the generation before the present one; the number of the new generation.
    ///
    /// # Errors
    /// [`NothingBefore`]
    pub fn roll_back(&self) -> Result<u64, NothingBefore> {
        let generation = self.generations.roll_back()?;
        tracing::warn!(
            generation = generation.number,
            component = generation.parts.protocol.digest(),
            "rolled back: this holds until the files change, a reload is asked for, or the server is started again"
        );
        Ok(generation.number)
    }
}
