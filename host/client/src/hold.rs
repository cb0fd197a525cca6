//! Work under a lock that can be interrupted anywhere and run again.
//!
//! A command's lock says in its `Operation` and `Info` what it is for. The same command, run again by the same person
//! on the same machine, knows the lock again that an interrupted run has left, and goes on under it.

use tofu_state_protocol::lock_info::LockInfo;

use crate::api::Lock;
use crate::ask::Answers;
use crate::error::Error;
use crate::interrupt::{interrupted, unless_interrupted};
use crate::lock_info::{NewLock, me};
use crate::protocol::State;
use crate::table::one_line;

/// What a lock is taken for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Purpose {
    /// The command.
    pub operation: &'static str,
    /// What it does with what: the same for the same command line, and for no other.
    pub info: String,
}

/// A lock that is held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// Its ID.
    pub id: String,
    /// The LockInfo that it was taken with.
    text: String,
    /// It was left by an earlier run.
    pub continued: bool,
}

impl Purpose {
    /// The lock, if it was left by an earlier run of the same command by the same person.
    #[must_use]
    pub fn left_by_me(&self, lock: &Lock) -> Option<Held> {
        let mine = lock.operation.as_deref() == Some(self.operation)
            && lock.info.as_deref() == Some(self.info.as_str())
            && lock.who.as_deref() == Some(me().as_str());
        let text = NewLock { id: lock.id.clone(), ..NewLock::now(self.operation, &self.info) }.text();
        mine.then(|| Held { id: lock.id.clone(), text, continued: true })
    }

    fn is_of(&self, info: &LockInfo) -> bool {
        info.operation == self.operation && info.info == self.info && info.who.as_deref() == Some(me().as_str())
    }
}

/// Takes the lock, or goes on under the one that an earlier run of the same command has left.
///
/// # Errors
/// Somebody else holds it, the server says no, or it was interrupted; then nothing is held.
pub async fn take(state: &State<'_>, purpose: &Purpose, answers: Answers) -> Result<Held, Error> {
    let lock = NewLock::now(purpose.operation, &purpose.info);
    let text = lock.text();
    let taken = tokio::select! {
        taken = state.lock(&text) => taken,
        () = interrupted() => {
            // It may be taken, and only its answer be missing.
            let _ = unless_interrupted(state.unlock(&text)).await;
            return Err(Error::other("interrupted"));
        }
    };
    match taken {
        Ok(()) => Ok(Held { id: lock.id, text, continued: false }),
        Err(Error::Locked { path, info }) if purpose.is_of(&info) => {
            let question = format!(
                "{path} is locked by an earlier run of this very command (ID {}, since {}). If that run has ended, this \
                 one can go on under its lock. Go on?",
                info.id,
                one_line(&info.created)
            );
            let goes_on = unless_interrupted(async { Ok(answers.ask(&question).await) }).await?;
            if goes_on {
                Ok(Held { id: info.id.clone(), text: info.text.clone(), continued: true })
            } else {
                Err(Error::Locked { path, info })
            }
        }
        Err(error) => Err(error),
    }
}

/// Releases the lock after work that ended with `result`, whichever that is: what was sent under a lock that is
/// released is refused, so nothing can change any more.
///
/// # Errors
/// The work's error; or the lock could not be released, also because that was interrupted in its turn.
pub async fn release<T>(state: &State<'_>, held: &Held, result: Result<T, Error>) -> Result<T, Error> {
    let path = &state.place.path;
    match (unless_interrupted(state.unlock(&held.text)).await, result) {
        (Ok(()), result) => result,
        (Err(unlock), Ok(_)) => Err(Error::other(format!(
            "it is done, but {path} is still locked (ID {}): {unlock}. Run the same command again, or \
             `tofu-state state unlock {path} {}`",
            held.id, held.id
        ))),
        (Err(unlock), Err(error)) => Err(Error::other(format!(
            "{error}; and {path} is still locked (ID {}): {unlock}. Run the same command again, or \
             `tofu-state state unlock {path} {}`",
            held.id, held.id
        ))),
    }
}

/// Does `work` under the lock, and ends it when it is interrupted: then the lock is released all the same.
///
/// # Errors
/// The work's, or that of the lock.
pub async fn under<T>(
    state: &State<'_>,
    held: &Held,
    work: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    release(state, held, unless_interrupted(work).await).await
}
