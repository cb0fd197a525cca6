//! A listener's task, watched: one that ends before anybody told it to must not go unnoticed.

use tokio::task::JoinSet;

/// A listener that serves in a task of its own.
pub struct Listening {
    /// The setting that it listens on.
    name: &'static str,
    /// One task, or none once its end has been told.
    task: JoinSet<()>,
}

impl Listening {
    /// Lets `serving` run; `name` is the setting that it listens on.
    #[must_use]
    pub fn spawn(name: &'static str, serving: impl Future<Output = ()> + Send + 'static) -> Self {
        let mut task = JoinSet::new();
        task.spawn(serving);
        Self { name, task }
    }

    /// Waits until it has ended. Once it has, this returns at once. It may be dropped half-way.
    ///
    /// # Errors
    /// A sentence, if it has panicked.
    pub async fn ended(&mut self) -> Result<(), String> {
        match self.task.join_next().await {
            Some(Err(error)) => Err(format!("the listener on {} has failed: {error}", self.name)),
            Some(Ok(())) | None => Ok(()),
        }
    }

    /// What to say of one that ended although nobody had told it to.
    ///
    /// # Errors
    /// Always.
    pub fn too_early(&self) -> Result<(), String> {
        Err(format!("the listener on {} has ended by itself", self.name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn its_end_is_told_and_a_panic_is_an_error() {
        let mut fine = Listening::spawn("LISTEN_ADDR", async {});
        assert_eq!((fine.ended().await, fine.ended().await), (Ok(()), Ok(())));
        let mut broken = Listening::spawn("ADMIN_ADDR", async { panic!("as a test") });
        assert!(broken.ended().await.unwrap_err().contains("ADMIN_ADDR"));
        assert_eq!(broken.ended().await, Ok(()));
    }
}
